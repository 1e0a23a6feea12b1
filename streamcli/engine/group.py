"""Consuming as a member of a group: from the committed offsets on, what the leases allow, and commits of what was processed."""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from streamcli.engine.consume import (
    PartitionRead,
    Source,
    SourceBatch,
    matching_topics,
    merged,
    start_reads,
)
from streamcli.groups.assignment import TopicPartition
from streamcli.groups.journal import COMMIT, Commit
from streamcli.groups.member import GroupDirectory, Lease, Membership, take_lease
from streamcli.groups.share import Share, Subscription
from streamcli.record.errors import CorruptData, OffsetOutOfRange
from streamcli.record.range import Range
from streamcli.storage.directory import LogDirectory
from streamcli.storage.log import Log
from streamcli.storage.watch import Wake, Watcher

COMMIT_INTERVAL = 1.0
"""Seconds from one commit to the next while records are consumed: each costs an fsync."""

FALLBACK = 1.0
"""Seconds after which a member looks at its group though nothing woke it."""

_EAGER = 0.005
_EAGER_LOOKS = 40
"""How soon, and how often after a wake, a lock that is still held is tried again: the kernel reports that a file was
closed a moment before it drops the lock."""


class GroupRequest(NamedTuple):
    """topics: names and globs; start: where partitions without a commit begin; commits: False for --commit none.

    idle: seconds without a record after which following ends; hangup: a pipe whose reader's leaving ends following.
    """

    group: str
    topics: list[str]
    start: Range
    follow: bool
    commits: bool
    idle: float | None
    hangup: int | None


class GroupEvents(NamedTuple):
    """What the consumer asks of its caller. clock: ms since the epoch; warn: takes a line for the user."""

    clock: Callable[[], int]
    warn: Callable[[str], None]


class Owned:
    """A partition whose lease this process holds. `position`: the next offset to process; `committed`: the journal's."""

    __slots__ = ("committed", "position", "read")

    def __init__(self, read: PartitionRead, committed: int | None) -> None:
        self.read = read
        self.position = read.cursor.offset
        self.committed = committed


class OwnedPartitions:
    """The partitions a member holds, their positions, and commits of these."""

    def __init__(
        self, directory: LogDirectory, group: GroupDirectory, request: GroupRequest, events: GroupEvents, member: str
    ) -> None:
        self._directory = directory
        self._request = request
        self._events = events
        self._member = member
        self._journal = group.journal
        self._owned: dict[TopicPartition, Owned] = {}
        self._last_commit = time.monotonic()

    def take(self, places: list[TopicPartition], *, follow: bool) -> None:
        """Begin with partitions whose leases were just taken: only now is the committed offset nobody else's to move."""
        if not places:
            return
        committed = self._journal.committed()
        for place in places:
            source = Source(*place, Log(self._directory.partition_directory(*place)))
            read = self._start(source, committed.get(place), follow=follow)
            self._owned[place] = Owned(read, committed.get(place))
        if any(place not in committed and self._owned[place].position for place in places):
            self.commit()  # where the group begins is settled: the next run may not begin at a later end

    def reads(self, directories: set[str] | None = None) -> list[PartitionRead]:
        """The reads of all partitions, or of those in some directories."""
        reads = [owned.read for owned in self._owned.values()]
        return reads if directories is None else [read for read in reads if read.source.log.directory in directories]

    def processed(self, source: Source, offset: int) -> None:
        """Everything of this partition before `offset` is processed."""
        self._owned[source.topic, source.partition].position = offset

    def drop(self, place: TopicPartition) -> None:
        self._owned.pop(place).read.cursor.close()

    def commit_due_in(self) -> float | None:
        """Seconds until progress has to be committed; None when there is none."""
        if not self._request.commits or not self._uncommitted():
            return None
        return max(0.0, self._last_commit + COMMIT_INTERVAL - time.monotonic())

    def commit_if_due(self) -> None:
        if self.commit_due_in() == 0.0:
            self.commit()

    def commit(self) -> None:
        """Make the positions the committed offsets, on disk, after the records before them: never ahead of the log."""
        self._last_commit = time.monotonic()
        places = self._uncommitted() if self._request.commits else []
        for place in places:
            self._owned[place].read.source.log.make_durable(self._owned[place].position)
        now = self._events.clock()
        entries = [(place, self._owned[place].position) for place in places]
        self._journal.append([Commit(now, COMMIT, *place, offset, self._member) for place, offset in entries])
        for place, offset in entries:
            self._owned[place].committed = offset

    def _uncommitted(self) -> list[TopicPartition]:
        return [place for place, owned in sorted(self._owned.items()) if owned.position != (owned.committed or 0)]

    def _start(self, source: Source, committed: int | None, *, follow: bool) -> PartitionRead:
        if committed is None:
            return start_reads([source], self._request.start, follow=follow, on_missing=self._tell_missing)[0]
        tail = source.log.tail()
        if tail.missing:
            self._tell_missing(source, tail.missing)
        if committed > tail.end.offset:
            raise OffsetOutOfRange(
                f"the committed offset {committed} is after the end of the log ({source.topic}, partition {source.partition} "
                f"ends at {tail.end.offset}): records were lost, or the topic was made anew; choose where to go on with "
                f"`streamcli groups reset {self._request.group} {source.topic} --to end`"
            )
        start = source.log.start()
        if committed < start:
            self._events.warn(
                f"{start - committed} records of {source.topic}, partition {source.partition}, are gone since offset "
                f"{committed} was committed: retention removed them; going on at {start}"
            )
        begin = max(committed, start)
        cursor = source.log.cursor(begin, None, tail) if follow else source.log.cursor(begin, tail.end)
        return PartitionRead(source, cursor, None)

    def _tell_missing(self, source: Source, size: int) -> None:
        self._events.warn(
            f"{size} bytes that were known to be on disk are missing at the end of {source.topic}, "
            f"partition {source.partition} ({source.log.directory})"
        )


class BoundedConsumer:
    """One run over what is free: each partition whose lease can be had, from its committed offset to its end as it is now."""

    def __init__(self, directory: LogDirectory, request: GroupRequest, events: GroupEvents) -> None:
        topics = matching_topics(directory, request.topics, wait=False)
        places = [(topic, number) for topic in topics for number in range(directory.config(topic).partitions)]
        self._group = GroupDirectory(directory, request.group, create=True)
        self._membership = Membership(self._group, request.topics, is_assigned=False)
        self._leases: dict[TopicPartition, Lease] = {}
        self._watcher = Watcher()
        self.owned = OwnedPartitions(directory, self._group, request, events, self._membership.member)
        try:
            # Whoever holds this lock and saw no member alive may be moving the offsets that are read below.
            with self._group.coordinate():
                self._group.sweep_dead()
            self.owned.take([place for place in places if self._take(place)], follow=False)
        except BaseException:
            self._leave()
            raise

    def lease(self, place: TopicPartition) -> Lease:
        return self._leases[place]

    def settle(self, _: set[TopicPartition]) -> bool:
        """Nothing changes hands while a bounded run lasts."""
        return False

    def has_changed(self) -> bool:
        return False

    def wait(self, timeout: float | None, others: Iterable[tuple[int, int]]) -> Wake | None:
        """None when all was read and there is nothing else to wait for."""
        others = list(others)
        return self._watcher.wait(timeout, others=others) if others or timeout is not None else None

    def close(self) -> None:
        """Commit, and give up the leases."""
        try:
            self.owned.commit()
        finally:
            self._leave()

    def _leave(self) -> None:
        for lease in self._leases.values():
            lease.release()
        self._membership.leave()
        self._watcher.close()

    def _take(self, place: TopicPartition) -> bool:
        lease = take_lease(self._group, place, self._membership.member)
        if lease is not None:
            self._leases[place] = lease
        return lease is not None


class FollowingConsumer:
    """A member of the group for as long as it runs: its share of the partitions, as others come and go."""

    def __init__(self, directory: LogDirectory, request: GroupRequest, events: GroupEvents) -> None:
        for topic in matching_topics(directory, request.topics, wait=True):
            directory.config(topic)
        self._request = request
        self._group = GroupDirectory(directory, request.group, create=True)
        self._watcher = Watcher()
        self._not_logs = {self._group.path, self._group.members_path, directory.topics_directory()}
        self._watcher.add(self._group.path)
        self._watcher.add(self._group.members_path, closings=True)
        self._watcher.add(directory.topics_directory())
        self._share = Share(self._group, request.topics, _subscription(directory))
        self.owned = OwnedPartitions(directory, self._group, request, events, self._share.member)
        self._eager = _EAGER_LOOKS

    def has_changed(self) -> bool:
        """Whether `settle` has something to do: to be asked between batches."""
        return self._share.has_changed()

    def lease(self, place: TopicPartition) -> Lease:
        return self._share.lease(place)

    def settle(self, busy: set[TopicPartition]) -> bool:
        """Give up what was lost, after a commit, but for what is `busy`; take what was gained and is free by now.

        True when something was taken: there may be records in it that no write will tell of.
        """
        if self._share.has_changed():
            self._share.adopt()
        lost = self._share.lost() - busy
        if lost:
            self.owned.commit()
        for place in lost:
            self.owned.drop(place)
            self._share.give_up(place)
        if not self._share.waits_for_leases:
            return False
        self._watch_leases()
        gained = self._share.gain()
        self.owned.take(gained, follow=True)
        for read in self.owned.reads():
            self._watcher.add(read.source.log.directory)
        return bool(gained)

    def wait(self, timeout: float | None, others: Iterable[tuple[int, int]]) -> Wake | None:
        """Sleep until there may be something to do. `Wake.directories` has the logs written to."""
        due = [FALLBACK, timeout, self.owned.commit_due_in(), _EAGER if self._eager else None]
        wake = self._watcher.wait(min(seconds for seconds in due if seconds is not None), self._request.hangup, others)
        self._eager = max(self._eager - 1, 0)
        if wake.directories is None or wake.directories & self._not_logs:
            self._eager = _EAGER_LOOKS
        if self._eager or not wake.directories:
            self._share.look_around()
        return wake

    def close(self) -> None:
        """Commit, give up the leases and leave: the others take over at once."""
        try:
            self.owned.commit()
        finally:
            self._share.leave()
            self._watcher.close()

    def _watch_leases(self) -> None:
        for directory in self._group.lease_directories():
            self._watcher.add(directory, closings=True)
            self._not_logs.add(directory)


Consumer = BoundedConsumer | FollowingConsumer


def _subscription(directory: LogDirectory) -> Subscription:
    def matches(patterns: list[str]) -> set[str]:
        return set(matching_topics(directory, patterns, wait=True)).intersection(directory.topics())

    def partitions(topics: set[str]) -> dict[str, int]:
        return {topic: directory.config(topic).partitions for topic in sorted(topics)}

    return Subscription(matches, partitions)


def group_batches(
    consumer: Consumer,
    request: GroupRequest,
    *,
    on_damage: Callable[[CorruptData], None],
    before_wait: Callable[[], None],
    stopping: Callable[[], bool],
    wakeup: int,
) -> Iterator[SourceBatch]:
    """The batches of what the consumer owns, with its commits in between; ends when `stopping`, or as the request says.

    wakeup: a descriptor that becomes ready when it is time to ask `stopping`.
    """
    last_record = time.monotonic()
    looked_at: set[str] | None = None
    while not stopping():
        if consumer.settle(set()):
            looked_at = None
        for batch in merged(consumer.owned.reads(looked_at), on_damage):
            last_record = time.monotonic()
            yield batch
            consumer.owned.commit_if_due()
            if stopping():
                return
            if consumer.has_changed():
                break
        else:
            before_wait()
            left = None if request.idle is None else last_record + request.idle - time.monotonic()
            if not request.follow or (left is not None and left <= 0):
                return
            wake = consumer.wait(left, [(wakeup, select.POLLIN)])
            consumer.owned.commit_if_due()
            if wake is None or wake.hangup:
                return
            looked_at = wake.directories
            continue
        looked_at = None

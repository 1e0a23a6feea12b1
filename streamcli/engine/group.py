"""Consuming as a member of a group: which partitions, as others come and go, and the batches of these."""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from streamcli.engine.consume import SourceBatch, matching_topics, merged
from streamcli.engine.group_request import GroupEvents, GroupRequest
from streamcli.engine.owned import OwnedPartitions
from streamcli.groups.assignment import TopicPartition
from streamcli.groups.lease import Lease, take_lease
from streamcli.groups.member import GroupDirectory, Membership
from streamcli.groups.share import Share, Subscription
from streamcli.record.errors import CorruptData, NotFound
from streamcli.storage.directory import LogDirectory
from streamcli.storage.watch import Wake, Watcher

if TYPE_CHECKING:
    from streamcli.engine.interface import GroupConsumer

FALLBACK = 1.0
"""Seconds after which a member looks at its group though nothing woke it."""

_EAGER = 0.005
_EAGER_LOOKS = 40
"""How soon, and how often after a wake, a lock that is still held is tried again: the kernel reports that a file was
closed a moment before it drops the lock."""


class BoundedConsumer:
    """One run over what is free: each partition whose lease can be had, from its committed offset to its end as it is now."""

    def __init__(self, directory: LogDirectory, request: GroupRequest, events: GroupEvents) -> None:
        topics = matching_topics(directory, request.topics, wait=False)
        places = [(topic, number) for topic in topics for number in range(directory.config(topic).partitions)]
        self._group = GroupDirectory(directory, request.group, create=True)
        self._membership = Membership(self._group, request.topics, is_assigned=False)
        self._leases: dict[TopicPartition, Lease] = {}
        self._watcher = Watcher()
        self.owned = OwnedPartitions(directory, self._group, request, events, self._membership, places)
        try:
            # Whoever holds this lock and saw no member alive may be moving the offsets that are read below.
            with self._group.coordinate():
                self._group.sweep_dead()
            self._take_free(places)
            self.owned.take(self._leases, follow=False)
        except BaseException:
            self._leave()
            raise

    def settle(self, busy: set[TopicPartition]) -> bool:
        """Nothing changes hands while a bounded run lasts, but for what is forfeited, and not `busy`: that is given up."""
        self._membership.check_there()
        for place in self.owned.forfeited - busy:
            self.owned.drop(place)
            self._leases.pop(place).release()
        return False

    def has_changed(self) -> bool:
        return bool(self.owned.forfeited)

    def is_joining(self) -> bool:
        """Whether the group has not taken it in yet: here that takes no time."""
        return False

    def is_finished(self) -> bool:
        """Whether there is nothing to wait for once all that is there was given."""
        return True

    def wait(self, timeout: float | None, others: Iterable[tuple[int, int]]) -> Wake | None:
        """None when all was read and there is nothing else to wait for."""
        others, due = list(others), [timeout, self.owned.commit_due_in()]
        waits = [seconds for seconds in due if seconds is not None]
        return self._watcher.wait(min(waits, default=None), others=others) if others or waits else None

    def close(self) -> None:
        """Commit, and give up the leases."""
        try:
            self.owned.commit()
        finally:
            self._leave()

    def _leave(self) -> None:
        self.owned.close()
        for lease in self._leases.values():
            lease.release()
        self._membership.leave()
        self._watcher.close()

    def _take_free(self, places: list[TopicPartition]) -> None:
        for place in places:
            lease = take_lease(self._group.path, place, self._membership.member)
            if lease is not None:
                self._leases[place] = lease


class FollowingConsumer:
    """A member of the group for as long as it runs: its share of the partitions, as others come and go."""

    def __init__(self, directory: LogDirectory, request: GroupRequest, events: GroupEvents) -> None:
        there = matching_topics(directory, request.topics, wait=True)
        initial = [(topic, number) for topic in there for number in range(directory.config(topic).partitions)]
        self._directory = directory
        self._request = request
        self._group = GroupDirectory(directory, request.group, create=True)
        self._watcher = Watcher()
        self._not_logs = {self._group.path, self._group.members_path, directory.topics_directory()}
        self._with_locks = {self._group.members_path}
        self._watcher.add(self._group.path)
        self._watcher.add(self._group.members_path, closings=True)
        self._watcher.add(directory.topics_directory())
        self._share = Share(self._group, request.topics, _subscription(directory))
        self.owned = OwnedPartitions(directory, self._group, request, events, self._share.membership, initial)
        self._eager = _EAGER_LOOKS

    def has_changed(self) -> bool:
        """Whether `settle` has something to do: to be asked between batches."""
        return self._share.has_changed() or bool(self.owned.forfeited)

    def is_joining(self) -> bool:
        return False

    def is_finished(self) -> bool:
        return False

    def settle(self, busy: set[TopicPartition]) -> bool:
        """Give up what was lost, after a commit, but for what is `busy`; take what was gained and is free by now.

        True when something was taken: there may be records in it that no write will tell of. StreamcliError when the others
        do not see this member any more.
        """
        self._share.membership.check_there()
        if self._share.has_changed():
            self._share.adopt()
        if self._share.lost() - busy:
            self.owned.commit()
        dropped = (self._share.lost() | self.owned.forfeited) - busy
        for place in dropped:
            self.owned.drop(place)
            self._share.give_up(place)
        self._refuse_deleted({topic for topic, _ in dropped})
        if not self._share.waits_for_leases:
            return False
        self._watch_leases()
        gained = self._share.gain()
        for place in [place for place in gained if not self._directory.has_partition(*place)]:
            del gained[place]  # of a topic that was deleted, which the next generation knows
            self._share.give_up(place)
        self.owned.take(gained, follow=True)
        for read in self.owned.reads():
            self._watcher.add(read.source.log.directory)
        return bool(gained)

    def wait(self, timeout: float | None, others: Iterable[tuple[int, int]]) -> Wake | None:
        """Sleep until there may be something to do. `Wake.directories` has the logs written to."""
        due = [FALLBACK, timeout, self.owned.commit_due_in(), _EAGER if self._eager else None]
        wake = self._watcher.wait(min(seconds for seconds in due if seconds is not None), self._request.hangup, others)
        self._eager = max(self._eager - 1, 0)
        if wake.directories is None or wake.directories & self._with_locks:
            self._eager = _EAGER_LOOKS
        if self._eager or not wake.directories or wake.directories & self._not_logs:
            self._share.look_around()
        if not wake.directories or self._directory.topics_directory() in wake.directories:
            self.owned.forfeit_deleted()
        return wake

    def close(self) -> None:
        """Commit, give up the leases and leave: the others take over at once."""
        try:
            self.owned.commit()
        finally:
            self.owned.close()
            self._share.leave()
            self._watcher.close()

    def _refuse_deleted(self, topics: set[str]) -> None:
        """NotFound when a topic that was named is gone: nothing more will come of it."""
        gone = topics.intersection(self._request.topics).difference(self._directory.topics()) if topics else set()
        if gone:
            raise NotFound(f"topic {min(gone)} was deleted while it was being consumed: start again without it")

    def _watch_leases(self) -> None:
        for directory in self._group.lease_directories():
            self._watcher.add(directory, closings=True)
            self._not_logs.add(directory)
            self._with_locks.add(directory)


def _subscription(directory: LogDirectory) -> Subscription:
    def matches(patterns: list[str]) -> set[str]:
        return set(matching_topics(directory, patterns, wait=True)).intersection(directory.topics())

    def partitions(topics: set[str]) -> dict[str, int]:
        return {topic: directory.config(topic).partitions for topic in sorted(topics)}

    return Subscription(matches, partitions)


def group_batches(
    consumer: GroupConsumer,
    request: GroupRequest,
    *,
    on_damage: Callable[[CorruptData], None],
    before_wait: Callable[[], None],
    stopping: Callable[[], bool] = lambda: False,
    wakeup: int | None = None,
) -> Iterator[SourceBatch]:
    """The batches of what the consumer owns, with its commits in between; ends when `stopping`, or as the request says.

    before_wait is called when all that is there was given; wakeup: a descriptor that becomes ready when it is time to ask `stopping`.
    """
    others = [] if wakeup is None else [(wakeup, select.POLLIN)]
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
            if consumer.is_joining():
                last_record = time.monotonic()
            left = None if request.idle is None else last_record + request.idle - time.monotonic()
            if consumer.is_finished() or (left is not None and left <= 0):
                return
            wake = consumer.wait(left, others)
            consumer.owned.commit_if_due()
            if wake is None or wake.hangup:
                return
            looked_at = wake.directories
            continue
        looked_at = None

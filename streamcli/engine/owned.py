"""The partitions that a member of a group holds: where it is in each, and the commits of that."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from streamcli.engine.consume import PartitionRead, Source, start_reads
from streamcli.engine.group_request import GroupEvents, GroupRequest
from streamcli.groups.assignment import TopicPartition
from streamcli.groups.journal import COMMIT, Commit
from streamcli.groups.lease import Lease
from streamcli.groups.member import GroupDirectory, Membership
from streamcli.groups.progress import base_of, can_be_kept, decode_progress
from streamcli.record.errors import OffsetOutOfRange
from streamcli.record.range import BEGINNING, Range
from streamcli.storage.directory import LogDirectory
from streamcli.storage.log import Log

if TYPE_CHECKING:
    from streamcli.engine.interface import Origin

COMMIT_INTERVAL = 1.0
"""Seconds from one commit to the next while records are consumed: each costs an fsync of the journal, and of each log whose
producers have not done that."""


class Owned:
    """A partition whose lease this process holds. `position`: the next offset to process; `newest`: its last entry in the
    journal, None without one; is_settled: False where the group begins elsewhere than at the beginning, and only a commit,
    of offset 0 too, keeps the next run from choosing anew."""

    __slots__ = ("_durable", "_is_settled", "_newest", "lease", "position", "read")

    def __init__(self, read: PartitionRead, lease: Lease, newest: Commit | None, *, is_settled: bool = True) -> None:
        self.read = read
        self.lease = lease
        self.position = read.cursor.offset
        self._newest = newest
        self._is_settled = is_settled
        self._durable = 0

    @property
    def newest(self) -> Commit | None:
        return self._newest

    @newest.setter
    def newest(self, entry: Commit) -> None:
        self._newest = entry
        self._is_settled = True

    @property
    def is_committed(self) -> bool:
        committed = (self._newest.offset or 0) if self._newest else 0
        return self._is_settled and self.position == committed

    def make_durable(self) -> None:
        """Return once the records before `position` are on disk, which may take an fsync where no producer does that."""
        if self._durable < self.position:
            self._durable = self.read.source.log.make_durable(self.position)


class OwnedPartitions:
    """The partitions a member holds, their positions, and commits of these.

    forfeited: those whose lease's file is gone, so that others may hold them too, and those of deleted topics: nothing of
    them is committed, and they are to be dropped. initial: the partitions that were there when the member came; the group
    begins where the request says in these, and at the beginning of what was made later.
    """

    def __init__(
        self,
        directory: LogDirectory,
        group: GroupDirectory,
        request: GroupRequest,
        events: GroupEvents,
        membership: Membership,
        initial: Iterable[TopicPartition],
    ) -> None:
        self._directory = directory
        self._initial = set(initial)
        self._request = request
        self._events = events
        self._membership = membership
        self._journal = group.journal
        self._owned: dict[TopicPartition, Owned] = {}
        self._last_commit = time.monotonic()
        self._has_failed = False
        self.forfeited: set[TopicPartition] = set()

    def take(self, leases: dict[TopicPartition, Lease], *, follow: bool) -> None:
        """Begin with partitions whose leases were just taken: only now is the committed offset nobody else's to move."""
        if not leases:
            return
        self._tell_unfinished()
        entries = self._journal.newest()
        fresh = []
        for place, lease in leases.items():
            newest = entries.get(place)
            committed = None if newest is None else newest.offset
            done = decode_progress(lease.progress, base_of(newest))
            if done is not None and done > (committed or 0):
                committed = done
            source = Source(*place, Log(self._directory.partition_directory(*place)))
            if committed is None:
                fresh.append(source)
            else:
                self._owned[place] = Owned(self._resume(source, committed, follow=follow), lease, newest)
        for read, is_settled in self._begin(fresh, follow=follow):
            place = read.source.topic, read.source.partition
            self._owned[place] = Owned(read, leases[place], entries.get(place), is_settled=is_settled)
        if any(not self._owned[place].is_committed for place in leases):
            # Where the group begins is settled: the next run may not begin at a later end. And what the last owner's
            # commands did is committed before ours do more.
            self.commit()

    def forfeit_deleted(self) -> None:
        """See which topics were deleted, or made anew, since their partitions were taken."""
        for place, owned in self._owned.items():
            if place not in self.forfeited and not owned.read.cursor.is_current():
                self.forfeited.add(place)
                self._initial.discard(place)
                self._events.warn(f"topic {place[0]} was deleted while partition {place[1]} was consumed")

    def reads(self, directories: set[str] | None = None) -> list[PartitionRead]:
        """The reads of all partitions, or of those in some directories."""
        reads = [owned.read for owned in self._owned.values()]
        return reads if directories is None else [read for read in reads if read.is_in(directories)]

    def note_command(self, place: TopicPartition) -> Callable[[], None]:
        """What the process of a command is to call that is run on records of this partition."""
        return self._owned[place].lease.note_command

    def processed(self, source: Origin, offset: int) -> None:
        """Everything of this partition before `offset` is processed."""
        self._owned[source.topic, source.partition].position = offset

    def done(self, source: Origin, offset: int) -> None:
        """The same, and it stays so if this process is killed before it commits it."""
        self.processed(source, offset)
        owned = self._owned[source.topic, source.partition]
        if can_be_kept():
            owned.lease.note_progress(offset, base_of(owned.newest))
        else:
            self.commit()

    def pass_damage(self) -> None:
        """Everything that was read is processed, and what was gone past at the end with it: damage whose extent is known."""
        for owned in self._owned.values():
            owned.position = max(owned.position, owned.read.cursor.offset)

    def drop(self, place: TopicPartition) -> None:
        self._owned.pop(place).read.cursor.close()
        self.forfeited.discard(place)

    def close(self) -> None:
        """Stop reading; what was read so far cannot be copied out of its file any more, and nothing is committed."""
        for owned in self._owned.values():
            owned.read.cursor.close()

    def commit_due_in(self) -> float | None:
        """Seconds until progress has to be committed; None when there is none."""
        if not self._request.commits or not self._uncommitted():
            return None
        return max(0.0, self._last_commit + COMMIT_INTERVAL - time.monotonic())

    def commit_if_due(self) -> None:
        if self.commit_due_in() == 0.0:
            self.commit()

    def commit(self) -> None:
        """Make the positions the committed offsets, on disk, after the records before them: never ahead of the log.

        StreamcliError when the others do not see this member any more. After a failed fsync it does nothing: the kernel
        marks the lost pages clean, so another would seem to succeed.
        """
        self._last_commit = time.monotonic()
        self._forfeit()
        self.forfeit_deleted()
        places = self._uncommitted() if self._request.commits and not self._has_failed else []
        if not places:
            return
        self._membership.check_there()
        now, member = self._events.clock(), self._membership.member
        entries = [Commit(now, COMMIT, *place, self._owned[place].position, member) for place in places]
        try:
            for place in places:
                self._owned[place].make_durable()
            entries = self._journal.append(entries, still=self._is_current)
        except FileNotFoundError:  # a topic was deleted a moment ago
            self.forfeit_deleted()
            if not self.forfeited.intersection(places):
                raise
            self.commit()
            return
        except OSError:
            self._has_failed = True
            raise
        for entry in entries:
            self._owned[entry.place].newest = entry

    def _is_current(self, entry: Commit) -> bool:
        """Asked under the journal's lock, where a topic made anew voids the commits of the one before it."""
        return self._owned[entry.place].read.cursor.is_current()

    def _forfeit(self) -> None:
        for place, owned in self._owned.items():
            if place not in self.forfeited and not owned.is_committed and not owned.lease.is_held():
                self.forfeited.add(place)
                self._events.warn(
                    f"the lease of {place[0]}, partition {place[1]}, was removed while it was held: others may consume it "
                    "too; what was processed since the last commit is not committed and may be processed again"
                )

    def _uncommitted(self) -> list[TopicPartition]:
        return [
            place
            for place, owned in sorted(self._owned.items())
            if not owned.is_committed and place not in self.forfeited
        ]

    def _tell_unfinished(self) -> None:
        size = self._journal.unfinished()
        if size:
            self._events.warn(
                f"the last {size} bytes of the group's commits are no whole line and do not count ({self._journal.path}): "
                "a commit that did not finish"
            )

    def _begin(self, sources: list[Source], *, follow: bool) -> Iterator[tuple[PartitionRead, bool]]:
        """Reads of partitions without a commit, and whether each begins where the next run would begin it too: that does not know which were
        there when this member came."""
        initial = [source for source in sources if (source.topic, source.partition) in self._initial]
        later = [source for source in sources if source not in initial]
        is_beginning = self._request.start.start.kind == BEGINNING
        for chosen, start in ((initial, self._request.start), (later, Range())):
            if chosen:
                reads = start_reads(chosen, start, follow=follow, on_missing=self._tell_missing)
                yield from ((read, is_beginning) for read in reads)

    def _resume(self, source: Source, committed: int, *, follow: bool) -> PartitionRead:
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
                f"{committed} was committed: retention or a trim removed them; going on at {start}"
            )
        begin = max(committed, start)
        cursor = source.log.cursor(begin, None, tail) if follow else source.log.cursor(begin, tail.end)
        return PartitionRead(source, cursor, None)

    def _tell_missing(self, source: Source, size: int) -> None:
        self._events.warn(
            f"{size} bytes that were known to be on disk are missing at the end of {source.topic}, "
            f"partition {source.partition} ({source.log.directory})"
        )

"""The partitions that a member of a group holds: where it is in each, and the commits of that."""

from __future__ import annotations

import time

from streamcli.engine.consume import PartitionRead, Source, start_reads
from streamcli.engine.group_request import GroupEvents, GroupRequest
from streamcli.groups.assignment import TopicPartition
from streamcli.groups.journal import COMMIT, Commit
from streamcli.groups.lease import Lease
from streamcli.groups.member import GroupDirectory, Membership
from streamcli.groups.progress import base_of, can_be_kept, decode_progress
from streamcli.record.errors import OffsetOutOfRange
from streamcli.storage.directory import LogDirectory
from streamcli.storage.log import Log

COMMIT_INTERVAL = 1.0
"""Seconds from one commit to the next while records are consumed: each costs an fsync of the journal, and of each log whose
producers have not done that."""


class Owned:
    """A partition whose lease this process holds. `position`: the next offset to process; `newest`: its last entry in the
    journal, None without one."""

    __slots__ = ("_durable", "lease", "newest", "position", "read")

    def __init__(self, read: PartitionRead, lease: Lease, newest: Commit | None) -> None:
        self.read = read
        self.lease = lease
        self.position = read.cursor.offset
        self.newest = newest
        self._durable = 0

    @property
    def committed(self) -> int:
        return (self.newest.offset or 0) if self.newest else 0

    def make_durable(self) -> None:
        """Return once the records before `position` are on disk, which may take an fsync where no producer does that."""
        if self._durable < self.position:
            self._durable = self.read.source.log.make_durable(self.position)


class OwnedPartitions:
    """The partitions a member holds, their positions, and commits of these.

    forfeited: those whose lease's file is gone, so that others may hold them too: nothing of them is committed, and they are
    to be dropped.
    """

    def __init__(
        self,
        directory: LogDirectory,
        group: GroupDirectory,
        request: GroupRequest,
        events: GroupEvents,
        membership: Membership,
    ) -> None:
        self._directory = directory
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
        entries = self._journal.newest()
        is_settled = True
        for place, lease in leases.items():
            newest = entries.get(place)
            committed = None if newest is None else newest.offset
            done = decode_progress(lease.progress, base_of(newest))
            if done is not None and done > (committed or 0):
                is_settled, committed = False, done
            source = Source(*place, Log(self._directory.partition_directory(*place)))
            owned = self._owned[place] = Owned(self._start(source, committed, follow=follow), lease, newest)
            is_settled = is_settled and (committed is not None or not owned.position)
        if not is_settled:
            # Where the group begins is settled: the next run may not begin at a later end. And what the last owner's
            # commands did is committed before ours do more.
            self.commit()

    def reads(self, directories: set[str] | None = None) -> list[PartitionRead]:
        """The reads of all partitions, or of those in some directories."""
        reads = [owned.read for owned in self._owned.values()]
        return reads if directories is None else [read for read in reads if read.source.log.directory in directories]

    def lease(self, place: TopicPartition) -> Lease:
        return self._owned[place].lease

    def processed(self, source: Source, offset: int) -> None:
        """Everything of this partition before `offset` is processed."""
        self._owned[source.topic, source.partition].position = offset

    def done(self, source: Source, offset: int) -> None:
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
        places = self._uncommitted() if self._request.commits and not self._has_failed else []
        if not places:
            return
        self._membership.check_there()
        now, member = self._events.clock(), self._membership.member
        entries = [Commit(now, COMMIT, *place, self._owned[place].position, member) for place in places]
        try:
            for place in places:
                self._owned[place].make_durable()
            self._journal.append(entries)
        except OSError:
            self._has_failed = True
            raise
        for entry in entries:
            self._owned[entry.place].newest = entry

    def _forfeit(self) -> None:
        for place, owned in self._owned.items():
            if place not in self.forfeited and owned.position != owned.committed and not owned.lease.is_held():
                self.forfeited.add(place)
                self._events.warn(
                    f"the lease of {place[0]}, partition {place[1]}, was removed while it was held: others may consume it "
                    "too; what was processed since the last commit is not committed and may be processed again"
                )

    def _uncommitted(self) -> list[TopicPartition]:
        return [
            place
            for place, owned in sorted(self._owned.items())
            if owned.position != owned.committed and place not in self.forfeited
        ]

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

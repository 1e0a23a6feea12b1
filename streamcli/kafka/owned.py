"""The partitions that a member of a Kafka group holds: where it is in each, and the commits of that."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Set
from typing import TYPE_CHECKING, NamedTuple

from streamcli.engine.consume import SourceBatch
from streamcli.engine.group_request import GroupRequest
from streamcli.groups.assignment import TopicPartition
from streamcli.kafka.fetch import Held
from streamcli.kafka.messages import KafkaSource
from streamcli.record.batch import RecordBatch
from streamcli.record.errors import CorruptData, StreamcliError

if TYPE_CHECKING:
    from streamcli.engine.interface import Origin
    from streamcli.kafka.member import Member

COMMIT_INTERVAL = 1.0
"""Seconds from one commit to the next while records are consumed."""


class Gained(NamedTuple):
    """A partition that was assigned, to be read from offset `start` on: what is held of it grows at once. committed: None without a commit; is_settled: False where the group begins elsewhere than
    at the beginning, and only a commit keeps the next run from choosing anew."""

    held: Held
    start: int
    committed: int | None
    is_settled: bool


class GroupRead:
    """See engine.consume.Reads. The member's thread fetches meanwhile, so each step takes its lock."""

    def __init__(self, held: Held, start: int, member: Member) -> None:
        self.source = held.source
        self._held = held
        self._member = member
        self._taken = start

    @property
    def offset(self) -> int:
        """The next to be read: past what is no record, once that is known."""
        with self._member.lock:
            if self._held or self._held.is_given_up:
                return self._taken
            return max(self._taken, self._held.next_offset)

    @property
    def is_finished(self) -> bool:
        with self._member.lock:
            return not self._held and (self._held.is_fetched or self._held.is_given_up)

    def peek(self, _: Callable[[CorruptData], None]) -> RecordBatch | None:
        with self._member.lock:
            return self._held.first() if self._held and not self._held.is_given_up else None

    def take(self, _: Callable[[CorruptData], None]) -> SourceBatch | None:
        with self._member.lock:
            if not self._held or self._held.is_given_up:
                return None
            batch = self._held.pop()
            self._taken = batch.next_offset
        return SourceBatch(self.source, batch)

    def unread(self, first: int, rest: RecordBatch) -> None:
        with self._member.lock:
            self._held.put_back(rest)
            self._taken = first

    def is_drained(self) -> bool:
        return not self._held

    def is_in(self, directories: Set[str]) -> bool:
        return bool(directories)


class Position:
    """Of a partition held: the next offset to process, and what is committed."""

    __slots__ = ("committed", "is_settled", "next_offset", "read")

    def __init__(self, gained: Gained, member: Member) -> None:
        self.read = GroupRead(gained.held, gained.start, member)
        self.next_offset = gained.start
        self.committed = gained.committed
        self.is_settled = gained.is_settled

    @property
    def is_committed(self) -> bool:
        return self.is_settled and self.next_offset == (self.committed or 0)


class KafkaOwned:
    """See engine.interface.OwnedReads. Used by one thread."""

    def __init__(self, member: Member, request: GroupRequest, warn: Callable[[str], None]) -> None:
        self._member = member
        self._commits = request.commits
        self._warn = warn
        self._positions: dict[TopicPartition, Position] = {}
        self._last_commit = time.monotonic()
        self._has_failed = False

    def take(self, gained: dict[KafkaSource, Gained]) -> None:
        """Begin with partitions that were assigned."""
        for source, found in gained.items():
            self._positions[source] = Position(found, self._member)
        if any(not self._positions[source].is_settled for source in gained):
            self.commit()

    def drop(self, place: TopicPartition) -> None:
        self._positions.pop(place, None)

    def places(self) -> set[TopicPartition]:
        return set(self._positions)

    def is_read(self) -> bool:
        """Whether each partition was read to where its read stops."""
        return all(position.read.is_finished for position in self._positions.values())

    def has_read_to(self, ends: Mapping[KafkaSource, int]) -> bool:
        """Whether each partition held was read to its end, of those that have one here."""
        return all(position.read.offset >= ends.get(position.read.source, 0) for position in self._positions.values())

    def reads(self, directories: set[str] | None = None) -> list[GroupRead]:
        if directories is not None and not directories:
            return []
        return [position.read for position in self._positions.values()]

    def note_command(self, _: TopicPartition) -> None:
        """A command needs no lock of ours: it is the cluster that says who holds a partition."""
        return

    def processed(self, source: Origin, offset: int) -> None:
        self._positions[source.topic, source.partition].next_offset = offset

    def done(self, source: Origin, offset: int) -> None:
        self.processed(source, offset)
        self.commit()

    def pass_damage(self) -> None:
        """What was passed is no record, but a transaction's marker or what compaction left out."""
        for position in self._positions.values():
            position.next_offset = max(position.next_offset, position.read.offset)

    def commit_due_in(self) -> float | None:
        """Seconds until progress has to be committed; None when there is none."""
        if not self._uncommitted():
            return None
        return max(0.0, self._last_commit + COMMIT_INTERVAL - time.monotonic())

    def commit_if_due(self) -> None:
        if self.commit_due_in() == 0.0:
            self._commit(patience=0.0)

    def commit(self) -> None:
        """Returns when the cluster has the positions as committed offsets; of partitions that were lost nothing is committed.
        StreamcliError when the cluster does not answer; after that it does nothing, for who leaves is not to wait twice."""
        if self._has_failed:
            return
        try:
            self._commit(patience=None)
        except StreamcliError:
            self._has_failed = True
            raise

    def _commit(self, patience: float | None) -> None:
        self._last_commit = time.monotonic()
        positions = self._uncommitted()
        if not positions:
            return
        offsets = {position.read.source: position.next_offset for position in positions}
        done = self._member.commit(offsets, patience)
        for position in positions:
            if position.read.source in done:
                position.committed = done[position.read.source]
                position.is_settled = True

    def tell_deleted(self, places: set[TopicPartition]) -> None:
        for topic, partition in sorted(places.intersection(self._positions)):
            self._warn(f"topic {topic} was deleted while partition {partition} was consumed")

    def tell_lost(self, places: set[TopicPartition]) -> None:
        """Tell of partitions that were taken away, of which something processed is not committed."""
        for place in sorted(places):
            position = self._positions.get(place)
            if position is not None and self._commits and not position.is_committed:
                self._warn(
                    f"{place[0]}, partition {place[1]}, was taken away from this member, which did not answer in time: what it "
                    "processed since the last commit is not committed and may be processed again"
                )

    def _uncommitted(self) -> list[Position]:
        if not self._commits:
            return []
        lost = self._member.lost | self._member.deleted
        return [
            position
            for place, position in sorted(self._positions.items())
            if not position.is_committed and place not in lost
        ]

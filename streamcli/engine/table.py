"""A topic as a table: the newest value of each key.

Within a partition the newest record of a key is its last. A key lies in several partitions only where the topic got more
of them, or where records were put somewhere by hand: the record with the latest timestamp counts then, and of two with
the same the one in the partition where the key belongs. A key whose newest record is a tombstone is not in the table,
nor are records without a key.

The table is made in bounded memory: a pass over the records to find the newest of each key (storage.newest; several
passes where the keys do not fit), with several partitions another one to compare them, and one to give the rows, which
come in the order in which a bounded read gives the records.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import NamedTuple

from streamcli.engine.consume import PartitionRead, Source, SourceBatch, merged, stop_offset
from streamcli.engine.partitioner import partition_of
from streamcli.record.batch import RecordBatch
from streamcli.record.errors import CorruptData
from streamcli.record.lost import LostRecords
from streamcli.record.range import Bound
from streamcli.storage.cursor import Cursor
from streamcli.storage.newest import Keyed, Survivors, greatest_of_keys, newest_of_keys
from streamcli.storage.snapshot import Snapshot
from streamcli.storage.tail import Mark

MEMORY = 64 << 20
"""Some 280,000 keys of 20 bytes."""

OnDamage = Callable[[CorruptData], None]
OnMissing = Callable[[Source, int], None]

_TIME_BIAS = 1 << 63
_NUMBER_BITS = 64


class TableRequest(NamedTuple):
    """The table of a topic's partitions as it is when it is asked for, or as it was at a time (`stop`).

    `partitions`: how many the topic has, of which `sources` may be some. on_damage gets each damage once, and raises or
    returns to go past it; on_missing as in `start_reads`.
    """

    sources: list[Source]
    partitions: int
    stop: Bound
    on_damage: OnDamage
    on_missing: OnMissing

    def span(self, source: Source) -> Span:
        """What a partition holds now, up to `stop`."""
        tail = source.log.tail()
        if tail.missing:
            self.on_missing(source, tail.missing)
        return Span(source, source.log.start(), tail.end, stop_offset(source, tail.end, self.stop))


class Table:
    """`memory`: bytes for the keys that are held at once. It holds a descriptor for each segment until it is closed."""

    def __init__(self, request: TableRequest, *, memory: int = MEMORY) -> None:
        self._partitions = request.partitions
        self._memory = memory
        self._damage = ToldOnce(request.on_damage)
        self._parts: list[_Part] = []
        try:
            for source in request.sources:
                self._parts.append(_Part(*_pinned(request, source), self._damage))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        for part in self._parts:
            part.snapshot.close()

    def rows(self) -> Iterator[SourceBatch]:
        """The newest record of each key that has a value, in the order of `consume.merged`. The keys are read at once."""
        self._find_rows()
        return self._read_rows()

    def _find_rows(self) -> None:
        """Set each part's `rows`."""
        for part in self._parts:
            part.rows = newest_of_keys(part.batches, memory=self._memory)
        self._damage.is_settled = True
        if len(self._parts) == 1:
            return
        rows = Survivors()
        for part in self._parts:
            part.first = rows.count
            rows.grow(part.rows.count)
        ranks = greatest_of_keys(self._newest_of_parts, memory=self._memory)
        rows.add(rank & (1 << _NUMBER_BITS) - 1 for rank in ranks)
        for part in self._parts:
            part.rows = rows

    def _read_rows(self) -> Iterator[SourceBatch]:
        reads = [_RowRead(part) for part in self._parts]
        try:
            yield from merged(reads, self._damage)
        finally:
            for read in reads:
                read.cursor.close()

    def _newest_of_parts(self) -> Iterator[Keyed]:
        for part in self._parts:
            yield from part.ranked(self._partitions)


class Span(NamedTuple):
    """The records of a partition from offset `start` on that lie before `end`, and before offset `stop` (None: no bound)."""

    source: Source
    start: int
    end: Mark
    stop: int | None


def batches(read: PartitionRead, on_damage: OnDamage) -> Iterator[RecordBatch]:
    """What a read gives, to its end; its cursor is closed then."""
    with closing(read.cursor):
        while read.peek(on_damage) is not None:
            taken = read.take(on_damage)
            if taken is not None:
                yield taken.batch


def _pinned(request: TableRequest, source: Source) -> tuple[Span, Snapshot]:
    """What a partition holds now, and the segments that hold it."""
    while True:
        snapshot = Snapshot(source.log.directory)
        try:
            span = request.span(source)
            if snapshot.is_in_force():
                return span, snapshot
        except BaseException:
            snapshot.close()
            raise
        snapshot.close()


def rank_of(key: bytes, timestamp: int, partition: int, partitions: int) -> int:
    """A number that is greater in the record that counts, of those with this key that are the last of their partitions."""
    is_at_home = key != b"" and partition_of(key, partitions) == partition
    return (timestamp + _TIME_BIAS) << 33 | is_at_home << 32 | partition


class ToldOnce:
    """Passes each damage on once, however often it is met. is_settled: what was not met by now cannot be left out."""

    def __init__(self, on_damage: OnDamage) -> None:
        self._on_damage = on_damage
        self._told: set[tuple[str, int]] = set()
        self.is_settled = False

    def __call__(self, damage: CorruptData) -> None:
        place = (damage.path, damage.position)
        if place in self._told:
            return
        self._told.add(place)
        self._on_damage(damage)
        if self.is_settled and not isinstance(damage, LostRecords):
            raise damage


class DecodingRead(PartitionRead):
    """A read that decodes what it takes, so that it meets what is wrong within a body too."""

    __slots__ = ()

    def take(self, on_damage: OnDamage) -> SourceBatch | None:
        taken = super().take(on_damage)
        if taken is None or not self.is_wanted(taken.batch):
            return None
        try:
            taken.batch.check()
        except CorruptData as damage:
            on_damage(damage)
            return None
        return taken

    def is_wanted(self, _: RecordBatch) -> bool:
        """Whether to decode a batch, and give it."""
        return True


class _Part:
    """A partition's part in a table. `rows`: numbers of records that may be rows; those of this partition begin at `first`."""

    def __init__(self, span: Span, snapshot: Snapshot, on_damage: OnDamage) -> None:
        self.span = span
        self.snapshot = snapshot
        self.rows = Survivors()
        self.first = 0
        self._on_damage = on_damage

    def cursor(self) -> Cursor:
        return self.snapshot.cursor(self.span.start, self.span.end)

    def batches(self) -> Iterator[RecordBatch]:
        return batches(DecodingRead(self.span.source, self.cursor(), self.span.stop), self._on_damage)

    def ranked(self, partitions: int) -> Iterator[Keyed]:
        """The keys of its newest records, and ranks that compare over all partitions and end in the record's number."""
        number, partition = 0, self.span.source.partition
        for batch in self.batches():
            keys: list[bytes | None] = []
            ranks: list[int] = []
            all_keys, timestamps = batch.keys(), batch.timestamps()
            for index in self.rows.indexes(number, batch.count):
                key = all_keys[index]
                if key is not None:
                    rank = rank_of(key, timestamps[index], partition, partitions)
                    keys.append(key)
                    ranks.append(rank << _NUMBER_BITS | self.first + number + index)
            yield keys, ranks
            number += batch.count


class _RowRead(DecodingRead):
    """Reads the rows of a part."""

    __slots__ = ("_number", "_rows")

    def __init__(self, part: _Part) -> None:
        super().__init__(part.span.source, part.cursor(), part.span.stop)
        self._rows = part.rows
        self._number = part.first

    def take(self, on_damage: OnDamage) -> SourceBatch | None:
        taken = super().take(on_damage)
        if taken is None:
            return None
        batch = taken.batch
        indexes = self._rows.indexes(self._number, batch.count)
        self._number += batch.count
        if indexes:
            keys, values = batch.keys(), batch.values()
            indexes = [index for index in indexes if keys[index] is not None and values[index] is not None]
        if not indexes:
            return None
        return taken if len(indexes) == batch.count else SourceBatch(taken.source, batch.select(indexes))

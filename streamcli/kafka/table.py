"""A cluster's topic as a table: what counts is said in engine.table.

Nothing but offsets can be pinned here: brokers compact and delete segments while these are read. The ends are pinned at
the start, and records are known by their offsets, so that each pass finds the same ones, or that one is missing. Of a
compacted topic a key's last record before the end may be removed, before it was read, for one that was written since.
So what was written since is read too, where a topic may be compacted, and counts in a partition that has nothing of the key
before the end: no key is missed, and one that is new there since the start cannot be told from it, and is a row too.

A value older than the end is never given for the newest one before it: compaction replaces segments from the oldest on, so
that a key's record is gone before the newer one that it was removed for could be. A row that is missing in the last pass, where
rows are read again, is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

from streamcli.engine.consume import SourceBatch
from streamcli.engine.newest_value import Search
from streamcli.engine.read_options import ReadOptions, TableOptions
from streamcli.engine.table import MEMORY, OnDamage, ToldOnce, rank_of
from streamcli.kafka.connection import Connection
from streamcli.kafka.fetch import Held
from streamcli.kafka.messages import KafkaSource
from streamcli.kafka.offset_set import OffsetSet
from streamcli.kafka.reader import KafkaReader
from streamcli.record.batch import RecordBatch, split_column
from streamcli.record.errors import StreamcliError
from streamcli.record.range import END, Range
from streamcli.storage.layout import check_topic_name
from streamcli.storage.newest import Keyed, greatest_of_keys

_NUMBER_BITS, _OFFSET_BITS = 32, 64
"""A rank ends in the offset of the record, the number of its partition among those that are read, and a bit for a tombstone."""

_LATE = 1 << 256
"""By so much the rank of a record is less that was written after the start."""

_TRIES = 3
"""How often the rows are looked for, where some are gone before the first is given, and what was written since."""

_FIRST_LOOK, _GROWTH = 4096, 8
"""How many offsets are read at the end of a partition to look for single keys, and how many times as many next."""


class _Span(NamedTuple):
    """Offsets of a partition: from `start` to the `end` that was pinned, and what was written until a later look, to `last`."""

    source: KafkaSource
    start: int
    end: int
    last: int


def _span(held: Held) -> _Span:
    assert held.stop is not None
    end = max(held.next_offset, held.stop)
    return _Span(held.source, held.next_offset, end, end)


def _reads(spans: Iterable[_Span]) -> list[Held]:
    return [Held(span.source, span.start, span.last) for span in spans]


class _Removed(StreamcliError):
    """Records that were found are not there any more."""


class KafkaTable:
    """See engine.interface. may_compact: whether brokers may compact the topic; asked only where it was written to meanwhile."""

    def __init__(
        self, connection: Connection, options: TableOptions, *, may_compact: Callable[[], bool], memory: int = MEMORY
    ) -> None:
        self._options = options
        self._may_compact = may_compact
        self._memory = memory
        self._reader = KafkaReader(connection, _read_options(options))
        self._spans = [_span(held) for held in self._reader.pinned(Range(stop=options.stop))]

    def rows(self) -> Iterator[SourceBatch]:
        for _ in range(_TRIES - 1):
            with suppress(_Removed):
                return self._read_rows(self._found())
        return self._read_rows(self._found())

    def _found(self) -> Mapping[KafkaSource, OffsetSet]:
        """The records that are rows."""
        if len(self._spans) == 1:
            return self._newest_of_partitions(tombstones=False)
        return self._newest_of_all(self._newest_of_partitions(tombstones=True))

    def _read_rows(self, rows: Mapping[KafkaSource, OffsetSet]) -> Iterator[SourceBatch]:
        left = _count(rows)
        for source, batch in self._reader.merged(_reads(self._spans)):
            indexes = rows[_place(source)].indexes(batch.offsets())
            left -= len(indexes)
            if indexes:
                yield SourceBatch(source, batch if len(indexes) == batch.count else batch.select(indexes))
        self._check_whole(left)

    def newest(self, keys: Sequence[bytes]) -> dict[bytes, SourceBatch]:
        search, wanted = Search(self._partitions(), self._options.on_damage), dict.fromkeys(keys)
        found = search.all([_Stretch(self._reader, span.source, span.start, span.end) for span in self._spans], wanted)
        for late in self._late():
            found = search.all([_Stretch(self._reader, span.source, span.start, span.last) for span in late], wanted)
        return found

    def _late(self) -> Iterator[list[_Span]]:
        """What was written since the start, and is in the spans from then on, where it may matter; then what was written while that
        was read: a record there may have gone for a newer one as well."""
        for _ in range(_TRIES):
            if self._options.stop.kind != END:
                return
            ends, lasts = self._reader.ends(), [span.last for span in self._spans]
            if ends == lasts or not self._may_compact():
                return
            self._spans = [span._replace(last=max(span.last, end)) for span, end in zip(self._spans, ends, strict=True)]
            yield [span._replace(start=last) for span, last in zip(self._spans, lasts, strict=True)]

    def _newest_of_partitions(self, *, tombstones: bool) -> Mapping[KafkaSource, OffsetSet]:
        """The last record of each key in each partition; with or without those that are tombstones."""
        has_looked = False

        def keyed() -> Iterator[Keyed]:
            nonlocal has_looked
            yield from self._keyed(_reads(self._spans))
            if not has_looked:
                has_looked = True
                for late in self._late():
                    yield from self._keyed(_reads(late))

        return self._records(greatest_of_keys(keyed, memory=self._memory), tombstones=tombstones)

    def _keyed(self, reads: list[Held]) -> Iterator[Keyed]:
        """The keys of each partition, told from the same in others, and ranks that grow with the offset."""
        numbers = self._numbers()
        for source, batch in self._reader.unordered(reads):
            keys = split_column(batch.key_column()[0] or [None] * batch.count)
            number, end = numbers[source], self._spans[numbers[source]].end
            if len(self._spans) > 1:
                tag = number.to_bytes(_NUMBER_BITS // 8)
                keys = [None if key is None else tag + key for key in keys]
            ranks = [offset << _NUMBER_BITS | number << 1 for offset in batch.offsets()]
            for index in batch.null_values():
                ranks[index] |= 1
            yield keys, ranks if batch.next_offset <= end else _behind(ranks, batch.offsets(), end)

    def _newest_of_all(self, rows: Mapping[KafkaSource, OffsetSet]) -> Mapping[KafkaSource, OffsetSet]:
        """Of the last records of partitions the one of each key that counts."""
        numbers, partitions = self._numbers(), self._partitions()

        def ranked() -> Iterator[Keyed]:
            left = _count(rows)
            for source, batch in self._reader.unordered(_reads(self._spans)):
                indexes = rows[source].indexes(batch.offsets())
                left -= len(indexes)
                if indexes:
                    number = numbers[source]
                    yield _ranked(batch, indexes, number, partitions, source.partition)
            self._check_whole(left)

        return self._records(greatest_of_keys(ranked, memory=self._memory), tombstones=False)

    def _records(self, ranks: Iterator[int], *, tombstones: bool) -> Mapping[KafkaSource, OffsetSet]:
        """The records that these ranks end in. A tombstone that is no row is not to be missed later: brokers remove them."""
        found = [OffsetSet() for _ in self._spans]
        for rank in ranks:
            if tombstones or not rank & 1:
                found[(rank & (1 << _NUMBER_BITS) - 1) >> 1].add(rank >> _NUMBER_BITS & (1 << _OFFSET_BITS) - 1)
        return {span.source: offsets for span, offsets in zip(self._spans, found, strict=True)}

    def _numbers(self) -> dict[KafkaSource, int]:
        return {span.source: number for number, span in enumerate(self._spans)}

    def _partitions(self) -> int:
        """How many the topic has."""
        chosen = self._options.partitions
        return self._reader.partition_count(self._options.topic) if chosen else len(self._spans)

    def _check_whole(self, left: int) -> None:
        """StreamcliError where so many rows of those found were not found again."""
        if left:
            keys = "a key was" if left == 1 else f"{left} keys was"
            raise _Removed(
                f"the newest record of {keys} removed while the table was read ({self._options.topic}): what was printed is not "
                "the whole table, for the cluster compacts and deletes meanwhile; run it again"
            )


class _Stretch(NamedTuple):
    """See engine.newest_value."""

    reader: KafkaReader
    source: KafkaSource
    start: int
    stop: int

    def floors(self, times: Mapping[bytes, int]) -> dict[bytes, int]:
        """One answer of the cluster for all keys: the reading goes back to the oldest of them in any case."""
        (floor,) = self.reader.starts_at(min(times.values()), [self.source], [self.stop])
        return dict.fromkeys(times, floor)

    def offsets_backwards(self) -> Iterator[int]:
        size, offset = _FIRST_LOOK, self.stop
        while offset > self.start:
            offset -= min(size, offset - self.start)
            size *= _GROWTH
            yield offset

    def read(self, first: int, stop: int, _: list[bytes], __: OnDamage) -> Iterator[RecordBatch]:
        reads = [Held(self.source, first, stop)]
        return (batch for _source, batch in self.reader.unordered(reads))


def _ranked(batch: RecordBatch, indexes: Sequence[int], number: int, partitions: int, partition: int) -> Keyed:
    all_keys, times, all_offsets = split_column(batch.key_column()[0] or []), batch.timestamps(), batch.offsets()
    keys, nulls = [all_keys[index] for index in indexes], set(batch.null_values())
    offsets = [all_offsets[index] for index in indexes]
    ranks = [
        (rank_of(key or b"", times[index], partition, partitions) << _OFFSET_BITS | offset) << _NUMBER_BITS
        | number << 1
        | (index in nulls)
        for key, index, offset in zip(keys, indexes, offsets, strict=True)
    ]
    return keys, ranks


def _behind(ranks: Sequence[int], offsets: Sequence[int], end: int) -> list[int]:
    """The ranks of records, those from offset `end` on less than all others."""
    return [rank if offset < end else rank - _LATE for rank, offset in zip(ranks, offsets, strict=True)]


def _count(rows: Mapping[KafkaSource, OffsetSet]) -> int:
    return sum(offsets.count for offsets in rows.values())


def _place(source: object) -> KafkaSource:
    assert isinstance(source, KafkaSource)
    return source


def _read_options(options: TableOptions) -> ReadOptions:
    return ReadOptions(
        [check_topic_name(options.topic)],
        options.partitions,
        follow=False,
        idle=None,
        on_damage=ToldOnce(options.on_damage),
        notice=options.notice,
        before_wait=lambda: None,
        hangup=None,
        wakeup=None,
    )

"""Record and RecordBatch: what flows through every layer.

A batch is columnar. A column of values or keys is either *joined*, one `bytes` in which every
element is followed by a newline, or a list with None for null. Nothing is made per record until
`records()` is called.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

Column = bytes | memoryview | list[bytes | None]
Header = tuple[str, bytes | None]


class Columns(NamedTuple):
    """The columns of a batch of `record_count` records; None marks a column that is absent.

    values, keys: joined or a list; common_key: the one key of every record;
    headers: a list for each record; common_headers: in front of every record's own;
    timestamps: ms since the epoch, one for each record; offset_deltas: offset - base offset, ascending,
    absent when the offsets have no gaps; delete_horizons: ms since the epoch, from which on compaction drops a tombstone, 0
    for one that it has not met yet and for other records.
    """

    record_count: int
    values: Column
    keys: Column | None = None
    common_key: bytes | None = None
    headers: list[list[Header]] | None = None
    common_headers: list[Header] | None = None
    timestamps: list[int] | None = None
    offset_deltas: list[int] | None = None
    delete_horizons: list[int] | None = None


class Record(NamedTuple):
    """One record. `timestamp` is in ms since the epoch; null is None, empty is b""."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: list[Header]


class Extent(NamedTuple):
    """Where a batch's joined values lie in an open file: valid until the reader is asked for its next batch."""

    fd: int
    position: int
    length: int


class RecordBatch:
    """Records of one partition at ascending offsets, decoded when first looked into.

    base_offset, next_offset: the offsets it spans, next_offset excluded; count: records in it;
    min_timestamp, max_timestamp: ms since the epoch; extent: its joined values in the segment, or None; body: as it is
    stored, where that is not compressed: keys and values are in it as they are.
    """

    __slots__ = (
        "_columns",
        "_load",
        "base_offset",
        "body",
        "count",
        "extent",
        "max_timestamp",
        "min_timestamp",
        "next_offset",
    )

    def __init__(
        self,
        base_offset: int,
        next_offset: int,
        count: int,
        min_timestamp: int,
        max_timestamp: int,
        load: Callable[[], Columns],
        extent: Extent | None = None,
        body: memoryview | None = None,
    ) -> None:
        self.base_offset = base_offset
        self.next_offset = next_offset
        self.count = count
        self.min_timestamp = min_timestamp
        self.max_timestamp = max_timestamp
        self.extent = extent
        self.body = body
        self._load = load
        self._columns: Columns | None = None

    @property
    def columns(self) -> Columns:
        if self._columns is None:
            self._columns = self._load()
        return self._columns

    def check(self) -> None:
        """CorruptData unless the body holds what its header says, which its checksum alone cannot tell."""
        _ = self.columns

    def offsets(self) -> list[int] | range:
        deltas = self.columns.offset_deltas  # asked for in any case: until the body is decoded the count may be a lie
        if deltas is None:
            return range(self.base_offset, self.base_offset + self.count)
        return [self.base_offset + delta for delta in deltas]

    def timestamps(self) -> list[int]:
        return self.columns.timestamps or [self.max_timestamp] * self.count

    def values(self) -> list[bytes | None]:
        return split_column(self.columns.values)

    def keys(self) -> list[bytes | None]:
        columns = self.columns
        if columns.keys is None:
            return [columns.common_key] * self.count
        return split_column(columns.keys)

    def headers(self) -> list[list[Header]]:
        columns = self.columns
        common = columns.common_headers or []
        if columns.headers is None:
            return [common] * self.count
        return [common + own for own in columns.headers] if common else columns.headers

    def records(self) -> Iterator[Record]:
        rows = zip(self.offsets(), self.timestamps(), self.keys(), self.values(), self.headers(), strict=True)
        return (Record(*row) for row in rows)

    def between(self, start: int, end: int | None) -> RecordBatch | None:
        """The part with start <= offset < end (end None: no bound), or None when nothing is left."""
        if start <= self.base_offset and (end is None or end >= self.next_offset):
            return self
        offsets = self.offsets()
        chosen = [i for i, offset in enumerate(offsets) if start <= offset and (end is None or offset < end)]
        return self.take(chosen[0], chosen[-1] + 1) if chosen else None

    def take(self, first: int, last: int) -> RecordBatch:
        """The records number first <= i < last of this batch, 0 <= first < last <= count."""
        return self if first == 0 and last == self.count else self.select(range(first, last))

    def listed(self) -> RecordBatch:
        """The same with its columns as lists, of which `slice` takes a part at a cost that does not grow with the whole."""
        columns = self.columns
        are_lists = isinstance(columns.values, list) and isinstance(columns.keys, list | None)
        if are_lists and columns.offset_deltas is not None and columns.timestamps is not None:
            return self
        listed = columns._replace(
            values=split_column(columns.values),
            keys=None if columns.keys is None else split_column(columns.keys),
            timestamps=self.timestamps(),
            offset_deltas=[offset - self.base_offset for offset in self.offsets()],
        )
        span = (self.base_offset, self.next_offset, self.count, self.min_timestamp, self.max_timestamp)
        return RecordBatch(*span, lambda: listed)

    def slice(self, first: int, last: int) -> RecordBatch:
        """Records first <= i < last, at least one, of a batch that is `listed`; the whole of any batch."""
        if first == 0 and last == self.count:
            return self
        columns = self.columns
        deltas, times = columns.offset_deltas, columns.timestamps
        assert deltas is not None
        assert times is not None
        base = self.base_offset + deltas[first]
        part = columns._replace(
            record_count=last - first,
            values=columns.values[first:last],
            keys=None if columns.keys is None else columns.keys[first:last],
            headers=columns.headers and columns.headers[first:last],
            timestamps=times[first:last],
            offset_deltas=[delta - deltas[first] for delta in deltas[first:last]],
            delete_horizons=columns.delete_horizons and columns.delete_horizons[first:last],
        )
        span = (base, self.base_offset + deltas[last - 1] + 1, last - first)
        return RecordBatch(*span, min(times[first:last]), max(times[first:last]), lambda: part)

    def select(self, indexes: Sequence[int]) -> RecordBatch:
        """The records with these numbers, at least one, ascending."""
        all_offsets, all_timestamps = self.offsets(), self.timestamps()
        offsets = [all_offsets[index] for index in indexes]
        timestamps = [all_timestamps[index] for index in indexes]
        deltas = [offset - offsets[0] for offset in offsets]
        columns = pick(self.columns, indexes)._replace(timestamps=timestamps, offset_deltas=deltas)
        span = (offsets[0], offsets[-1] + 1, len(offsets))
        return RecordBatch(*span, min(timestamps), max(timestamps), lambda: columns)


def pick(columns: Columns, indexes: Sequence[int]) -> Columns:
    """The records with these numbers, ascending. Offset deltas are left out: they are the caller's to say."""

    def picked(column: Column) -> Column:
        elements = split_column(column)
        chosen = [elements[index] for index in indexes]
        return chosen if isinstance(column, list) else join_column(chosen)

    return columns._replace(
        record_count=len(indexes),
        values=picked(columns.values),
        keys=None if columns.keys is None else picked(columns.keys),
        headers=columns.headers and [columns.headers[index] for index in indexes],
        timestamps=columns.timestamps and [columns.timestamps[index] for index in indexes],
        offset_deltas=None,
        delete_horizons=columns.delete_horizons and [columns.delete_horizons[index] for index in indexes],
    )


def first_without_key(columns: Columns) -> int | None:
    """The number of the first record whose key is null; None where each has one."""
    if columns.keys is None:
        return None if columns.common_key is not None or not columns.record_count else 0
    return columns.keys.index(None) if isinstance(columns.keys, list) and None in columns.keys else None


def join_column(elements: list[bytes | None]) -> Column:
    """The joined form of a list, where it has one; else the list."""
    if None in elements:
        return elements
    joined = b"\n".join([*elements, b""])  # type: ignore[list-item]  # no None, as checked
    return joined if joined.count(b"\n") == len(elements) else elements


def split_column(column: Column) -> list[bytes | None]:
    """The elements of a column, one by one."""
    if isinstance(column, list):
        return column
    return bytes(column).split(b"\n")[:-1]  # type: ignore[return-value]  # list is invariant

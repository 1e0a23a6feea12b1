"""Record and RecordBatch: what flows through every layer.

A batch is columnar. A column of values or keys is either *joined*, one `bytes` in which every
element is followed by a newline, or a list with None for null. Nothing is made per record until
`records()` is called.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter
from typing import NamedTuple, TypeVar

Column = bytes | memoryview | list[bytes | None]


class Joinable(list["bytes | None"]):
    """A column not joined yet, of which is known that it can be: none of its elements is null, none has a newline."""

    __slots__ = ()

    def joined(self) -> bytes:
        """The joined form."""
        return b"\n".join([*self, b""])


Header = tuple[str, bytes | None]
Element = TypeVar("Element")


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
    stored, where that is not compressed and each column is known: keys and values are in it as they are.
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

    is_scattered = False
    """Whether its values lie in memory one by one, and `write_lines` writes them from there."""

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

    @property
    def first_offset(self) -> int:
        """Of its records, which may lie after its base offset."""
        return self.base_offset if self._has_no_gaps() else self.offsets()[0]

    @property
    def last_offset(self) -> int:
        return self.next_offset - 1 if self._has_no_gaps() else self.offsets()[-1]

    def _has_no_gaps(self) -> bool:
        return self.count == self.next_offset - self.base_offset

    def timestamps(self) -> list[int]:
        return self.columns.timestamps or [self.max_timestamp] * self.count

    def values(self) -> list[bytes | None]:
        return split_column(self.columns.values)

    def lines(self) -> bytes | memoryview | None:
        """The joined values, None where they are not joined. As they are stored if they can be had that way: without a
        look at the other columns."""
        if self._columns is None and self.extent is not None and self.body is not None:
            return self.body[len(self.body) - self.extent.length :]
        values = self.columns.values
        return None if isinstance(values, list) else values

    def write_lines(self, fd: int) -> int:
        """Write each value and a newline: how many bytes the descriptor took, which may be fewer. Of a batch that is scattered."""
        raise NotImplementedError

    def value_size(self) -> int:
        """Bytes of all values together, or of the joined values."""
        lines = self.lines()
        return len(lines) if lines is not None else sum(map(len, filter(None, self.values())))

    def value_column(self) -> Column:
        """The values as `columns` has them; of some batches they are had without the rest."""
        return self.columns.values

    def null_values(self) -> list[int]:
        """The numbers of the records whose value is null."""
        values = self.value_column()
        return [index for index, value in enumerate(values) if value is None] if isinstance(values, list) else []

    def time_column(self) -> list[int] | None:
        """The same of the timestamps; None where all are the greatest one."""
        return self.columns.timestamps

    def key_column(self) -> tuple[Column | None, bytes | None]:
        """The same of the keys, and of the common key."""
        return self.columns.keys, self.columns.common_key

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

    def select(self, indexes: Sequence[int], values: list[bytes | None] | None = None) -> RecordBatch:
        """The records with these numbers, at least one, ascending. values: theirs, where they are known."""
        all_offsets, all_timestamps = self.offsets(), self.timestamps()
        offsets = [all_offsets[index] for index in indexes]
        timestamps = [all_timestamps[index] for index in indexes]
        deltas = [offset - offsets[0] for offset in offsets]
        columns = pick(self.columns, indexes, values)._replace(timestamps=timestamps, offset_deltas=deltas)
        span = (offsets[0], offsets[-1] + 1, len(offsets))
        return RecordBatch(*span, min(timestamps), max(timestamps), lambda: columns)


def pick(columns: Columns, indexes: Sequence[int], values: list[bytes | None] | None = None) -> Columns:
    """The records with these numbers, ascending. values: theirs, where they are known. Offset deltas are left out: they are
    the caller's to say."""

    def chosen(elements: list[Element]) -> list[Element]:
        return [elements[index] for index in indexes] if len(indexes) < 2 else list(itemgetter(*indexes)(elements))

    def picked(column: Column) -> Column:
        elements = chosen(split_column(column))
        if isinstance(column, list) and not isinstance(column, Joinable):
            return elements
        return Joinable(elements).joined()

    return columns._replace(
        record_count=len(indexes),
        values=picked(columns.values) if values is None else join_column(values),
        keys=None if columns.keys is None else picked(columns.keys),
        headers=columns.headers and chosen(columns.headers),
        timestamps=columns.timestamps and chosen(columns.timestamps),
        offset_deltas=None,
        delete_horizons=columns.delete_horizons and chosen(columns.delete_horizons),
    )


def first_without_key(columns: Columns) -> int | None:
    """The number of the first record whose key is null; None where each has one."""
    if columns.keys is None:
        return None if columns.common_key is not None or not columns.record_count else 0
    if isinstance(columns.keys, Joinable) or not isinstance(columns.keys, list):
        return None
    return columns.keys.index(None) if None in columns.keys else None


def join_column(elements: list[bytes | None]) -> Column:
    """The joined form of a list, where it has one; else the list."""
    try:
        # Looking for a newline where there is none is a scan of memory, a third of what counting those of the joined form costs.
        has_newline = b"\n" in b"".join(elements)  # type: ignore[arg-type]  # None, where there is one, raises
    except TypeError:
        return elements
    return elements if has_newline else b"\n".join([*elements, b""])  # type: ignore[list-item]  # no None is left


def split_column(column: Column) -> list[bytes | None]:
    """The elements of a column, one by one."""
    if isinstance(column, list):
        return column
    return bytes(column).split(b"\n")[:-1]  # type: ignore[return-value]  # list is invariant

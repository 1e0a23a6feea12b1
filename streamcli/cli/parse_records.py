"""From chunks of input to columns: keys, nulls, headers."""

from __future__ import annotations

from collections.abc import Callable
from itertools import repeat
from typing import NamedTuple, cast

from streamcli.cli.input import Chunk
from streamcli.engine.divided import Divided
from streamcli.record.batch import Column, Columns, Header, Joinable, join_column, pick
from streamcli.record.errors import StreamcliError

_WORTH_A_PATTERN = 4 << 10
"""Bytes of lines from which on a regular expression, which takes as long to compile as some 300 lines to split, is quicker."""

_PIECE = 64 << 10
"""Bytes of lines that are split, and joined, at a time: the pieces of a whole chunk do not fit the processor's cache, which takes
half of the time more."""

_PIECE_OF_SHARE = 8 << 10
"""Bytes of lines for each partition at a time, at least: to join a few records takes hardly less time than to join many."""

Elements = list[bytes | None]


class BadRecord(StreamcliError):
    """A record that cannot be taken; `good` has the records of the chunk before it, None if there are none."""

    def __init__(self, reason: str, good: Parsed | None) -> None:
        self.good = good
        super().__init__(reason)


class Parsed(NamedTuple):
    """Records to append; `partitions` has the partition of those that say one; `length`: bytes of the input they stand in."""

    columns: Columns | Divided
    length: int
    partitions: list[int | None] | None = None

    def first(self, count: int, length: int) -> Parsed:
        """The first records, which stand in so many bytes. Not of those that are divided."""
        assert isinstance(self.columns, Columns)
        return Parsed(pick(self.columns, range(count)), length, self.partitions and self.partitions[:count])


class RecordShape(NamedTuple):
    """How a record stands in the input."""

    delimiter: bytes = b"\n"
    key_delimiter: bytes | None = None
    key: bytes | None = None
    headers: tuple[Header, ...] = ()
    empty_null: bool = False

    def is_plain(self) -> bool:
        """Whether records are lines and nothing else, which need not be taken apart."""
        return self.delimiter == b"\n" and self.key_delimiter is None and not self.empty_null

    def has_keys(self) -> bool:
        """Whether a record may have a key."""
        return self.key is not None or self.key_delimiter is not None


def parse_lines(
    chunk: Chunk, shape: RecordShape, most: int | None, *, is_divided: bool, partitions: int | None = None
) -> Parsed:
    """The first records of a chunk, `most` of them at most. Plain lines are counted, not split, and not copied.

    is_divided: whether they may go to several partitions; columns that stay whole are joined at once. partitions: how many
    there are, where records may come divided among them by their keys; None where they may not.
    """
    common = {"common_key": shape.key, "common_headers": list(shape.headers) or None}
    if most is None and shape.is_plain() and not chunk.unended:
        return Parsed(Columns(chunk.lines(), chunk.data, **common), len(chunk.data))  # type: ignore[arg-type]
    if is_divided and partitions is not None:
        divided = Divided(partitions, list(shape.headers) or None)
        length = _split_lines(chunk, shape, most, divided.add, max(_PIECE, partitions * _PIECE_OF_SHARE))
        if length is not None and divided.is_sound():
            return Parsed(divided, length)
    lines = _listed_lines if is_divided else _joined_lines
    found = lines(chunk, shape, most) or _any_records(chunk, shape, most)
    columns = Columns(found.records, found.values, found.keys, **common)  # type: ignore[arg-type]
    return Parsed(columns, found.length)


class _Taken(NamedTuple):
    """Records that stand in the first `length` bytes of the input at hand."""

    records: int
    keys: Column | None
    values: Column
    length: int


def split_records(chunk: Chunk, delimiter: bytes, most: int | None) -> tuple[list[bytes], int]:
    """The first records of a chunk, `most` of them at most, and how many bytes they are with their delimiters."""
    data = bytes(chunk.data)
    if chunk.unended:
        return [data], len(data)
    records = data.split(delimiter, -1 if most is None else most)
    return records, len(data) - len(records.pop())


def _joined_lines(chunk: Chunk, shape: RecordShape, most: int | None) -> _Taken | None:
    """The first lines of a chunk, with joined keys and values; None where one has no delimiter, or the shape is another."""
    all_keys: list[bytes] = []
    all_values: list[bytes] = []
    count = 0

    def add(keys: list[bytes], values: list[bytes]) -> None:
        nonlocal count
        count += len(keys)
        all_keys.append(b"\n".join([*keys, b""]))
        all_values.append(b"\n".join([*values, b""]))

    length = _split_lines(chunk, shape, most, add, _PIECE)
    joined = b"".join(all_keys)
    if length is None or joined.count(b"\n") != count:
        return None
    return _Taken(count, joined, b"".join(all_values), length)


def _listed_lines(chunk: Chunk, shape: RecordShape, most: int | None) -> _Taken | None:
    """The same, not joined: to be picked from, for each partition."""
    all_keys, all_values = Joinable(), Joinable()

    def add(keys: list[bytes], values: list[bytes]) -> None:
        all_keys.extend(keys)
        all_values.extend(values)

    length = _split_lines(chunk, shape, most, add, _PIECE)
    if length is None or b"\n" in b"".join(cast("list[bytes]", all_keys)):
        return None
    return _Taken(len(all_keys), all_keys, all_values, length)


def _split_lines(
    chunk: Chunk,
    shape: RecordShape,
    most: int | None,
    add: Callable[[list[bytes], list[bytes]], None],
    size: int,
) -> int | None:
    """Hand on keys and values of the first lines of a chunk, those of about `size` bytes at a time, and return how many bytes
    the lines are; None where that cannot be done, or is not worth it.

    A line without a delimiter is taken for the beginning of the next one's key: so there is none where no key holds a newline.
    One call takes half the time of a split and a `partition` for each line.
    """
    delimiter = shape.key_delimiter
    if delimiter is None or b"\n" in delimiter or shape.delimiter != b"\n" or shape.empty_null:
        return None
    data = bytes(chunk.data)
    if len(data) < _WORTH_A_PATTERN or chunk.unended:
        return None
    import re

    split = re.compile(re.escape(delimiter) + rb"(.*+)\n").split
    count = length = 0
    while length < len(data) and count != most:
        end = data.rfind(b"\n", length, length + size) + 1 or data.index(b"\n", length) + 1
        parts = split(data[length:end], 0 if most is None else most - count)
        rest = parts.pop()
        keys = parts[::2]
        count += len(keys)
        if rest and count != most:
            return None
        add(keys, parts[1::2])
        length = end - len(rest)
    return length


def _any_records(chunk: Chunk, shape: RecordShape, most: int | None) -> _Taken:
    """The first records; one without the key's delimiter has no key."""
    records, length = split_records(chunk, shape.delimiter, most)
    keys: Elements | None = None
    values: Elements = list(records)
    if shape.key_delimiter is not None:
        keys, values = [], []
        for key, found, value in map(bytes.partition, records, repeat(shape.key_delimiter)):
            keys.append(key if found else None)
            values.append(value if found else key)
    if shape.empty_null:
        keys = keys and [key or None for key in keys]
        values = [value or None for value in values]
    is_joinable = shape.delimiter == b"\n" or b"\n" not in bytes(chunk.data)
    key_column = None if keys is None else _column(keys, is_joinable)
    return _Taken(len(values), key_column, _column(values, is_joinable), length)


def _column(elements: Elements, is_joinable: bool) -> Column:
    """The column of elements that hold no newline, where they are joinable; it may have nulls."""
    return Joinable(elements) if is_joinable and None not in elements else join_column(elements)

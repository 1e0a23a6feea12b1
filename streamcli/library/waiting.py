"""Records that wait for others to share their batch, and what they become."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from streamcli.library.process import now_ms
from streamcli.record.batch import Columns, Header, join_column

Waiting = tuple[bytes | None, bytes | None, Sequence[Header], int | None, int | None]
"""Value, key, headers, timestamp (ms) and partition, None where none was given. No NamedTuple: that takes five times as long to make."""


def columns_of(records: Sequence[Waiting]) -> tuple[Columns, list[int | None] | None]:
    """The columns of some records, and the partitions that they ask for, None where none does."""
    values, keys, headers, timestamps, partitions = (list(column) for column in zip(*records, strict=True))
    now = now_ms()
    columns = Columns(
        record_count=len(records),
        values=join_column(values),
        keys=join_column(keys) if _any_given(keys) else None,
        headers=[list(own) for own in headers] if any(headers) else None,
        timestamps=[now if time is None else time for time in timestamps] if _any_given(timestamps) else None,
    )
    return columns, partitions if _any_given(partitions) else None


def _any_given(column: list[object]) -> bool:
    return column.count(None) < len(column)


def pieces_of(lines: bytes, size: int) -> Iterator[Columns]:
    """Lines, each with its newline, as columns of about `size` bytes: nothing is made for a line."""
    start = 0
    while start < len(lines):
        cut = lines.rfind(b"\n", start, start + size) + 1 or lines.index(b"\n", start) + 1
        yield Columns(lines.count(b"\n", start, cut), memoryview(lines)[start:cut])
        start = cut

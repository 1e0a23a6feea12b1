"""From chunks of input to columns: keys, nulls, headers, JSON envelopes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from streamcli.cli.input import Chunk
from streamcli.record.batch import Columns, Header, join_column, pick
from streamcli.record.errors import StreamcliError

if TYPE_CHECKING:
    from streamcli.cli.envelope import Envelope


class BadRecord(StreamcliError):
    """A record that cannot be taken; `good` has the records of the chunk before it, None if there are none."""

    def __init__(self, reason: str, good: Parsed | None) -> None:
        self.good = good
        super().__init__(reason)


class Parsed(NamedTuple):
    """Records to append; `partitions` has the partition of those that say one."""

    columns: Columns
    partitions: list[int | None] | None = None

    def first(self, count: int) -> Parsed:
        """The first records."""
        return Parsed(pick(self.columns, range(count)), self.partitions and self.partitions[:count])


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


def parse_lines(chunk: Chunk, shape: RecordShape) -> Parsed:
    """The records of a chunk. Plain lines are counted, not split, and not copied."""
    common = {"common_key": shape.key, "common_headers": list(shape.headers) or None}
    if shape.is_plain():
        if chunk.unended:
            return Parsed(Columns(1, bytes(chunk.data) + b"\n", **common))  # type: ignore[arg-type]
        lines = chunk.lines()
        return Parsed(Columns(lines, chunk.data, **common))  # type: ignore[arg-type]
    records = bytes(chunk.data).split(shape.delimiter)
    if not chunk.unended:
        records.pop()
    keys: list[bytes | None] | None = None
    values: list[bytes | None] = list(records)
    if shape.key_delimiter is not None:
        keys, values = split_keys(records, shape.key_delimiter)
    if shape.empty_null:
        values = [value or None for value in values]
        keys = keys and [key or None for key in keys]
    columns = Columns(len(values), join_column(values), None if keys is None else join_column(keys), **common)  # type: ignore[arg-type]
    return Parsed(columns)


def split_keys(records: list[bytes], delimiter: bytes) -> tuple[list[bytes | None], list[bytes | None]]:
    """Keys and values; a record without the delimiter has no key."""
    keys: list[bytes | None] = []
    values: list[bytes | None] = []
    for record in records:
        key, found, value = record.partition(delimiter)
        keys.append(key if found else None)
        values.append(value if found else key)
    return keys, values


def parse_envelopes(chunk: Chunk, shape: RecordShape, *, partitions: int, limit: int, now_ms: int) -> Parsed:
    """The records of a chunk of JSON lines. BadRecord for a bad line, for a key and value of over `limit` bytes, and for
    a partition that is none of `partitions`."""
    from streamcli.cli import envelope

    found: list[Envelope] = []
    lines = bytes(chunk.data).split(b"\n")
    if not chunk.unended:
        lines.pop()
    for line in lines:
        try:
            record = envelope.decode(line)
            if len(record.key or b"") + len(record.value or b"") > limit:
                raise envelope.BadEnvelope(f"longer than {limit} bytes (max.message.bytes)")
            if record.partition is not None and record.partition >= partitions:
                raise envelope.BadEnvelope(f"there is no partition {record.partition}: choose one with -p")
        except envelope.BadEnvelope as error:
            raise BadRecord(str(error), _from_envelopes(found, shape, now_ms) if found else None) from None
        found.append(record)
    return _from_envelopes(found, shape, now_ms)


def _from_envelopes(found: list[Envelope], shape: RecordShape, now_ms: int) -> Parsed:
    keys = [shape.key if record.key is None else record.key for record in found]
    timed = any(record.timestamp is not None for record in found)
    columns = Columns(
        record_count=len(found),
        values=join_column([record.value for record in found]),
        keys=None if keys.count(None) == len(keys) else join_column(keys),
        headers=[record.headers for record in found] if any(record.headers for record in found) else None,
        common_headers=list(shape.headers) or None,
        timestamps=[now_ms if record.timestamp is None else record.timestamp for record in found] if timed else None,
    )
    placed = any(record.partition is not None for record in found)
    return Parsed(columns, [record.partition for record in found] if placed else None)

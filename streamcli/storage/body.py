"""The body of a record batch: its columns, as a msgpack map. What they are and how they lie: see storage.format."""

from __future__ import annotations

import struct
from contextlib import suppress
from typing import Any, NamedTuple

import msgpack
from crc32c import crc32c

from streamcli.record.batch import Column, Columns, Joinable
from streamcli.record.errors import StreamcliError, UnsupportedBatch
from streamcli.storage.format import (
    CODEC_NONE,
    COLUMN_NAMES,
    COMMON_HEADERS,
    COMMON_KEY,
    DELETE_HORIZONS,
    HEADERS,
    KEYS,
    KNOWN_COLUMNS,
    MAX_BODY,
    MAX_OFFSET,
    OFFSETS,
    TIMESTAMPS,
    BatchHeader,
    InvalidBatch,
    encode_header,
    max_raw_length,
)

Body = list[bytes | memoryview]


class EncodedBody(NamedTuple):
    """A body, as it can be written wherever its batch comes to lie. columns: bits; buffers: to be written in order, `length`
    bytes in all; raw_length, values_length: as in the header; times: least and greatest, None without timestamps (ms)."""

    codec: int
    columns: int
    buffers: Body
    length: int
    raw_length: int
    record_count: int
    last_offset_delta: int
    times: tuple[int, int] | None
    values_length: int
    crc: int

    def batch(
        self, *, position: int, base_offset: int, timestamp: int, producer: tuple[int, int, int] = (0, 0, 0)
    ) -> tuple[BatchHeader, Body]:
        """The whole batch as (its header, the buffers to write in order).

        `timestamp` (ms) is that of every record unless the columns have their own; `producer` is (id, sequence, epoch).
        """
        if base_offset >= MAX_OFFSET - MAX_BODY:
            raise StreamcliError(
                f"the log is full: its next offset is {base_offset}, and there are none after {MAX_OFFSET}: go on in another topic"
            )
        header, encoded = encode_header(
            self.codec,
            self.columns,
            self.length,
            self.raw_length,
            position,
            base_offset,
            self.last_offset_delta,
            self.record_count,
            *(self.times or (timestamp, timestamp)),
            *producer,
            self.values_length,
            self.crc,
        )
        return header, [encoded, *self.buffers]


_BIN32 = struct.Struct(">cI")
_ABSENT = (None,) * len(Columns._field_defaults)
_VALUES_ALONE = b"\x81" + msgpack.packb("values")


def encode_body(columns: Columns, codec: int = CODEC_NONE) -> EncodedBody:
    """The body of `columns`, compressed where that makes it smaller. Joined values are not copied if it is not compressed:
    their buffer is passed through. UnsupportedBatch when the codec is not installed."""
    bits, buffers, values_length = _pack(columns)
    length = raw_length = sum(map(len, buffers))
    if length > MAX_BODY:
        raise InvalidBatch(f"a batch of {length} bytes is over {MAX_BODY}")
    if codec != CODEC_NONE:
        codec, buffers = _compressed(codec, buffers, raw_length)
        length = sum(map(len, buffers))
    crc = 0
    for buffer in buffers:
        crc = crc32c(buffer, crc)
    deltas, times = columns.offset_deltas, columns.timestamps
    return EncodedBody(
        codec=codec,
        columns=bits,
        buffers=buffers,
        length=length,
        raw_length=raw_length,
        record_count=columns.record_count,
        last_offset_delta=deltas[-1] if deltas else columns.record_count - 1,
        times=(min(times), max(times)) if times else None,
        values_length=values_length,
        crc=crc,
    )


def encode_batch(
    columns: Columns,
    *,
    position: int,
    base_offset: int,
    timestamp: int,
    codec: int = CODEC_NONE,
    producer: tuple[int, int, int] = (0, 0, 0),
) -> tuple[BatchHeader, Body]:
    """A whole batch, as `encode_body` and `EncodedBody.batch` have it."""
    body = encode_body(columns, codec)
    return body.batch(position=position, base_offset=base_offset, timestamp=timestamp, producer=producer)


def _compressed(codec: int, buffers: Body, raw_length: int) -> tuple[int, Body]:
    """The codec and buffers to store: those of the compressed body, or as it is where that would not be smaller."""
    from streamcli.storage.codec import compress

    compressed = compress(codec, b"".join(buffers))
    if len(compressed) < raw_length <= max_raw_length(len(compressed)):
        return codec, [compressed]
    return CODEC_NONE, buffers


def _pack(columns: Columns) -> tuple[int, Body, int]:
    """The msgpack map of `columns` as (column bits, buffers in order, values length)."""
    if columns[2:] == _ABSENT and not isinstance(columns.values, list):
        length = len(columns.values)  # without a Packer, which takes longer to make than a record to write
        return 0, [_VALUES_ALONE + _BIN32.pack(b"\xc6", length), columns.values], length
    packer = msgpack.Packer(autoreset=False)
    bits, fields = 0, 1
    for bit, column in _by_bit(columns):
        if column is not None:
            bits |= bit
            fields += 1
            packer.pack(COLUMN_NAMES[bit])
            packer.pack(column.joined() if isinstance(column, Joinable) else column)
    packer.pack("values")
    values = columns.values.joined() if isinstance(columns.values, Joinable) else columns.values
    if isinstance(values, list):
        packer.pack(values)
        return bits, [bytes([0x80 | fields]) + packer.bytes()], 0
    prefix = bytes([0x80 | fields]) + packer.bytes() + _BIN32.pack(b"\xc6", len(values))
    return bits, [prefix, values], len(values)


def _by_bit(columns: Columns) -> tuple[tuple[int, object], ...]:
    """The columns that may be absent, None where they are, each with its bit in the header; in the body's order."""
    return (
        (OFFSETS, columns.offset_deltas),
        (TIMESTAMPS, columns.timestamps),
        (COMMON_KEY, columns.common_key),
        (KEYS, columns.keys),
        (COMMON_HEADERS, columns.common_headers),
        (HEADERS, columns.headers),
        (DELETE_HORIZONS, columns.delete_horizons),
    )


def decode_body(header: BatchHeader, body: bytes | memoryview) -> Columns:
    """The columns of a checked body. InvalidBatch when it is not what this format says; UnsupportedBatch when it holds columns
    that are not known here, or cannot be decompressed here."""
    if header.columns & ~KNOWN_COLUMNS:
        raise UnsupportedBatch(f"columns {header.columns:#x} are unknown to this streamcli", "upgrade it")
    if header.codec != CODEC_NONE:
        from streamcli.storage.codec import decompress

        body = decompress(header.codec, body, header.raw_length)
    try:
        found = _unpack(header, body)
    except (ValueError, TypeError, msgpack.UnpackException, RecursionError) as error:
        raise InvalidBatch(f"the batch body is no msgpack map of columns: {error}") from None
    if not isinstance(found, dict):
        raise InvalidBatch("the batch body is no msgpack map of columns")
    columns = Columns(
        record_count=header.record_count,
        values=_column(found, "values", header.record_count),
        keys=_column(found, "keys", header.record_count) if "keys" in found else None,
        common_key=_key(found),
        headers=_headers(found, header.record_count),
        common_headers=_header_list(found["common_headers"]) if "common_headers" in found else None,
        timestamps=_integers(found, "timestamps", header.record_count),
        offset_deltas=_integers(found, "offsets", header.record_count),
        delete_horizons=_integers(found, "delete_horizons", header.record_count),
    )
    _check_deltas(header, columns)
    _check_header(header, columns, next(reversed(found)))
    return columns


_WITHOUT_ARRAYS = COMMON_KEY | KEYS
"""Columns that are one `bin`, or may be."""


def _unpack(header: BatchHeader, body: bytes | memoryview) -> Any:
    """What msgpack finds in a body, in memory of the body's order.

    An array says how long it is before its elements come, and room is made for that many: a few kB of arrays in arrays
    would take gigabytes. So a body that may hold arrays is first gone through without making anything, which proves
    that each element is there: an eighth of the time that it takes to make them.
    """
    if header.values_length and not header.columns & ~_WITHOUT_ARRAYS:
        with suppress(ValueError):  # keys that are not joined are an array
            return msgpack.unpackb(body, max_array_len=0, object_pairs_hook=_named_once)
    unpacker = msgpack.Unpacker(max_buffer_size=len(body))
    unpacker.feed(body)
    unpacker.skip()
    return msgpack.unpackb(body, strict_map_key=False, object_pairs_hook=_named_once)


def _named_once(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    """A map of which the last name stands last in the body: a name given again would stand where it was first."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a column is there twice")
    return found


_LONG_LINE = 48
"""Bytes of lines, on the average, from which removing newlines is faster than counting them."""


def _column(found: dict[Any, Any], name: str, count: int) -> Column:
    column = found.get(name)
    if isinstance(column, bytes):
        valid = _newlines(column, count) == count and column[-1:] in (b"\n", b"")
    else:
        valid = (
            isinstance(column, list)
            and len(column) == count
            and all(element is None or isinstance(element, bytes) for element in column)
        )
    if not valid:
        raise InvalidBatch(f"column {name} does not hold {count} elements")
    return column  # type: ignore[return-value]  # checked above


def _newlines(column: bytes, expected: int) -> int:
    """How many are in a column, where `expected` are, or it is damaged.

    bytes.count goes byte by byte: 45 ns for a line of 83 bytes. To remove them and see how much shorter that is takes 20, but
    many times as long where lines are short.
    """
    if len(column) < _LONG_LINE * expected:
        return column.count(b"\n")
    return len(column) - len(column.replace(b"\n", b""))


def _key(found: dict[Any, Any]) -> bytes | None:
    key = found.get("common_key")
    if key is None or isinstance(key, bytes):
        return key
    raise InvalidBatch("column common_key is not bytes")


def _integers(found: dict[Any, Any], name: str, count: int) -> list[int] | None:
    if name not in found:
        return None
    column = found[name]
    if isinstance(column, list) and len(column) == count and all(type(number) is int for number in column):
        return column
    raise InvalidBatch(f"column {name} does not hold {count} integers")


def _headers(found: dict[Any, Any], count: int) -> list[list[tuple[str, bytes | None]]] | None:
    if "headers" not in found:
        return None
    column = found["headers"]
    if not isinstance(column, list) or len(column) != count:
        raise InvalidBatch(f"column headers does not hold {count} elements")
    return [_header_list(element) for element in column]


def _header_list(pairs: Any) -> list[tuple[str, bytes | None]]:
    try:
        headers = [(name, value) for name, value in pairs]
    except (TypeError, ValueError):
        raise InvalidBatch("a record's headers are no list of pairs") from None
    for name, value in headers:
        if not isinstance(name, str) or not (value is None or isinstance(value, bytes)):
            raise InvalidBatch("a record's header is not a name and a value")
    return headers


def _check_header(header: BatchHeader, columns: Columns, last: str) -> None:
    """InvalidBatch unless the body is what its header says: who copies joined values out goes by the header alone."""
    bits = sum(bit for bit, column in _by_bit(columns) if column is not None)
    joined = 0 if isinstance(columns.values, list) else len(columns.values)
    if bits != header.columns or joined != header.values_length or last != "values":
        raise InvalidBatch("the batch body does not hold the columns that its header says")
    times = columns.timestamps
    if times and (min(times), max(times)) != (header.min_timestamp, header.max_timestamp):
        raise InvalidBatch("the timestamps are not within those of the batch header")


def _check_deltas(header: BatchHeader, columns: Columns) -> None:
    deltas = columns.offset_deltas
    if deltas is None:
        if header.last_offset_delta + 1 != header.record_count:
            raise InvalidBatch("offsets have gaps and are not listed")
    elif deltas and (
        deltas[-1] > header.last_offset_delta or any(a >= b for a, b in zip([-1, *deltas], deltas, strict=False))
    ):
        raise InvalidBatch("column offsets is not ascending up to the last offset")

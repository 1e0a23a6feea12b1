"""The record batch on disk, version 1. man/streamcli-format.5 is the same in prose, for readers in any language.

    segment := batch*
    batch   := header body
    header  := the 88 bytes of HEADER below, little-endian
    body    := a msgpack map of columns, compressed as a whole when codec is not 0

    columns of the body, each present only if its bit is set in `columns`, in this order:
      "offsets"         array of count integers: offset - base offset, ascending (gaps come from compaction)
      "timestamps"      array of count integers: ms since the epoch
      "common_key"      bin: the key of every record
      "keys"            bin (joined) or array of count bin|nil
      "common_headers"  array of [str, bin|nil]: stand before every record's own headers
      "headers"         array of count arrays of [str, bin|nil]
      "values"          bin (joined) or array of count bin|nil; always present, always last

A *joined* column is one bin in which each of the count elements is followed by a newline byte: it can hold
neither null nor an element with a newline in it. Joined values are the last `values_length` bytes of the
body (before compression), so that an uncompressed batch can be copied out without decoding it.
Without "timestamps" every record has max_timestamp; without a key column every key is null.

The header checksum covers the header before it, the body checksum the body as stored. `position` is the
batch's own place in its segment: bytes that look like a batch but lie elsewhere (a segment stored as a
record, say) never pass for one. A damaged body is stepped over by its trusted length; a damaged header by
searching the next magic whose header checks.

A batch may hold no record, and then stands for offsets that have none any more. With LOST in `columns` these were lost
to damage: `repair` wrote that header over the damaged bytes, of which the rest is its body, of no meaning and unchecked.
"""

from __future__ import annotations

import struct
from typing import Any, NamedTuple

import msgpack
from crc32c import crc32c

from streamcli.record.batch import Column, Columns
from streamcli.record.errors import StreamcliError

HEADER = struct.Struct(
    "<"
    "4s"  # magic
    "B"  # version: 1
    "B"  # codec: how the body is compressed, 0 not at all
    "H"  # columns: bits below
    "I"  # body length in bytes, as stored
    "I"  # raw length: of the body before compression
    "Q"  # position of this header in its segment
    "Q"  # base offset
    "I"  # last offset delta: offset of the last record - base offset
    "I"  # record count
    "q"  # min timestamp, ms since the epoch
    "q"  # max timestamp
    "Q"  # producer id, 0: none
    "Q"  # producer sequence: of the batch's first record
    "I"  # producer epoch
    "I"  # values length: of the joined values at the body's end, 0: not joined (or empty)
    "I"  # CRC-32C of the body
    "I"  # CRC-32C of the 84 bytes before
)
HEADER_SIZE = 88
assert HEADER.size == HEADER_SIZE

MAGIC = b"\xd7SCB"
VERSION = 1
CODEC_NONE = 0

OFFSETS = 1
TIMESTAMPS = 2
COMMON_KEY = 4
KEYS = 8
COMMON_HEADERS = 16
HEADERS = 32
KNOWN_COLUMNS = 63
LOST = 0x8000
"""In `columns`: no batch that was written, but a mark where one was lost."""

MAX_BODY = 2**32 - 1
MAX_OFFSET = 2**63 - 1
"""The greatest offset that can be the next to be written: Kafka's are signed numbers of 64 bits too."""

NO_TIMESTAMP = -(2**63)
"""Less than any: of what has no records."""

_CHECKED = HEADER_SIZE - 4
_CRC = struct.Struct("<I")


class InvalidBatch(Exception):
    """Bytes that are no batch of this format, with the reason. Callers add where and which offsets."""


class BatchHeader(NamedTuple):
    """The fields of HEADER that vary, in its order; sizes in bytes, timestamps in ms since the epoch."""

    codec: int
    columns: int
    body_length: int
    raw_length: int
    position: int
    base_offset: int
    last_offset_delta: int
    record_count: int
    min_timestamp: int
    max_timestamp: int
    producer_id: int
    producer_sequence: int
    producer_epoch: int
    values_length: int
    body_crc: int
    header_crc: int

    @property
    def next_offset(self) -> int:
        return self.base_offset + self.last_offset_delta + 1

    @property
    def is_lost(self) -> bool:
        """Whether it marks offsets that were lost to damage."""
        return bool(self.columns & LOST)

    @property
    def end(self) -> int:
        """Position after the batch."""
        return self.position + HEADER_SIZE + self.body_length


Body = list[bytes | memoryview]

_BIN32 = struct.Struct(">cI")


def encode_body(columns: Columns) -> tuple[int, Body, int, int]:
    """The body of `columns` as (column bits, buffers to write in order, their length, values length).

    Joined values are not copied: their buffer is passed through.
    """
    packer = msgpack.Packer(autoreset=False)
    bits, fields = 0, 1
    for bit, name, column in (
        (OFFSETS, "offsets", columns.offset_deltas),
        (TIMESTAMPS, "timestamps", columns.timestamps),
        (COMMON_KEY, "common_key", columns.common_key),
        (KEYS, "keys", columns.keys),
        (COMMON_HEADERS, "common_headers", columns.common_headers),
        (HEADERS, "headers", columns.headers),
    ):
        if column is not None:
            bits |= bit
            fields += 1
            packer.pack(name)
            packer.pack(column)
    packer.pack("values")
    values = columns.values
    if isinstance(values, list):
        packer.pack(values)
        prefix = bytes([0x80 | fields]) + packer.bytes()
        return bits, [prefix], len(prefix), 0
    prefix = bytes([0x80 | fields]) + packer.bytes() + _BIN32.pack(b"\xc6", len(values))
    return bits, [prefix, values], len(prefix) + len(values), len(values)


def encode_batch(
    columns: Columns, *, position: int, base_offset: int, timestamp: int, producer: tuple[int, int, int] = (0, 0, 0)
) -> tuple[BatchHeader, Body]:
    """A whole batch as (its header, the buffers to write in order).

    `timestamp` (ms) is that of every record unless `columns` has its own; `producer` is (id, sequence, epoch).
    """
    bits, body, length, joined = encode_body(columns)
    if length > MAX_BODY:
        raise InvalidBatch(f"a batch of {length} bytes is over {MAX_BODY}")
    if base_offset >= MAX_OFFSET - MAX_BODY:
        raise StreamcliError(
            f"the log is full: its next offset is {base_offset}, and there are none after {MAX_OFFSET}"
        )
    crc = 0
    for buffer in body:
        crc = crc32c(buffer, crc)
    deltas = columns.offset_deltas
    last_delta = deltas[-1] if deltas else columns.record_count - 1
    times = columns.timestamps or (timestamp,)
    fields = (
        length,
        length,
        position,
        base_offset,
        last_delta,
        columns.record_count,
        min(times),
        max(times),
        *producer,
    )
    checked = HEADER.pack(MAGIC, VERSION, CODEC_NONE, bits, *fields, joined, crc, 0)[:_CHECKED]
    header_crc = crc32c(checked)
    header = BatchHeader(CODEC_NONE, bits, *fields, joined, crc, header_crc)
    return header, [checked + _CRC.pack(header_crc), *body]


LONGEST_LOSS = 2**32
"""Offsets that one mark can stand for."""


def encode_lost(*, position: int, base_offset: int, next_offset: int, length: int) -> bytes:
    """The header that marks base_offset <= offset < next_offset as lost, for `length` >= HEADER_SIZE bytes of segment.

    Its timestamps are the least there is, so that it moves none.
    """
    body = length - HEADER_SIZE
    if not 0 <= body <= MAX_BODY or not 0 < next_offset - base_offset <= LONGEST_LOSS:
        raise InvalidBatch(f"no mark stands for {next_offset - base_offset} offsets in {length} bytes")
    times = (NO_TIMESTAMP, NO_TIMESTAMP)
    fields = (LOST, body, body, position, base_offset, next_offset - base_offset - 1, 0, *times, 0, 0, 0, 0, 0)
    checked = HEADER.pack(MAGIC, VERSION, CODEC_NONE, *fields, 0)[:_CHECKED]
    return checked + _CRC.pack(crc32c(checked))


def decode_header(data: bytes | memoryview, position: int) -> BatchHeader:
    """The header in the first 88 bytes of `data`, which lie at `position` of their segment; else InvalidBatch."""
    magic, version, *fields = HEADER.unpack_from(data)
    if magic != MAGIC:
        raise InvalidBatch("no batch starts here")
    if crc32c(data[:_CHECKED]) != fields[-1]:
        raise InvalidBatch("the batch header fails its checksum")
    header = BatchHeader(*fields)
    if header.position != position:
        raise InvalidBatch(f"the batch belongs at position {header.position}")
    if version != VERSION:
        raise InvalidBatch(f"batch format {version} is newer than this streamcli: upgrade it")
    if header.last_offset_delta + 1 < header.record_count:
        raise InvalidBatch(f"{header.record_count} records cannot lie at {header.last_offset_delta + 1} offsets")
    if header.next_offset > MAX_OFFSET:
        raise InvalidBatch(f"offset {header.base_offset} is beyond what offsets can be")
    if header.values_length > header.body_length or header.min_timestamp > header.max_timestamp:
        raise InvalidBatch("the batch header contradicts itself")
    if header.is_lost and header.record_count:
        raise InvalidBatch("a mark of lost records holds records")
    return header


def check_body(header: BatchHeader, body: bytes | memoryview) -> None:
    """InvalidBatch unless `body` is what was written. Of a mark of lost records any bytes are."""
    if header.is_lost:
        return
    if len(body) != header.body_length or crc32c(body) != header.body_crc:
        raise InvalidBatch("the batch body fails its checksum")


def decode_body(header: BatchHeader, body: bytes | memoryview) -> Columns:
    """The columns of a checked body; InvalidBatch when it is not what this format says."""
    if header.codec != CODEC_NONE or header.columns & ~KNOWN_COLUMNS:
        raise InvalidBatch(f"codec {header.codec} or columns {header.columns:#x} unknown to this streamcli: upgrade it")
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
    )
    _check_deltas(header, columns)
    _check_header(header, columns, next(reversed(found)))
    return columns


def _unpack(header: BatchHeader, body: bytes | memoryview) -> Any:
    """What msgpack finds in a body, in memory of the body's order.

    An array says how long it is before its elements come, and room is made for that many: a few kB of arrays in arrays
    would take gigabytes. So a body that may hold arrays is first gone through without making anything, which proves
    that each element is there: an eighth of the time that it takes to make them.
    """
    if header.values_length and not header.columns:
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


def find_magic(data: bytes, start: int) -> int:
    """Index of the next magic in `data` from `start` on, or -1."""
    return data.find(MAGIC, start)


def _column(found: dict[Any, Any], name: str, count: int) -> Column:
    column = found.get(name)
    if isinstance(column, bytes):
        valid = column.count(b"\n") == count and column[-1:] in (b"\n", b"")
    else:
        valid = (
            isinstance(column, list)
            and len(column) == count
            and all(element is None or isinstance(element, bytes) for element in column)
        )
    if not valid:
        raise InvalidBatch(f"column {name} does not hold {count} elements")
    return column  # type: ignore[return-value]  # checked above


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
    present = (
        (OFFSETS, columns.offset_deltas),
        (TIMESTAMPS, columns.timestamps),
        (COMMON_KEY, columns.common_key),
        (KEYS, columns.keys),
        (COMMON_HEADERS, columns.common_headers),
        (HEADERS, columns.headers),
    )
    bits = sum(bit for bit, column in present if column is not None)
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
        deltas[-1] != header.last_offset_delta or any(a >= b for a, b in zip([-1, *deltas], deltas, strict=False))
    ):
        raise InvalidBatch("column offsets is not ascending to the last offset")

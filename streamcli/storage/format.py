"""The record batch on disk, version 1. man/streamcli-format.5 is the same in prose, for readers in any language.

    segment := batch*
    batch   := header body
    header  := the 88 bytes of HEADER below, little-endian
    body    := a msgpack map of columns, compressed as a whole when codec is not 0 (codecs: see storage.codec)

    columns of the body, each present only if its bit is set in `columns`, in this order:
      "offsets"         array of count integers: offset - base offset, ascending (gaps come from compaction)
      "timestamps"      array of count integers: ms since the epoch
      "common_key"      bin: the key of every record
      "keys"            bin (joined) or array of count bin|nil
      "common_headers"  array of [str, bin|nil]: stand before every record's own headers
      "headers"         array of count arrays of [str, bin|nil]
      "delete_horizons" array of count integers: ms since the epoch from which on compaction drops a tombstone, else 0
      "values"          bin (joined) or array of count bin|nil; always present, always last

A *joined* column is one bin in which each of the count elements is followed by a newline byte: it can hold
neither null nor an element with a newline in it. Joined values are the last `values_length` bytes of the
body (before compression), so that an uncompressed batch can be copied out without decoding it.
Without "timestamps" every record has max_timestamp; without a key column every key is null.

A body that compressing does not make smaller is stored as it is, and so is one of over 16 MiB that becomes less than
1/1024: thus a header cannot ask for much more memory than its batch takes on disk.

The header checksum covers the header before it, the body checksum the body as stored. `position` is the
batch's own place in its segment: bytes that look like a batch but lie elsewhere (a segment stored as a
record, say) never pass for one. A damaged body is stepped over by its trusted length; a damaged header by
searching the next magic whose header checks.

A batch spans the offsets up to the next one's, of records that compaction removed too: the first record may lie after
its base offset, and the last before its last offset. It may hold no record at all. With LOST in `columns` these were lost
to damage: `repair` wrote that header over the damaged bytes, of which the rest is its body, of no meaning and unchecked.

A producer with an id numbers what it produces. The producer sequence of its batch is greater than the numbers of the batch's
records, and than those of all its records before in the partition, and not greater than the numbers of those to come: a
record with a lesser number is there already, or is not for this partition. Compaction may write batches without their ids.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from crc32c import crc32c

HEADER = struct.Struct(
    "<"
    "4s"  # magic
    "B"  # version: 1
    "B"  # codec: how the body is compressed, 0 not at all
    "H"  # columns: bits below
    "I"  # body length in bytes, as stored
    "I"  # raw length: of the body before compression; body length when codec is 0
    "Q"  # position of this header in its segment
    "Q"  # base offset
    "I"  # last offset delta: the last offset that it spans - base offset
    "I"  # record count
    "q"  # min timestamp, ms since the epoch
    "q"  # max timestamp
    "Q"  # producer id, 0: none
    "Q"  # producer sequence: at which the producer goes on after this batch
    "I"  # producer epoch: 0
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
DELETE_HORIZONS = 64
COLUMN_NAMES = {
    OFFSETS: "offsets",
    TIMESTAMPS: "timestamps",
    COMMON_KEY: "common_key",
    KEYS: "keys",
    COMMON_HEADERS: "common_headers",
    HEADERS: "headers",
    DELETE_HORIZONS: "delete_horizons",
}
"""In the order in which they lie in a body; values, always there and last, have no bit."""
KNOWN_COLUMNS = sum(COLUMN_NAMES)
LOST = 0x8000
"""In `columns`: no batch that was written, but a mark where one was lost."""

MAX_BODY = 2**32 - 1
MAX_OFFSET = 2**63 - 1
"""The greatest offset that can be the next to be written: Kafka's are signed numbers of 64 bits too."""

_SURE_RAW, _MAX_RATIO = 16 << 20, 1024

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


def max_raw_length(body_length: int) -> int:
    """The most bytes that may be stored compressed to `body_length`: a reader has to make room for them."""
    return max(_SURE_RAW, _MAX_RATIO * body_length)


def encode_header(*fields: int) -> tuple[BatchHeader, bytes]:
    """The header of these fields, those of BatchHeader but for its own checksum, and its bytes."""
    checked = HEADER.pack(MAGIC, VERSION, *fields, 0)[:_CHECKED]
    crc = crc32c(checked)
    return BatchHeader._make((*fields, crc)), checked + _CRC.pack(crc)


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
    delta = next_offset - base_offset - 1
    return encode_header(CODEC_NONE, LOST, body, body, position, base_offset, delta, 0, *times, 0, 0, 0, 0, 0)[1]


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
    if header.values_length > header.raw_length or header.min_timestamp > header.max_timestamp:
        raise InvalidBatch("the batch header contradicts itself")
    if header.codec == CODEC_NONE:
        is_possible = header.raw_length == header.body_length
    else:
        is_possible = header.raw_length <= max_raw_length(header.body_length)
    if not is_possible:
        raise InvalidBatch(f"a body of {header.body_length} bytes cannot be one of {header.raw_length}")
    if header.is_lost and header.record_count:
        raise InvalidBatch("a mark of lost records holds records")
    return header


def check_body(header: BatchHeader, body: bytes | memoryview) -> None:
    """InvalidBatch unless `body` is what was written. Of a mark of lost records any bytes are."""
    if header.is_lost:
        return
    if len(body) != header.body_length or crc32c(body) != header.body_crc:
        raise InvalidBatch("the batch body fails its checksum")


def find_magic(data: bytes, start: int) -> int:
    """Index of the next magic in `data` from `start` on, or -1."""
    return data.find(MAGIC, start)

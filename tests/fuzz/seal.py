"""Checksums put right after the bytes under them were changed: behind a checksum is where the decoders' bugs are."""

from __future__ import annotations

import struct

from crc32c import crc32c

from streamcli.storage.format import HEADER_SIZE, MAGIC, VERSION
from streamcli.storage.index import ENTRY_SIZE

# What of a batch is put right: bits of a sealing target's mode.
SEAL_HEADERS, SEAL_BODIES, FIT_LENGTHS, PLACE = 1, 2, 4, 8
SEAL_ALL = SEAL_HEADERS | SEAL_BODIES | FIT_LENGTHS | PLACE

CODEC_AT = 5
LENGTHS_AT = 8
LENGTHS = struct.Struct("<II")
"""Of the body, as stored and before compression."""

_LENGTH = struct.Struct("<I")
_POSITION = struct.Struct("<Q")
_POSITION_AT = 16
_BODY_CRC_AT = 80
_HEADER_CRC_AT = 84


def sealed_segment(data: bytes, mode: int = SEAL_ALL) -> bytes:
    """`data` as batches, one after the other by their body lengths, with what `mode` says put right."""
    out = bytearray(data)
    position = 0
    while position + HEADER_SIZE <= len(out):
        left = len(out) - position - HEADER_SIZE
        length, raw = LENGTHS.unpack_from(out, position + LENGTHS_AT)
        if mode & FIT_LENGTHS:
            length = min(length, left)
            LENGTHS.pack_into(out, position + LENGTHS_AT, length, raw if out[position + CODEC_AT] else length)
        if mode & PLACE:
            out[position : position + 5] = MAGIC + bytes([VERSION])
            _POSITION.pack_into(out, position + _POSITION_AT, position)
        body = position + HEADER_SIZE
        if mode & SEAL_BODIES:
            _LENGTH.pack_into(out, position + _BODY_CRC_AT, crc32c(bytes(out[body : body + length])))
        if mode & SEAL_HEADERS:
            _LENGTH.pack_into(out, position + _HEADER_CRC_AT, crc32c(bytes(out[position : position + _HEADER_CRC_AT])))
        position = body + min(length, left)
    return bytes(out)


def sealed_entries(data: bytes) -> bytes:
    """`data` as index entries with their checksums right."""
    whole = len(data) // ENTRY_SIZE * ENTRY_SIZE
    entries = [data[at : at + ENTRY_SIZE - 4] for at in range(0, whole, ENTRY_SIZE)]
    return b"".join(entry + _LENGTH.pack(crc32c(entry)) for entry in entries) + data[whole:]


def sealed_line(line: bytes) -> bytes:
    """A line without its newline, what follows its last space replaced by the checksum of what is before it."""
    text = line.rpartition(b" ")[0]
    return b"%s %08x" % (text, crc32c(text))


def sealed_lines(data: bytes) -> bytes:
    """A journal or a checkpoint: each line that ends in a checksum has a right one."""
    lines = data.split(b"\n")
    return b"\n".join(line if line.count(b" ") < 2 else sealed_line(line) for line in lines)

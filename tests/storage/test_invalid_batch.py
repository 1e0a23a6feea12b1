"""Bytes that are no batch are told as InvalidBatch and as nothing else."""

from __future__ import annotations

from contextlib import suppress

import msgpack
import pytest
from crc32c import crc32c
from hypothesis import example, given
from hypothesis import strategies as st

from streamcli.record.batch import Columns
from streamcli.record.errors import UnsupportedBatch
from streamcli.storage.body import decode_body, encode_batch
from streamcli.storage.format import (
    HEADER,
    HEADER_SIZE,
    MAGIC,
    BatchHeader,
    InvalidBatch,
    check_body,
    decode_header,
)

from .columns import columns
from .test_format import TINY_BODY, TINY_HEADER

NAMES = ["offsets", "timestamps", "common_key", "keys", "common_headers", "headers", "values"]


def sealed(checked: bytes) -> bytes:
    """A header whose checksum is right, whatever it says."""
    return checked[:84] + crc32c(checked[:84]).to_bytes(4, "little")


def header_of(body: bytes, **fields: int) -> BatchHeader:
    """A header that fits a body, but for `fields`."""
    header = decode_header(TINY_HEADER, 4096)
    return header._replace(body_length=len(body), raw_length=len(body), body_crc=crc32c(body), **fields)


@pytest.mark.parametrize("position", range(HEADER_SIZE))
@pytest.mark.parametrize("mask", [1, 0x80])
def test_a_changed_header_byte_is_noticed(position: int, mask: int):
    data = bytearray(TINY_HEADER)
    data[position] ^= mask
    with pytest.raises(InvalidBatch):
        decode_header(bytes(data), 4096)


@pytest.mark.parametrize("position", range(len(TINY_BODY)))
def test_a_changed_body_byte_is_noticed(position: int):
    data = bytearray(TINY_BODY)
    data[position] ^= 1
    with pytest.raises(InvalidBatch, match="body fails its checksum"):
        check_body(decode_header(TINY_HEADER, 4096), bytes(data))


def test_a_body_of_another_length_is_noticed():
    header = decode_header(TINY_HEADER, 4096)
    for body in (b"", TINY_BODY[:-1], TINY_BODY + b"\0"):
        with pytest.raises(InvalidBatch):
            check_body(header, body)


def test_a_batch_elsewhere_is_none():
    with pytest.raises(InvalidBatch, match="belongs at position 4096"):
        decode_header(TINY_HEADER, 4097)


def test_a_newer_version_says_upgrade():
    with pytest.raises(InvalidBatch, match=r"format 2 is newer .* upgrade"):
        decode_header(sealed(TINY_HEADER[:4] + b"\x02" + TINY_HEADER[5:]), 4096)


def test_more_records_than_offsets_is_no_header():
    with pytest.raises(InvalidBatch, match="3 records cannot lie at 2 offsets"):
        decode_header(sealed(TINY_HEADER[:36] + b"\x03" + TINY_HEADER[37:]), 4096)


@pytest.mark.parametrize("fields", [{"codec": 2}, {"codec": 5}, {"columns": 128}, {"columns": 0x8000}])
def test_an_unknown_codec_or_column_says_upgrade_and_is_no_damage(fields: dict):
    with pytest.raises(UnsupportedBatch, match="upgrade"):
        decode_body(header_of(TINY_BODY, **fields), TINY_BODY)


BODIES = {
    "nothing": b"",
    "no map": msgpack.packb([1]),
    "not msgpack": b"\xc1",
    "cut short": TINY_BODY[:-1],
    "more after it": TINY_BODY + b"\xc0",
    "unhashable name": b"\x81\x90\xc0",
    "deep": b"\x91" * 2000 + b"\xc0",
    "no values": msgpack.packb({}),
    "nil values": msgpack.packb({"values": None}),
    "one value": msgpack.packb({"values": b"a\n"}),
    "three values": msgpack.packb({"values": b"a\nb\nc\n"}),
    "no newline last": msgpack.packb({"values": b"a\nb\nc"}),
    "one in the list": msgpack.packb({"values": [b"a"]}),
    "text values": msgpack.packb({"values": ["a", "b"]}),
    "number values": msgpack.packb({"values": [1, 2]}),
    "three keys": msgpack.packb({"keys": [b"a", b"b", b"c"], "values": b"a\nb\n"}),
    "nil keys": msgpack.packb({"keys": None, "values": b"a\nb\n"}),
    "text common key": msgpack.packb({"common_key": "k", "values": b"a\nb\n"}),
    "one timestamp": msgpack.packb({"timestamps": [1], "values": b"a\nb\n"}),
    "true timestamps": msgpack.packb({"timestamps": [True, False], "values": b"a\nb\n"}),
    "fractional timestamps": msgpack.packb({"timestamps": [1.5, 2.5], "values": b"a\nb\n"}),
    "equal offsets": msgpack.packb({"offsets": [1, 1], "values": b"a\nb\n"}),
    "falling offsets": msgpack.packb({"offsets": [2, 1], "values": b"a\nb\n"}),
    "negative offsets": msgpack.packb({"offsets": [-2, 1], "values": b"a\nb\n"}),
    "offsets beyond the header's": msgpack.packb({"offsets": [0, 2], "values": b"a\nb\n"}),
    "headers of one": msgpack.packb({"headers": [[]], "values": b"a\nb\n"}),
    "headers no list": msgpack.packb({"headers": [1, 2], "values": b"a\nb\n"}),
    "header of three": msgpack.packb({"headers": [[["a", b"", 1]], []], "values": b"a\nb\n"}),
    "header name bytes": msgpack.packb({"headers": [[[b"a", b""]], []], "values": b"a\nb\n"}),
    "header value text": msgpack.packb({"headers": [[["a", "b"]], []], "values": b"a\nb\n"}),
    "common headers nil": msgpack.packb({"common_headers": None, "values": b"a\nb\n"}),
    "header name not UTF-8": b"\x82\xaecommon_headers\x91\x92\xa1\xff\xc0\xa6values\xc4\x04a\nb\n",
}


def bits_of(body: bytes) -> int:
    """The column bits that fit a body, so that nothing but its own fault is against it."""
    return sum(1 << NAMES.index(name) for name in NAMES[:-1] if name.encode() in body)


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_a_body_that_is_not_what_the_format_says(body: bytes):
    values_length = 4 if body.endswith(b"\xc4\x04a\nb\n") else 0
    with pytest.raises(InvalidBatch):
        decode_body(header_of(body, columns=bits_of(body), values_length=values_length), body)


@pytest.mark.parametrize("length", [0, 5, 200])
@pytest.mark.parametrize("count", [1, 3])
def test_a_joined_column_of_another_count(length: int, count: int):
    values = (b"x" * length + b"\n") * count
    body = msgpack.packb({"values": values})
    with pytest.raises(InvalidBatch, match="values does not hold 2 elements"):
        decode_body(header_of(body, values_length=len(values)), body)


@pytest.mark.parametrize("fields", [{"columns": 8}, {"values_length": 4}, {"values_length": 0}])
def test_a_body_that_is_not_what_its_header_says(fields: dict):
    """values_length places the bytes that are copied out undecoded: a wrong one would let wrong bytes out."""
    with pytest.raises(InvalidBatch):
        decode_body(header_of(TINY_BODY, **fields), TINY_BODY)


def test_gaps_that_are_not_listed():
    with pytest.raises(InvalidBatch, match="gaps"):
        decode_body(header_of(TINY_BODY, last_offset_delta=5), TINY_BODY)


@given(
    st.one_of(st.binary(max_size=80), st.binary(max_size=80).map(lambda rest: MAGIC + b"\x01" + rest)), st.booleans()
)
def test_any_bytes_as_a_header(start: bytes, seal: bool):
    data = start.ljust(HEADER_SIZE, b"\0")[:HEADER_SIZE]
    data = sealed(data) if seal else data
    try:
        header = decode_header(data, 0)
    except InvalidBatch:
        return
    assert seal
    assert HEADER.unpack(data)[2:] == tuple(header)


PACKED = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-5, 5), st.binary(max_size=5), st.text(max_size=3)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(NAMES), inner, max_size=4)),
    max_leaves=10,
)


@given(st.one_of(st.binary(max_size=60), PACKED.map(msgpack.packb)), st.integers(0, 3), st.integers(0, 63))
@example(b"\x81\x90\xc0", 0, 0)
def test_any_bytes_as_a_body(body: bytes, count: int, bits: int):
    header = header_of(body, record_count=count, last_offset_delta=max(count - 1, 0), columns=bits, values_length=0)
    try:
        found = decode_body(header, body)
    except InvalidBatch:
        return
    assert found.record_count == count


@given(columns(), st.data())
def test_a_body_cut_or_changed_and_resealed_is_decoded_or_refused(made: Columns, data: st.DataObject):
    """A checksum that fits does not make a body valid: a writer may be wrong."""
    header, buffers = encode_batch(made, position=0, base_offset=0, timestamp=0)
    body = bytearray(b"".join(buffers)[HEADER_SIZE:])
    body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    size = data.draw(st.integers(0, len(body)))
    with suppress(InvalidBatch):
        decode_body(header, bytes(body[:size]))

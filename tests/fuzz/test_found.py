"""What the fuzzers found, one test for each: the bytes that broke a decoder, and what becomes of them now."""

from __future__ import annotations

import tracemalloc

import msgpack
import pytest
from crc32c import crc32c

from streamcli.record.batch import Columns
from streamcli.record.errors import StreamcliError
from streamcli.storage.format import (
    HEADER,
    HEADER_SIZE,
    MAX_OFFSET,
    BatchHeader,
    InvalidBatch,
    decode_body,
    decode_header,
    encode_batch,
)

# {"values": an array of 10000 whose first element is an array of 10000, and so on a thousand times}, in 13 kB.
BOMB = b"\x81\xa6values" + b"\xdc\x27\x10" * 1000 + b"\xc0" * 10_000


def sealed(header: BatchHeader) -> bytes:
    """The bytes of a header, with the checksum that fits."""
    data = HEADER.pack(b"\xd7SCB", 1, *header)[: HEADER_SIZE - 4]
    return data + crc32c(data).to_bytes(4, "little")


def header_of(made: Columns, body: bytes, **fields: int) -> BatchHeader:
    """The header of a batch of `made` whose body is another, but for `fields`."""
    header, _ = encode_batch(made, position=0, base_offset=0, timestamp=0)
    return header._replace(body_length=len(body), raw_length=len(body), body_crc=crc32c(body), **fields)


@pytest.mark.parametrize("fields", [{"columns": 0}, {"columns": 8}, {"columns": 0, "values_length": 2}])
def test_arrays_in_arrays_take_no_more_memory_than_the_body(fields: dict):
    header = header_of(Columns(1, [b"a"]), BOMB, **fields)
    tracemalloc.start()
    try:
        with pytest.raises(InvalidBatch):
            decode_body(header, BOMB)
        assert tracemalloc.get_traced_memory()[1] < 10 * len(BOMB)
    finally:
        tracemalloc.stop()


def test_values_longer_than_the_body_would_copy_out_the_batch_before():
    header, _ = encode_batch(Columns(1, b"a\n"), position=0, base_offset=0, timestamp=0)
    with pytest.raises(InvalidBatch, match="contradicts"):
        decode_header(sealed(header._replace(values_length=header.body_length + 1)), 0)


def test_values_that_are_not_last_in_the_body():
    """Who copies joined values out takes the body's last bytes: here these are the key's."""
    body = msgpack.packb({"values": b"a\n", "common_key": b"k\n"})
    with pytest.raises(InvalidBatch, match="does not hold the columns"):
        decode_body(header_of(Columns(1, b"a\n", common_key=b"k\n"), body), body)


def test_values_that_are_there_twice():
    """The second stands for both, the first would be copied out."""
    body = b"\x83\xa6values\xc4\x02x\n\xaacommon_key\xc4\x02k\n\xa6values\xc4\x02a\n"
    with pytest.raises(InvalidBatch, match="twice"):
        decode_body(header_of(Columns(1, b"a\n", common_key=b"k\n"), body), body)


def test_timestamps_beyond_those_of_the_header():
    """A search for a time trusted the header's and ended in a traceback when no record had it."""
    body = msgpack.packb({"timestamps": [1, 2], "values": b"a\nb\n"})
    header = header_of(Columns(2, b"a\nb\n", timestamps=[1, 2]), body)
    assert decode_body(header, body).timestamps == [1, 2]
    for wrong in ({"max_timestamp": 3}, {"min_timestamp": 0}):
        with pytest.raises(InvalidBatch, match="timestamps"):
            decode_body(header._replace(**wrong), body)


def test_a_header_whose_least_timestamp_is_the_greater():
    header, _ = encode_batch(Columns(1, b"a\n"), position=0, base_offset=0, timestamp=5)
    with pytest.raises(InvalidBatch, match="contradicts"):
        decode_header(sealed(header._replace(min_timestamp=6)), 0)


@pytest.mark.parametrize("offset", [MAX_OFFSET, 2**63, 2**64 - 1])
def test_an_offset_that_no_offset_can_follow(offset: int):
    header, _ = encode_batch(Columns(1, b"a\n"), position=0, base_offset=0, timestamp=0)
    with pytest.raises(InvalidBatch, match="beyond"):
        decode_header(sealed(header._replace(base_offset=offset)), 0)


def test_a_log_whose_offsets_are_used_up():
    with pytest.raises(StreamcliError, match="the log is full"):
        encode_batch(Columns(1, b"a\n"), position=0, base_offset=MAX_OFFSET - 1, timestamp=0)

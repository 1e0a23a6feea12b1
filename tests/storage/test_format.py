"""The record batch on disk: literal bytes, the header's fields at their places, and what goes in comes out."""

from __future__ import annotations

import pytest
from crc32c import crc32c
from hypothesis import given
from hypothesis import strategies as st

from streamcli.record.batch import Columns, RecordBatch
from streamcli.storage import format
from streamcli.storage.body import decode_body, encode_batch
from streamcli.storage.format import HEADER_SIZE, BatchHeader, check_body, decode_header, find_magic

from .columns import INT64, columns

TINY_HEADER = bytes.fromhex(
    "d7534342"  # magic
    "01"  # version
    "00"  # codec
    "0000"  # columns
    "12000000"  # body length: 18
    "12000000"  # raw length
    "0010000000000000"  # position: 4096
    "2a00000000000000"  # base offset: 42
    "01000000"  # last offset delta
    "02000000"  # record count
    "c0e1e40000000000"  # min timestamp: 15 000 000
    "c0e1e40000000000"  # max timestamp
    "0000000000000000"  # producer id
    "0000000000000000"  # producer sequence
    "00000000"  # producer epoch
    "05000000"  # values length
    "0bbb7751"  # CRC-32C of the body
    "a2867094"  # CRC-32C of the header
)
TINY_BODY = bytes.fromhex(
    "81"  # a map of one
    "a6" + b"values".hex() + "c600000005"  # bin 32 of 5 bytes
    "610a"  # "a\n"
    "62630a"  # "bc\n"
)


def encoded(given_columns: Columns, position: int = 0, base_offset: int = 0, timestamp: int = 0, **more) -> tuple:
    """(header, header bytes, body bytes) of a batch."""
    header, buffers = encode_batch(
        given_columns, position=position, base_offset=base_offset, timestamp=timestamp, **more
    )
    data = b"".join(buffers)
    return header, data[:HEADER_SIZE], data[HEADER_SIZE:]


def test_a_tiny_batch_is_these_bytes():
    _, header, body = encoded(Columns(2, b"a\nbc\n"), 4096, 42, 15_000_000)
    assert body == TINY_BODY
    assert header == TINY_HEADER


def test_a_tiny_batch_of_these_bytes_is_read():
    header = decode_header(TINY_HEADER, 4096)
    assert (header.base_offset, header.next_offset, header.end) == (42, 44, 4096 + 88 + 18)
    check_body(header, TINY_BODY)
    assert decode_body(header, TINY_BODY) == Columns(2, b"a\nbc\n")


FIELDS = [
    (0, 4, b"\xd7SCB"),
    (4, 1, 1),
    (5, 1, 0),
    (6, 2, format.OFFSETS | format.TIMESTAMPS),
    (16, 8, 0x0123456789ABCDEF),
    (24, 8, 0x1122334455667788),
    (32, 4, 9),
    (36, 4, 2),
    (40, 8, -5),
    (48, 8, 7),
    (56, 8, 0xAABBCCDDEEFF0011),
    (64, 8, 0x0102030405060708),
    (72, 4, 0xDEADBEEF),
    (76, 4, 4),
]


def test_every_header_field_lies_at_its_offset():
    made = Columns(2, b"x\ny\n", timestamps=[7, -5], offset_deltas=[0, 9])
    producer = (0xAABBCCDDEEFF0011, 0x0102030405060708, 0xDEADBEEF)
    _, header, body = encoded(made, 0x0123456789ABCDEF, 0x1122334455667788, producer=producer)
    computed = [(8, 4, len(body)), (12, 4, len(body)), (80, 4, crc32c(body)), (84, 4, crc32c(header[:84]))]
    for offset, size, value in FIELDS + computed:
        want = value if isinstance(value, bytes) else value.to_bytes(size, "little", signed=value < 0)
        assert header[offset : offset + size] == want, f"at {offset}"
    covered = sorted((offset, size) for offset, size, _ in FIELDS + computed)
    assert [offset for offset, _ in covered] == [sum(size for _, size in covered[:i]) for i in range(len(covered))]
    assert sum(size for _, size in covered) == HEADER_SIZE == 88


@pytest.mark.parametrize(
    ("bit", "more"),
    [
        (0, {}),
        (1, {"offset_deltas": [0]}),
        (2, {"timestamps": [3]}),
        (4, {"common_key": b""}),
        (8, {"keys": [None]}),
        (16, {"common_headers": []}),
        (32, {"headers": [[]]}),
    ],
)
def test_a_column_has_its_bit_even_when_empty(bit: int, more: dict):
    header, *_ = encoded(Columns(1, b"v\n", **more))
    assert header.columns == bit


@given(columns(), st.integers(0, 2**40), st.integers(0, 2**40), INT64)
def test_what_is_encoded_is_decoded(made: Columns, position: int, base_offset: int, timestamp: int):
    header, header_bytes, body = encoded(made, position, base_offset, timestamp)
    assert decode_header(header_bytes, position) == header
    assert len(body) == header.body_length
    check_body(header, body)
    assert decode_body(header, body) == made
    assert record_rows(header, made) == expected_rows(made, base_offset, timestamp)


def record_rows(header: BatchHeader, made: Columns) -> list[tuple]:
    span = (header.base_offset, header.next_offset, header.record_count)
    batch = RecordBatch(*span, header.min_timestamp, header.max_timestamp, lambda: made)
    return [tuple(record) for record in batch.records()]


def expected_rows(made: Columns, base_offset: int, timestamp: int) -> list[tuple]:
    """The records, told from the columns in the plainest way."""

    def element(column: bytes | list, i: int) -> bytes | None:
        return column[i] if isinstance(column, list) else column.split(b"\n")[i]

    return [
        (
            base_offset + (made.offset_deltas[i] if made.offset_deltas else i),
            made.timestamps[i] if made.timestamps else timestamp,
            made.common_key if made.keys is None else element(made.keys, i),
            element(made.values, i),
            (made.common_headers or []) + (made.headers[i] if made.headers else []),
        )
        for i in range(made.record_count)
    ]


@given(columns(gaps=False))
def test_joined_values_are_the_last_bytes_of_the_body(made: Columns):
    header, _, body = encoded(made)
    if isinstance(made.values, list):
        assert header.values_length == 0
    else:
        assert header.values_length == len(made.values)
        assert body.endswith(made.values)


def test_joined_values_are_passed_through_uncopied():
    values = b"line\n" * 1000
    _, buffers = encode_batch(Columns(1000, values), position=0, base_offset=0, timestamp=0)
    assert buffers[-1] is values


@given(st.binary(max_size=40), st.binary(max_size=10))
def test_the_magic_is_found_wherever_it_is(before: bytes, after: bytes):
    data = before + format.MAGIC + after
    assert find_magic(data, 0) <= len(before)
    assert find_magic(data, len(before)) == len(before)

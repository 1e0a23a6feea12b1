"""An index entry and a checkpoint: their bytes, and what becomes of other bytes."""

from __future__ import annotations

from crc32c import crc32c
from hypothesis import given
from hypothesis import strategies as st

from streamcli.storage.checkpoint import Checkpoint, decode_checkpoint
from streamcli.storage.format import MAX_OFFSET, decode_header
from streamcli.storage.index import ENTRY_SIZE, MAX_POSITION, IndexEntry, decode_entry, encode_entry

from .columns import INT64
from .test_format import TINY_HEADER


@given(st.binary(max_size=40))
def test_any_bytes_as_an_index_entry(data: bytes):
    assert decode_entry(data) is None or len(data) == ENTRY_SIZE


@given(st.integers(0, MAX_POSITION), st.integers(0, 2**64 - 1), INT64)
def test_an_index_entry_and_its_damage(position: int, offset: int, before: int):
    header = decode_header(TINY_HEADER, 4096)._replace(position=position, base_offset=offset)
    data = encode_entry(header, before)
    entry = decode_entry(data)
    assert entry == IndexEntry(position, offset, before, header.header_crc)
    assert entry.leads_to(header)
    assert not entry.leads_to(header._replace(header_crc=0))
    for i in range(ENTRY_SIZE):
        assert decode_entry(data[:i] + bytes([data[i] ^ 1]) + data[i + 1 :]) is None


def test_an_index_entry_is_these_bytes():
    data = encode_entry(decode_header(TINY_HEADER, 4096), -2)
    assert data[:28].hex() == "00100000000000002a00000000000000feffffffffffffff" + TINY_HEADER[84:].hex()
    assert data[28:] == crc32c(data[:28]).to_bytes(4, "little")


CHECKPOINT = Checkpoint("0f" * 18, 5, 77, 9, -3)
CHECKPOINT_LINE = (
    b"streamcli-checkpoint 1 0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f "
    b"00000000000000000005 00000000000000000077 00000000000000000009 -0000000000000000003 "
)


def test_a_checkpoint_is_this_line():
    assert CHECKPOINT.encode() == CHECKPOINT_LINE + b"%08x\n" % crc32c(CHECKPOINT_LINE[:-1])
    assert decode_checkpoint(CHECKPOINT.encode()) == CHECKPOINT


def test_every_checkpoint_has_the_same_length():
    largest = Checkpoint("0f" * 18, MAX_OFFSET, MAX_POSITION, MAX_OFFSET, -(2**63))
    assert len(largest.encode()) == len(CHECKPOINT.encode()) == len(Checkpoint("0f" * 18, 0, 0, 0, 2**63 - 1).encode())
    assert decode_checkpoint(largest.encode()) == largest


def test_a_damaged_checkpoint_is_none():
    line = CHECKPOINT.encode()
    for i in range(len(line)):
        assert decode_checkpoint(line[:i] + bytes([line[i] ^ 1]) + line[i + 1 :]) is None
        assert decode_checkpoint(line[:i]) is None


@given(st.one_of(st.binary(max_size=100), st.lists(st.binary(max_size=8), min_size=6, max_size=8).map(b" ".join)))
def test_any_bytes_as_a_checkpoint(text: bytes):
    assert decode_checkpoint(text) is None
    decode_checkpoint(b"%s %08x\n" % (text, crc32c(text)))
    decode_checkpoint(b"streamcli-checkpoint 1 %s %08x\n" % (text, crc32c(b"streamcli-checkpoint 1 " + text)))

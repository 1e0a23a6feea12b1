"""Compressed bodies: what goes in comes out, of each codec; what is no such body is told, and takes no memory."""

from __future__ import annotations

import sys
import zlib

import pytest
from crc32c import crc32c
from hypothesis import given, settings
from hypothesis import strategies as st

from streamcli.record.batch import Columns, split_column
from streamcli.record.errors import CorruptData
from streamcli.storage.body import decode_body, encode_batch, encode_body
from streamcli.storage.codec import GZIP, LZ4, NUMBERS, ZSTD, compress, decompress
from streamcli.storage.config import SETTINGS
from streamcli.storage.format import (
    CODEC_NONE,
    HEADER_SIZE,
    BatchHeader,
    InvalidBatch,
    check_body,
    decode_header,
    max_raw_length,
)
from tests.fuzz.test_found import memory_below, sealed

from .columns import columns
from .partition_log import PartitionLog, flip, lines

CODECS = sorted(NUMBERS.values())
LINES = Columns(50, b"a line like the others\n" * 50)


def encoded(made: Columns, codec: int) -> tuple[BatchHeader, bytes]:
    header, buffers = encode_batch(made, position=0, base_offset=7, timestamp=5, codec=codec)
    data = b"".join(buffers)
    assert decode_header(data, 0) == header
    check_body(header, data[HEADER_SIZE:])
    return header, data[HEADER_SIZE:]


def test_every_codec_of_the_config_has_a_number():
    assert {"none", *NUMBERS} == set(SETTINGS["compression.type"].choices)
    assert NUMBERS == {"gzip": 1, "lz4": 3, "zstd": 4}, "Kafka's"


@pytest.mark.parametrize("codec", CODECS)
@settings(max_examples=40)
@given(made=columns(), times=st.integers(1, 40))
def test_what_is_compressed_is_decompressed(codec: int, made: Columns, times: int):
    """Columns as they are, mostly too short to become smaller, and with each value many times over."""
    values = [None if value is None else value * times for value in split_column(made.values)]
    for given_columns in (made, made._replace(values=values)):
        header, body = encoded(given_columns, codec)
        assert decode_body(header, body) == given_columns
        plain, _ = encoded(given_columns, CODEC_NONE)
        assert header.raw_length == plain.body_length
        assert header.values_length == plain.values_length
        assert header.body_length <= plain.body_length
        assert (header.codec == codec) == (header.body_length < plain.body_length)


@pytest.mark.parametrize("codec", CODECS)
def test_joined_values_are_found_in_the_raw_body_alone(partition: PartitionLog, codec: int):
    partition.codec = codec
    partition.write(LINES, lines("plain"))
    (_, compressed), (_, plain) = partition.headers()
    assert (compressed.codec, plain.codec) == (codec, CODEC_NONE), "one line does not become smaller"
    assert compressed.values_length == len(LINES.values) > compressed.body_length
    with partition.open_segment() as segment:
        assert segment.batch_of(compressed).extent is None
        assert segment.batch_of(plain).extent is not None
    assert partition.values() == [*LINES.values.split(b"\n")[:-1], b"plain"]


@pytest.mark.parametrize("codec", CODECS)
def test_every_bit_of_a_compressed_body_is_checked(partition: PartitionLog, codec: int):
    partition.codec = codec
    partition.write(lines("before"), LINES, lines("after"))
    header = partition.headers()[1][1]
    for position in range(header.position + HEADER_SIZE, header.end):
        flip(partition.segment(), position, 1 << position % 8)
        damages: list[CorruptData] = []
        assert [record.value for record in partition.read(0, damages.append)] == [b"before", b"after"]
        (damage,) = damages
        assert (damage.position, damage.first, damage.next_offset) == (header.position, 1, 51)
        flip(partition.segment(), position, 1 << position % 8)


@pytest.mark.parametrize("codec", CODECS)
def test_a_body_that_was_written_wrong_is_invalid_and_nothing_else(codec: int):
    """Behind a right checksum: each bit of the body changed, and the body cut at each byte, and longer."""
    header, body = encoded(LINES, codec)
    wrong = [body[:size] for size in range(len(body))]
    wrong += [body + b"\0", body + body]
    for bit in range(8 * len(body)):
        changed = bytearray(body)
        changed[bit // 8] ^= 1 << bit % 8
        wrong.append(bytes(changed))
    for data in wrong:
        sealed_header = header._replace(body_length=len(data), body_crc=crc32c(data))
        check_body(sealed_header, data)
        try:
            found = decode_body(sealed_header, data)
        except InvalidBatch:
            continue
        assert data not in wrong[: len(body) + 2]
        assert found == LINES or codec != GZIP, "gzip has a checksum of its own"


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("claimed", [0, 1, 1000, (1 << 25) - 1])
def test_a_bomb_is_decompressed_no_further_than_it_says(codec: int, claimed: int):
    bomb = compress(codec, bytes(1 << 25))
    with memory_below(3 * claimed + (1 << 20)), pytest.raises(InvalidBatch, match=f"the {claimed} bytes"):
        decompress(codec, bomb, claimed)


def test_a_header_cannot_ask_for_more_than_its_body_can_need():
    header, body = encoded(LINES, GZIP)
    most = max_raw_length(len(body))
    assert most == 16 << 20
    assert decode_header(sealed(header._replace(raw_length=most)), 0).raw_length == most
    for raw_length in (most + 1, 2**32 - 1):
        with pytest.raises(InvalidBatch, match="cannot be one of"):
            decode_header(sealed(header._replace(raw_length=raw_length)), 0)
    with pytest.raises(InvalidBatch, match="contradicts"):
        decode_header(sealed(header._replace(values_length=header.raw_length + 1)), 0)
    plain, body = encoded(LINES, CODEC_NONE)
    for raw_length in (len(body) - 1, len(body) + 1):
        with pytest.raises(InvalidBatch, match="cannot be one of"):
            decode_header(sealed(plain._replace(raw_length=raw_length)), 0)


def test_what_would_be_such_a_header_is_stored_as_it_is():
    long = Columns(1, [bytes(17 << 20)])
    assert len(compress(ZSTD, long.values[0])) < (17 << 10), "more than 1024 times smaller"
    assert encode_body(long, ZSTD).codec == CODEC_NONE
    assert encode_body(long, LZ4).codec == LZ4
    assert encode_body(Columns(1, [bytes(15 << 20)]), ZSTD).codec == ZSTD


def test_a_frame_that_asks_for_a_wide_window_is_refused():
    """The window is memory that a frame asks for, whatever it holds."""
    zstd = pytest.importorskip("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")
    for window, is_taken in ((23, True), (24, False)):
        options = {zstd.CompressionParameter.window_log: window, zstd.CompressionParameter.content_size_flag: 0}
        compressor = zstd.ZstdCompressor(options=options)
        frame = compressor.compress(bytes(1000)) + compressor.flush()
        if is_taken:
            assert decompress(ZSTD, frame, 1000) == bytes(1000)
        else:
            with pytest.raises(InvalidBatch):
                decompress(ZSTD, frame, 1000)


def test_gzip_is_what_gzip_reads():
    assert zlib.decompress(compress(GZIP, b"lines\n" * 9), 31) == b"lines\n" * 9

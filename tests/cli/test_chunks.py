"""Input cut into records: the same ones, in whatever pieces it comes."""

from __future__ import annotations

import os
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamcli.cli.input import RecordTooLong, read_chunks, split_chunk


def records_of(pieces: list[bytes], delimiter: bytes, limit: int = 1 << 20, most: int = 1 << 20) -> list[bytes]:
    """The records that are read from a pipe into which the pieces are written one at a time."""
    reader, writer = os.pipe()
    waiting = [piece for piece in pieces if piece]
    writers = [writer]

    def wait(_: int) -> bool:
        if waiting:
            os.write(writer, waiting.pop(0))
        elif writers:
            os.close(writers.pop())
        return True

    found: list[bytes] = []
    try:
        for chunk in read_chunks(reader, delimiter, lambda: limit, wait):
            for part in [chunk] if chunk.unended else split_chunk(chunk, delimiter, most):
                records = bytes(part.data).split(delimiter)
                assert chunk.unended or records.pop() == b""
                assert len(records) <= most
                assert part.lines() == bytes(part.data).count(b"\n")
                found += records
    finally:
        os.close(reader)
        for fd in writers:
            os.close(fd)
    return found


@given(
    data=st.text("ab\n", max_size=40).map(str.encode),
    delimiter=st.text("ab\n", min_size=1, max_size=3).map(str.encode),
    cuts=st.lists(st.integers(0, 40)),
    most=st.integers(1, 5),
)
def test_records_are_those_of_split(data: bytes, delimiter: bytes, cuts: list[int], most: int) -> None:
    """Delimiters count from the left, also where one may overlap itself."""
    places = [0, *sorted(cut for cut in cuts if cut < len(data)), len(data)]
    pieces = [data[start:end] for start, end in pairwise(places)]
    wanted = data.split(delimiter)
    assert records_of(pieces, delimiter, most=most) == (wanted if wanted[-1] else wanted[:-1])


@pytest.mark.parametrize("delimiter", [b"\n", b"--"])
@pytest.mark.parametrize("pieces", [[b"12345"], [b"123", b"45"], [b"12345\n--"], [b"1234", b"5", b"\n--"]])
def test_a_record_that_is_too_long(delimiter: bytes, pieces: list[bytes]) -> None:
    with pytest.raises(RecordTooLong):
        records_of(pieces, delimiter, limit=4)


def test_a_long_record_in_a_thousand_pieces() -> None:
    assert records_of([b"x" * 4096] * 1000 + [b"\ny\n"], b"\n", limit=1 << 23) == [b"x" * 4096000, b"y"]

"""Input cut into records: the same ones, in whatever pieces it comes."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path
from zlib import crc32

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamcli.cli import input, read_ahead
from streamcli.cli.input import CannotRead, Chunk, RecordTooLong, read_chunks
from streamcli.cli.parse_records import RecordShape, parse_lines, split_records
from streamcli.engine.divided import Divided
from streamcli.record.batch import Columns, Joinable, split_column
from tests.support.waiting import wait_until

WAYS = ["no", "listed", "among"]
"""Whether records may go to several partitions, and whether they come divided among them."""


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
            rest = chunk
            while rest.data:
                assert rest.lines() == bytes(rest.data).count(b"\n")
                records, length = split_records(rest, delimiter, most)
                assert 1 <= len(records) <= most
                found += records
                rest = rest.after(length)
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


@pytest.mark.parametrize("length", [0, 60, 5000])
def test_lines_are_counted_however_full_the_buffer_is(length: int) -> None:
    """What was read before still lies behind what is read now."""
    line = b"x" * length + b"\n"
    pieces = [line * max(1, size // len(line)) for size in (900 << 10, 100, 5000, 40 << 10, 600 << 10)]
    assert records_of(pieces, b"\n") == b"".join(pieces).split(b"\n")[:-1]


def lines_of_file(path: Path, limit: int = 1 << 20) -> list[bytes]:
    """The lines of a file, each chunk's counted."""
    fd = os.open(path, os.O_RDONLY)
    found: list[bytes] = []
    try:
        for chunk in read_chunks(fd, b"\n", lambda: limit, lambda _: True, are_counted=True):
            data = bytes(chunk.data)
            assert chunk.lines() == data.count(b"\n")
            found += data.split(b"\n")[: None if chunk.unended else -1]
    finally:
        os.close(fd)
    return found


@pytest.fixture
def small_buffers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 8 bytes, and every file is long."""
    for module in (input, read_ahead):
        monkeypatch.setattr(module, "CHUNK", 8)
    monkeypatch.setattr(read_ahead, "_LONG", 0)


@pytest.mark.usefixtures("small_buffers")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.text("ab\n", max_size=100).map(str.encode), limit=st.integers(1, 40))
def test_a_file_read_ahead_has_the_same_lines(tmp_path: Path, data: bytes, limit: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(data)
    wanted = data.split(b"\n")
    if any(len(line) > limit for line in wanted):
        with pytest.raises(RecordTooLong):
            lines_of_file(path, limit)
    else:
        assert lines_of_file(path, limit) == (wanted if wanted[-1] else wanted[:-1])


@pytest.mark.usefixtures("small_buffers")
def test_a_file_is_read_without_a_thread_where_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def start_new_thread(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("_thread.start_new_thread", start_new_thread)
    path = tmp_path / "file"
    path.write_bytes(b"ab\ncde\nf\n" * 5)
    assert lines_of_file(path) == [b"ab", b"cde", b"f"] * 5


@pytest.mark.usefixtures("small_buffers")
def test_a_read_that_fails_is_told_after_what_came_before_it(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"abc\n" * 10)
    fd = os.open(path, os.O_RDONLY)
    chunks = read_chunks(fd, b"\n", lambda: 9, lambda _: True, are_counted=True)
    first = bytes(next(chunks).data)
    writer = os.open(path, os.O_WRONLY)
    os.dup2(writer, fd)  # from which nothing can be read
    os.close(writer)
    found = [first]
    with pytest.raises(CannotRead, match="Bad file descriptor"):
        found += [bytes(chunk.data) for chunk in chunks]
    os.close(fd)
    assert len(found) <= 2
    assert set(found) == {b"abc\n" * 2}


@pytest.mark.usefixtures("small_buffers")
def test_nothing_is_read_once_a_reader_ahead_is_left(tmp_path: Path) -> None:
    """The descriptor's number may be another file's by then."""
    path = tmp_path / "file"
    path.write_bytes(b"abc\n" * 100)
    fd = os.open(path, os.O_RDONLY)
    chunks = read_chunks(fd, b"\n", lambda: 9, lambda _: True, are_counted=True)
    next(chunks)
    threads = len(os.listdir("/proc/self/task"))
    chunks.close()
    position = os.lseek(fd, 0, os.SEEK_CUR)
    wait_until(lambda: len(os.listdir("/proc/self/task")) < threads, "the thread ends")
    assert os.lseek(fd, 0, os.SEEK_CUR) == position
    os.close(fd)


# Taken apart

FIELDS = st.text("ab:;\n\r\0", max_size=4).map(str.encode)
SHAPES = st.builds(
    RecordShape,
    delimiter=st.sampled_from([b"\n", b"\n", b"\0", b";", b"\r\n", b"aa"]),
    key_delimiter=st.sampled_from([None, b":", b":", b";", b"::", b"ab", b".", b"b\n", b"\n"]),
    empty_null=st.booleans(),
)


def taken_apart(record: bytes, shape: RecordShape) -> tuple[bytes | None, bytes | None]:
    """Key and value of a record, from the manual."""
    key, value = None, record
    if shape.key_delimiter is not None and shape.key_delimiter in record:
        at = record.index(shape.key_delimiter)
        key, value = record[:at], record[at + len(shape.key_delimiter) :]
    return (key or None, value or None) if shape.empty_null else (key, value)


@pytest.mark.parametrize("short", [True, False])
@pytest.mark.parametrize("keyed", [True, False])
@pytest.mark.parametrize("divided", WAYS)
@given(records=st.lists(FIELDS, min_size=1, max_size=12), shape=SHAPES, unended=st.booleans(), most=st.integers(1, 5))
def test_a_chunk_taken_apart_is_each_record_taken_apart(
    short: bool, keyed: bool, divided: str, records: list[bytes], shape: RecordShape, unended: bool, most: int
) -> None:
    """However that is done: few lines are partitioned one by one, many are matched by a pattern, if each has a key."""
    if keyed:
        records = [record + (shape.key_delimiter or b"") + record[::-1] for record in records]
    times = 1 if short else 5000 // len(b"".join(records) + b"x") + 1
    most = most if short else most * times
    data = b"".join(record + shape.delimiter for record in records * times)
    *whole, rest = data.split(shape.delimiter)
    data = data[: len(data) - len(rest)]
    wanted = [taken_apart(record, shape) for record in whole]
    if unended:
        data = records[0].replace(shape.delimiter, b"") or b"x"
        wanted = [taken_apart(data, shape)]
    rest = Chunk(memoryview(bytearray(data)), unended)
    found = []
    while rest.data:
        columns, length = columns_of(rest, shape, most, divided)
        assert 1 <= columns.record_count <= most
        keys = [None] * columns.record_count if columns.keys is None else split_column(columns.keys)
        found += zip(keys, split_column(columns.values), strict=True)
        assert_joinable_as_said(columns)
        rest = rest.after(length)
    assert found == wanted


@pytest.mark.parametrize("most", [None, 1, 999, 1000, 1500, 4000])
@pytest.mark.parametrize("missing", [None, 0, 2500, 2999])
@pytest.mark.parametrize("divided", WAYS)
def test_keyed_lines_of_several_pieces(most: int | None, missing: int | None, divided: str) -> None:
    """One of which is longer than a piece, and one may have no key."""
    lines = [b"key %d: value %d" % (number, number) * (1 + number % 5) for number in range(3000)]
    lines[1000] = b"long:" + b"x" * 100_000
    if missing is not None:
        lines[missing] = b"no key"
    rest, found = Chunk(memoryview(bytearray(b"".join(line + b"\n" for line in lines)))), []
    while rest.data and len(found) < 2000 + (most or 0):
        columns, length = columns_of(rest, RecordShape(key_delimiter=b":"), most, divided)
        assert columns.record_count == min(most or 3000, 3000 - len(found))
        assert columns.keys is not None
        found += zip(split_column(columns.keys), split_column(columns.values), strict=True)
        rest = rest.after(length) if most != 1 or len(found) < 3 else rest._replace(data=rest.data[:0])
    assert found == [taken_apart(line, RecordShape(key_delimiter=b":")) for line in lines[: len(found)]]
    assert len(found) == 3 if most == 1 else len(found) >= 2000


@pytest.mark.parametrize("count", [1, 7, 300])
def test_records_are_divided_by_their_keys_in_order(count: int) -> None:
    lines = [b"%d:%d" % (number % 501, number) for number in range(20_000)]
    chunk = Chunk(memoryview(bytearray(b"".join(line + b"\n" for line in lines))))
    divided, length, _ = parse_lines(chunk, RecordShape(key_delimiter=b":"), None, is_divided=True, partitions=count)
    assert isinstance(divided, Divided)
    assert (divided.record_count, length) == (20_000, len(chunk.data))
    shares = list(divided.shares())
    assert len({share.partition for share in shares}) == len(shares)
    assert sum(share.columns.record_count for share in shares) == 20_000
    for share in shares:
        wanted = [number for number in range(20_000) if crc32(b"%d" % (number % 501)) % count == share.partition]
        assert list(share.indexes) == wanted
        assert share.columns.keys == b"".join(b"%d\n" % (number % 501) for number in wanted)
        assert share.columns.values == b"".join(b"%d\n" % number for number in wanted)


def columns_of(chunk: Chunk, shape: RecordShape, most: int | None, divided: str) -> tuple[Columns, int]:
    partitions = 3 if divided == "among" else None
    parsed = parse_lines(chunk, shape, most, is_divided=divided != "no", partitions=partitions)
    assert parsed.partitions is None
    if isinstance(parsed.columns, Divided):
        assert divided == "among"
        return parsed.columns.whole(), parsed.length
    return parsed.columns, parsed.length


def assert_joinable_as_said(columns: Columns) -> None:
    for column in (columns.keys, columns.values):
        if isinstance(column, Joinable):
            assert all(element is not None and b"\n" not in element for element in column)

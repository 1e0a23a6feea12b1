"""What goes in comes out, byte for byte."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.support.command import durable, ok, refused

MIB = 1 << 20


def there_and_back(data: bytes, *flags: str) -> bytes:
    """Produce `data` to a new topic with these flags and consume it with the same."""
    topic = uuid.uuid4().hex
    ok("produce", topic, *flags, stdin=data)
    return ok("consume", topic, *flags)


@pytest.mark.parametrize(
    "data",
    [
        b"one\ntwo\n",
        b"dos\r\nlines\r\n",
        b"old mac\rline\n",
        b"a\0b\n\0\n",
        b"\xff\xfe\xc3\x28\n\x80\n",
        b"\xef\xbb\xbfbyte order mark\n",
        b"\n",
        b"\n\n\n",
        b"a\n\nb\n",
        " unicode line separators\u2028 \u0085 are no newlines\n".encode(),
        b"\x1b[31mred\x1b[0m\x07\n",
        b"x\n" * 5000,
    ],
    ids=repr,
)
def test_lines_come_out_as_they_went_in(data: bytes) -> None:
    assert there_and_back(data) == data


def test_no_input_is_no_record() -> None:
    assert there_and_back(b"") == b""


@pytest.mark.parametrize("data", [b"x", b"a\nb", b"a\r\nb\r", b"\n\nlast", b"\0"])
def test_a_last_line_without_newline_is_a_record(data: bytes) -> None:
    ok("produce", "t", stdin=data)
    assert ok("consume", "t") == data + b"\n"
    assert ok("consume", "t", "-F", "%S ").split()[-1] == b"%d" % len(data.split(b"\n")[-1])


@pytest.mark.parametrize("length", [1, 4095, 4096, 65535, 65536, MIB - 1, MIB, MIB + 1, 3 * MIB])
def test_lines_of_any_length(length: int) -> None:
    pattern = (bytes(range(256)) * (length // 256 + 1))[:length].replace(b"\n", b"-")
    data = b"before\n" + pattern + b"\nafter\n" + pattern + b"\n"
    assert there_and_back(data) == data


def test_a_long_last_line_without_newline() -> None:
    data = b"short\n" + b"x" * (2 * MIB)
    assert there_and_back(data) == data + b"\n"


@settings(max_examples=20)
@given(st.lists(st.binary(max_size=40).map(lambda line: line.replace(b"\n", b"")), min_size=1, max_size=200))
@example([b""])
@example([b"", b"\r", b"\0", b"\xff"])
def test_any_lines(lines: list[bytes]) -> None:
    data = b"".join(line + b"\n" for line in lines)
    assert there_and_back(data) == data


@settings(max_examples=15)
@given(
    st.binary(min_size=1, max_size=3).filter(lambda d: b"\\" not in d), st.lists(st.binary(max_size=10), max_size=50)
)
def test_any_delimiter(delimiter: bytes, pieces: list[bytes]) -> None:
    records = delimiter.join(pieces).split(delimiter) if pieces else []
    data = b"".join(record + delimiter for record in records)
    escaped = "".join(f"\\x{byte:02x}" for byte in delimiter)
    assert there_and_back(data, "-D", escaped) == data


@pytest.mark.parametrize(
    ("delimiter", "data", "records"),
    [
        (",", b"a,b\n,c,", [b"a", b"b\n", b"c"]),
        ("\\t", b"a\tb\t", [b"a", b"b"]),
        ("\\0", b"a\0b\nc\0", [b"a", b"b\nc"]),
        ("\\r\\n", b"a\r\nb\nc\r\n", [b"a", b"b\nc"]),
        ("--\\n", b"a\n--\nb\n-\n--\n", [b"a\n", b"b\n-\n"]),
        ("aa", b"aaabaa", [b"", b"ab"]),
        ("é", "unéun".encode(), [b"un", b"un"]),
        ("\\x41\\x42", b"1AB2AAB", [b"1", b"2A"]),
        ("\\\\n", b"a\\nb\n\\n", [b"a", b"b\n"]),
    ],
)
def test_delimiters(delimiter: str, data: bytes, records: list[bytes]) -> None:
    ok("produce", "t", "-D", delimiter, stdin=data)
    assert ok("consume", "t", "-F", "%S:%s;") == b"".join(b"%d:%s;" % (len(r), r) for r in records)


def test_a_delimiter_that_straddles_two_reads_and_two_chunks() -> None:
    record = b"x" * (MIB - 1)
    data = (record + b"=+=") * 3
    assert there_and_back(data, "-D", "=+=") == data


def test_nul_delimited() -> None:
    data = b"a file\0one\nwith newline\0\0"
    assert there_and_back(data, "-0") == data
    ok("produce", "t", "--null", stdin=data)
    assert ok("consume", "t", "-F", "[%s]") == b"[a file][one\nwith newline][]"


def test_whole_takes_standard_input_as_one_record() -> None:
    data = b"line\n\0another\r\n"
    ok("produce", "t", "--whole", stdin=data)
    assert ok("consume", "t", "-F", "%o:%s|") == b"0:" + data + b"|"


def test_whole_takes_each_file_as_one_record(tmp_path) -> None:
    contents = [b"one\ntwo\n", b"", b"\xff" * (2 * MIB)]
    names = []
    for number, data in enumerate(contents):
        path = tmp_path / f"file {number}"
        path.write_bytes(data)
        names.append(str(path))
    ok("produce", "t", "--whole", *names)
    assert ok("consume", "t", "-D", "") == b"".join(contents)
    assert ok("consume", "t", "-F", "%S ") == b"8 0 %d " % (2 * MIB)


def test_files_are_read_in_order_and_dash_is_standard_input(tmp_path) -> None:
    first, last = tmp_path / "1", tmp_path / "2"
    first.write_bytes(b"a\nb without newline")
    last.write_bytes(b"z\n")
    ok("produce", "t", str(first), "-", str(last), stdin=b"in\n")
    assert ok("consume", "t") == b"a\nb without newline\nin\nz\n"


def test_files_leave_standard_input_alone(tmp_path) -> None:
    file = tmp_path / "f"
    file.write_bytes(b"a\n")
    ok("produce", "t", str(file), stdin=b"not read\n")
    assert ok("consume", "t") == b"a\n"


def test_a_missing_file_is_refused_before_anything_is_read(tmp_path, log_directory) -> None:
    file = tmp_path / "there"
    file.write_bytes(b"a\n")
    message = refused(2, "produce", "t", str(file), str(tmp_path / "missing"))
    assert "missing" in message
    assert not log_directory.exists()


def test_a_file_that_cannot_be_read_is_named_after_what_came_before_it(tmp_path) -> None:
    file, unreadable = tmp_path / "file", "/proc/self/mem"
    file.write_bytes(b"a\n")
    message = refused(8, "produce", "t", str(file), unreadable)
    assert f"cannot read {unreadable}" in message
    assert durable(message) == 1
    assert ok("consume", "t") == b"a\n"

"""From where to where consume reads."""

from __future__ import annotations

import time

import pytest

from tests.support.command import ok, refused

T0 = 1_700_000_000_000
"""2023-11-14T22:13:20Z, in ms."""


@pytest.fixture
def one() -> str:
    """Ten records 0 to 9 on a partition, a second apart from T0 on, in several batches."""
    for first in (0, 4, 5):
        last = {0: 4, 4: 5, 5: 10}[first]
        lines = [f'{{"value":"{n}","timestamp":{T0 + n * 1000}}}\n' for n in range(first, last)]
        ok("produce", "one", "--json", stdin="".join(lines).encode())
    return "one"


@pytest.fixture
def three() -> str:
    """Nine records 0 to 8, in this order of time, on three partitions in turn, a batch each."""
    ok("topics", "create", "three", "-p", "3")
    for n in range(9):
        line = f'{{"value":"{n}","timestamp":{T0 + n * 1000},"partition":{n % 3}}}\n'
        ok("produce", "three", "--json", stdin=line.encode())
    return "three"


def values(topic: str, *flags: str) -> str:
    return ok("consume", topic, "-D", "", *flags).decode()


@pytest.mark.parametrize(
    ("offset", "expected"),
    [
        ("beginning", "0123456789"),
        ("end", ""),
        ("0", "0123456789"),
        ("3", "3456789"),
        ("9", "9"),
        ("10", ""),
        ("-1", "9"),
        ("-4", "6789"),
        ("-10", "0123456789"),
        ("-11", "0123456789"),
        ("-99999999999", "0123456789"),
        ("-0", ""),
        ("2:5", "234"),
        ("4:5", "4"),
        ("5:5", ""),
        (":3", "012"),
        (":0", ""),
        ("7:", "789"),
        (":", "0123456789"),
        ("2:999", "23456789"),
        ("beginning:2", "01"),
        ("beginning:end", "0123456789"),
        ("8:end", "89"),
        ("-3:9", "78"),
        (f"@{T0}", "0123456789"),
        (f"@{T0 + 3000}", "3456789"),
        (f"@{T0 + 3001}", "456789"),
        (f"@{T0 + 9001}", ""),
        ("@0", "0123456789"),
        (f"@{T0 + 2000}:@{T0 + 4000}", "23"),
        (f"@{T0 + 2000}:@{T0 + 4001}", "234"),
        (f"@{T0 + 2000}:@{T0 + 2000}", ""),
        (f":@{T0 + 2000}", "01"),
        (f"@{T0 + 8000}:", "89"),
        (f"2:@{T0 + 4000}", "23"),
        ("@2023-11-14T22:13:25Z", "56789"),
        ("@2023-11-14T22:13:25Z:@2023-11-14T22:13:27Z", "56"),
        ("@2023-11-14T23:13:25+01:00", "56789"),
        ("@2023-11-14 22:13:25.500Z", "6789"),
        ("@2023-11-14:@2023-11-16", "0123456789"),
        ("@1h", ""),
        ("@now", ""),
        (":@1h", "0123456789"),
        ("@today", ""),
        (":@yesterday", "0123456789"),
    ],
)
def test_offset(one: str, offset: str, expected: str) -> None:
    assert values(one, "-o", offset) == expected


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (("--since", "2023-11-14T22:13:27Z"), "789"),
        (("--since", f"@{T0 + 8000}"), "89"),
        (("--until", f"@{T0 + 2000}"), "01"),
        (("--since", f"@{T0 + 1000}", "--until", f"@{T0 + 3000}"), "12"),
        (("--since", "1h"), ""),
        (("--until", "now"), "0123456789"),
        (("-o", "2", "--until", f"@{T0 + 4000}"), "23"),
        (("-o", ":4", "--since", f"@{T0 + 2000}"), "23"),
        (("-n", "3"), "012"),
        (("-n", "0"), ""),
        (("-n", "99"), "0123456789"),
        (("-n5", "-o3"), "34567"),
        (("-o", "-3", "-n", "2"), "78"),
    ],
)
def test_shorthands_and_counts(one: str, flags: tuple[str, ...], expected: str) -> None:
    assert values(one, *flags) == expected


def test_durations_ago() -> None:
    now = time.time_ns() // 1_000_000
    for age, value in ((7_200_000, "old"), (600_000, "new")):
        ok("produce", "t", "--json", stdin=f'{{"value":"{value}","timestamp":{now - age}}}\n'.encode())
    assert values("t", "--since", "1h") == "new"
    assert values("t", "--until", "1h") == "old"
    assert values("t", "-o", "@3h:@1h") == "old"
    assert values("t", "--since", "1d") == "oldnew"


@pytest.mark.parametrize("offset", ["11", "999", "11:20"])
def test_an_offset_out_of_range(one: str, offset: str) -> None:
    message = refused(5, "consume", one, "-o", offset)
    assert "offset 11" in message or "offset 999" in message
    assert "0 to 9" in message


def test_out_of_range_of_an_empty_topic() -> None:
    ok("topics", "create", "t")
    assert ok("consume", "t", "-o", "0") == b""
    refused(5, "consume", "t", "-o", "1")


@pytest.mark.parametrize(
    "offset", ["", "x", "1-2", "--1", "1:x", "5:2", "1:-1", ":-1", "@", "@x", "1:beginning", f"@{T0}:@0", "1:2:3", "²", "@²"]
)  # fmt: skip
def test_a_bad_offset_is_refused(one: str, offset: str) -> None:
    refused(2, "consume", one, "-o", offset)


def test_contradicting_bounds_are_refused(one: str) -> None:
    refused(2, "consume", one, "-o", "3", "--since", "1h")
    refused(2, "consume", one, "-o", "3:4", "--until", "1h")
    refused(2, "consume", one, "--since", "yesterdayish")


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ((), "012345678"),
        (("-o", "-1"), "8"),
        (("-o", "-4"), "5678"),
        (("-o", "-100"), "012345678"),
        (("-o", "1"), "345678"),
        (("-o", ":1"), "012"),
        (("-o", "1:2"), "345"),
        (("-o", f"@{T0 + 4000}:@{T0 + 6000}"), "45"),
        (("-p", "1"), "147"),
        (("-p", "1", "-p", "2"), "124578"),
        (("-p", "0", "-o", "-2"), "36"),
        (("-n", "4"), "0123"),
        (("-p", "2", "-n", "1"), "2"),
    ],
)
def test_several_partitions_are_merged_by_time(three: str, flags: tuple[str, ...], expected: str) -> None:
    assert values(three, *flags) == expected


def test_a_partition_twice_is_read_once(three: str) -> None:
    assert values(three, "-p", "1", "-p", "1") == "147"


def test_a_partition_that_does_not_exist(three: str) -> None:
    assert "partition 3" in refused(4, "consume", three, "-p", "3")
    assert "partition 3" in refused(4, "consume", three, "-p", "0", "-p", "3")


def test_several_topics_and_globs(one: str, three: str) -> None:
    ok("produce", "other", stdin=b"x\n")
    assert sorted(values(one, three)) == sorted("0123456789" + "012345678")
    assert sorted(values("o*")) == sorted("0123456789" + "x")
    assert sorted(values("*e", "o?her", one)) == sorted("0123456789" + "012345678" + "x")
    assert values("[p-z]*", "-o", "-2") == "78"
    assert values("one", "one") == "0123456789"
    assert "nothing*" in refused(4, "consume", "nothing*")
    assert "missing" in refused(4, "consume", "one", "missing")


def test_fail_empty(one: str) -> None:
    ok("topics", "create", "empty")
    assert ok("consume", "empty") == b""
    refused(3, "consume", "empty", "--fail-empty")
    refused(3, "consume", one, "-o", "end", "--fail-empty")
    assert ok("consume", one, "-o", "9", "--fail-empty") == b"9\n"


def test_the_last_n_cut_through_a_large_batch() -> None:
    lines = b"".join(b"%d\n" % n for n in range(1000))
    ok("produce", "t", stdin=lines)
    assert ok("consume", "t", "-o", "-7") == b"".join(b"%d\n" % n for n in range(993, 1000))
    assert ok("consume", "t", "-o", "-1000") == lines
    assert ok("consume", "t", "-o", "500:502") == b"500\n501\n"

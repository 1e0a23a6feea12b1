"""Keys, headers, nulls, and which partition a key goes to."""

from __future__ import annotations

import json
import zlib
from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.command import ok, run

# CRC-32 (IEEE, as zlib's and librdkafka's) of some keys: published check values and zlib's, not computed here.
CRC32 = {
    b"a": 0xE8B7BE43,
    b"b": 0x71BEEFF9,
    b"foo": 0x8C736521,
    b"abc": 0x352441C2,
    b"123456789": 0xCBF43926,
    b"The quick brown fox jumps over the lazy dog": 0x414FA339,
}


def records(topic: str, *flags: str) -> list[dict]:
    return [json.loads(line) for line in ok("consume", topic, "--json", *flags).splitlines()]


def test_key_before_the_first_delimiter() -> None:
    ok("produce", "t", "-K", ":", stdin=b"k1:v1\nk2:v:2\n:v3\nv4\nk5:\n")
    assert [(r["key"], r["value"]) for r in records("t")] == [
        ("k1", "v1"),
        ("k2", "v:2"),
        ("", "v3"),
        (None, "v4"),
        ("k5", ""),
    ]


def test_key_delimiter_of_several_bytes_and_another_record_delimiter() -> None:
    ok("produce", "t", "-K", "\\t=", "-D", ";", stdin=b"a\t=1\n\t=2;b\t3\t=x;")
    assert [(r["key"], r["value"]) for r in records("t")] == [("a", "1\n\t=2"), ("b\t3", "x")]


@settings(max_examples=10)
@given(st.lists(st.tuples(st.binary(max_size=8), st.binary(max_size=8)), min_size=1, max_size=60))
def test_any_keys_and_values_come_out_as_they_went_in(pairs: list[tuple[bytes, bytes]]) -> None:
    pairs = [(k.translate(None, b"\n:"), v.translate(None, b"\n")) for k, v in pairs]
    data = b"".join(key + b":" + value + b"\n" for key, value in pairs)
    topic = f"t{zlib.crc32(data)}"
    ok("produce", topic, "-K", ":", stdin=data)
    assert ok("consume", topic, "-K", ":", "-n", str(len(pairs))) == data


def test_one_key_for_all() -> None:
    ok("produce", "t", "-k", "the\\tkey\\xff", stdin=b"a\nb\n")
    assert ok("consume", "t", "-F", "%k=%s\\n") == b"the\tkey\xff=a\nthe\tkey\xff=b\n"


def test_headers_are_kept_in_order_with_duplicates() -> None:
    ok("produce", "t", "-H", "a=1", "--header", "b=", "-H", "a=2=3", "-H", "c=\udcff", stdin=b"x\ny\n")
    expected = [["a", "1"], ["b", ""], ["a", "2=3"], ["c", {"b64": "/w=="}]]
    assert [r["headers"] for r in records("t")] == [expected, expected]


def test_empty_is_null_only_where_asked() -> None:
    data = b"k1:\n:v2\n:\nv4\n\n"
    ok("produce", "plain", "-K", ":", stdin=data)
    ok("produce", "nulls", "-K", ":", "-Z", stdin=data)
    plain = [("k1", ""), ("", "v2"), ("", ""), (None, "v4"), (None, "")]
    assert [(r["key"], r["value"]) for r in records("plain")] == plain
    assert [(r["key"], r["value"]) for r in records("nulls")] == [(k or None, v or None) for k, v in plain]


def test_empty_null_without_keys_and_with_an_empty_common_key() -> None:
    ok("produce", "t", "-Z", "-k", "", stdin=b"a\n\nb\n")
    assert [(r["key"], r["value"]) for r in records("t")] == [(None, "a"), (None, None), (None, "b")]


def test_whole_and_empty_is_null_where_asked() -> None:
    ok("produce", "t", "--whole", "-Z", stdin=b"")
    ok("produce", "t", "--whole", stdin=b"")
    assert [r["value"] for r in records("t")] == [None, ""]


@pytest.mark.parametrize("partitions", [2, 3, 7, 100])
def test_a_key_goes_where_librdkafka_puts_it(partitions: int) -> None:
    ok("topics", "create", "t", "-p", str(partitions))
    ok("produce", "t", "-K", "|", stdin=b"".join(key + b"|v\n" for key in CRC32))
    placed = {r["key"].encode(): r["partition"] for r in records("t")}
    assert placed == {key: crc % partitions for key, crc in CRC32.items()}


def test_any_bytes_as_key_go_by_zlib_crc32() -> None:
    keys = ["é", "日本語", "\udcff\udcfe", "x" * 300, " "]
    ok("topics", "create", "t", "-p", "5")
    for key in keys:
        raw = key.encode(errors="surrogateescape")
        placed = ok("produce", "t", "-k", key, "--offsets", stdin=b"v\n")
        assert int(placed.split()[0]) == zlib.crc32(raw) % 5


def test_every_way_to_give_a_key_places_it_alike() -> None:
    ok("topics", "create", "t", "-p", "8")
    ok("produce", "t", "-k", "foo", stdin=b"1\n")
    ok("produce", "t", "-K", ":", stdin=b"foo:2\nother:x\n")
    ok("produce", "t", "-K", ":", "-D", "\\0", stdin=b"foo:3\0")
    ok("produce", "t", "--json", stdin=b'{"key":"foo","value":"4"}\n{"key_b64":"Zm9v","value":"5"}\n')
    ok("produce", "t", "--whole", "-k", "foo", stdin=b"6")
    found = [r for r in records("t") if r["key"] == "foo"]
    assert sorted(r["value"] for r in found) == ["1", "2", "3", "4", "5", "6"]
    assert {r["partition"] for r in found} == {CRC32[b"foo"] % 8}


@pytest.mark.parametrize(
    ("flags", "data"),
    [((), b"a\nb\n"), (("-K", ":"), b":a\n:b\n"), (("-k", ""), b"a\nb\n"), (("--json",), b'{"value":"a"}\n{"value":"b"}\n')],
)  # fmt: skip
def test_records_without_a_key_stay_together_and_move_on(flags: tuple[str, ...], data: bytes) -> None:
    """Sticky: a batch to one partition; several producers do not all choose the same one."""
    ok("topics", "create", "t", "-p", "4")
    used = set()
    for _ in range(40):
        places = ok("produce", "t", *flags, "--offsets", stdin=data).splitlines()
        partitions = {place.split()[0] for place in places}
        assert len(partitions) == 1
        used |= partitions
        if len(used) > 1:
            return
    raise AssertionError("forty producers chose the same partition")


def test_a_long_input_without_keys_reaches_every_partition() -> None:
    ok("topics", "create", "t", "-p", "3")
    data = b"".join(b"%0100d\n" % number for number in range(50_000))
    ok("produce", "t", stdin=data)
    seen = defaultdict(list)
    for number in range(3):
        seen[number] = [int(line) for line in ok("consume", "t", "-p", str(number)).splitlines()]
        assert seen[number] == sorted(seen[number])
        assert seen[number]
    assert sorted(number for numbers in seen.values() for number in numbers) == list(range(50_000))


def test_a_chosen_partition_beats_the_key() -> None:
    ok("topics", "create", "t", "-p", "3")
    for number in range(3):
        ok("produce", "t", "-p", str(number), "-k", "same", stdin=b"%d\n" % number)
    assert sorted((r["partition"], r["value"]) for r in records("t")) == [(0, "0"), (1, "1"), (2, "2")]


@pytest.mark.parametrize(
    "flags",
    [("-k", "a", "-K", ":"), ("--whole", "-K", ":"), ("--json", "-K", ":"), ("--json", "-0"), ("-H", "novalue")],
)
def test_flags_that_contradict_each_other(flags: tuple[str, ...], log_directory) -> None:
    result = run("produce", "t", *flags, stdin=b"a\n")
    assert (result.status, result.out) == (2, b"")
    assert not log_directory.exists()

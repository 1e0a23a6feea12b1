"""produce: what goes in comes out, where each record goes, and what is told of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.support.command import durable, finish, ok, refused, run, started
from tests.support.waiting import read_lines

# CRC-32 of the key modulo 4, where librdkafka and so kcat put it; computed with another program.
PARTITIONS_OF_4 = {"a": 3, "b": 1, "foo": 1, "abc": 2, "123456789": 2}


def envelopes(topic: str, *flags: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in ok("consume", topic, "--json", *flags).splitlines()]


def test_lines_come_out_byte_for_byte(t: str) -> None:
    lines = [b"plain", b"", b"cr\r", b"nul\0", b"\xff\xfe not utf-8", "träge".encode(), b"\t ", b"x" * 200_000]
    data = b"\n".join(lines)
    assert ok("produce", t, stdin=data) == b""
    assert ok("consume", t) == data + b"\n"


def test_many_records_keep_their_order(t: str) -> None:
    data = b"".join(b"%d\n" % number for number in range(20_000))
    ok("produce", t, stdin=data)
    assert ok("consume", t) == data


def test_what_ends_a_record(t: str) -> None:
    ok("produce", t, "-D", ";", stdin=b"a\n;b;c")
    ok("produce", t, "-D", "\\x00\\n", stdin=b"a\nb\0\nc")
    ok("produce", t, "-0", stdin=b"a\nb\0c\0")
    ok("produce", t, "--whole", stdin=b"a\nb\n")
    assert ok("consume", t, "-D", "|") == b"a\n|b|c|" + b"a\nb|c|" * 2 + b"a\nb\n|"


def test_keys_headers_and_nulls(t: str) -> None:
    ok("produce", t, "-K", ":", "-H", "a=1", "-H", "b=", "-H", "a=2=3", "-H", "c=\udcff", stdin=b"k:v:w\n:v\nv\nk:\n")
    ok("produce", t, "-Z", "-K", ":", stdin=b"k:\n:v\n:\n")
    ok("produce", t, "-k", "the\\tkey\\xff", stdin=b"one key\n")
    rows = envelopes(t)
    assert [(row.get("key", row.get("key_b64")), row["value"]) for row in rows] == [
        ("k", "v:w"),
        ("", "v"),
        (None, "v"),
        ("k", ""),
        ("k", None),
        (None, "v"),
        (None, None),
        ("dGhlCWtlef8=", "one key"),
    ]
    headers = [["a", "1"], ["b", ""], ["a", "2=3"], ["c", {"b64": "/w=="}]]
    assert [row["headers"] for row in rows] == [headers] * 4 + [[]] * 4


def test_json_goes_both_ways_without_loss(t: str) -> None:
    headers = [["a", "1"], ["a", None], ["é", {"b64": "/w=="}]]
    lines: list[dict[str, Any]] = [
        {"partition": 0, "timestamp": 1_700_000_000_456, "key": None, "value": None, "headers": []},
        {"partition": 2, "timestamp": 1_700_000_000_123, "key": "k", "value": "v", "headers": headers},
        {"partition": 2, "timestamp": 1_700_000_000_000, "key": "", "value": "", "headers": []},
        {"partition": 1, "timestamp": 1_700_000_000_789, "key_b64": "/wA=", "value_b64": "gA==", "headers": []},
    ]
    ok("topics", "create", t, f"{t}-copy", "-p", "3")
    ok("produce", t, "--json", stdin="".join(json.dumps(line) + "\n" for line in lines).encode())
    found = envelopes(t)
    expected = [{"topic": t, "offset": offset, **line} for line, offset in zip(lines, [0, 0, 1, 0], strict=True)]
    assert sorted(found, key=place) == sorted(expected, key=place)
    ok("produce", f"{t}-copy", "--json", stdin=ok("consume", t, "--json"))
    assert sorted(({**row, "topic": t} for row in envelopes(f"{t}-copy")), key=place) == sorted(expected, key=place)


def place(row: dict[str, Any]) -> tuple[int, int]:
    return row["partition"], row["offset"]


def test_a_bad_line_of_json_is_named_and_what_is_before_it_is_there(t: str) -> None:
    result = run("produce", t, "--json", stdin=b'{"value":"1"}\n{"value":"2"}\n{"value":3}\n{"value":"4"}\n')
    assert (result.status, result.out) == (8, b"")
    assert "record 3 of standard input" in result.err
    assert durable(result.err) == 2
    assert ok("consume", t) == b"1\n2\n"


def test_a_key_goes_where_librdkafka_puts_it(t: str) -> None:
    ok("topics", "create", t, "-p", "4")
    lines = "".join(f"{key}:x\n" for key in PARTITIONS_OF_4).encode()
    places = ok("produce", t, "-K", ":", "--offsets", stdin=lines).splitlines()
    assert [int(place.split()[0]) for place in places] == list(PARTITIONS_OF_4.values())


def test_offsets_say_where_each_record_is(t: str) -> None:
    data = b"".join(b"k%d:v%d\n" % (number % 17, number) for number in range(500))
    places = ok("produce", t, "--partitions", "3", "-K", ":", "--offsets", stdin=data).splitlines()
    found = ok("consume", t, "-F", "%p %o %k:%s\\n").splitlines()
    assert sorted(b"%s %s" % pair for pair in zip(places, data.splitlines(), strict=True)) == sorted(found)


def test_a_slow_pipe_is_never_held_back(t: str) -> None:
    with started("produce", t, "--offsets") as producer:
        for number in range(2):
            producer.stdin.write(b"x\ny\n")
            assert read_lines(producer.stdout, 2) == [b"0 %d" % (2 * number), b"0 %d" % (2 * number + 1)]
        producer.stdin.write(b"no newline yet")
        assert finish(producer) == (0, b"0 4\n", "")


def test_tee_copies_the_input(t: str) -> None:
    data = b"a:1\nb\xff\r\n\n" * 500 + b"end"
    assert ok("produce", t, "--tee", "-K", ":", stdin=data) == data


def test_files_are_read_in_order(t: str, tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).write_bytes(f"{name}1\n{name}2".encode())
    ok("produce", t, str(tmp_path / "b"), "-", str(tmp_path / "a"), stdin=b"middle\n")
    assert ok("consume", t) == b"b1\nb2\nmiddle\na1\na2\n"


def test_a_partition_of_a_topic_that_is_made(t: str) -> None:
    ok("produce", t, "--partitions", "3", "-p", "2", stdin=b"x\n")
    assert ok("consume", t, "-F", "%p %s\\n") == b"2 x\n"
    assert "partition 3" in refused(4, "produce", t, "-p", "3", stdin=b"z\n")
    again = run("produce", t, "--partitions", "5", "-p", "0", stdin=b"y\n")
    assert again.status == 0
    assert "has 3 partitions: --partitions changes nothing" in again.err


def test_the_topic_is_made_for_no_input_too(t: str) -> None:
    ok("produce", t)
    assert ok("topics", "list", f"{t}*") == t.encode() + b"\n"
    assert ok("consume", t) == b""


def test_what_is_not_to_be_made_is_not_made(t: str) -> None:
    ok("topics", "create", f"{t}-other")
    assert f"no such topic: {t}" in refused(4, "produce", t, "--no-create", stdin=b"x\n")
    refused(4, "produce", t, "-p", "1", stdin=b"x\n")
    assert ok("topics", "list", f"{t}*") == f"{t}-other\n".encode()


def test_without_keys_all_partitions_get_records(t: str) -> None:
    """Where the first goes is drawn by chance in each process: so many that never see the second partition are no chance."""
    ok("topics", "create", t, "-p", "2")

    def both_have_records() -> bool:
        ok("produce", t, stdin=b"".join(b"%d\n" % number for number in range(1000)))
        return set(ok("consume", t, "-F", "%p\\n").splitlines()) == {b"0", b"1"}

    assert any(both_have_records() for _ in range(40))


def test_a_record_too_long_is_named_and_what_is_before_it_is_there(t: str) -> None:
    ok("topics", "create", t, "-c", "max.message.bytes=1000")
    result = run("produce", t, stdin=b"short\n" + b"x" * 700 + b"\n\n" + b"y" * 1001 + b"\nafter\n")
    assert (result.status, result.out) == (8, b"")
    assert len(result.err.splitlines()) == 1
    assert "record 4 of standard input" in result.err
    assert durable(result.err) == 3
    assert ok("consume", t, "-F", "%S ") == b"5 700 0 "


def test_compressed_or_not_it_comes_out_the_same(t: str) -> None:
    data = b"line\n" * 1000
    for codec in ("gzip", "zstd", "lz4"):
        ok("produce", t, "-z", codec, stdin=data)
    assert ok("consume", t) == data * 3


def test_a_summary_where_it_is_asked_for(t: str) -> None:
    result = run("produce", t, "-v", stdin=b"x\n" * 12_345)
    assert result.status == 0
    assert result.err.startswith(f"12,345 records, 24.7 kB -> {t} in ")

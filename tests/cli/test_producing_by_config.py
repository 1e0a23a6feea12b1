"""What a topic's config asks of producers: keys where it is compacted, the append's time; and that running ones take notice."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import durable, finish, ok, refused, run, started
from tests.support.waiting import read_lines, wait_until


def records(topic: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in ok("consume", topic, "--json").splitlines()]


KEYLESS = [
    (["-K", ":"], b"a:1\nb:2\n", b"no key\n"),
    (["-K", ":", "-Z"], b"a:1\n", b":2\n"),
    (["-K", ":", "-D", ";"], b"a:1;", b"2;"),
    (["--json"], b'{"key":"a","value":"1"}\n{"key":"","value":"2"}\n', b'{"value":"3"}\n'),
    (["-K", ":"], b"", b"1\n"),
]


@pytest.mark.parametrize(("flags", "good", "bad"), KEYLESS)
def test_a_compacted_topic_refuses_a_record_without_a_key(flags: list[str], good: bytes, bad: bytes) -> None:
    policy = "compact,delete" if "-Z" in flags else "compact"
    ok("topics", "create", "t", "-c", f"cleanup.policy={policy}")
    count = len(good.replace(b";", b"\n").splitlines())
    result = run("produce", "t", *flags, "--offsets", "--tee", stdin=good + bad + good)
    assert result.status == 2
    assert f"record {count + 1} of standard input: it has no key" in result.err
    assert f"cleanup.policy={policy}" in result.err
    assert durable(result.err) == count
    assert len(records("t")) == count
    assert sorted(result.out.replace(good, b"").splitlines()) == [b"0 %d" % number for number in range(count)]
    assert good in result.out


def test_no_way_to_give_keys_is_refused_before_anything_is_read() -> None:
    ok("topics", "create", "t", "--compact")
    with started("produce", "t") as producer:
        assert producer.wait(60) == 2
        assert "0 records are durable" in finish(producer).err
    ok("produce", "t", "-k", "", stdin=b"x\n")
    assert "no record has a key" in refused(2, "produce", "t", "-k", "", "-Z", stdin=b"x\n")
    assert [record["key"] for record in records("t")] == [""]


def test_the_time_of_the_append() -> None:
    ok("topics", "create", "t", "-c", "message.timestamp.type=LogAppendTime")
    ok("topics", "create", "given")
    lines = b'{"value":"a","timestamp":5}\n{"value":"b"}\n{"value":"c","timestamp":4102444800000}\n'
    for topic in ("given", "t", "given"):
        ok("produce", topic, "--json", stdin=lines)
    before, after = (record["timestamp"] for record in records("given") if record["value"] == "b")
    times = [record["timestamp"] for record in records("t")]
    assert before <= times[0] <= times[2] <= after
    assert times == sorted(times)
    assert [record["timestamp"] for record in records("given") if record["value"] != "b"] == [5, 4102444800000] * 2


def place(producer: subprocess.Popen[bytes], line: bytes) -> tuple[int, int]:
    """Have a line produced; its partition and offset."""
    producer.stdin.write(line)
    partition, offset = read_lines(producer.stdout, 1)[0].split()
    return int(partition), int(offset)


def test_a_running_producer_takes_notice_of_a_new_config(log_directory: Path) -> None:
    ok("topics", "create", "t")
    long = "x" * 600
    numbers = iter(range(1_000_000))

    def line() -> bytes:
        number = next(numbers)
        return json.dumps({"key": f"k{number}", "value": long, "timestamp": 5}).encode() + b"\n"

    def segments() -> int:
        return len(list((log_directory / "topics" / "t" / "0").glob("*.log")))

    with started("produce", "t", "--json", "--offsets", "--sync", "batch") as producer:
        assert {place(producer, line())[0] for _ in range(8)} == {0}
        config = ["--segment-bytes=1K", "-c", "max.message.bytes=1K", "-c", "message.timestamp.type=LogAppendTime"]
        ok("topics", "alter", "t", "-p", "4", *config)
        wait_until(lambda: place(producer, line())[0] == 3, "a record in a new partition")
        wait_until(lambda: place(producer, line())[0] == 0 and segments() > 1, "a segment to be closed")
        producer.stdin.write(json.dumps({"key": "k", "value": long * 2}).encode() + b"\n")
        result = finish(producer)
    assert result.status == 8
    assert "longer than 1024 bytes (max.message.bytes)" in result.err
    found = records("t")
    assert durable(result.err) == len(found)
    assert len([record for record in found if record["timestamp"] == 5]) < len(found)
    placed = {record["key"]: record["partition"] for record in found if record["timestamp"] != 5}
    ok("topics", "create", "like", "-p", "4")
    ok("produce", "like", "-K", ":", stdin="".join(f"{key}:\n" for key in placed).encode())
    assert placed == {record["key"]: record["partition"] for record in records("like")}


def test_a_topic_that_becomes_compacted_refuses_what_comes_then() -> None:
    ok("topics", "create", "t")
    with started("produce", "t", "--offsets", "--sync", "batch") as producer:
        assert place(producer, b"x\n") == (0, 0)
        ok("topics", "alter", "t", "--compact")

        def is_refused() -> bool:
            producer.stdin.write(b"x\n")
            return not read_lines(producer.stdout, 1)

        wait_until(is_refused, "the producer to be refused")
        result = finish(producer)
    assert result.status == 2
    assert "it has no key" in result.err
    assert durable(result.err) == len(records("t"))

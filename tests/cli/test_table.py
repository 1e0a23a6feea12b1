"""The table command: rows, single keys, shapes and statuses."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.command import finish, ok, refused, run, started

USERS = [("ann", "1"), ("bob", "2"), ("ann", "3"), ("cy", ""), ("eve", "5"), ("bob", None), (None, "no key")]


@pytest.fixture
def users() -> None:
    lines = "".join(json.dumps({"key": key, "value": value}) + "\n" for key, value in USERS)
    ok("produce", "users", "--json", stdin=lines.encode())


@pytest.mark.usefixtures("users")
def test_a_line_for_each_key_that_has_a_value() -> None:
    assert ok("table", "users") == b"ann\t3\ncy\t\neve\t5\n"


@pytest.mark.parametrize(
    ("words", "out"),
    [
        (["-K", "="], b"ann=3\ncy=\neve=5\n"),
        (["-0"], b"ann\t3\0cy\t\0eve\t5\0"),
        (["-D", "|"], b"ann\t3|cy\t|eve\t5|"),
        (["-F", r"%o %k %s\n"], b"2 ann 3\n3 cy \n4 eve 5\n"),
        (["ann"], b"3\n"),
        (["eve", "ann", "eve"], b"5\n3\n5\n"),
        (["eve", "ann", "-K", ":"], b"eve:5\nann:3\n"),
        (["-p", "0", "cy"], b"\n"),
        ([r"\x61nn"], b"3\n"),
    ],
)
@pytest.mark.usefixtures("users")
def test_shapes(words: list[str], out: bytes) -> None:
    assert ok("table", "users", *words) == out


@pytest.mark.usefixtures("users")
def test_json_is_consumes() -> None:
    rows = [json.loads(line) for line in ok("table", "users", "--json").splitlines()]
    every = [json.loads(line) for line in ok("consume", "users", "--json").splitlines()]
    assert rows == [every[2], every[3], every[4]]
    assert json.loads(ok("table", "users", "ann", "--json")) == every[2]


@pytest.mark.usefixtures("users")
def test_a_key_without_a_value_is_status_3_after_the_others() -> None:
    for key in ("nobody", "bob", ""):
        assert refused(3, "table", "users", key) == f"streamcli: nothing to read: users has no value for {key!r}"
    result = run("table", "users", "nobody", "ann", "bob")
    assert (result.status, result.out) == (3, b"3\n")
    assert result.err == "streamcli: nothing to read: users has no value for 'nobody', 'bob'\n"


def test_an_empty_table() -> None:
    ok("topics", "create", "empty", "-p", "2")
    assert ok("table", "empty") == b""
    refused(3, "table", "empty", "--fail-empty")
    refused(3, "table", "empty", "ann")


def test_refusals() -> None:
    ok("topics", "create", "t")
    assert "no such topic" in refused(4, "table", "nothing")
    assert "partition" in refused(4, "table", "t", "-p", "1")
    refused(2, "table", "t", "--json", "-K", ":")
    refused(2, "table", "t", "-F", "%s", "-0")
    refused(2, "table", "t", "--until", "never")
    refused(2, "table", "t", r"\q")


def test_as_it_was_at_a_time() -> None:
    lines = [b'{"key":"k","value":"%d","timestamp":%d}\n' % (n, n * 1000) for n in (1, 2, 3)]
    ok("produce", "t", "--json", stdin=b"".join(lines))
    for until, value in ((2000, b"1"), (2001, b"2"), (9000, b"3")):
        at = f"@{until}"
        assert ok("table", "t", "--until", at) == b"k\t" + value + b"\n"
        assert ok("table", "t", "k", "--until", at) == value + b"\n"
    refused(3, "table", "t", "k", "--until", "@1000")


def test_keys_and_values_of_any_bytes() -> None:
    ok("produce", "t", "--whole", "-k", r"a\nb", stdin=b"two\nlines")
    ok("produce", "t", "--whole", "-k", r"\xff", stdin=b"\0\xfe")
    assert ok("table", "t", "-0", "-K", "=") == b"a\nb=two\nlines\0\xff=\0\xfe\0"
    assert ok("table", "t", r"a\nb", "-D", "") == b"two\nlines"
    assert ok("table", "t", b"\xff".decode(errors="surrogateescape"), "-D", "") == b"\0\xfe"


def test_a_key_put_elsewhere_by_hand_counts_by_its_time() -> None:
    ok("topics", "create", "t", "-p", "4")
    at_home = int(ok("produce", "t", "-K", ":", "--offsets", stdin=b"ann:home\n").split()[0])
    elsewhere = str((at_home + 1) % 4)
    for newer, time in (("later", 2**42), ("earlier", 1)):
        line = f'{{"key":"ann","value":"{newer}","timestamp":{time}}}\n'.encode()
        ok("produce", "t", "--json", "-p", elsewhere, stdin=line)
        value = b"later" if newer == "later" else b"home"
        assert ok("table", "t") == b"ann\t" + value + b"\n"
        assert ok("table", "t", "ann") == value + b"\n"


def test_a_key_that_moved_to_a_new_partition() -> None:
    keys = [b"key-%d" % number for number in range(9)]
    ok("produce", "t", "-K", ":", "--partitions", "2", stdin=b"".join(key + b":old\n" for key in keys))
    ok("topics", "alter", "t", "-p", "5")
    ok("produce", "t", "-K", ":", "-Z", stdin=b"".join(key + b":new\n" for key in keys[:6]) + b"key-6:\n")
    rows = sorted(ok("table", "t", "-K", ":").splitlines())
    assert rows == [key + (b":new" if key in keys[:6] else b":old") for key in keys if key != b"key-6"]
    assert ok("table", "t", "key-1", "key-5", "key-8") == b"new\nnew\nold\n"
    refused(3, "table", "t", "key-6")


def test_compressed_and_trimmed() -> None:
    lines = b"".join(b"%d:%d\n" % (number % 5, number) for number in range(1000))
    ok("produce", "t", "-K", ":", "-z", "gzip", stdin=lines)
    ok("produce", "t", "-K", ":", stdin=b"4:plain\n")
    ok("topics", "trim", "t", "--before", "998")
    assert ok("table", "t") == b"3\t998\n4\tplain\n"
    assert ok("table", "t", "4", "3") == b"plain\n998\n"
    refused(3, "table", "t", "2")


def test_damage_stops_it_or_is_passed_by() -> None:
    for line in (b"a:one\n", b"b:two\n", b"c:three\n"):
        ok("produce", "t", "-K", ":", stdin=line)
    (segment,) = Path(os.environ["STREAMCLI_DIR"]).glob("topics/t/0/*.log")
    segment.write_bytes(segment.read_bytes().replace(b"two", b"Two"))
    for words in ((), ("a",), ("b",)):
        assert "corrupt data" in refused(6, "table", "t", *words)
    assert ok("table", "t", "c") == b"three\n"
    for words, out in (((), b"a\tone\nc\tthree\n"), (("a",), b"one\n"), (("b",), b"")):
        result = run("table", "t", "--skip-corrupt", *words)
        assert (result.status, result.out) == (6, out)
        assert len(result.err.splitlines()) == 1


def test_no_key_is_missed_beside_producers_and_compaction() -> None:
    ok("topics", "create", "t", "--compact", "--segment-bytes", "4K", "-c", "min.cleanable.dirty.ratio=0.01", "-p", "2")
    keys = [b"key-%d" % number for number in range(12)]
    ok("produce", "t", "-K", ":", stdin=b"".join(key + b":0\n" for key in keys))
    stop, cleanings = threading.Event(), []

    def produce(process: subprocess.Popen[bytes]) -> None:
        with suppress(BrokenPipeError):
            for value in itertools.count(1):
                process.stdin.write(b"".join(key + b":%d\n" % value for key in keys))

    def clean() -> None:
        while not stop.is_set():
            cleanings.append(run("topics", "clean", "t"))

    with started("produce", "t", "-K", ":", "--rate", "3000") as producer:
        feeder, cleaner = threading.Thread(target=produce, args=[producer]), threading.Thread(target=clean)
        feeder.start()
        cleaner.start()
        before = dict.fromkeys(keys, 0)
        try:
            for number in range(5):
                rows = [line.split(b"\t") for line in ok("table", "t").splitlines()]
                assert sorted(key for key, _ in rows) == sorted(keys)
                named = keys[number % 12]
                rows.append([named, ok("table", "t", named.decode()).strip()])
                for key, value in rows:
                    assert int(value) >= before[key]
                    before[key] = int(value)
        finally:
            stop.set()
            cleaner.join()  # before the kill, of which it would tell
            producer.kill()
            feeder.join()
    assert {(cleaned.status, cleaned.err) for cleaned in cleanings} == {(0, "")}
    assert any(cleaned.out for cleaned in cleanings)
    last = dict(line.split(b"\t") for line in ok("consume", "t", "-K", r"\t").splitlines())
    assert dict(line.split(b"\t") for line in ok("table", "t").splitlines()) == last
    assert all(int(last[key]) >= before[key] > 0 for key in keys)


def test_a_reader_that_has_enough_ends_it_quietly() -> None:
    ok("produce", "t", "-K", ":", stdin=b"".join(b"%d:%d\n" % (n, n) for n in range(50_000)))
    with started("table", "t") as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        process.stdout = None
        result = finish(process)
    assert (result.status, result.err) == (0, "")

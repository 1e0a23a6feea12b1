"""The table command: what the command line refuses, and beside damage, compaction and a reader that leaves. The rest:
tests/conformance/test_table.py."""

from __future__ import annotations

import itertools
import os
import subprocess
import threading
from contextlib import suppress
from pathlib import Path

from tests.support.command import finish, ok, refused, run, started
from tests.support.waiting import wait_until


def test_refusals() -> None:
    ok("topics", "create", "t")
    refused(2, "table", "t", "--json", "-K", ":")
    refused(2, "table", "t", "-F", "%s", "-0")
    refused(2, "table", "t", "--until", "never")
    refused(2, "table", "t", r"\q")


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
            wait_until(lambda: b"\t0\n" not in ok("table", "t"), "the producer to have begun")
            for number in range(5):
                rows = [line.split(b"\t") for line in ok("table", "t").splitlines()]
                assert sorted(key for key, _ in rows) == sorted(keys)
                named = keys[number % 12]
                rows.append([named, ok("table", "t", named.decode()).strip()])
                for key, value in rows:
                    assert int(value) >= before[key]
                    before[key] = int(value)
            wait_until(lambda: any(cleaned.out for cleaned in cleanings), "something to be cleaned away")
        finally:
            stop.set()
            cleaner.join()  # before the kill, of which it would tell
            producer.kill()
            feeder.join()
    assert {(cleaned.status, cleaned.err) for cleaned in cleanings} == {(0, "")}
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

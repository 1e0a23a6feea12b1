"""examples/key-value.sh and cron-clean.sh"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from tests.examples.running import run_example
from tests.support.command import Result, ok


def table(*words: str, stdin: bytes = b"") -> Result:
    return run_example("key-value.sh", "settings", *words, stdin=stdin)


def done(*words: str, stdin: bytes = b"") -> bytes:
    result = table(*words, stdin=stdin)
    assert (result.status, result.err) == (0, ""), result
    return result.out


def partition() -> Path:
    return Path(os.environ["STREAMCLI_DIR"], "topics", "settings", "0")


def test_a_table_kept_from_the_shell() -> None:
    assert table("get", "host").status == 4
    done("set", "host", "db1")
    done("set", "-n", "-e")
    done("set", r"a\b", stdin=b"two\nlines")
    done("set", "two\nlines", "")
    done("set", "host", "db2")
    assert done("get", "host") == b"db2\n"
    assert done("get", r"a\b") == b"two\nlines\n"
    assert done("get", "two\nlines") == b"\n"
    assert done("history", "host") == b"db1\ndb2\n"
    assert done("list") == b"-n\t-e\na\\b\ttwo\nlines\ntwo\nlines\t\nhost\tdb2\n"
    done("delete", "-n")
    done("delete", "nobody")
    assert done("clean").startswith(b"settings 0: compacted")
    assert table("get", "-n").status == 3
    assert done("history", "host") == b"db2\n"
    assert done("list") == b"a\\b\ttwo\nlines\ntwo\nlines\t\nhost\tdb2\n"


def test_what_it_cannot_do() -> None:
    for words in ((), ("get",), ("get", "a", "b"), ("put", "a", "b")):
        result = table(*words)
        assert (result.status, result.out) == (2, b"")
        assert "key-value.sh TOPIC list" in result.err
        assert "flock" not in result.err


def clean() -> tuple[int, bytes]:
    result = run_example("cron-clean.sh")
    assert result.err == ""
    return result.status, result.out


def test_cron_is_told_nothing_unless_something_is_wrong() -> None:
    ok("topics", "create", "settings", "--compact")
    for value in (b"1", b"2", b"3"):
        ok("produce", "settings", "-K", ":", stdin=b"a:" + value + b"\nb:" + value + b"\n")
    with open(partition() / "clean.lock", "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert clean() == (0, b"")
    assert ok("consume", "settings").count(b"\n") == 6
    assert clean() == (0, b"")
    assert ok("table", "settings") == b"a\t3\nb\t3\n" == ok("consume", "settings", "-K", r"\t")
    (segment,) = partition().glob("*-*.log")
    segment.write_bytes(segment.read_bytes()[:-1] + b"!")
    ok("produce", "settings", "-K", ":", stdin=b"a:4\n")
    status, out = clean()
    assert status == 6
    assert b"corrupt data" in out

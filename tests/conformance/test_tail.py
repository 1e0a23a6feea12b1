"""tail: the last records, plain in a pipe."""

from __future__ import annotations

import json
import re

from tests.conformance.records import T0, at_once, one_by_one
from tests.support.command import ok, refused, started
from tests.support.terminal import on_terminal
from tests.support.waiting import read_lines


def numbers(*words: str) -> list[int]:
    return [int(line) for line in ok("tail", *words).split()]


LAST_OF_12 = {
    (): list(range(2, 12)),
    ("-n", "0"): [],
    ("-n", "4"): [8, 9, 10, 11],
    ("-n", "100"): list(range(12)),
    ("-n", "2", "-p", "1"): [7, 10],
    ("-n", "10", "--grep", "^.$"): list(range(10)),
    ("--since", f"@{T0 + 9000}"): [9, 10, 11],
}


def test_the_last_n_over_all_partitions(t: str) -> None:
    one_by_one(t, range(12), 3)
    assert at_once(lambda flags: numbers(t, *flags), LAST_OF_12) == LAST_OF_12
    assert ok("tail", t, "-n", "1", "-F", "%p:%o=%s;") == b"2:3=11;"
    assert json.loads(ok("tail", t, "-n", "1", "--json"))["value"] == "11"


def test_following_in_a_pipe(t: str) -> None:
    ok("produce", t, stdin=b"1\n2\n3\n")
    with started("tail", "-f", t, "-n", "2", "--grep", "[0-9]") as follower:
        assert read_lines(follower.stdout, 2) == [b"2", b"3"]
        ok("produce", t, stdin=b"x\n4\n")
        assert read_lines(follower.stdout, 1) == [b"4"]


def test_plain_lines_in_a_pipe_are_the_bytes(t: str) -> None:
    ok("produce", t, stdin=b"\x1b[31m\xff\0\r\n")
    assert ok("tail", t) == b"\x1b[31m\xff\0\r\n"


def test_a_line_on_a_terminal_says_when_where_and_what(t: str) -> None:
    ok("produce", t, "-k", "the key", stdin=b"the \x1bvalue\n")
    with on_terminal("tail", t, columns=120) as terminal:
        status, shown = terminal.finish()
    assert status == 0
    line = re.sub(rb"\x1b\[[0-9;?]*[a-zA-Z]", b"", shown).decode()
    assert re.fullmatch(rf"\d\d:\d\d:\d\d\.\d{{3}} {t} 0:0 the key the \\x1bvalue\s*", line)


def test_no_such_topic(t: str) -> None:
    assert f"no such topic: {t}" in refused(4, "tail", t)

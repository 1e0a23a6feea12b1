"""A time as where to begin or end, in every command, on a log whose clock went back: the first record of that time or later."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.command import ok
from tests.support.groups import offsets

BASE = 1_700_000_000_000
TIMES = [0, 1000, 5000, 2000, 3000, 500, 5000, 9000, 4000, 8000, 9500, 100]
"""Of one record after the other, ms after BASE."""


def first_at(time: int) -> int:
    """The offset of the first record with that time or a later one; the end where there is none."""
    return next((offset for offset, found in enumerate(TIMES) if found >= time), len(TIMES))


def lines(first: int, end: int) -> bytes:
    return b"".join(b"%d\n" % offset for offset in range(first, end))


def test_each_command_begins_where_the_time_is_first_reached(log_directory: Path) -> None:
    ok("topics", "create", "t", "--segment-bytes", "1K")
    envelopes = [{"value": str(number), "timestamp": BASE + time} for number, time in enumerate(TIMES)]
    for each in range(0, len(TIMES), 3):  # a batch of three records that are long enough for a segment of their own
        padded = [{**envelope, "headers": [["pad", "x" * 300]]} for envelope in envelopes[each : each + 3]]
        ok("produce", "t", "--json", stdin="".join(json.dumps(envelope) + "\n" for envelope in padded).encode())
    assert len(list((log_directory / "topics" / "t" / "0").glob("*.log"))) == 4
    end = len(TIMES)
    ok("consume", "t", "-g", "g", "-n", "1")
    for time in (1500, 9001):
        assert ok("consume", "t", "--since", f"@{BASE + time}") == lines(first_at(time), end)
        assert ok("consume", "t", "-o", f"@{BASE + 1000}:@{BASE + time}") == lines(1, first_at(time))
        ok("groups", "reset", "g", "--to", f"@{BASE + time}")
        assert offsets("g") == {("t", 0): first_at(time)}
    assert ok("tail", "t", "--since", f"@{BASE + 5001}") == lines(first_at(5001), end)
    ok("topics", "trim", "t", "--before", f"@{BASE + 9001}")
    assert ok("consume", "t", "--since", f"@{BASE}") == lines(first_at(9001), end)

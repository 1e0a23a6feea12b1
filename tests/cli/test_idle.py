"""Who waits takes no processor time: a follower sleeps until the kernel wakes it."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.command import ok, started
from tests.support.restricted import restricted
from tests.support.waiting import read_lines, wait_until

SECONDS = 4.0
"""How long nothing happens. A follower that looked every 50 ms would wake up 80 times."""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="counts in /proc")


def sleeps(process: subprocess.Popen[bytes]) -> int:
    """How often the process has gone to sleep by itself."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    found = re.search(r"^voluntary_ctxt_switches:\t(\d+)$", status, re.MULTILINE)
    assert found
    return int(found[1])


def sleeps_when_idle(*commands: list[str], settled: Callable[[], object] = lambda: True) -> list[float]:
    """How often a second each command goes to sleep, in SECONDS or more, once it has printed the record there is, all is `settled`, and it
    has come to rest."""
    with ExitStack() as stack:
        processes = [stack.enter_context(started(*command)) for command in commands]
        for process in processes:
            read_lines(process.stdout, 1)
        wait_until(settled, "what is still to be done")
        for process in processes:
            rest(process)
        begin = time.monotonic()
        before = [sleeps(process) for process in processes]
        wait_until(lambda: time.monotonic() >= begin + SECONDS, "the time of idleness")
        after = [sleeps(process) for process in processes]
        seconds = time.monotonic() - begin
        return [(end - count) / seconds for end, count in zip(after, before, strict=True)]


def rest(process: subprocess.Popen[bytes]) -> None:
    """Wait until the process sleeps, and half a second later still does as it did."""
    seen: list[tuple[float, int]] = []

    def is_resting() -> bool:
        seen.append((time.monotonic(), sleeps(process)))
        before = [count for moment, count in seen if seen[-1][0] - moment >= 0.5]
        return bool(before) and seen[-1][1] - before[-1] <= 2

    wait_until(is_resting, "the command's coming to rest")


def test_followers_sleep_until_something_is_written() -> None:
    ok("produce", "t", stdin=b"1\n")
    followers = [["consume", "-f", "t"], ["consume", "-f", "t*"], ["tail", "-f", "t"]]
    assert max(sleeps_when_idle(*followers)) <= 10 / SECONDS


def test_a_groups_member_looks_around_once_a_second(log_directory: Path) -> None:
    ok("produce", "t", stdin=b"1\n")
    commits = log_directory / "groups" / "g" / "commits"
    member = ["consume", "-g", "g", "-f", "t"]
    [a_second] = sleeps_when_idle(member, settled=lambda: commits.exists() and commits.stat().st_size)
    assert a_second <= 4


def test_without_inotify_a_follower_looks_every_50_ms() -> None:
    """And the test would see it."""
    ok("produce", "t", stdin=b"1\n")
    with started("consume", "-f", "t", under=restricted("no-inotify")) as follower:
        read_lines(follower.stdout, 1)
        before = sleeps(follower)
        wait_until(lambda: sleeps(follower) - before > 20, "twenty looks")

"""Fifty processes, kills, and every promise checked at the end.

STREAMCLI_SOAK_SECONDS says for how long they run (15 by default); the same number of seconds after that is enough to drain.
`pytest -s` shows the counts.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from tests.security.forked import ok, run
from tests.soak.crowd import OTHERS, PRODUCERS, Crowd, until
from tests.soak.promises import check
from tests.support.waiting import wait_until

SECONDS = float(os.environ.get("STREAMCLI_SOAK_SECONDS", "15"))
KILL_EVERY = 0.15
"""Seconds from one kill to the next."""
PATIENCE = 60 + 2 * SECONDS


def test_fifty_processes_and_kills(tmp_path: Path) -> None:
    files = tmp_path / "files"
    files.mkdir()
    ok("topics", "create", "plain", "--segment-bytes", "64K")
    ok("topics", "create", "keyed", "-p", "4", "--segment-bytes", "64K")
    seed = time.time_ns() % 1_000_000
    crowd = Crowd(files, seed)
    try:
        live(crowd)
        end(crowd)
    finally:
        crowd.signal_all(signal.SIGKILL)
        wait_until(until(lambda: crowd.running([*PRODUCERS, *OTHERS]) == 0, crowd), "the last to end", PATIENCE)
    summary = check(crowd)
    assert run("verify").status == 0
    print(f"\nsoak of {SECONDS:g} s, seed {seed}: {summary}")
    assert summary.acknowledged > 0
    assert summary.kills > 0


def live(crowd: Crowd) -> None:
    """All the roles at work, and somebody killed every now and then."""
    finish, next_kill = time.monotonic() + SECONDS, time.monotonic() + 1

    def step() -> bool:
        nonlocal next_kill
        crowd.reap()
        crowd.fill_up([*PRODUCERS, *OTHERS])
        while next_kill <= time.monotonic() < finish:
            crowd.kill_one()
            next_kill += KILL_EVERY
        return time.monotonic() >= finish

    wait_until(step, "the end of the soak", PATIENCE)


def end(crowd: Crowd) -> None:
    """Producers come to their end; groups take what is left; everybody is asked to stop."""
    wait_until(until(lambda: crowd.running(PRODUCERS) == 0, crowd), "the last producer", PATIENCE)
    crowd.fill_up(OTHERS)

    def drained() -> bool:
        crowd.fill_up(OTHERS)
        return all(run("groups", "wait", group, "--timeout", "1ms").status == 0 for group in ("work", "jobs", "cron"))

    wait_until(until(drained, crowd), "the groups to catch up", PATIENCE)
    wait_until(until(lambda: crowd.all_heed(signal.SIGTERM), crowd), "the last to have begun", PATIENCE)
    crowd.signal_all(signal.SIGTERM)
    wait_until(until(lambda: crowd.running(OTHERS) == 0, crowd), "all to stop", PATIENCE)

"""examples/cron-status-counts.sh, worker-pool.sh and dead-letter-replay.sh"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.examples.running import EXAMPLES, run_example
from tests.support.command import ok, run
from tests.support.deliveries import committed, numbers, placed
from tests.support.waiting import DEADLINE, wait_until

FIRST = [(0, 200), (0, 404), (0, 200), (1, 200), (1, 500)]
SECOND = [(1, 200), (2, 503)]


def log_lines(requests: list[tuple[int, int]]) -> bytes:
    """An access log with these minutes and statuses."""
    return b"".join(
        b'10.0.0.1 - - [22/Nov/2026:08:%02d:%02d +0000] "GET /a HTTP/1.1" %d 9 "-" "x"\n' % (minute, second, status)
        for second, (minute, status) in enumerate(requests)
    )


def counted() -> Counter[tuple[int, int]]:
    """The requests of each minute and status, over all files."""
    total: Counter[tuple[int, int]] = Counter()
    for path in Path("out").glob("counts.*"):
        for line in path.read_text().splitlines():
            time, status, count = line.split()
            assert time.startswith("22/Nov/2026:08:")
            total[int(time[-2:]), int(status)] += int(count)
    return total


def test_cron_counts_what_is_new():
    ok("produce", "clicks", stdin=log_lines(FIRST))
    assert run_example("cron-status-counts.sh", "clicks", "out") == (0, b"", "")
    assert sorted(Path("out/counts.0.0-4").read_text().splitlines()) == [
        "22/Nov/2026:08:00 200 2",
        "22/Nov/2026:08:00 404 1",
        "22/Nov/2026:08:01 200 1",
        "22/Nov/2026:08:01 500 1",
    ]
    assert run_example("cron-status-counts.sh", "clicks", "out") == (0, b"", "")
    ok("produce", "clicks", stdin=log_lines(SECOND))
    assert run_example("cron-status-counts.sh", "clicks", "out") == (0, b"", "")
    assert counted() == Counter(FIRST + SECOND)
    assert sorted(path.name for path in Path("out").iterdir()) == ["counts.0.0-4", "counts.0.5-6"]


def test_lines_that_are_no_requests_are_counted_too():
    ok("produce", "clicks", stdin=b"nonsense\n\n")
    assert run_example("cron-status-counts.sh", "clicks", "out") == (0, b"", "")
    assert Path("out/counts.0.0-1").read_text() == "- - 2\n"


# The script is killed, and streamcli with it, when a tool that it uses is called: before its work or after.
DEATHS = {
    "before counting": ("awk", "kill -9 $PPID; exit 1"),
    "with the counts not in place": ("mv", "kill -9 $PPID; exit 1"),
    "with the counts in place, before the commit": ("mv", 'real "$@"; kill -9 $PPID; exit 1'),
    "with streamcli killed before the commit": ("mv", 'real "$@"; kill -9 "$(ps -o ppid= -p $PPID)"; exit 1'),
}


@pytest.mark.parametrize("death", DEATHS)
def test_cron_counts_once_whatever_dies(death: str):
    ok("produce", "clicks", stdin=log_lines(FIRST))
    tool, lines = DEATHS[death]
    words = ("cron-status-counts.sh", "clicks", "out")
    # The command is tried again after a failure: the tool kills only once.
    died = run_example(*words, tools={tool: f'[ -e died ] && {{ real "$@"; exit; }}; touch died; {lines}'})
    assert died.status != 0 or "again in" in died.err
    ok("produce", "clicks", stdin=log_lines(SECOND))
    assert run_example(*words).status == 0
    assert counted() == Counter(FIRST + SECOND)


def test_a_pool_of_workers_shares_the_work(monkeypatch: pytest.MonkeyPatch):
    placed("jobs", [3, 3, 3, 3])
    script = 'mkdir "busy.$STREAMCLI_PARTITION" || echo overlap; cat; rmdir "busy.$STREAMCLI_PARTITION"'
    monkeypatch.setenv("IDLE", "1s")
    result = run_example("worker-pool.sh", "jobs", "crew", "3", "sh", "-c", script)
    assert (result.status, result.err) == (0, "")
    assert sorted(result.lines()) == sorted([b"0", b"1", b"2"] * 4)
    assert committed("crew") == {0: 3, 1: 3, 2: 3, 3: 3}


def test_a_pool_ends_on_sigterm_with_its_work_committed(tmp_path: Path):
    placed("jobs", [2, 2])
    tool = tmp_path / "streamcli"
    tool.write_text(f'#!/bin/sh\nexec {sys.executable} -m streamcli "$@"\n')
    tool.chmod(0o755)
    pool = subprocess.Popen(
        ["sh", str(EXAMPLES / "worker-pool.sh"), "jobs", "crew", "2", "sh", "-c", "cat >> done"],
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
    )
    try:
        wait_until(
            lambda: run("groups", "describe", "crew", "--json").status == 0 and committed("crew") == {0: 2, 1: 2},
            "all of it done",
        )
        pool.send_signal(signal.SIGTERM)
        assert pool.wait(DEADLINE) == 143
    finally:
        pool.kill()
    assert sorted(Path("done").read_text().split()) == ["0", "0", "1", "1"]


def test_dead_letters_are_put_back_as_they_were():
    ok("topics", "create", "orders", "-p", "3")
    lines = [
        {"partition": 2, "timestamp": 5, "key": "k", "value": "bad", "headers": [["a", "1"], ["a", None]]},
        {"partition": 2, "timestamp": 6, "key": None, "value_b64": "/w==", "headers": []},
        {"partition": 0, "timestamp": 7, "key": "", "value": None, "headers": [["dead-letter.topic", "own"]]},
    ]
    ok("produce", "orders", "--json", stdin="".join(json.dumps(line) + "\n" for line in lines).encode())
    before = ok("consume", "orders", "--json").splitlines()
    failing = run("consume", "orders", "-g", "billing", "--retries", "0", "--dead-letter", "failed", "--", "false")
    assert failing.status == 0
    result = run_example("dead-letter-replay.sh", "failed")
    assert result == (0, b"orders: 3 put back\n", "")
    after = ok("consume", "orders", "-g", "billing", "--json", "--", "cat").splitlines()

    def records(rows: list[bytes]) -> list[str]:
        return sorted(json.dumps({**json.loads(row), "offset": 0}) for row in rows)

    assert records(after) == records(before)
    assert len(after) == 3
    assert run_example("dead-letter-replay.sh", "failed") == (0, b"", "")


def test_a_replay_that_fails_is_done_again():
    ok("produce", "orders", stdin=numbers(0, 3))
    run("consume", "orders", "-g", "billing", "--retries", "0", "--dead-letter", "failed", "--", "false")
    died = run_example("dead-letter-replay.sh", "failed", tools={"python3": "kill -9 $PPID; exit 1"})
    assert died.status != 0
    assert run_example("dead-letter-replay.sh", "failed").out == b"orders: 3 put back\n"
    assert ok("consume", "orders", "-g", "billing", "--", "cat") == numbers(0, 3)

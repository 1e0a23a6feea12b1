"""What commits cost: at most one fsync in a commit interval, however many batches and partitions were consumed.

And one more at a member's first commit, for the line of another that it finds there: that may have been killed before its own.
"""

from __future__ import annotations

import select
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.groups.swarm import group_directory, log_ends
from tests.support.command import finish, ok, run, started
from tests.support.waiting import DEADLINE, wait_until

PARTITIONS = 8
LINE = b"x" * 999 + b"\n"
BATCHES = 60
SECONDS = 3.0
INTERVAL = 1.0
RUNS = 100
JOINING = 3
"""fsyncs for the names of directories that a first member makes."""


def test_one_fsync_in_a_commit_interval(tmp_path: Path) -> None:
    ok("topics", "create", "t", "-p", str(PARTITIONS))
    ok("produce", "t", stdin=LINE * 1000 * BATCHES)
    assert ok("consume", "t", "-g", "g", "-n", "1") == LINE  # makes the group, which is synced too
    made = commit_lines()
    calls = tmp_path / "calls"
    begun = time.monotonic()
    with started("consume", "t", "-g", "g", under=tracing(calls), stderr=None) as member:
        size = read_slowly(member)
        assert member.wait(DEADLINE) == 0
    most = (time.monotonic() - begun) / INTERVAL + 1
    assert size == len(LINE) * (1000 * BATCHES - 1)
    lines = commit_lines() - made
    synced = sum(1 for line in calls.read_text().splitlines() if "sync(" in line) if calls.exists() else lines
    print(f"{lines} lines of commits, {synced} fsyncs in {most - 1:.1f} s, {len(log_ends(['t']))} partitions")
    assert 2 <= lines <= most
    assert lines <= synced <= most + 1


@pytest.mark.parametrize("appended", ["synced", "unsynced", "live"])
def test_runs_of_a_command_cost_no_fsync_each(tmp_path: Path, appended: str) -> None:
    """However its records came to the log: a commit syncs the journal, and the log where nobody else has done that."""
    ok("topics", "create", "t")
    with started("produce", "t", "--sync", "exit" if appended == "synced" else "none") as producer:
        assert producer.stdin is not None
        producer.stdin.write(b"".join(b"%d\n" % number for number in range(RUNS // 2 if appended == "live" else RUNS)))
        if appended != "live":
            assert finish(producer).status == 0
        else:
            wait_until(lambda: ok("consume", "t"), "the records")
        assert run("consume", "t", "-g", "g", "-n", "0").status == 0  # makes the group, which is synced too
        calls, out = tmp_path / "calls", tmp_path / "out"
        out.touch()
        begun = time.monotonic()
        words = ("consume", "t", "-g", "g", "-f", "-n", str(RUNS), "--each", "--", "cat")
        with out.open("wb") as stdout, started(*words, under=tracing(calls), stdout=stdout, stderr=None) as member:
            done = 0
            while appended == "live" and (done := len(out.read_bytes().splitlines())) < RUNS // 2:
                assert member.poll() is None
                select.select([], [], [], 0.01)
            for number in range(done, RUNS):  # a hundred processes that are traced: each has its own deadline
                if appended == "live":
                    producer.stdin.write(b"%d\n" % number)
                wait_until(lambda number=number: len(out.read_bytes().splitlines()) > number, "its run")
            assert member.wait(DEADLINE) == 0
        seconds = time.monotonic() - begun
    assert len(out.read_bytes().splitlines()) == RUNS
    lines = commit_lines() - 1
    synced = sum(1 for line in calls.read_text().splitlines() if "sync(" in line) if calls.exists() else lines
    print(f"{appended}: {RUNS} runs, {lines} lines of commits, {synced} fsyncs in {seconds:.1f} s")
    assert 1 <= lines <= seconds / INTERVAL + 1
    assert synced <= (seconds / INTERVAL + 1) * (2 if appended == "live" else 1) + JOINING


def commit_lines() -> int:
    return len((group_directory() / "commits").read_bytes().splitlines())


def read_slowly(member: subprocess.Popen[bytes]) -> int:
    """Read all of a process's output, taking some seconds for it; returns its size."""
    assert member.stdout is not None
    size = 0
    while piece := member.stdout.read(1 << 18):
        size += len(piece)
        select.select([], [], [], SECONDS * len(piece) / (len(LINE) * 1000 * BATCHES))
    return size


def tracing(calls: Path) -> list[str]:
    """A command that writes down the fsyncs of the one after it, where there is one that may."""
    if shutil.which("strace") is None or subprocess.run(["strace", "-o", "/dev/null", "true"], check=False).returncode:
        return []
    return ["strace", "-f", "-qq", "-y", "-e", "trace=fsync,fdatasync", "-o", str(calls)]

"""What commits cost: at most one fsync in a commit interval, however many batches and partitions were consumed.

And one more at a member's first commit, for the line of another that it finds there: that may have been killed before its own.
"""

from __future__ import annotations

import select
import shutil
import subprocess
import time
from pathlib import Path

from tests.groups.swarm import group_directory, log_ends
from tests.support.command import ok, started
from tests.support.waiting import DEADLINE

PARTITIONS = 8
LINE = b"x" * 999 + b"\n"
BATCHES = 60
SECONDS = 3.0
INTERVAL = 1.0


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

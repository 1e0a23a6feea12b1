"""Many members of a group that come, go and are killed while producers run, and what has to hold of it afterwards."""

from __future__ import annotations

import json
import os
import random
import select
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from streamcli.groups.journal import COMMIT, Commit, decode_journal
from tests.support.command import finish, ok, started
from tests.support.waiting import DEADLINE, wait_until

Place = tuple[str, int]

WORKER = """
import fcntl, os, select, sys, time
begin, member = time.monotonic_ns(), os.getppid()
journal, locks, work = sys.argv[1:]
topic, partition = os.environ["STREAMCLI_TOPIC"], os.environ["STREAMCLI_PARTITION"]
offsets = os.environ["STREAMCLI_OFFSET"], os.environ["STREAMCLI_LAST_OFFSET"]
out = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
def tell(*words):
    os.write(out, (" ".join(map(str, words)) + "\\n").encode())
# The kernel knows whether another run of this partition is still there, dying or not.
lock = os.open(os.path.join(locks, f"{topic}-{partition}"), os.O_RDWR | os.O_CREAT)
try:
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    tell("overlap", os.getpid(), topic, partition, *offsets)
count = len(sys.stdin.buffer.read().splitlines())
if os.getpid() % 4 == 0:
    select.select([], [], [], float(work))
tell("run", os.getpid(), member, begin, time.monotonic_ns(), topic, partition, *offsets, count)
"""


WORK = 0.3
"""Seconds that every fourth run works: longer than a failover takes."""


class Run(NamedTuple):
    """A command that came to its end: who started it, when it worked (monotonic ns), and on what.

    member_pid is another process than any member when the member had died before the command looked.
    """

    pid: int
    member_pid: int
    begin: int
    end: int
    place: Place
    first: int
    last: int
    count: int


class Journal:
    """The file to which each command run appends its pid, its times and its offsets."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "runs"
        self._locks = directory / "locks"
        self._locks.mkdir()

    @property
    def command(self) -> list[str]:
        return [sys.executable, "-I", "-S", "-c", WORKER, str(self._path), str(self._locks), str(WORK)]

    def overlaps(self) -> list[str]:
        """What runs said that began while another one of their partition was there."""
        return [line for line in self._lines() if line.startswith("overlap")]

    def runs(self) -> list[Run]:
        rows = [line.split() for line in self._lines() if line.startswith("run")]
        return [
            Run(*map(int, row[1:5]), (row[5], int(row[6])), *map(int, row[7:10]))  # type: ignore[call-arg]
            for row in rows
        ]

    def _lines(self) -> list[str]:
        return self._path.read_text().splitlines()


class Swarm:
    """Following members of group g. All of them are stopped at the end, if they still are."""

    def __init__(self, stack: ExitStack, words: list[str], out: Path) -> None:
        self._stack = stack
        self._words = words
        self._out = out
        self.members: list[subprocess.Popen[bytes]] = []
        self.started: set[int] = set()
        self.killed: set[int] = set()
        self.outputs: dict[int, Path] = {}

    def join(self) -> subprocess.Popen[bytes]:
        """One more member; its output goes to the end of the file `out`, or to a file of its own in the directory `out`."""
        words = ["consume", "-g", "g", "-f", *self._words]
        out = self._output()
        with out.open("ab") as stdout:
            member = self._stack.enter_context(started(*words, stdout=stdout, stderr=None))
        self.outputs[member.pid] = out
        self.members.append(member)
        self.started.add(member.pid)
        return member

    def _output(self) -> Path:
        return self._out / str(len(self.started)) if self._out.is_dir() else self._out

    def kill(self, member: subprocess.Popen[bytes]) -> None:
        self.members.remove(member)
        self.killed.add(member.pid)
        member.kill()
        member.wait(DEADLINE)

    def terminate(self, member: subprocess.Popen[bytes]) -> subprocess.Popen[bytes]:
        """SIGTERM, and no wait."""
        self.members.remove(member)
        member.terminate()
        return member

    def stop(self) -> None:
        """End all members in an orderly way."""
        for member in self.members:
            member.terminate()
        assert [member.wait(DEADLINE) for member in self.members] == [143] * len(self.members)


class Producers:
    """Producers of one topic, a line each now and then, in turn."""

    def __init__(self, stack: ExitStack, topic: str, flags: list[list[str]]) -> None:
        self._processes = [
            stack.enter_context(started("produce", topic, "--sync", "none", *words, stdout=subprocess.DEVNULL))
            for words in flags
        ]
        self._next = [0] * len(flags)

    @property
    def produced(self) -> int:
        return sum(self._next)

    def feed(self, number: int, count: int) -> int:
        """`count` lines at once to one producer: its number and the line's. Returns the first line's."""
        first = self._next[number]
        self._next[number] += count
        stdin = self._processes[number].stdin
        assert stdin is not None
        stdin.write(b"".join(b"%d:%d\n" % (number, line) for line in range(first, first + count)))
        return first

    def finish(self) -> None:
        for process in self._processes:
            assert finish(process).status == 0


def pace(rng: random.Random, seconds: float, turns: int = 0) -> Iterator[None]:
    """Goes on for a time, and for as many turns at least, with the pauses of a load that comes in bursts."""
    end = time.monotonic() + seconds
    while time.monotonic() < end or turns > 0:
        yield
        turns -= 1
        select.select([], [], [], rng.choice([0, 0.005, 0.02, 0.05]))


def group_directory() -> Path:
    return Path(os.environ["STREAMCLI_DIR"]) / "groups" / "g"


def commits() -> list[Commit]:
    path = group_directory() / "commits"
    return decode_journal(path.read_bytes(), str(path))[0] if path.exists() else []


def last_commits() -> dict[tuple[int, Place], int]:
    """(member pid, partition) -> the offset that it committed last."""
    last: dict[tuple[int, Place], int] = {}
    for commit in commits():
        assert commit.kind == COMMIT
        assert commit.offset is not None
        last[int(commit.member.split("-")[0]), commit.place] = commit.offset
    return last


def log_ends(topics: list[str]) -> dict[Place, int]:
    """The log end offset of each partition that has records, which are all there still."""
    ends: dict[Place, int] = defaultdict(int)
    for line in ok("consume", *topics, "-F", "%t %p\\n").splitlines():
        topic, partition = line.decode().split()
        ends[topic, int(partition)] += 1
    return dict(ends)


def wait_for_commits(topics: list[str]) -> dict[Place, int]:
    """Wait until the group has committed everything; the log end offsets."""
    ends = log_ends(topics)
    wait_until(lambda: {commit.place: commit.offset for commit in commits()} == ends, "everything to be committed")
    return ends


def check_intervals(runs: list[Run]) -> None:
    """No two runs of one partition at a time."""
    by_place: dict[Place, list[Run]] = defaultdict(list)
    for run in sorted(runs, key=lambda run: run.begin):
        before = by_place[run.place]
        assert not before or before[-1].end <= run.begin, (before[-1], run)
        before.append(run)


def check_repetitions(seen: list[tuple[int, Place, int]], killed: set[int]) -> int:
    """seen: (member pid, partition, offset) in the order processed. What was processed twice, its earlier processing was
    by a member that was killed before it committed it. Returns how many there were."""
    last_commit = last_commits()
    earlier: dict[tuple[Place, int], int] = {}
    repeated = 0
    for pid, place, offset in seen:
        before = earlier.get((place, offset))
        if before is not None:
            assert before in killed, f"{place} {offset} twice, first by {before}, which was not killed"
            assert offset >= last_commit.get((before, place), 0), (
                f"{place} {offset} again, though {before} committed it"
            )
            repeated += 1
        earlier[place, offset] = pid
    return repeated


def check_repeated_runs(runs: list[Run], members: set[int]) -> None:
    """What a member did in a partition before the last run that it started there is never done again."""
    in_order = sorted(runs, key=lambda run: run.begin)
    last = {(run.member_pid, run.place): run for run in in_order}
    earlier: dict[tuple[Place, int], Run] = {}
    for run in in_order:
        for offset in range(run.first, run.last + 1):
            before = earlier.get((run.place, offset))
            if before is not None and before.member_pid in members:
                assert last[before.member_pid, before.place] is before, (before, run)
            earlier[run.place, offset] = run


def assignment() -> dict[Place, str]:
    """Partition -> member, in the newest generation."""
    try:
        found = json.loads((group_directory() / "generation.json").read_bytes())
    except FileNotFoundError:
        return {}
    return {(topic, number): member for member, places in found["assignment"].items() for topic, number in places}


def lease_path(place: Place) -> Path:
    return group_directory() / "leases" / place[0] / str(place[1])


def holder(place: Place) -> str | None:
    """The member that took the lease of a partition last."""
    try:
        return lease_path(place).read_text().partition("\n")[0]
    except FileNotFoundError:
        return None


def is_settled(partitions: int, members: int) -> bool:
    """Whether every partition is assigned, to that many members, and leased by whom it is assigned to."""
    assigned = assignment()
    return (
        len(assigned) == partitions
        and len(set(assigned.values())) == members
        and all(holder(place) == member for place, member in assigned.items())
    )

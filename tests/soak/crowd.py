"""A crowd of processes that are kept running, killed, and collected; and the fifty of the soak."""

from __future__ import annotations

import hashlib
import os
import random
import re
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from tests.security.forked import start

ENDED = os.WEXITED | os.WNOHANG | os.WNOWAIT
FORMAT = ["-F", "%t %p %o %s\\n"]
RATE = 100
"""Records a second that each producer appends."""


class Role(NamedTuple):
    """count: processes of it at any time; words: the command line; statuses: of one that was not killed; is_bounded: it ends
    by itself, and is started again.

    feed: (number of the process, dice) -> the lines that it is given; vary: dice -> more words, other ones for each.
    """

    name: str
    count: int
    words: list[str]
    statuses: tuple[int, ...]
    is_bounded: bool = True
    feed: Callable[[int, random.Random], list[bytes]] | None = None
    vary: Callable[[random.Random], list[str]] | None = None


def value(producer: int, number: int) -> bytes:
    """A record's value, which nobody can have made up: who wrote it, which it is, and bytes that follow from these."""
    digest = hashlib.blake2b(b"%d %d" % (producer, number), digest_size=8).hexdigest()
    return b"%d %d %s" % (producer, number, digest.encode() * (1 + number % 9))


def plain_lines(producer: int, dice: random.Random) -> list[bytes]:
    return [value(producer, number) for number in range(dice.randrange(1, 4 * RATE))]


def keyed_lines(producer: int, dice: random.Random) -> list[bytes]:
    return [b"key%d:%s" % (producer % 7, line) for line in plain_lines(producer, dice)]


PRODUCE = ["--offsets", "--rate", str(RATE)]
STOPPED = (0, 128 + signal.SIGTERM)
PRODUCERS = [
    Role("lines", 8, ["produce", "plain", *PRODUCE], (0,), feed=plain_lines),
    Role("keys", 6, ["produce", "keyed", "-K", ":", *PRODUCE], (0,), feed=keyed_lines),
    Role("batches", 2, ["produce", "keyed", "-K", ":", *PRODUCE, "--sync", "batch"], (0,), feed=keyed_lines),
]
OTHERS = [
    Role("work", 8, ["consume", "plain", "keyed", "-g", "work", "-f", *FORMAT], STOPPED, is_bounded=False),
    Role("jobs", 6, ["consume", "keyed", "-g", "jobs", "-f", *FORMAT, "--", "cat"], STOPPED, is_bounded=False),
    Role("cron", 4, ["consume", "keyed", "-g", "cron", *FORMAT], STOPPED),
    Role("follow", 4, ["consume", "plain", "keyed", "-f", *FORMAT], STOPPED, is_bounded=False),
    Role("tail", 6, ["tail", "-f", "-n", "1", "keyed", *FORMAT], STOPPED, is_bounded=False),
    Role("describe", 2, ["topics", "describe", "plain", "keyed"], STOPPED),
    Role("groups", 2, ["groups", "describe", "--all"], STOPPED),
    Role("verify", 2, ["verify"], STOPPED),
]
GROUPS = {"work": ("plain", "keyed"), "jobs": ("keyed",), "cron": ("keyed",)}
READERS = ("follow", "tail")


class Process(NamedTuple):
    """One process of a role: `number` is its own for ever; its files are in the directory of the crowd. given: lines."""

    role: Role
    number: int
    pid: int
    words: list[str]
    given: list[bytes]


class Crowd:
    """Starts, kills and collects. `statuses`: how the processes ended, by number; negative: the signal that killed it. `ended`: the time
    (ms) by which they had."""

    def __init__(self, directory: Path, seed: int) -> None:
        self.directory = directory
        self._random = random.Random(seed)
        self._running: dict[int, Process] = {}
        self.processes: list[Process] = []
        self.statuses: dict[int, int] = {}
        self.ended: dict[int, int] = {}
        self.kills: Counter[str] = Counter()

    def fill_up(self, roles: list[Role]) -> None:
        """Start what is missing of each role."""
        there = Counter(process.role.name for process in self._running.values())
        for role in roles:
            for _ in range(role.count - there[role.name]):
                self._start(role)

    def reap(self) -> None:
        """Note the processes that have ended."""
        for pid in list(self._running):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                number = self._running.pop(pid).number
                self.statuses[number] = os.waitstatus_to_exitcode(status)
                self.ended[number] = time.time_ns() // 1_000_000

    def kill_one(self, roles: list[Role] | None = None, signum: int = signal.SIGKILL) -> None:
        """A signal to one, whoever it is, or to one of these roles, if any runs."""
        candidates = [process for process in self._running.values() if roles is None or process.role in roles]
        if candidates:
            process = self._random.choice(candidates)
            os.kill(process.pid, signum)
            self.kills[process.role.name] += 1

    def signal_all(self, signum: int) -> None:
        for pid in self._running:
            os.kill(pid, signum)

    def all_heed(self, signum: int) -> bool:
        """Whether all that run have taken the signal over: before that it would end them as it ends any process."""
        for pid in self._running:
            caught = re.search(r"^SigCgt:\t([0-9a-f]+)$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
            if caught and not int(caught[1], 16) >> (signum - 1) & 1 and os.waitid(os.P_PID, pid, ENDED) is None:
                return False
        return True

    def running(self, roles: list[Role]) -> int:
        """How many processes of these roles run."""
        self.reap()
        return sum(process.role in roles for process in self._running.values())

    def output(self, process: Process) -> bytes:
        return self._path(process.number, "out").read_bytes()

    def complaints(self, process: Process) -> str:
        return self._path(process.number, "err").read_text(errors="replace")

    def of(self, *names: str) -> Iterator[Process]:
        """All processes that there were of these roles."""
        return (process for process in self.processes if process.role.name in names)

    def was_killed(self, process: Process) -> bool:
        return self.statuses[process.number] == -signal.SIGKILL

    def _path(self, number: int, kind: str) -> Path:
        return self.directory / f"{number}.{kind}"

    def _start(self, role: Role) -> None:
        number = len(self.processes)
        lines = role.feed(number, self._random) if role.feed else []
        words = [*role.words, *(role.vary(self._random) if role.vary else [])]
        self._path(number, "in").write_bytes(b"".join(line + b"\n" for line in lines))
        given, out, err = (self._path(number, kind) for kind in ("in", "out", "err"))
        with given.open("rb") as first, out.open("wb") as second, err.open("wb") as third:
            pid = start(words, (first.fileno(), second.fileno(), third.fileno()))
        os.setpriority(os.PRIO_PROCESS, pid, 5)  # or they leave no time for starting and killing
        process = Process(role, number, pid, words, lines)
        self._running[pid] = process
        self.processes.append(process)


def until(condition: Callable[[], bool], crowd: Crowd) -> Callable[[], bool]:
    """`condition`, looked at after the dead are counted."""

    def look() -> bool:
        crowd.reap()
        return condition()

    return look

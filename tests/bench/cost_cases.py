"""What is measured of cost that does not grow: commands on logs of several lengths, many topics, and indexes that are gone."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from statistics import median
from typing import Any, NamedTuple

from tests.bench.commands import CommandFailed, run, settle, streamcli
from tests.bench.sparse_log import APART, Shape, fill

_METER = os.path.join(os.path.dirname(__file__), "meter.py")
_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Measured(NamedTuple):
    """seconds: from the start of the process to its end; peak: bytes of memory at most; output: bytes it printed."""

    seconds: float
    peak: int
    output: int


class Place:
    """A log directory in a temporary directory, and commands on it."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self.log = os.path.join(directory, "log")

    def command(self, *words: str) -> list[str]:
        return [*streamcli(), *words, "--dir", self.log]

    def measure(self, words: tuple[str, ...], line: bytes = b"") -> Measured:
        """Run a streamcli command in a process of its own."""
        result = os.path.join(self._directory, "measured")
        done = run([sys.executable, "-I", "-S", _METER, result, *self.command(*words)], line=line)
        seconds, peak, status = _read_json(result)
        if status:
            raise CommandFailed(f"status {status}: {' '.join(words)}")
        return Measured(seconds, peak, len(done.output))

    def bytes_read(self, words: tuple[str, ...], line: bytes = b"") -> dict[str, int]:
        """Bytes that a streamcli command reads, by the path of the segment."""
        result = os.path.join(self._directory, "counted")
        before = os.getcwd()
        os.chdir(_ROOT)
        try:
            run([sys.executable, "-m", "tests.bench.counted", result, *self.command(*words)[1:]], line=line)
        finally:
            os.chdir(before)
        return _read_json(result)

    def partition(self, topic: str) -> str:
        return os.path.join(self.log, "topics", topic, "0")


class BigLog(NamedTuple):
    """A topic of one partition, and a group of the same name that is in the middle of it."""

    topic: str
    shape: Shape
    end_ms: int

    @property
    def middle(self) -> int:
        return self.shape.batches // 2

    @property
    def in_last_closed(self) -> int:
        """The offset in the middle of the segment before the active one."""
        return (self.shape.segments - 1) * self.shape.in_segment - self.shape.in_segment // 2

    def time_of(self, offset: int) -> str:
        """As --since takes it."""
        return f"@{self.end_ms - (self.shape.batches - offset) * APART}"


def make_log(place: Place, topic: str, shape: Shape) -> BigLog:
    """A new topic with a log of that shape, written up to now."""
    run(place.command("topics", "create", topic, "-c", f"segment.bytes={shape.segment_bytes}"))
    log = BigLog(topic, shape, int(time.time() * 1000))
    fill(place.partition(topic), shape, log.end_ms)
    run(place.command("produce", topic), line=b"x\n")
    run(place.command("consume", topic, "-n", "1", "-g", topic, "-o", str(log.middle), "--commit", "end"))
    return log


Command = tuple[tuple[str, ...], bytes]
"""Words, and the line that is their input."""


def commands(log: BigLog) -> dict[str, Command]:
    """The commands that are compared, by the name that they have in the table."""
    topic, middle = log.topic, log.middle
    return {
        "echo x | streamcli produce": (("produce", topic), b"x\n"),
        "consume -n 1 -o N": (("consume", topic, "-n", "1", "-o", str(middle)), b""),
        "consume -n 1 --since T": (("consume", topic, "-n", "1", "--since", log.time_of(middle)), b""),
        "consume -n 1 -o -1": (("consume", topic, "-n", "1", "-o", "-1"), b""),
        "tail -n 10": (("tail", topic, "-n", "10"), b""),
        "topics describe": (("topics", "describe", topic), b""),
        "groups describe": (("groups", "describe", topic), b""),
    }


def compare(place: Place, logs: list[BigLog], runs: int) -> list[dict[str, Any]]:
    """For each command a row: its time and peak on each log, and the medians of the ratios to the first log's.

    Each round runs a command on all logs, one after the other, so that a slow moment of the machine meets all of them.
    """
    settle()
    rows = []
    by_log = [commands(log) for log in logs]
    for name in by_log[0]:
        rounds = [[place.measure(*found[name]) for found in by_log] for _ in range(_rounds(runs))][-runs:]
        columns = list(zip(*rounds, strict=True))
        rows.append(
            {
                "command": name,
                "seconds": [median(each.seconds for each in column) for column in columns],
                "ratio": [median(one[n].seconds / one[0].seconds for one in rounds) for n in range(len(logs))],
                "peak": [max(each.peak for each in column) for column in columns],
            }
        )
    return rows


def many_topics(place: Place, topics: int, partitions: int, runs: int) -> dict[str, Any]:
    """How long listing that many topics takes. One is made by streamcli, the others are copies of it."""
    first = "many-0"
    run(place.command("topics", "create", first, "-p", str(partitions)))
    under = os.path.join(place.log, "topics")
    for number in range(1, topics):
        shutil.copytree(os.path.join(under, first), os.path.join(under, f"many-{number}"))
    settle()
    found: dict[str, Any] = {"topics": topics, "partitions": partitions}
    for name, words in (("plain", ("topics", "list")), ("json", ("topics", "list", "--json"))):
        measured = [place.measure(words) for _ in range(_rounds(runs))][-runs:]
        found[name] = {"seconds": median(each.seconds for each in measured), "peak": max(m.peak for m in measured)}
    return found


def without_indexes(place: Place, log: BigLog) -> list[dict[str, Any]]:
    """What the first command costs after every index of a log was deleted, and the next; each on indexes deleted anew.

    The index of the active segment is made by appending alone: a reader meanwhile reads its headers instead.
    read: bytes that the command reads, to the size of the log; most: the same of the segment where it is greatest.
    """
    last = log.in_last_closed
    topic = log.topic
    openers: dict[str, Command] = {
        "echo x | streamcli produce": (("produce", topic), b"x\n"),
        "consume -n 1 -o N": (("consume", topic, "-n", "1", "-o", str(last)), b""),
        "consume -n 1 --since T": (("consume", topic, "-n", "1", "--since", log.time_of(last)), b""),
    }
    rows = []
    for name, (words, line) in openers.items():
        _delete_indexes(place, topic)
        settle()
        first, second = place.measure(words, line), place.measure(words, line)
        _delete_indexes(place, topic)
        counts = [_counted(place.bytes_read(words, line), log) for _ in range(2)]
        rows.append(
            {
                "command": name,
                "seconds": [first.seconds, second.seconds],
                "peak": [first.peak, second.peak],
                "read": [read for read, _ in counts],
                "most": [most for _, most in counts],
            }
        )
    return rows


def _rounds(runs: int) -> int:
    """With one that does not count before them: it compiles, and reads from disk what was not read before."""
    return runs + 1 if runs > 1 else 1


def _counted(read: dict[str, int], log: BigLog) -> tuple[float, float]:
    sizes = {path: os.path.getsize(path) for path in read}
    return sum(read.values()) / log.shape.size, max((read[path] / sizes[path] for path in read), default=0.0)


def _delete_indexes(place: Place, topic: str) -> None:
    directory = place.partition(topic)
    for name in os.listdir(directory):
        if name.endswith(".index"):
            os.unlink(os.path.join(directory, name))


def _read_json(path: str) -> Any:
    with open(path) as file:
        return json.load(file)

"""kill -9 of producers with one name and one input, again and again, two of them at once, retention and compaction beside them:
in the end each record was appended once, in the order of the input.

STREAMCLI_KILLS says how many (8 a topic by default).
"""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path
from typing import NamedTuple

import pytest

from streamcli.storage.log import Log
from tests.security.forked import ok, start
from tests.support.waiting import DEADLINE

KILLS = int(os.environ.get("STREAMCLI_KILLS", "8"))
RECORDS = 24_000
PIECE = 1500
"""Bytes of the input that come at once: each such piece becomes a record batch."""


class Topic(NamedTuple):
    """partitions; config: of `topics create`; words: of produce; cleaning: what goes on beside it; keeps_all: whether every
    record is there in the end."""

    partitions: int
    config: list[str]
    words: list[str]
    cleaning: list[str] | None
    keeps_all: bool


TOPICS = {
    "plain": Topic(1, ["--segment-bytes", "20K"], [], None, keeps_all=True),
    "spread": Topic(3, ["--segment-bytes", "20K"], ["--sync", "batch"], None, keeps_all=True),
    "keyed": Topic(3, [], ["-K", ":"], ["topics", "clean", "t"], keeps_all=True),
    "retention": Topic(
        2, ["--segment-bytes", "8K", "--retention-bytes", "30K"], ["-K", ":"], ["topics", "clean", "t"], keeps_all=False
    ),
    "compacted": Topic(
        2,
        ["--segment-bytes", "8K", "--compact", "-c", "min.cleanable.dirty.ratio=0"],
        ["-K", ":"],
        ["topics", "clean", "t"],
        keeps_all=False,
    ),
}


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "log"
    monkeypatch.setenv("STREAMCLI_DIR", str(path))
    return path


def lines(count: int) -> list[bytes]:
    return [b"k%d:%06d\n" % (number % 17, number) for number in range(count)]


def produce(topic: Topic, path: Path) -> int:
    """Start a producer of the input from its beginning."""
    nothing, errors = (
        os.open(os.devnull, os.O_RDWR),
        os.open(path.with_suffix(".err"), os.O_WRONLY | os.O_CREAT | os.O_APPEND),
    )
    try:
        return start(["produce", "t", "--producer-id", "web", *topic.words, str(path)], (nothing, nothing, errors))
    finally:
        os.close(nothing)
        os.close(errors)


def appended(topic: Topic) -> int:
    """Records that were ever appended, whatever has been removed since."""
    path = os.path.join(os.environ["STREAMCLI_DIR"], "topics", "t")
    return sum(Log(os.path.join(path, str(number))).end().offset for number in range(topic.partitions))


def until_appended(topic: Topic, records: int, pids: list[int], more: float) -> None:
    """Wait until so many are there, or the first of these processes is done; and then for so many seconds more, at most."""
    end = time.monotonic() + DEADLINE
    while appended(topic) < records and os.waitid(os.P_PID, pids[0], os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        assert time.monotonic() < end, "no record is appended"
        time.sleep(0.001)
    time.sleep(more)  # so that it is anywhere in its work when it is killed


def values(topic: Topic) -> list[list[int]]:
    """Those of each partition."""
    found: list[list[int]] = [[] for _ in range(topic.partitions)]
    for line in ok("consume", "t", "-F", "%p %s\\n").splitlines():
        partition, value = line.split(b" ")
        found[int(partition)].append(int(value.rpartition(b":")[2]))
    return found


@pytest.mark.parametrize("name", TOPICS)
def test_killed_at_random_and_run_again(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    topic = TOPICS[name]
    monkeypatch.setattr("streamcli.cli.input.CHUNK", PIECE)
    monkeypatch.setattr("streamcli.storage.producer_state.DUE_AFTER", 16)
    ok("topics", "create", "t", "-p", str(topic.partitions), *topic.config)
    path = tmp_path / "input"
    path.write_bytes(b"".join(lines(RECORDS)))
    seed = time.time_ns() % 1_000_000
    print(f"\n{name}: seed {seed}")
    dice = random.Random(seed)
    done, kills, progress = False, 0, []
    while kills < KILLS:
        pids = [produce(topic, path) for _ in range(dice.choice([1, 1, 2]))]
        cleaner = start_cleaning(topic, dice)
        until_appended(topic, appended(topic) + int(dice.expovariate(KILLS / RECORDS)), pids, dice.random() / 100)
        for pid in [*pids, *cleaner]:
            os.kill(pid, signal.SIGKILL)
        statuses = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in [*pids, *cleaner]]
        assert set(statuses) <= {0, -signal.SIGKILL}, path.with_suffix(".err").read_text()
        kills += statuses.count(-signal.SIGKILL)
        progress.append(appended(topic))
        if 0 in statuses[: len(pids)] and not done:
            done = True
            assert appended(topic) == RECORDS
    pid = produce(topic, path)
    assert wait_for(pid) == 0
    found = values(topic)
    print(f"{kills} kills; records there after each: {progress[:8]} ... {progress[-1]}")
    assert progress == sorted(progress)
    assert appended(topic) == RECORDS
    assert all(part == sorted(set(part)) for part in found)
    if topic.keeps_all:
        assert sorted(number for part in found for number in part) == list(range(RECORDS))
    if name == "compacted":
        assert set(range(RECORDS - 17, RECORDS)) <= {number for part in found for number in part}
    ok("verify", "-q")


def start_cleaning(topic: Topic, dice: random.Random) -> list[int]:
    if topic.cleaning is None or dice.random() < 0.5:
        return []
    nothing = os.open(os.devnull, os.O_RDWR)
    try:
        return [start(topic.cleaning, (nothing, nothing, nothing))]
    finally:
        os.close(nothing)


def wait_for(pid: int) -> int:
    end = time.monotonic() + DEADLINE
    while True:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        assert time.monotonic() < end, "it does not come to its end"
        time.sleep(0.01)

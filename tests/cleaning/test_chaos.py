"""Compaction and retention while eight producers and eight readers work, all of them killed at random, cleaners too.

STREAMCLI_CLEANING_SECONDS says for how long (15 by default). `pytest -s` shows the counts.
"""

from __future__ import annotations

import json
import os
import random
import signal
import time
from pathlib import Path

from tests.cleaning.promises import History, Rows, check, has_all, newest_by_key, rows_of
from tests.cleaning.roles import (
    CLEANERS,
    COMPACTED,
    FOLLOWERS,
    FORMAT,
    GROUPS,
    LOOKERS,
    PARTITIONS,
    READERS,
    RETENTION_BYTES,
    RETENTION_MS,
    SIZED_SEGMENT,
    WRITERS,
    create_topics,
)
from tests.security.forked import ok, run
from tests.soak.crowd import Crowd, until
from tests.support.segments import leftovers
from tests.support.waiting import wait_until

SECONDS = float(os.environ.get("STREAMCLI_CLEANING_SECONDS", "15"))
KILL_EVERY = 0.2
"""Seconds from one kill to the next."""
PATIENCE = 60 + 2 * SECONDS
EVERYBODY = [*WRITERS, *READERS, *CLEANERS, *LOOKERS]


def test_cleaned_while_everybody_works(tmp_path: Path, log_directory: Path) -> None:
    files = tmp_path / "files"
    files.mkdir()
    create_topics()
    seed = time.time_ns() % 1_000_000
    print(f"\nseed {seed}")
    crowd = Crowd(files, seed)
    try:
        live(crowd, random.Random(seed))
        drain(crowd)
    finally:
        crowd.signal_all(signal.SIGKILL)
        wait_until(until(lambda: crowd.running(EVERYBODY) == 0, crowd), "the last to end", PATIENCE)
    log = read_all()
    summary = check(History(crowd, log, time.time_ns() // 1_000_000))
    print(f"cleaning of {SECONDS:g} s: {summary}")
    clean_up(log_directory, log)
    assert min(summary) > 0, summary


def live(crowd: Crowd, dice: random.Random) -> None:
    """All the roles at work, and somebody killed every now and then: a writer, a reader or a cleaner. For longer where the machine
    is so busy that there was nothing to clean yet."""
    finish, next_kill = time.monotonic() + SECONDS, time.monotonic() + 1

    def step() -> bool:
        nonlocal next_kill
        crowd.reap()
        crowd.fill_up(EVERYBODY)
        while next_kill <= time.monotonic() < finish:
            signum = signal.SIGTERM if dice.random() < 0.25 else signal.SIGKILL
            crowd.kill_one(dice.choice([WRITERS, READERS, CLEANERS]), signum)
            next_kill += KILL_EVERY
        return time.monotonic() >= finish and was_cleaned(crowd)

    wait_until(step, "the end", PATIENCE)


def was_cleaned(crowd: Crowd) -> bool:
    """Whether a cleaner had something to do, and retention.bytes too."""
    cleaners = crowd.of(*(role.name for role in CLEANERS))
    return any(map(crowd.output, cleaners)) and describe_sized()["log_start_offset"] > 0


def describe_sized() -> dict[str, int]:
    """The partition that is kept to a size."""
    (partition,) = json.loads(ok("topics", "describe", "sized", "--json"))["partitions"]
    return partition


def drain(crowd: Crowd) -> None:
    """Producers come to their end, followers and groups take what is left, cleaners going on; then everybody stops."""
    wait_until(until(lambda: crowd.running(WRITERS) == 0, crowd), "the last producer", PATIENCE)
    others = [*READERS, *CLEANERS, *LOOKERS]

    def have_caught_up() -> bool:
        crowd.fill_up(others)
        return all(run("groups", "wait", group, "--timeout", "1ms").status == 0 for group in GROUPS)

    wait_until(until(have_caught_up, crowd), "the groups to catch up", PATIENCE)
    newest = read_all()
    for role in FOLLOWERS:
        followed = [topic for topic in role.words if topic in PARTITIONS and topic in COMPACTED]
        wanted = [(place, row) for place, row in newest if place[0] in followed]
        process = list(crowd.of(role.name))[-1]
        wait_until(
            lambda process=process, wanted=wanted: has_all(rows_of(crowd.output(process)), wanted),
            "a follower",
            PATIENCE,
        )
    crowd.signal_all(signal.SIGTERM)
    wait_until(until(lambda: crowd.running(others) == 0, crowd), "all to stop", PATIENCE)


def read_all() -> Rows:
    return rows_of(ok("consume", *PARTITIONS, *FORMAT))


def clean_up(log_directory: Path, before: Rows) -> None:
    """Once retention.ms has passed: cleaning leaves the table as it was, nothing to clean, and nothing lying about."""
    assert run("verify").status == 0
    young = max(row.timestamp for _, row in before)
    wait_until(lambda: time.time_ns() // 1_000_000 > young + RETENTION_MS + 10, "the last record to age")
    wait_until(lambda: ok("topics", "clean") == b"", "the last tombstone to go")
    assert run("verify").status == 0
    table, was = (newest_by_key([pair for pair in rows if pair[0][0] == "table"]) for rows in (read_all(), before))
    assert {key: pair for key, pair in was.items() if pair[1].value is not None}.items() <= table.items()
    assert table.items() <= was.items()
    for topic in ("both", "aged"):
        assert ok("consume", topic) == b""
    for line in ok("topics", "describe", "aged", "both", "--json").splitlines():
        for partition in json.loads(line)["partitions"]:
            assert partition["log_start_offset"] == partition["log_end_offset"] > 0
    sized = describe_sized()
    assert sized["log_start_offset"] > 0
    assert RETENTION_BYTES <= sized["size"] <= RETENTION_BYTES + SIZED_SEGMENT
    for directory in log_directory.glob("topics/*/*/"):
        assert leftovers(os.listdir(directory)) == [], directory

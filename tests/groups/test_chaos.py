"""Members of a group killed at any moment, producers running: nothing passed by, and nothing owned twice.

A minute of it with commands, a fifth of that with output; STREAMCLI_CHAOS_SECONDS=600 makes it last longer.
"""

from __future__ import annotations

import os
import random
from collections import defaultdict
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

from tests.groups.swarm import (
    Journal,
    Place,
    Producers,
    Swarm,
    check_intervals,
    check_repeated_runs,
    check_repetitions,
    last_commits,
    pace,
    wait_for_commits,
)
from tests.support.command import ok

SECONDS = float(os.environ.get("STREAMCLI_CHAOS_SECONDS", "60"))
MEMBERS = 8
PARTITIONS = 16

Printed = tuple[Place, int]


def wreak(stack: ExitStack, swarm: Swarm, rng: random.Random, seconds: float) -> None:
    """Kill and start members at random while producers run; then leave 8 of them, and everything produced."""
    ok("topics", "create", "t", "-p", str(PARTITIONS))
    producers = Producers(stack, "t", [[]] * 3)
    for _ in range(MEMBERS):
        swarm.join()
    for _ in pace(rng, seconds):
        for number in range(3):
            producers.feed(number, rng.choice([1, 5, 40]))
        if rng.random() < 0.15 and len(swarm.members) > 2:
            swarm.kill(rng.choice(swarm.members))
        if rng.random() < 0.15 and len(swarm.members) < MEMBERS:
            swarm.join()
    while len(swarm.members) < MEMBERS:
        swarm.join()
    producers.finish()
    assert all(member.poll() is None for member in swarm.members)


def test_commands_of_members_that_are_killed(tmp_path: Path) -> None:
    rng = random.Random(1)
    journal = Journal(tmp_path)
    with ExitStack() as stack:
        swarm = Swarm(stack, ["t", "-F", "%o\\n", "--", *journal.command], Path(os.devnull))
        wreak(stack, swarm, rng, SECONDS)
        ends = wait_for_commits(["t"])
        swarm.stop()
    runs = sorted(journal.runs(), key=lambda run: run.begin)
    assert journal.overlaps() == []
    check_intervals(runs)
    dead = swarm.killed | {run.member_pid for run in runs} - swarm.started
    cut_short = [run for run in runs if run.count < run.last - run.first + 1]
    assert {run.member_pid for run in cut_short} <= dead, cut_short
    seen = [(run.member_pid, run.place, offset) for run in runs for offset in range(run.first, run.last + 1)]
    assert {(place, offset) for _, place, offset in seen} == {
        (place, n) for place, end in ends.items() for n in range(end)
    }
    repeated = check_repetitions(seen, dead)
    check_repeated_runs(runs, swarm.started)
    print(f"{len(runs)} runs, {len(seen)} records, {len(swarm.killed)} members killed, {repeated} records repeated")
    assert swarm.killed


def test_output_of_members_that_are_killed(tmp_path: Path) -> None:
    rng = random.Random(2)
    out = tmp_path / "out"
    out.mkdir()
    with ExitStack() as stack:
        swarm = Swarm(stack, ["t", "-F", "%t %p %o\\n"], out)
        wreak(stack, swarm, rng, SECONDS / 5)
        ends = wait_for_commits(["t"])
        swarm.stop()
    seen: dict[Printed, set[int]] = defaultdict(set)
    for pid, path in swarm.outputs.items():
        rows = [line.decode().split() for line in path.read_bytes().split(b"\n")[:-1]]
        offsets: dict[str, list[int]] = defaultdict(list)
        for topic, partition, offset in rows:
            offsets[partition].append(int(offset))
            seen[(topic, int(partition)), int(offset)].add(pid)
        assert all(in_order(found) for found in offsets.values())
    assert set(seen) == {(place, n) for place, end in ends.items() for n in range(end)}
    covered = last_commits()
    repeated = {printed: pids for printed, pids in seen.items() if len(pids) > 1}
    for (place, offset), pids in repeated.items():
        done = {pid for pid in pids if pid not in swarm.killed or covered.get((pid, place), 0) > offset}
        assert len(done) == 1, (place, offset, pids)
    print(f"{len(seen)} records, {len(swarm.killed)} members killed, {len(repeated)} records repeated")
    assert swarm.killed


def in_order(offsets: list[int]) -> bool:
    return all(before < after for before, after in pairwise(offsets))

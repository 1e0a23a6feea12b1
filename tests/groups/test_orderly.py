"""Members that join and leave in an orderly way, and runs from cron: every record exactly once."""

from __future__ import annotations

import os
import random
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.groups.swarm import Journal, Producers, Swarm, check_intervals, commits, pace, wait_for_commits
from tests.support.command import finish, ok, started
from tests.support.waiting import DEADLINE, read_lines, wait_until

PRODUCERS = 6
SECONDS = 6.0
TURNS = 100
"""So many at least, however slow the machine is: more than three members leave within them, by every seed here."""


def come_and_go(stack: ExitStack, swarm: Swarm, rng: random.Random) -> list[bytes]:
    """Members join and get SIGTERM at random while each producer writes to a partition of its own; the lines produced."""
    ok("topics", "create", "t", "-p", str(PRODUCERS))
    producers = Producers(stack, "t", [["-p", str(number)] for number in range(PRODUCERS)])
    left = []
    swarm.join()
    for _ in pace(rng, SECONDS, TURNS):
        producers.feed(rng.randrange(PRODUCERS), rng.choice([1, 7, 300]))
        if rng.random() < 0.1 and len(swarm.members) > 1:
            left.append(swarm.terminate(rng.choice(swarm.members)))
        if rng.random() < 0.15 and len(swarm.members) < 5:
            swarm.join()
    producers.finish()
    wait_for_commits(["t"])
    # One that was told before it was ready to be told may have died of it; nothing else may happen to any.
    assert {member.wait(DEADLINE) for member in left} <= {143, -15}
    assert len(left) > 3
    swarm.stop()
    return ok("consume", "t").splitlines()


def by_producer(lines: list[bytes]) -> dict[bytes, list[int]]:
    found: dict[bytes, list[int]] = defaultdict(list)
    for line in lines:
        producer, number = line.split(b":")
        found[producer].append(int(number))
    return found


@pytest.mark.parametrize("shape", [[], ["-F", "%s\\n"]], ids=["copied", "rendered"])
def test_output_of_members_that_come_and_go_is_the_log(tmp_path: Path, shape: list[str]) -> None:
    """All append to one file, so it has the order in which the records of a partition were processed."""
    out = tmp_path / "out"
    out.touch()
    with ExitStack() as stack:
        produced = by_producer(come_and_go(stack, Swarm(stack, ["t", *shape], out), random.Random(len(shape))))
    assert by_producer(out.read_bytes().splitlines()) == produced
    print(f"{sum(map(len, produced.values()))} records, each once and in order")


def test_commands_of_members_that_come_and_go(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    with ExitStack() as stack:
        swarm = Swarm(stack, ["t", "--", *journal.command], tmp_path / "out")
        produced = come_and_go(stack, swarm, random.Random(3))
    runs = sorted(journal.runs(), key=lambda run: run.begin)
    assert journal.overlaps() == []
    check_intervals(runs)
    expected: dict[tuple[str, int], int] = defaultdict(int)
    for run in runs:
        assert run.first == expected[run.place], run
        assert run.count == run.last - run.first + 1
        expected[run.place] = run.last + 1
    assert sum(expected.values()) == len(produced)


def test_ten_bounded_runs_at_once_take_each_record_once() -> None:
    ok("topics", "create", "t", "-p", "8")
    for turn in range(2):  # the second time they resume
        for partition in range(8):
            ok(
                "produce",
                "t",
                "-p",
                str(partition),
                stdin=b"".join(b"%d:%d\n" % (partition, turn * 500 + n) for n in range(500)),
            )
        with ExitStack() as stack:
            runs = [stack.enter_context(started("consume", "-g", "g", "t")) for _ in range(10)]
            results = [finish(run) for run in runs]
        assert [(result.status, result.err) for result in results] == [(0, "")] * 10
        assert all(numbers == sorted(numbers) for result in results for numbers in by_producer(result.lines()).values())
        found = by_producer([line for result in results for line in result.lines()])
        expected = list(range(turn * 500, turn * 500 + 500))
        assert {producer: sorted(numbers) for producer, numbers in found.items()} == {
            b"%d" % partition: expected for partition in range(8)
        }
    assert {commit.place: commit.offset for commit in commits()} == {("t", number): 1000 for number in range(8)}


def test_a_bounded_run_does_not_wait_for_another_at_work(tmp_path: Path) -> None:
    """What the other one holds is left to it, and the status is 0."""
    ok("topics", "create", "t", "-p", "2")
    for partition in range(2):
        ok("produce", "t", "-p", str(partition), stdin=b"%d:0\n" % partition)
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    with started("consume", "-g", "g", "t", "--", "sh", "-c", f"cat; cat {gate}") as worker:
        assert read_lines(worker.stdout, 1)
        assert ok("consume", "-g", "g", "t") == b""
        for done in (1, 2):
            os.close(os.open(gate, os.O_WRONLY))
            wait_until(lambda done=done: len(commits()) == done, "a partition to be done")
        assert finish(worker).status == 0
    assert ok("consume", "-g", "g", "t") == b""
    assert {commit.place: commit.offset for commit in commits()} == {("t", number): 1 for number in range(2)}


def test_bounded_runs_beside_following_members(tmp_path: Path) -> None:
    """They take what the members do not hold, which may be nothing, and never what was processed."""
    rng = random.Random(4)
    out = tmp_path / "out"
    out.touch()
    bounded: list[bytes] = []
    with ExitStack() as stack:
        swarm = Swarm(stack, ["t"], out)
        ok("topics", "create", "t", "-p", str(PRODUCERS))
        producers = Producers(stack, "t", [["-p", str(number)] for number in range(PRODUCERS)])
        for turn in range(12):
            for number in range(PRODUCERS):
                producers.feed(number, rng.choice([1, 50]))
            if turn % 3 == 0:
                swarm.join()
            if turn % 4 == 3:
                swarm.terminate(swarm.members[0]).wait(DEADLINE)
            bounded += ok("consume", "-g", "g", "t").splitlines()
        producers.finish()
        wait_for_commits(["t"])
        swarm.stop()
    produced = by_producer(ok("consume", "t").splitlines())
    found = by_producer([*out.read_bytes().splitlines(), *bounded])
    assert {producer: sorted(numbers) for producer, numbers in found.items()} == produced

"""Power cuts: every scenario, in every state that the disk may be left in, is read, recovered, continued, and checked.

Two hundred states a scenario; STREAMCLI_POWER_CUT_STATES=N tries up to N of them, thousands of which differ.
"""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable, Iterator
from functools import reduce
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.crash.disk_model import Choice, Disk, Tree, digest, make_real
from tests.crash.oracle import Examination
from tests.crash.power_cut_choices import at_random, systematic
from tests.crash.power_cut_scenarios import SCENARIOS, group_commits, long_batches, produce_sync_exit, recovery
from tests.crash.promises import Promises
from tests.crash.trace import Line, Recorder, record

STATES = int(os.environ.get("STREAMCLI_POWER_CUT_STATES", "200"))
"""States tried of each scenario."""

SECOND_CUTS = 10
"""States from which recovery is recorded, to be cut off in its turn."""

EARLIER_BOOT = "00000000-0000-4000-8000-00000000000%d"


class Summary(NamedTuple):
    """What the states of a scenario showed. Records, over all states: acknowledged, read before recovery, and appended
    without an acknowledgement and lost; recoveries: states in which a tail was cut off."""

    states: int = 0
    acknowledged: int = 0
    read: int = 0
    unacknowledged_lost: int = 0
    recoveries: int = 0

    def plus(self, other: Summary) -> Summary:
        return Summary(*(mine + its for mine, its in zip(self, other, strict=True)))

    def __str__(self) -> str:
        return (
            f"{self.states} states, {self.recoveries} of them recovered; {self.acknowledged} records acknowledged, "
            f"0 of them lost; {self.read} read, 0 wrong; {self.unacknowledged_lost} lost that were not acknowledged"
        )


@pytest.fixture(scope="module")
def totals() -> Iterator[list[Summary]]:
    """The summaries of this module's tests, whose sum is printed at its end (pytest -s shows it)."""
    found: list[Summary] = []
    yield found
    print(f"\npower cuts in {len(found)} scenarios: {reduce(Summary.plus, found, Summary())}")


def choices(disk: Disk, seed: int) -> Iterator[Choice]:
    """Ways to be left: half of them systematic, half at random; systematic ones by turns where there are too many."""
    planned = [choice for point in disk.points() for choice in systematic(disk, point)]
    random.Random(seed).shuffle(planned)
    drawn = (at_random(disk, number) for number in range(seed, seed + 20 * STATES))
    for number in range(20 * STATES):
        if number < len(planned):
            yield planned[number]
        yield next(drawn)


def try_all(trace: list[Line], place: Path, *, most: int = STATES, seed: int = 1) -> Summary:
    """Examine the states that a trace may leave, each once; AssertionError with those that break a promise."""
    disk = Disk(trace)
    notes = [(at, line) for at, line in enumerate(trace) if "note" in line]
    summary, seen, broken = Summary(), set(), []
    for choice in choices(disk, seed):
        tree = disk.state(choice)
        promises = Promises(line for at, line in notes if at < choice.point)
        mark = (digest(tree), promises.acknowledged, len(promises.committed))
        if mark in seen:
            continue
        seen.add(mark)
        state = place / "state"
        make_real(tree, state)
        try:
            found = Examination(state / "log", promises).run()
            counted = (1, promises.acknowledged, found.records, found.unacknowledged_lost, int(found.cut))
            summary = summary.plus(Summary(*counted))
        except Exception as error:  # noqa: BLE001  # whatever it is, it is what a user would meet
            broken.append(f"cut after line {choice.point}, {choice.label}: {type(error).__name__}: {error}")
        shutil.rmtree(state)
        if summary.states + len(broken) == most:
            break
    assert not broken, f"{len(broken)} of {len(broken) + summary.states} states:\n" + "\n".join(broken[:20])
    return summary


def record_in(place: Path, name: str, scenario: Callable[[Recorder], None], boot: int = 1) -> list[Line]:
    root = place / name
    root.mkdir(exist_ok=True)
    return record(root, place / f"{name}.trace", scenario, boot_id=EARLIER_BOOT % boot)


@pytest.mark.parametrize("name", SCENARIOS)
def test_what_was_acknowledged_survives_a_power_cut(name: str, place: Path, totals: list[Summary]) -> None:
    summary = try_all(record_in(place, name, SCENARIOS[name]), place)
    print(f"{name}: {summary}")
    totals.append(summary)


def torn_states(place: Path, name: str, scenario: Callable[[Recorder], None], count: int) -> list[Tree]:
    """States of a scenario that have something to recover: a tail to cut off, in a segment or in a journal of commits."""
    trace = record_in(place, name, scenario)
    disk, found = Disk(trace), {}
    for choice in choices(disk, 7):
        tree = disk.state(choice)
        if is_torn(tree):
            found.setdefault(digest(tree), tree)
        if len(found) == count:
            break
    return list(found.values())


def is_torn(tree: Tree) -> bool:
    """Whether a segment or a journal ends in zeros, or in a journal's unended line."""
    for path, data in tree.items():
        if data and path.endswith((".log", "/commits")) and data.endswith(b"\0"):
            return True
        if data and path.endswith("/commits") and not data.endswith(b"\n"):
            return True
    return False


@pytest.mark.parametrize(
    "scenario", [produce_sync_exit, long_batches, group_commits], ids=lambda scenario: scenario.__name__
)
def test_the_power_may_fail_again_while_a_cut_is_recovered_from(
    scenario: Callable[[Recorder], None], place: Path, totals: list[Summary]
) -> None:
    total = Summary()
    for number, tree in enumerate(torn_states(place, "first", scenario, SECOND_CUTS)):
        make_real(tree, place / f"second-{number}")
        trace = record_in(place, f"second-{number}", recovery, boot=2)
        summary = try_all(trace, place, most=STATES // SECOND_CUTS, seed=number)
        total = total.plus(summary)
    print(f"recovery after {scenario.__name__}: {total}")
    totals.append(total)

"""Many producers on one partition at once: what they append together, and how fairly.

Each reads from a pipe that is always full. All of them are started, each appends one record, and when those are in the log
they are let go at the same moment; after some seconds all the pipes end at the same moment, and the clock stops when
the last producer has exited, with status 0 and so with all of it fsynced. Who appended how many records is counted
in the log: each producer's lines begin with its number. Since all had the same time and more than they could append, the
least count to the mean of all is the slowest producer's share: 1 is fair. (Equal work for each instead, with the time
until each is done, hides it: who comes last has the partition to itself by then.)
"""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from dataclasses import dataclass
from statistics import fmean

from tests.bench.access_log import LINE
from tests.bench.case import RATE, Case, Measured, Target
from tests.bench.commands import CommandFailed, settle
from tests.bench.place import Place

_SECONDS = 1.5
_MOST_RUNS = 3
_PATIENCE = 60.0
_PRODUCE = "streamcli produce crowded"
_CAT = "cat >> crowded.log"
_PAGE = 1500
"""Lines that a feeder writes at a time: 124 KB, about what cat writes."""


def producer_cases() -> list[Case]:
    one = _Crowd(1, 1, _CAT)
    cases = [_case("producers-1", "1 producer", one, "rate", RATE, f"{_feeding(1)} {_CAT}; sync crowded.log", None)]
    for count in (8, 32):
        crowd = _Crowd(count, 1, _PRODUCE)
        together = Target("ratio", ">=", 0.5) if count == 32 else None
        fair = Target("ours", ">=", 0.5) if count == 32 else None
        one_alone = f"{_feeding(1)} {_PRODUCE}"
        cases += [
            _case(f"producers-{count}", f"{count} producers", crowd, "rate", RATE, one_alone, together),
            _case(
                f"producers-{count}-share",
                f"{count} producers, the slowest one's share of the mean",
                crowd,
                "share",
                "of the mean",
                "an equal share each",
                fair,
            ),
        ]
    return cases


def _case(name: str, title: str, crowd: _Crowd, value: str, unit: str, yardstick: str, target: Target | None) -> Case:
    ours = f"{_feeding(crowd.producers)} {_PRODUCE}"
    return Case(name, title, "producers", ours, yardstick, unit, crowd, value=value, target=target)


def _feeding(producers: int) -> str:
    return f"{producers} times in parallel, {_SECONDS:g} s: yes LINES |"


@dataclass(frozen=True)
class _Crowd:
    """`producers` of ours, in turn with `others` that run another command."""

    producers: int
    others: int
    command: str

    def measure(self, place: Place, runs: int) -> dict[str, Measured]:
        rate, share = Measured([], []), Measured([], [])
        for number in range(min(runs, _MOST_RUNS)):
            for ours in (True, False) if number % 2 == 0 else (False, True):
                if ours:
                    together, slowest = _crowd(place, self.producers, _PRODUCE)
                    rate.ours.append(together)
                    share.ours.append(slowest)
                else:
                    rate.yardstick.append(_crowd(place, self.others, self.command)[0])
                    share.yardstick.append(1.0)
        return {"rate": rate, "share": share}


def _crowd(place: Place, count: int, command: str) -> tuple[float, float]:
    """Records a second, and the slowest's share."""
    place.shell("streamcli topics create crowded && : > crowded.log")
    settle()
    producers, feeders, gates = [], [], []
    for number in range(count):
        gate, opened = os.pipe()
        readable, writable = os.pipe()
        feeders.append(place.start(_feeder(number), stdin=gate, stdout=writable))
        producers.append(place.start(f"exec {command}", stdin=readable))
        for fd in (gate, readable, writable):
            os.close(fd)
        gates.append(opened)
    _wait_for_first(place, count, command)
    started = time.perf_counter()
    for opened in gates:
        os.close(opened)
    time.sleep(_SECONDS * place.scale)
    for feeder in feeders:
        os.killpg(feeder.pid, signal.SIGKILL)
    statuses = {producer.wait() for producer in producers}
    if command == _CAT:
        place.shell("sync crowded.log")
    seconds = time.perf_counter() - started
    for feeder in feeders:
        feeder.wait()
    if statuses != {0}:
        raise CommandFailed(f"producers ended with {statuses}")
    counts = _counts(place, command, count)
    place.shell("streamcli topics delete -y crowded && rm crowded.log")
    return sum(counts) / seconds, min(counts) / fmean(counts)


def _feeder(number: int) -> str:
    """Prints a line, waits until its standard input ends, and then prints lines without end."""
    line = f"{number:03} ".ljust(LINE - 1, "x")
    return f"echo '{line}'; cat; exec yes \"$(yes '{line}' | head -n {_PAGE})\""


def _wait_for_first(place: Place, count: int, command: str) -> None:
    deadline = time.monotonic() + _PATIENCE
    while sum(_counts(place, command, count)) < count:
        if time.monotonic() > deadline:
            raise CommandFailed(f"not all of {count} producers began")
        time.sleep(0.05)


def _counts(place: Place, command: str, count: int) -> list[int]:
    """Records of each producer. uniq sees runs of lines that one producer appended."""
    source = "cat crowded.log" if command == _CAT else "streamcli consume crowded"
    runs = place.shell(f"{source} | cut -c 1-3 | uniq -c").output.split()
    found = Counter[str]()
    for lines, number in zip(runs[::2], runs[1::2], strict=True):
        found[number.decode()] += int(lines)
    return [found[f"{number:03}"] for number in range(count)]

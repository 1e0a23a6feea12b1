"""All cases, in the order in which they are measured and shown; and measuring those that are chosen."""

from __future__ import annotations

import time
from collections.abc import Callable
from fnmatch import fnmatch

from tests.bench.case import Case, Measured
from tests.bench.commands import CommandFailed
from tests.bench.latency_cases import latency_cases
from tests.bench.option_cases import option_cases
from tests.bench.peer_cases import peer_cases
from tests.bench.place import Place
from tests.bench.producer_cases import producer_cases
from tests.bench.resource_cases import resource_cases
from tests.bench.results import Result
from tests.bench.start_cases import start_cases
from tests.bench.stream_cases import stream_cases

SECTIONS = {
    "produce": "Producing",
    "consume": "Consuming",
    "start": "Starting",
    "latency": "Following",
    "producers": "Many producers on one partition",
    "idle": "Doing nothing",
    "memory": "Memory",
    "peers": "Peers",
    "options": "What options cost",
}


def cases(kafka: str | None = None) -> list[Case]:
    """Every case that can be measured here; with the address of a broker, or else without kcat."""
    found = [
        *stream_cases(),
        *start_cases(),
        *latency_cases(),
        *producer_cases(),
        *resource_cases(),
        *peer_cases(kafka),
        *option_cases(),
    ]
    return sorted(found, key=lambda case: list(SECTIONS).index(case.section))


def chosen(found: list[Case], patterns: list[str]) -> list[Case]:
    """Those whose name, section or name/input matches one of the globs; all where there is none."""
    return [
        case
        for case in found
        if not patterns
        or any(
            fnmatch(text, pattern)
            for pattern in patterns
            for text in (case.name, case.section, f"{case.name}/{case.input}")
        )
    ]


class Suite:
    """The cases that are chosen, to be measured in order. What gives the values of several is measured once.

    Each is run once before in the rehearsal, on a small input and not counted: what is wrong with it shows, and modules
    are compiled. One that fails is noted in `failed`, with why, and the others go on.
    """

    def __init__(self, found: list[Case], place: Place, rehearsal: Place, runs: int) -> None:
        self._found = found
        self._place = place
        self._rehearsal = rehearsal
        self._runs = runs
        self._done: dict[int, dict[str, Measured] | None] = {}
        self.failed: dict[str, str] = {}

    def results(self, tell: Callable[[str], None]) -> list[Result]:
        """tell: takes a line when a case is done."""
        results = []
        for case in self._found:
            key = id(case.source)
            if key not in self._done:
                started = time.monotonic()
                self._done[key] = self._measure(case)
                tell(f"{time.monotonic() - started:5.1f} s  {case.name} {case.input}".rstrip())
            values = self._done[key]
            if values is not None:
                results.append(Result.of(case, values[case.value]))
        return results

    def _measure(self, case: Case) -> dict[str, Measured] | None:
        try:
            if not self._place.is_small:
                case.source.measure(self._rehearsal, 1)
            return case.source.measure(self._place, self._runs)
        except CommandFailed as error:
            self.failed[f"{case.name}/{case.input}".rstrip("/")] = str(error)
            self._place.tidy()
            return None

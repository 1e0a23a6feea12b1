"""How long a record takes from writing it to `produce` to reading it from `consume -f`; against cat >> FILE and tail -f."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import quantiles

from tests.bench.case import Case, Measured, Target
from tests.bench.commands import settle
from tests.bench.latency import latencies, pipeline
from tests.bench.place import Place

_SECONDS = {1: 5, 1_000: 2, 50_000: 2}
"""How long a run sends, by records a second; in a rehearsal all send a few records."""

_SELDOM_RUNS = 2
_TARGETS = {(1_000, "p50"): 0.3, (1_000, "p99"): 1.0}
_NAMES = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999}
_SELDOM_NAMES = {"p50": 0.5, "max": 1.0}
"""Of a record a second there are too few for more than the median and the greatest."""


def latency_cases() -> list[Case]:
    cases = []
    for rate in _SECONDS:
        source = _Follow(rate)
        for name in source.names:
            bound = _TARGETS.get((rate, name))
            cases.append(
                Case(
                    f"follow-{rate}-{name}",
                    f"follow at {rate:,} record{'s' * (rate > 1)}/s, {name}",
                    "latency",
                    "streamcli produce followed | streamcli consume -f followed",
                    "cat >> followed.log | tail -n +1 -f followed.log",
                    "ms",
                    source,
                    value=name,
                    less_is_better=True,
                    target=None if bound is None else Target("ours", "<=", bound),
                )
            )
    return cases


@dataclass(frozen=True)
class _Follow:
    """Percentiles of each run, in ms."""

    rate: int

    @property
    def names(self) -> dict[str, float]:
        return _SELDOM_NAMES if self.rate == 1 else _NAMES

    def measure(self, place: Place, runs: int) -> dict[str, Measured]:
        count = max(2, round(self.rate * _SECONDS[self.rate] * place.scale))
        measured = {name: Measured([], []) for name in self.names}
        for number in range(min(runs, _SELDOM_RUNS) if self.rate == 1 else runs):
            sides = [(self._topic, 0), (self._file, 1)]
            for follow, column in sides if number % 2 == 0 else sides[::-1]:
                taken = follow(place, count)
                for name, part in self.names.items():
                    measured[name][column].append(_percentile(taken, part))
        return measured

    def _topic(self, place: Place, count: int) -> list[int]:
        place.shell("streamcli topics create followed")
        taken = self._taken(place, "streamcli produce followed", "streamcli consume -f followed", count)
        place.shell("streamcli topics delete -y followed")
        return taken

    def _file(self, place: Place, count: int) -> list[int]:
        place.shell(": > followed.log")
        taken = self._taken(place, "cat >> followed.log", "tail -n +1 -f followed.log", count)
        place.shell("rm followed.log")
        return taken

    def _taken(self, place: Place, writer: str, reader: str, count: int) -> list[int]:
        settle()
        with pipeline(place, f"exec {writer}", f"exec {reader}") as ends:
            return latencies(ends, self.rate, count)


def _percentile(nanoseconds: list[int], part: float) -> float:
    if part == 1:
        return max(nanoseconds) / 1e6
    cuts = quantiles(nanoseconds, n=1000, method="inclusive")
    return cuts[round(part * 1000) - 1] / 1e6

"""What a case of the benchmark is: two things measured in turn, and the target of their ratio or of ours."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from tests.bench.commands import CommandFailed
from tests.bench.place import Place, Side

RATE = "records/s"


@dataclass(frozen=True)
class Target:
    """of: "ratio", or "ours" in the case's unit; relation: ">=" or "<="."""

    of: str
    relation: str
    bound: float

    def __str__(self) -> str:
        return (
            f"{self.of} {self.relation} {self.bound:,g}"
            if self.bound < 1e6
            else f"{self.of} {self.relation} {self.bound:,.0f}"
        )

    def met(self, ratio: float | None, ours: float) -> bool:
        value = ours if self.of == "ours" else ratio
        if value is None:
            return False
        return value >= self.bound if self.relation == ">=" else value <= self.bound


class Measured(NamedTuple):
    """Our values and the yardstick's, run for run, in the case's unit."""

    ours: list[float]
    yardstick: list[float]


class Source(Protocol):
    """What measures, for one case or several: each takes the value of its name from what it gives."""

    def measure(self, place: Place, runs: int) -> dict[str, Measured]: ...


@dataclass(frozen=True)
class Case:
    """A row of the results.

    name: what --only matches; input: "access", "json" or "" where neither counts; ours, yardstick: lines of shell that
    repeat it, or a description where one line cannot; unit: of both values; value: which of those that `source` gives;
    less_is_better: times and sizes, where the ratio is to be small.
    """

    name: str
    title: str
    section: str
    ours: str
    yardstick: str
    unit: str
    source: Source = field(repr=False)
    input: str = ""
    value: str = ""
    less_is_better: bool = False
    target: Target | None = None


@dataclass(frozen=True)
class Pair:
    """Two commands in turn, A B B A, so that a slow moment of the machine, and what the one leaves, meet both.

    records: the name of the input whose lines are counted: then the values are records a second, else milliseconds.
    needs: what is made before; once_before, once_after: run once around all runs, not measured; runs_times: so many times
    the runs asked for, where one is short; most_runs: no more than that. same_output: what both print has to be the same.
    """

    ours: Side
    yardstick: Side
    records: str | int = 0
    needs: tuple[str, ...] = ()
    once_before: tuple[str, ...] = ()
    once_after: tuple[str, ...] = ()
    runs_times: int = 1
    most_runs: int = 1000
    same_output: bool = True

    def measure(self, place: Place, runs: int) -> dict[str, Measured]:
        place.provide(self.needs)
        for command in self.once_before:
            place.shell(command)
        measured = Measured([], [])
        sides = ((self.ours, measured.ours), (self.yardstick, measured.yardstick))
        for number in range(min(runs * self.runs_times, self.most_runs)):
            printed = set()
            for side, values in sides if number % 2 == 0 else sides[::-1]:
                finished = place.timed(side)
                values.append(self._value(place, finished.seconds))
                printed.add(finished.output.strip())
            if self.same_output and len(printed) != 1:
                raise CommandFailed(f"{printed} printed by {self.ours.command} and {self.yardstick.command}")
        for command in self.once_after:
            place.shell(command)
        return {"": measured}

    def _value(self, place: Place, seconds: float) -> float:
        if not self.records:
            return seconds * 1000
        records = self.records if isinstance(self.records, int) else place.lines(self.records)
        return records / seconds


def pair_case(name: str, title: str, section: str, pair: Pair, **more: object) -> Case:
    """A case of a pair: its commands, and the unit that its values are in."""
    unit = RATE if pair.records else "ms"
    return Case(name, title, section, pair.ours.command, pair.yardstick.command, unit, pair, **more)  # type: ignore[arg-type]

"""Results: what was measured of a case, and their JSON, which is read back to draw and to write tables.

A file is an object: `machine` (what the numbers depend on), `absent` (peers that were left out, and why), `failed` (cases
that gave no result, and why) and `results`, a list of objects with

    case, title, section, input   which case; input is "access" (lines of 83 bytes), "json" (of 1 KiB) or ""
    ours, yardstick               {"command": line of shell, "runs": [value of each run], "median": ...}
    ratio                         {"runs": [ours / yardstick, run for run], "median", "least", "greatest"}; null where the
                                  yardstick is 0
    unit                          of the values: records/s, ms, /s, MiB, of the mean
    less_is_better                whether small values and ratios are good
    target, met                   "ratio >= 0.8", "ours <= 1", and whether the medians are so; null where none is set
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from tests.bench.case import Case, Measured


@dataclass(frozen=True)
class Values:
    """command: what gave them; runs: one of each run."""

    command: str
    runs: list[float]
    median: float


@dataclass(frozen=True)
class Ratio:
    """ours / yardstick of each run."""

    runs: list[float]
    median: float
    least: float
    greatest: float


@dataclass(frozen=True)
class Result:
    """The module's docstring says what the fields are."""

    case: str
    title: str
    section: str
    input: str
    ours: Values
    yardstick: Values
    ratio: Ratio | None
    unit: str
    less_is_better: bool
    target: str | None
    met: bool | None

    @classmethod
    def of(cls, case: Case, measured: Measured) -> Result:
        ratio = _ratio(measured)
        ours, yardstick = _values(case.ours, measured.ours), _values(case.yardstick, measured.yardstick)
        return cls(
            case=case.name,
            title=case.title,
            section=case.section,
            input=case.input,
            ours=ours,
            yardstick=yardstick,
            ratio=ratio,
            unit=case.unit,
            less_is_better=case.less_is_better,
            target=None if case.target is None else str(case.target),
            met=None if case.target is None else case.target.met(ratio.median if ratio else None, ours.median),
        )


@dataclass(frozen=True)
class Findings:
    """All of a run."""

    machine: dict[str, Any]
    absent: dict[str, str]
    failed: dict[str, str]
    results: list[Result]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, found: dict[str, Any]) -> Findings:
        return cls(found["machine"], found["absent"], found["failed"], [_result(each) for each in found["results"]])

    def of(self, section: str) -> list[Result]:
        return [result for result in self.results if result.section == section]


def _result(found: dict[str, Any]) -> Result:
    ratio = found["ratio"]
    return Result(
        **found
        | {
            "ours": Values(**found["ours"]),
            "yardstick": Values(**found["yardstick"]),
            "ratio": None if ratio is None else Ratio(**ratio),
        }
    )


def _values(command: str, runs: list[float]) -> Values:
    return Values(command, [_rounded(value) for value in runs], _rounded(median(runs)))


def _ratio(measured: Measured) -> Ratio | None:
    if 0 in measured.yardstick:
        return None
    runs = [ours / theirs for ours, theirs in zip(*measured, strict=True)]
    return Ratio([_rounded(ratio) for ratio in runs], *(_rounded(of(runs)) for of in (median, min, max)))


def _rounded(value: float) -> float:
    """To four digits: more is noise."""
    return float(f"{value:.4g}")

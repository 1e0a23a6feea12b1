"""What the benchmark prints: the machine, and a table of ratios."""

from __future__ import annotations

import os
import platform
from statistics import median
from typing import Any, NamedTuple


class Result(NamedTuple):
    """One comparison. ratio is ours to theirs: of rates where more is better, else of times, latencies or sizes.

    goal: what the project promises of the ratio, or of `ours` where it says so; spread: the least and greatest ratio.
    """

    name: str
    ours: str
    theirs: str
    ratio: float
    spread: tuple[float, float] | None = None
    goal: str = ""


def paired(name: str, ours: list[float], theirs: list[float], records: int, goal: str = "") -> Result:
    """Rates of our and their runs in seconds, run in turn: the median of the ratios of the pairs."""
    ratios = [their / our for our, their in zip(ours, theirs, strict=True)]
    rates = [f"{records / median(seconds) / 1e6:.2f} M records/s" for seconds in (ours, theirs)]
    return Result(name, *rates, median(ratios), (min(ratios), max(ratios)), goal)


def machine(directory: str) -> dict[str, Any]:
    """What the numbers depend on, without naming the machine."""
    return {
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cores": os.cpu_count(),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "file_system": _file_system(directory),
        "load_before": round(os.getloadavg()[0], 2),
    }


def _file_system(directory: str) -> str:
    """The type of the file system that holds `directory`, "?" where the system does not say."""
    path = os.path.realpath(directory)
    best = ("", "?")
    try:
        with open("/proc/self/mounts") as mounts:
            for line in mounts:
                _, point, kind, *_ = line.split(" ")
                if os.path.commonpath([point, path]) == point and len(point) >= len(best[0]):
                    best = (point, kind)
    except OSError:
        pass
    return best[1]


def table(results: list[Result]) -> str:
    """A line a result, in columns."""
    rows = [("", "streamcli", "compared with", "ratio", "least-greatest", "goal")]
    for result in results:
        spread = "" if result.spread is None else "{:.2f}-{:.2f}".format(*result.spread)
        rows.append((result.name, result.ours, result.theirs, f"{result.ratio:.2f}", spread, result.goal))
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )

"""examples/cron-rotate.sh: every line once, every record in one summary, wherever a run dies."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.examples.running import run_example
from tests.support.command import Result, ok

# When the named command's words match the pattern, the script dies before it, after it, or within it.
DEATHS = {
    "before the log is moved away": ("mv", "*/taken", "kill -9 $PPID; exit 1"),
    "once it is moved away": ("mv", "*/taken", 'real "$@"; kill -9 $PPID; exit 1'),
    "with a part produced": ("streamcli", "produce*", 'head -n 2 | real "$@"; kill -9 $PPID; exit 1'),
    "with all produced": ("streamcli", "produce*", 'real "$@"; kill -9 $PPID; exit 1'),
    "with the range chosen": ("mv", "*/range", 'real "$@"; ! grep -q "^0 5" state/range || kill -9 $PPID; exit 0'),
    "before the summary is there": ("mv", "*/summary.*", "kill -9 $PPID; exit 1"),
    "with the summary there": ("mv", "*/summary.*", 'real "$@"; kill -9 $PPID; exit 1'),
}
FIRST = [200, 200, 404, 500, 200]
SECOND = [200, 503]


def rotate(statuses: list[int]) -> bytes:
    """Write a rotated log of requests with these statuses, its last line without a newline, and return its lines."""
    lines = [
        b'10.0.0.1 - - [22/Nov/2026:08:00:%02d +0000] "GET / HTTP/1.1" %d 9' % pair for pair in enumerate(statuses)
    ]
    Path("access.log.1").write_bytes(b"\n".join(lines))
    return b"\n".join([*lines, b""])


def cron(**options: dict[str, str]) -> Result:
    return run_example("cron-rotate.sh", "access.log.1", "clicks", "state", **options)


def succeed() -> None:
    result = cron()
    assert (result.status, result.out, result.err) == (0, b"", "")
    assert not Path("access.log.1").exists()


def summed() -> Counter[int]:
    """The requests of each status over all summaries, which have to cover the offsets without gap or overlap."""
    total: Counter[int] = Counter()
    ranges = []
    for path in Path("state").glob("summary.*"):
        ranges.append(tuple(int(offset) for offset in path.suffix[1:].split("-")))
        for line in path.read_text().splitlines():
            status, count = line.split()
            total[int(status)] += int(count)
    ranges.sort()
    assert [start for start, _ in ranges] == [0, *(end for _, end in ranges[:-1])]
    return total


def test_two_runs_and_one_with_nothing_new():
    first = rotate(FIRST)
    succeed()
    assert Path("state/summary.0-5").read_text() == "200 3\n404 1\n500 1\n"
    second = rotate(SECOND)
    succeed()
    succeed()
    assert ok("consume", "clicks") == first + second
    assert summed() == Counter(FIRST + SECOND)


@pytest.mark.parametrize("death", DEATHS)
def test_a_run_that_died_is_finished_by_the_next(death: str):
    tool, pattern, lines = DEATHS[death]
    first = rotate(FIRST)
    died = cron(tools={tool: f'case "$*" in {pattern}) {lines};; esac\nreal "$@"'})
    assert died.status != 0
    succeed()
    assert ok("consume", "clicks") == first
    assert summed() == Counter(FIRST)


def test_no_log_is_no_error():
    succeed()
    assert not list(Path("state").glob("summary.*"))

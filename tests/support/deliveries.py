"""`consume -g -- COMMAND` with commands that note what they got."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from tests.support.command import Result, ok, run

NOTE = (
    'printf "%s %s %s %s %s\\n" "$STREAMCLI_TOPIC" "$STREAMCLI_PARTITION" "$STREAMCLI_OFFSET" "$STREAMCLI_LAST_OFFSET" '
    '"$STREAMCLI_ATTEMPT" >> runs\n'
)
"""Shell: note the run in the file `runs`."""


class Run(NamedTuple):
    """What a run was told in its environment."""

    topic: str
    partition: int
    first: int
    last: int
    attempt: int


def runs() -> list[Run]:
    """The runs noted so far."""
    path = Path("runs")
    words = [line.split(" ") for line in path.read_text().splitlines()] if path.exists() else []
    return [Run(topic, *(int(number) for number in numbers)) for topic, *numbers in words]


def extents() -> list[tuple[int, int]]:
    """First and last offset of each run."""
    return [(noted.first, noted.last) for noted in runs()]


def deliver(*words: str, script: str) -> Result:
    """Run `consume WORDS -- sh -c SCRIPT` to its end."""
    return run("consume", *words, "--", "sh", "-c", script)


def committed(group: str) -> dict[int, int]:
    """The committed offset of each partition of the group's topic that has one."""
    rows = [json.loads(line) for line in ok("groups", "describe", group, "--json").splitlines()]
    return {row["partition"]: row["current_offset"] for row in rows if row["current_offset"] is not None}


def numbers(first: int, end: int) -> bytes:
    """The numbers first <= i < end, a line each."""
    return b"".join(b"%d\n" % number for number in range(first, end))


def placed(topic: str, counts: list[int]) -> None:
    """A topic with a partition for each count, which has records 0, 1, ..."""
    ok("topics", "create", topic, "-p", str(len(counts)))
    lines = [
        b'{"partition":%d,"value":"%d"}\n' % (partition, number)
        for partition, count in enumerate(counts)
        for number in range(count)
    ]
    ok("produce", topic, "--json", stdin=b"".join(lines))

"""What is left after a fault at a system call: the process's last words, the directory, and what was found in it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from tests.crash.forked import Commands, Ended

Rows = dict[int, list[bytes]]
"""Partition -> its values, in order: value number n at offset n, LOST where damage was at the start."""

LOST = b"(lost)"


@dataclass
class Findings:
    """What came of faults. lost, wrong, duplicated: records; wrong: read where something else, or nothing, should be.

    duplicated: without a documented reason; see `Evidence.may_repeat`.
    """

    faults: int = 0
    acknowledged: int = 0
    lost: int = 0
    wrong: int = 0
    duplicated: int = 0
    problems: list[str] = field(default_factory=list)

    def add(self, other: Findings) -> None:
        self.faults += other.faults
        self.acknowledged += other.acknowledged
        self.lost += other.lost
        self.wrong += other.wrong
        self.duplicated += other.duplicated
        self.problems += other.problems

    def require(self, is_true: object, problem: str) -> None:
        if not is_true:
            self.problems.append(problem)

    @property
    def has_failed(self) -> bool:
        return bool(self.lost or self.wrong or self.duplicated or self.problems)


@dataclass
class State:
    """What a directory holds for its readers: the records of the topic `t`, the offsets committed by the group `g`."""

    rows: Rows
    committed: dict[int, int]


@dataclass
class Evidence:
    """A directory after a fault, and what the process said that met it.

    words: of its command; log, work: the directory, and where it ran; before, after: of the start and of a run without a
    fault; start: path -> bytes of the start; values: what produce was given; fsync_failed: of anything but what is
    disposable.
    """

    commands: Commands
    words: list[str]
    ended: Ended
    log: Path
    work: Path
    before: State
    after: State
    start: dict[str, bytes | None]
    values: list[bytes]
    fsync_failed: bool
    findings: Findings = field(default_factory=Findings)

    @property
    def may_repeat(self) -> bool:
        """Whether what was not acknowledged may be there, so that giving it again repeats it: after SIGKILL, after a failed
        fsync, and where a failed produce says that later records are in other partitions."""
        return self.ended.is_killed or self.fsync_failed or "in other partitions already" in self.ended.err


def read_state(commands: Commands) -> State:
    return State(read_rows(commands, "t"), read_committed(commands, "g"))


def read_rows(commands: Commands, topic: str) -> Rows:
    """The records of a topic, none when it is not there."""
    result = commands.run("consume", topic, "--skip-corrupt", "-F", "%p %o %s\\n")
    if result.status == 4:
        return {}
    rows: Rows = {}
    for line in result.lines():
        partition, offset, value = line.split(b" ", 2)
        values = rows.setdefault(int(partition), [])
        values += [LOST] * (int(offset) - len(values))
        assert int(offset) == len(values), (line, len(values))
        values.append(value)
    assert (result.status, result.err) == (0, "") or has_lost(rows), result
    return rows


def has_lost(rows: Rows) -> bool:
    """Whether something was lost to damage at the start."""
    return any(LOST in values for values in rows.values())


def read_committed(commands: Commands, group: str) -> dict[int, int]:
    """The committed offset of each partition, none when there is no group."""
    result = commands.run("groups", "export", group)
    if result.status == 4:
        return {}
    assert result.status == 0, result
    found = [json.loads(line) for line in result.lines()]
    return {entry["partition"]: entry["offset"] for entry in found}

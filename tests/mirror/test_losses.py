"""What goes from the source before it is mirrored, in a session that the target then loses: all of it is mirrored, or told."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from streamcli.engine.consume import SourceBatch
from streamcli.mirror.account import Account
from streamcli.mirror.directory_source import DirectorySource
from streamcli.mirror.interface import Place, Progress, Unreachable, Wanted
from streamcli.mirror.mirroring import Mirroring, Options
from streamcli.mirror.name import Pair
from streamcli.mirror.outage import Outage
from streamcli.storage.directory import LogDirectory
from tests.support.command import ok


class Target:
    """Like a cluster: a transaction is there as a whole, or not at all; the first one fails. there: the offsets."""

    is_atomic = True
    where = "the target"

    def __init__(self) -> None:
        self.there: list[int] = []
        self._open: list[int] = []
        self._positions: dict[Place, Progress] = {}
        self._committed: dict[Place, Progress] = {}
        self._is_first = True

    def connect(self) -> None:
        self._open, self._positions = [], {}

    def prepare(self, *_: object) -> None:
        """Everything is there."""

    def progress(self, places: list[Place]) -> dict[Place, Progress]:
        return {place: self._committed[place] for place in places if place in self._committed}

    def write(self, taken: SourceBatch) -> int:
        batch = taken.batch
        self._open += batch.offsets()
        self._positions["t", 0] = Progress(batch.next_offset, batch.timestamps()[-1])
        if self._is_first and batch.base_offset == 0:
            ok("topics", "trim", "t", "--before", "20")
        return 1

    def is_full(self) -> bool:
        return False

    def due_in(self) -> float | None:
        return 0.0 if self._open else None

    def commit(self) -> None:
        if self._is_first:
            self._is_first = False
            raise Unreachable("it went away")
        self.there += self._open
        self._committed |= self._positions
        self._open = []

    def keep_progress(self, _: object) -> None:
        """It never expires."""

    def close(self) -> None:
        self._open = []


def test_records_that_go_while_others_are_not_committed_yet(
    log_directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    ok("topics", "create", "t", "--segment-bytes", "4K")
    for first in (0, 10, 20):
        ok("produce", "t", stdin=b"".join(b"%d %s\n" % (number, b"x" * 350) for number in range(first, first + 10)))
    target, (wakeup, other) = Target(), os.pipe()
    told: list[str] = []
    account = Account(Pair(str(log_directory), "to the target"), "m", is_default=False)
    outage = Outage("the target", limit=60, wakeup=wakeup, check=lambda: None, tell=told.append)
    mirroring = Mirroring(target, account, outage, Options(False, wakeup, lambda: False, lambda: 1, told.append, dict))
    wanted = Wanted(["t"], "m", False, False, told.append, mirroring.lose)
    try:
        mirroring.run(DirectorySource(LogDirectory(str(log_directory), lock_timeout=5), wanted))
    finally:
        os.close(wakeup)
        os.close(other)
    assert target.there == list(range(20, 30))
    assert (mirroring.counts.records, mirroring.counts.lost) == (10, 20)
    assert len([line for line in told if "removed by retention or trim" in line]) == 1

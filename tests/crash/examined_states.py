"""The states that a power cut may leave a recorded scenario in, each examined once."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from tests.crash.disk_model import Choice, Disk, digest, make_real
from tests.crash.trace import Line


def examine_states(
    trace: list[Line], disk: Disk, choices: Iterable[Choice], place: Path, examine: Callable[[Path, list[Line]], None]
) -> int:
    """Call `examine` with the log directory of each state and the notes before the cut. The number of states; AssertionError with
    those that broke a promise."""
    seen: set[tuple[bytes, int]] = set()
    broken = []
    for choice in choices:
        tree = disk.state(choice)
        notes = [line for line in trace[: choice.point] if "note" in line]
        if (mark := (digest(tree), len(notes))) in seen:
            continue
        seen.add(mark)
        make_real(tree, place / "state")
        try:
            examine(place / "state" / "log", notes)
        except Exception as error:  # noqa: BLE001  # whatever it is, it is what a user would meet
            broken.append(f"cut after line {choice.point}, {choice.label}: {type(error).__name__}: {error}")
        shutil.rmtree(place / "state")
    assert not broken, f"{len(broken)} of {len(seen)} states:\n" + "\n".join(broken[:20])
    return len(seen)

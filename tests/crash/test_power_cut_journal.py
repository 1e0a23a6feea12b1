"""Power cuts while a group commits, with the line at every place that it may have in a sector of the disk.

Small enough to be exhaustive: each state of tests.crash.disk_model's systematic ones is tried for each place.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamcli.groups.journal import COMMIT, FIRST_LINE, Commit, Journal, encode_line
from tests.crash.disk_model import SECTOR, Disk, Tree, digest, make_real
from tests.crash.power_cut_choices import systematic
from tests.crash.trace import Recorder, record

TIMEOUT = 5.0


def commit(offset: int, member: str = "1-a") -> Commit:
    return Commit(1700000000000, COMMIT, "clicks", 0, offset, member)


def journal_in(directory: Path) -> Journal:
    return Journal(str(directory / "commits"), str(directory / "commits.lock"), TIMEOUT)


def acknowledged(recorder: Recorder, offset: int) -> None:
    recorder.note("committed", offset=offset)


def ends_before_boundary(distance: int) -> Commit:
    """A first commit whose line ends so many bytes before the end of a sector."""
    length = len(FIRST_LINE) + len(encode_line([commit(1, "")]))
    return commit(1, "m" * ((SECTOR - distance - length) % SECTOR))


def states(trace: list[dict[str, object]]) -> Iterator[tuple[str, int, Tree]]:
    """Each state once, with what was acknowledged before it."""
    disk = Disk(trace)
    seen = set()
    for point in disk.points():
        offset = max(line.get("offset", 0) for line in trace[:point] if "note" in line)
        for choice in systematic(disk, point):
            tree = disk.state(choice)
            if (mark := (digest(tree), offset)) not in seen:
                seen.add(mark)
                yield f"line {point}, {choice.label}", offset, tree


def check(tree: Tree, least: int, place: Path, what: str) -> None:
    """The journal has what was acknowledged, or the commit after it, and takes the next."""
    make_real(tree, place)
    try:
        journal = journal_in(place)
        found = journal.committed()["clicks", 0]
        assert least <= found <= least + 2, f"{what}: {found} is committed, {least} was acknowledged"
        journal.append([commit(90)])
        assert [entry.offset for entry in journal_in(place).read()][-2:] == [found, 90], what
    finally:
        shutil.rmtree(place)


def count_states(trace: list[dict[str, object]], place: Path) -> int:
    count = 0
    for what, least, tree in states(trace):
        if least:
            check(tree, least, place, what)
            count += 1
    return count


def test_a_commit_at_every_place_in_a_sector(place: Path) -> None:
    count = 0
    for distance in range(len(encode_line([commit(1)])) + 2):

        def scenario(recorder: Recorder, distance: int = distance) -> None:
            journal = journal_in(recorder.root)
            journal.create()
            journal.append([ends_before_boundary(distance)])
            acknowledged(recorder, 1)
            journal.append([commit(2)])
            acknowledged(recorder, 2)

        root = place / f"{distance}"
        root.mkdir()
        count += count_states(record(root, place / f"{distance}.trace", scenario, boot_id="1"), place / "state")
    print(f"{count} states of a journal")


@pytest.mark.parametrize("fault", ["a torn line", "a killed member"])
def test_a_commit_after_another_that_did_not_end(place: Path, fault: str) -> None:
    """What an earlier fault left at the end, and nobody fsynced, may be lost in any way, together with what comes next."""
    count = 0
    for distance in range(len(encode_line([commit(1)])) + 2):

        def scenario(recorder: Recorder, distance: int = distance) -> None:
            journal = journal_in(recorder.root)
            journal.create()
            journal.append([ends_before_boundary(distance)])
            acknowledged(recorder, 1)
            member = journal_in(recorder.root)
            recorder.die(
                "fdatasync" if fault == "a killed member" else "short pwrite",
                lambda: member.append([commit(2, "a-longer-name")]),
            )
            journal.append([commit(3)])
            acknowledged(recorder, 3)

        root = place / f"{distance}"
        root.mkdir()
        count += count_states(record(root, place / f"{distance}.trace", scenario, boot_id="1"), place / "state")
    print(f"{count} states of a journal, after {fault}")

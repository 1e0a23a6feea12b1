"""The model of the disk, on traces of a few calls; and that a trace of streamcli at work tells all that it did."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.crash.disk_model import SECTOR, Disk, Tree, digest
from tests.crash.power_cut_choices import at_random, systematic
from tests.crash.power_cut_scenarios import SCENARIOS
from tests.crash.trace import Line, record

ROOT, FILE, DIRECTORY = 1, 2, 3
OLD, NEW = b"old " * 128, b"new " * 128
assert len(OLD) == len(NEW) == SECTOR


def make(name: str, inode: int = FILE, parent: int = ROOT, *, directory: bool = False) -> Line:
    return {"op": "make", "parent": parent, "name": name, "inode": inode, "directory": directory}


def write(data: bytes, position: int = 0) -> Line:
    return {"op": "write", "inode": FILE, "position": position, "data": data.decode("latin-1")}


def move(name: str, new_name: str) -> Line:
    return {"op": "move", "parent": ROOT, "name": name, "new_parent": ROOT, "new_name": new_name}


def sync(inode: int | None, *between: Line) -> list[Line]:
    """An fsync, with what others do until it returns."""
    token = id(between)
    return [{"op": "sync", "inode": inode, "token": token}, *between, {"op": "synced", "token": token}]


def states(*lines: Line) -> list[Tree]:
    """What a crash after these lines may leave."""
    disk = Disk([{"op": "root", "inode": ROOT}, {"note": "begin"}, *lines])
    last = disk.points()[-1]
    choices = [*systematic(disk, last), *(at_random(disk, seed) for seed in range(2000))]
    found = {digest(tree): tree for choice in choices if choice.point == last for tree in [disk.state(choice)]}
    return list(found.values())


def contents(trees: list[Tree], name: str = "f") -> set[bytes | None]:
    return {tree.get(name) for tree in trees}


def test_what_was_not_synced_may_be_gone_empty_without_its_data_or_there() -> None:
    assert contents(states(make("f"), write(NEW))) == {None, b"", bytes(SECTOR), NEW}


def test_what_was_synced_is_there() -> None:
    assert states(make("f"), write(NEW), *sync(FILE), *sync(ROOT)) == [{"f": NEW}]


def test_an_fsync_of_a_file_does_not_keep_its_name_nor_the_other_way_round() -> None:
    assert contents(states(make("f"), write(NEW), *sync(FILE))) == {None, NEW}
    assert contents(states(make("f"), write(NEW), *sync(ROOT))) == {b"", bytes(SECTOR), NEW}


def test_an_fsync_of_a_directory_keeps_no_names_below_it() -> None:
    below = [make("d", DIRECTORY, directory=True), make("f", parent=DIRECTORY)]
    assert {tuple(tree) for tree in states(*below, *sync(ROOT))} == {("d",), ("d", "d/f")}
    assert {tuple(tree) for tree in states(*below, *sync(DIRECTORY))} == {(), ("d", "d/f")}


def test_a_sync_of_all_keeps_all() -> None:
    below = [make("d", DIRECTORY, directory=True), make("f", parent=DIRECTORY), write(NEW)]
    assert states(*below, *sync(None)) == [{"d": None, "d/f": NEW}]


def test_an_fsync_vouches_only_for_what_was_done_before_it_was_called() -> None:
    during = states(make("f"), *sync(ROOT), write(OLD), *sync(FILE, write(NEW, SECTOR)))
    assert contents(during) == {OLD, OLD + bytes(SECTOR), OLD + NEW}
    assert b"" in contents(states(make("f"), *sync(ROOT), write(OLD), sync(FILE)[0]))


def test_a_rename_is_atomic() -> None:
    before = [make("f"), *sync(ROOT), make("g", 4)]
    found = {tuple(sorted(tree)) for tree in states(*before, move("g", "f"))}
    assert found == {("f",), ("f", "g")}


def test_a_write_is_torn_at_sectors_in_any_order() -> None:
    whole = states(make("f"), *sync(ROOT), write(OLD * 3), *sync(FILE), write(NEW * 3))
    assert contents(whole) == {a + b + c for a in (OLD, NEW) for b in (OLD, NEW) for c in (OLD, NEW)}


def test_a_sector_has_a_version_that_it_once_had() -> None:
    """Two writes into one sector: the second is not there without the first."""
    first, second = b"1" * 100, b"2" * 100
    found = contents(states(make("f"), *sync(ROOT), write(first), write(second, 100)))
    assert found == {b"", bytes(100), bytes(200), first, first + bytes(100), first + second}


def test_what_was_cut_off_may_still_be_there_and_mix_with_what_came_after() -> None:
    cut: Line = {"op": "cut", "inode": FILE, "size": 0}
    found = contents(states(make("f"), *sync(ROOT), write(OLD * 2), *sync(FILE), cut, write(NEW * 2)))
    assert {b"", OLD * 2, NEW + OLD, OLD + NEW, NEW * 2} <= found


def tree_of(root: Path) -> dict[str, Any]:
    return {
        str(path.relative_to(root)): None if path.is_dir() else path.read_bytes() for path in sorted(root.rglob("*"))
    }


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_trace_tells_all_that_was_done(name: str, tmp_path: Path) -> None:
    """Without a crash, the model holds what the real directory holds."""
    root = tmp_path / "root"
    root.mkdir()
    disk = Disk(record(root, tmp_path / "trace", SCENARIOS[name], boot_id="1"))
    everything = next(systematic(disk, disk.points()[-1]))
    assert dict(sorted(disk.state(everything).items())) == tree_of(root)

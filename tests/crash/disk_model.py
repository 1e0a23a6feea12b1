"""What a power cut may leave on the disk, built from a trace: the model.

The trace is that of the calls (tests.crash.trace). A crash is put after any of its lines. What was done before an fsync
that had returned by then, to the file or the directory that it was called for, is on disk. All the rest is *pending*,
and of what is pending a file system may have written any part that the rules below allow:

Files. A file is made of sectors of 512 bytes, and a sector is written whole or not at all. Since the last fsync of the
file a sector has had as many versions as there were writes and truncations that touched it; on disk is any of these, for
each sector on its own. So writes are lost, cut short, torn, and seen out of order, among files and within one; but
bytes that were on disk before are not replaced by what was never there. The size is on its own too: any size that the
file had since the last fsync, or, while it grew, any sector's or page's end on the way. So a file may have its new size
and not its data (delayed allocation), or data and not the size. What lies within the size and was never written reads
as zeros; stale blocks of other files do not show through.

Names. Each creation, rename and removal of a name is atomic. Any subset of a directory's pending ones is on disk, in any
combination: they are not even kept in order. An fsync of a file does not keep its name, and one of a directory keeps the
names in it, not those below or above it: that is the least that POSIX promises. (ext4 keeps the name of a new file
whose fsync returned; streamcli is not to count on it.)

Between files, and between files and names, there is no order but by fsync. fdatasync counts as fsync: streamcli
only reads sizes and bytes. sync(2) counts for everything, as Linux does it.

After the published work: the abstract persistence model of ALICE (Pillai et al., "All File Systems Are Not Created
Equal", OSDI 2014), which splits calls into block-sized writes, size changes and changes of a directory's entries, and
reorders these where no fsync stands between; CrashMonkey and ACE (Mohan et al., "Finding Crash-Consistency Bugs with
Bounded Black-Box Crash Testing", OSDI 2018), which crash after each persistence call, have an oracle of what was
persisted, and show that small workloads, tried exhaustively, find most bugs (here a crash is also put between them);
SQLite's crash tests, which drop and tear unsynced sectors, and its assumption of "powersafe overwrite": a write changes no
byte outside its range; and LevelDB's and RocksDB's fault injection layers, which drop what was not synced, data and new
files whose directory was not. Weaker than all these at once, but for garbage in place of unwritten bytes: ALICE
has it, and SQLite; no journalling file system in its default mode shows it, since it would show other users' data.

Not modelled: disks that lie about having written, sectors that can no longer be read, bit rot. (Bit rot has its own tests.)
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from tests.crash.trace import Line

SECTOR = 512
PAGE = 8
"""Sectors of a page of the page cache: what a kernel writes back at once."""

Tree = dict[str, bytes | None]
"""Path -> what is in the file; None for a directory. A directory stands before what is in it."""

Operation = tuple[str, Any, Any]
"""("write", position, data), ("cut", size, None), ("put", name, node), ("take", name, None), ("move", (old, new), node)."""


class Node:
    """A file or a directory: its changes, each with its line's number, and its fsyncs as (called, returned)."""

    def __init__(self, *, is_directory: bool) -> None:
        self.is_directory = is_directory
        self.changes: list[tuple[int, Operation]] = []
        self.syncs: list[tuple[int, int]] = []

    def split(self, point: int) -> tuple[int, int]:
        """How many of its changes are on disk for sure, and how many were made, when the first `point` lines happened."""
        called = max((called for called, returned in self.syncs if returned < point), default=-1)
        durable = sum(1 for at, _ in self.changes if at < called)
        return durable, sum(1 for at, _ in self.changes if at < point)


class Pending(NamedTuple):
    """A pending change: `number` counts the node's changes from its first."""

    node: int
    number: int


class FileVersions:
    """The versions of a file since its last fsync: images[i] after i pending changes."""

    def __init__(self, changes: list[Operation], durable: int) -> None:
        self.durable = durable
        image = bytearray()
        for change in changes[:durable]:
            _apply(image, change)
        self.images = [bytes(image)]
        self.touched: list[range] = []
        for change in changes[durable:]:
            before = len(image)
            _apply(image, change)
            kind, at, data = change
            first = at if kind == "write" else min(at, before)
            end = at + len(data) if kind == "write" else max(at, before)
            self.touched.append(range(min(first, before) // SECTOR, -(-end // SECTOR)))
            self.images.append(bytes(image))

    @property
    def newest(self) -> int:
        return len(self.images) - 1

    def sectors(self) -> list[int]:
        """The sectors that pending changes touched."""
        return sorted({sector for touched in self.touched for sector in touched})

    def content(self, version_of: Callable[[int], int], size: int) -> bytes:
        """The file with a version for each sector touched, at a size."""
        found = bytearray(self.images[0].ljust(size, b"\0"))
        for sector in self.sectors():
            start = sector * SECTOR
            piece = self.images[version_of(sector)][start : start + SECTOR].ljust(SECTOR, b"\0")
            if start < size:
                found[start : start + SECTOR] = piece
        return bytes(found[:size])

    def at(self, version: int) -> bytes:
        return self.images[version]

    def sizes(self) -> list[int]:
        """The sizes that may be on disk."""
        sizes = {len(image) for image in self.images}
        for before, after in zip(self.images, self.images[1:], strict=False):
            first, last = len(before) // SECTOR + 1, (len(after) - 1) // SECTOR
            sizes.update(sector * SECTOR for sector in some(range(first, last + 1)))
        return sorted(sizes)

    def before(self, number: int) -> bytes:
        """All but the `number`th pending change: its sectors as they were before it."""
        touched = self.touched[number]
        return self.content(lambda sector: number if sector in touched else self.newest, len(self.images[-1]))

    def after(self, number: int) -> bytes:
        """The `number`th pending change, with what was under it, and no other."""
        touched = self.touched[number]
        return self.content(lambda sector: number + 1 if sector in touched else 0, len(self.images[number + 1]))


class Names(NamedTuple):
    """The names in a directory: those on disk, and the pending changes of them."""

    there: dict[str, int]
    pending: list[Operation]

    def with_changes(self, chosen: Callable[[int], bool]) -> dict[str, int]:
        names = dict(self.there)
        for number, change in enumerate(self.pending):
            if chosen(number):
                _rename(names, change)
        return names


class Choice(NamedTuple):
    """One way in which a cut at `point` leaves the disk. `label` names it in a failure."""

    point: int
    label: str
    file: Callable[[int, FileVersions], bytes]
    names: Callable[[int, Names], dict[str, int]]


class Disk:
    """The disk under a trace. The first node is the directory that was watched."""

    def __init__(self, trace: list[Line]) -> None:
        self.trace = trace
        self.nodes = [Node(is_directory=True)]
        self._by_inode = {trace[0]["inode"]: 0}
        self._calls: dict[int, tuple[int, int | None]] = {}
        self._written: dict[int, int] = {}
        for at, line in enumerate(trace):
            if "op" in line:
                getattr(self, f"_{line['op']}")(at, line)
        self.begin = max(at for at, line in enumerate(trace) if line.get("note") == "begin")
        self._files: dict[tuple[int, int, int], FileVersions] = {}

    def points(self) -> range:
        """Where a crash can be put."""
        return range(self.begin + 1, len(self.trace) + 1)

    def state(self, choice: Choice) -> Tree:
        """What the disk holds after a crash."""
        tree: Tree = {}
        self._add(tree, "", 0, choice)
        return tree

    def pending(self, point: int) -> list[Pending]:
        """The changes that a crash there may lose."""
        found = []
        for number, node in enumerate(self.nodes):
            durable, made = node.split(point)
            found += [Pending(number, change) for change in range(durable, made)]
        return found

    def file(self, number: int, point: int) -> FileVersions:
        node = self.nodes[number]
        durable, made = node.split(point)
        key = (number, durable, made)
        if key not in self._files:
            self._files[key] = FileVersions([change for _, change in node.changes[:made]], durable)
        return self._files[key]

    def names(self, number: int, point: int) -> Names:
        node = self.nodes[number]
        durable, made = node.split(point)
        there: dict[str, int] = {}
        for _, change in node.changes[:durable]:
            _rename(there, change)
        return Names(there, [change for _, change in node.changes[durable:made]])

    def last_written(self, point: int) -> int | None:
        """The node that the line before a point wrote to."""
        return self._written.get(point - 1)

    def _add(self, tree: Tree, path: str, number: int, choice: Choice) -> None:
        if not self.nodes[number].is_directory:
            tree[path] = choice.file(number, self.file(number, choice.point))
            return
        if path:
            tree[path] = None
        for name, child in sorted(choice.names(number, self.names(number, choice.point)).items()):
            self._add(tree, f"{path}/{name}" if path else name, child, choice)

    def _root(self, at: int, line: Line) -> None:
        """Node 0 already."""

    def _make(self, at: int, line: Line) -> None:
        self._by_inode[line["inode"]] = len(self.nodes)
        self._change(line["parent"], at, ("put", line["name"], len(self.nodes)))
        self.nodes.append(Node(is_directory=line["directory"]))

    def _write(self, at: int, line: Line) -> None:
        self._written[at] = self._by_inode[line["inode"]]
        self._change(line["inode"], at, ("write", line["position"], line["data"].encode("latin-1")))

    def _cut(self, at: int, line: Line) -> None:
        self._change(line["inode"], at, ("cut", line["size"], None))

    def _remove(self, at: int, line: Line) -> None:
        self._change(line["parent"], at, ("take", line["name"], None))

    def _move(self, at: int, line: Line) -> None:
        assert line["parent"] == line["new_parent"], "a rename between directories is not modelled"
        names: dict[str, int] = {}
        for _, change in self.nodes[self._by_inode[line["parent"]]].changes:
            _rename(names, change)
        self._change(line["parent"], at, ("move", (line["name"], line["new_name"]), names[line["name"]]))

    def _sync(self, at: int, line: Line) -> None:
        inode = line["inode"]
        self._calls[line["token"]] = (at, None if inode is None else self._by_inode.get(inode, -1))

    def _synced(self, at: int, line: Line) -> None:
        called, number = self._calls[line["token"]]
        for node in self.nodes if number is None else [] if number == -1 else [self.nodes[number]]:
            node.syncs.append((called, at))

    def _change(self, inode: int, at: int, change: Operation) -> None:
        self.nodes[self._by_inode[inode]].changes.append((at, change))


def _apply(image: bytearray, change: Operation) -> None:
    kind, at, data = change
    size = at + len(data) if kind == "write" else at
    if len(image) < size:
        image.extend(bytes(size - len(image)))
    if kind == "write":
        image[at:size] = data
    else:
        del image[size:]


def _rename(names: dict[str, int], change: Operation) -> None:
    kind, name, node = change
    if kind == "put":
        names[name] = node
    elif kind == "take":
        names.pop(name, None)
    else:
        names.pop(name[0], None)
        names[name[1]] = node


def some(numbers: range, most: int = 24) -> list[int]:
    """All of a few numbers; of many the first, the last, and some between."""
    if len(numbers) <= most:
        return list(numbers)
    step = len(numbers) / most
    return sorted({numbers[0], numbers[-1], *(numbers[int(step * i)] for i in range(most))})


def digest(tree: Tree) -> bytes:
    """A hash of a state: two with the same are one."""
    found = hashlib.blake2b(digest_size=16)
    for path, data in tree.items():
        found.update(f"{path}\0{-1 if data is None else len(data)}\0".encode())
        found.update(data or b"")
    return found.digest()


def make_real(tree: Tree, directory: Path) -> None:
    """Make the files and directories of a state."""
    directory.mkdir()
    for path, data in tree.items():
        if data is None:
            (directory / path).mkdir()
        else:
            (directory / path).write_bytes(data)

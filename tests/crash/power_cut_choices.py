"""Which of the states that a crash may leave are tried: every small way to lose something, and ways at random."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from tests.crash.disk_model import PAGE, SECTOR, Choice, Disk, FileVersions, Names, Pending, some

NamesChoice = Callable[[int, Names], dict[str, int]]


def newest_file(_: int, file: FileVersions) -> bytes:
    return file.at(file.newest)


def oldest_file(_: int, file: FileVersions) -> bytes:
    return file.at(0)


def empty_file(_: int, file: FileVersions) -> bytes:
    """The new size, and none of the new data."""
    return file.content(lambda sector: 0, len(file.at(file.newest)))


def newest_names(_: int, names: Names) -> dict[str, int]:
    return names.with_changes(lambda number: True)


def oldest_names(_: int, names: Names) -> dict[str, int]:
    return names.there


def systematic(disk: Disk, point: int) -> Iterator[Choice]:
    """A crash at a point: with all that is pending, with nothing of it, with each change lost alone, with each kept alone;
    and the last write cut short, or with a hole, at each sector."""
    yield Choice(point, "all", newest_file, newest_names)
    yield Choice(point, "nothing", oldest_file, oldest_names)
    yield Choice(point, "sizes, no data", empty_file, newest_names)
    yield Choice(point, "names alone", oldest_file, newest_names)
    yield Choice(point, "data alone", newest_file, oldest_names)
    for pending in disk.pending(point):
        yield from _one_lost_one_kept(disk, point, pending)
    last = disk.last_written(point)
    if last is not None:
        yield from _torn(disk, point, last)


def _one_lost_one_kept(disk: Disk, point: int, pending: Pending) -> Iterator[Choice]:
    node, change = pending
    what = f"change {change} of node {node}"
    if disk.nodes[node].is_directory:
        number = change - disk.nodes[node].split(point)[0]

        def lost(at: int, names: Names) -> dict[str, int]:
            return names.with_changes(lambda other: at != node or other != number)

        def kept(at: int, names: Names) -> dict[str, int]:
            return names.with_changes(lambda other: at == node and other == number)

        yield Choice(point, f"all but {what}", newest_file, lost)
        yield Choice(point, f"only {what}", oldest_file, kept)
        yield Choice(point, f"all data, and {what}", newest_file, kept)
        return

    def without(at: int, file: FileVersions) -> bytes:
        return file.before(change - file.durable) if at == node else newest_file(at, file)

    def alone(at: int, file: FileVersions) -> bytes:
        return file.after(change - file.durable) if at == node else oldest_file(at, file)

    yield Choice(point, f"all but {what}", without, newest_names)
    yield Choice(point, f"only {what}", alone, oldest_names)
    yield Choice(point, f"all names, and {what}", alone, newest_names)


def _torn(disk: Disk, point: int, node: int) -> Iterator[Choice]:
    """The last write, to `node`: cut at a sector, without a sector, or with one sector alone."""
    file = disk.file(node, point)
    if not file.touched:
        return
    sectors = file.touched[-1]

    def tear(label: str, version_of: Callable[[int], int], size: int, names: NamesChoice = newest_names) -> Choice:
        torn = file.content(version_of, size)
        return Choice(point, label, lambda at, other: torn if at == node else newest_file(at, other), names)

    newest, size, before = file.newest, len(file.at(file.newest)), len(file.at(file.newest - 1))
    for cut in some(sectors):
        yield tear(f"cut at sector {cut}", lambda sector: newest, max(cut * SECTOR, min(size, before)))
        yield tear(f"zeros from sector {cut}", lambda sector, cut=cut: newest if sector < cut else newest - 1, size)
        yield tear(f"old names, zeros from sector {cut}", lambda s, cut=cut: newest - (s >= cut), size, oldest_names)
        yield tear(f"no sector {cut}", lambda sector, cut=cut: newest if sector != cut else newest - 1, size)
        yield tear(f"only sector {cut}", lambda sector, cut=cut: newest if sector == cut else newest - 1, size)


def at_random(disk: Disk, seed: int) -> Choice:
    """A crash somewhere, with a way to be left drawn for each file and each directory."""
    random_of = random.Random(seed)
    point = random_of.choice(disk.points())

    def file(number: int, versions: FileVersions) -> bytes:
        return _random_file(random.Random(f"{seed} {number}"), versions)

    def names(number: int, found: Names) -> dict[str, int]:
        draw = random.Random(f"{seed} {number}")
        how = draw.choices(["all", "none", "first", "some"], [4, 2, 2, 3])[0]
        first = draw.randint(0, len(found.pending))
        chosen = {number for number in range(len(found.pending)) if draw.random() < 0.5}
        kept = {
            "all": lambda n: True,
            "none": lambda n: False,
            "first": lambda n: n < first,
            "some": lambda n: n in chosen,
        }
        return found.with_changes(kept[how])

    return Choice(point, f"seed {seed}", file, names)


def _random_file(draw: random.Random, versions: FileVersions) -> bytes:
    how = draw.choices(["newest", "oldest", "first", "cut", "zeros", "sectors", "pages"], [5, 2, 2, 2, 2, 3, 3])[0]
    newest = versions.newest
    if newest == 0 or how == "newest":
        return versions.at(newest)
    if how == "oldest":
        return versions.at(0)
    if how == "first":
        return versions.at(draw.randint(0, newest))
    size = draw.choice(versions.sizes())
    if how == "cut":
        return versions.content(lambda sector: newest, size)
    size = draw.choice([size, len(versions.at(newest))])
    unit = PAGE if how == "pages" else 1
    lost = draw.random()
    drawn: dict[int, int] = {}

    def version_of(sector: int) -> int:
        if sector // unit not in drawn:
            old = 0 if how == "zeros" else draw.randint(0, newest)
            drawn[sector // unit] = old if draw.random() < lost else newest
        return drawn[sector // unit]

    return versions.content(version_of, size)

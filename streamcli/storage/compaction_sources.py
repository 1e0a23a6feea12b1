"""What compaction works on: the closed segments of a partition, and which of them become one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from streamcli.storage import layout
from streamcli.storage.layout import SegmentName


class Source(NamedTuple):
    """A closed segment: the offset after it, its file's identity, the number of its first record, and how many it has.

    stale: of its records, how many are not the newest of their key; is_due: whether a tombstone in it has to go, or to get
    its delete horizon.
    """

    name: SegmentName
    end: int
    stamp: tuple[int, int, int]
    first: int = 0
    records: int = 0
    stale: int = 0
    is_due: bool = False

    @property
    def size(self) -> int:
        return self.stamp[2]

    @property
    def is_changed(self) -> bool:
        return self.stale > 0 or self.is_due


def dirty_ratio(partition_directory: str) -> float:
    """The share of the closed segments, by bytes, that was not compacted yet."""
    sizes = [(source.size, source.name.end_offset is None) for source in closed_segments(partition_directory)]
    total = sum(size for size, _ in sizes)
    return sum(size for size, is_dirty in sizes if is_dirty) / total if total else 0.0


def closed_segments(directory: str) -> list[Source]:
    """The closed segments; of one that was removed meanwhile, and of those before it, nothing."""
    found: list[Source] = []
    for name, following in pairwise(layout.segments(directory)):
        try:
            found.append(Source(name, following.base_offset, stamp_of(layout.segment_path(directory, name))))
        except FileNotFoundError:
            found.clear()
    return found


def stamp_of(path: str) -> tuple[int, int, int]:
    """By which a file is known to be the same, and not written since."""
    status = os.stat(path)
    return status.st_ino, status.st_mtime_ns, status.st_size


def groups(sources: list[Source], segment_bytes: int) -> Iterator[list[Source]]:
    """Sources in a row that are to become one, of `segment_bytes` at most. A large one that stays as it is is
    left alone."""
    group: list[Source] = []
    for source in sources:
        is_alone = source.size > segment_bytes // 2 and not source.is_changed
        if group and (is_alone or sum(member.size for member in group) + source.size > segment_bytes):
            yield from _worthwhile(group)
            group = []
        group.append(source)
        if is_alone:
            yield group
            group = []
    if group:
        yield from _worthwhile(group)


def _worthwhile(sources: list[Source]) -> Iterator[list[Source]]:
    """The sources in runs that are put together: a run and the one after it where the first is the smaller, or is written
    anyway. So what stays as it is is written again only into a file of twice the size, however often small segments come
    after it, and of these no more are left than the size of the largest has binary digits.
    """
    runs: list[list[Source]] = []
    for source in sources:
        run = [source]
        while runs and (_is_written(runs[-1]) or _live_size(runs[-1]) <= _live_size(run)):
            run = runs.pop() + run
        runs.append(run)
    yield from runs


def _is_written(run: list[Source]) -> bool:
    return len(run) > 1 or run[0].is_changed


def _live_size(run: list[Source]) -> int:
    """About how many bytes of the run stay."""
    return sum(source.size * (source.records - source.stale) // max(source.records, 1) for source in run)

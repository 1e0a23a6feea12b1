"""A set of offsets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

_RUN_BITS = 10
_IN_RUN = (1 << _RUN_BITS) - 1
_NONE = bytes(1 << _RUN_BITS - 3)


class OffsetSet:
    """A bit for each offset, in runs of 1024 of which those without any take no memory: what compaction has left may be far apart.
    `count`: offsets in it."""

    __slots__ = ("_runs", "count")

    def __init__(self) -> None:
        self._runs: dict[int, bytearray] = {}
        self.count = 0

    def add(self, offset: int) -> None:
        """One that is not in it."""
        run = self._runs.setdefault(offset >> _RUN_BITS, bytearray(_NONE))
        run[(offset & _IN_RUN) >> 3] |= 1 << (offset & 7)
        self.count += 1

    def indexes(self, offsets: Iterable[int]) -> Sequence[int]:
        """Which of these are in it, counted from 0."""
        runs = self._runs
        return [
            index
            for index, offset in enumerate(offsets)
            if runs.get(offset >> _RUN_BITS, _NONE)[(offset & _IN_RUN) >> 3] >> (offset & 7) & 1
        ]

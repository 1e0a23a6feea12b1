"""Where a read starts and stops, before anyone has looked which offsets that is."""

from __future__ import annotations

from typing import NamedTuple

BEGINNING, END, OFFSET, LAST, TIME = "beginning", "end", "offset", "last", "time"


class Bound(NamedTuple):
    """One end of a range: `kind` BEGINNING, END, OFFSET, LAST (`number` records before the end, over all partitions) or
    TIME (`number` ms since the epoch: the first record of that time or later)."""

    kind: str
    number: int = 0


class Range(NamedTuple):
    """What to read: from `start` on, and before `stop`."""

    start: Bound = Bound(BEGINNING)
    stop: Bound = Bound(END)

"""Where a read starts and stops, as Python says it."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from streamcli.record.errors import UsageError
from streamcli.record.range import BEGINNING, END, LAST, OFFSET, TIME, Bound, Range

Start = int | datetime | Literal["beginning", "end"]
"""An offset; of a negative one so many records before the end, over all partitions; a time, a naive one in local time; or a word."""

Stop = int | datetime | Literal["end"]


def range_of(start: Start, stop: Stop) -> Range:
    """UsageError for what is no bound, and where it stops before it starts."""
    wanted = Range(_bound(start), _bound(stop))
    first, last = wanted
    if last.kind in (LAST, BEGINNING):
        raise UsageError(f"bad stop {stop!r}: use an offset, a datetime or 'end'")
    if first.kind == last.kind and first.kind in (OFFSET, TIME) and first.number > last.number:
        raise UsageError(f"a read from {start} to {stop} stops before it starts")
    return wanted


def _bound(bound: Start | Stop) -> Bound:
    if isinstance(bound, datetime):
        return Bound(TIME, round(bound.timestamp() * 1000))
    if bound in (BEGINNING, END):
        return Bound(str(bound))
    if type(bound) is not int:
        raise UsageError(f"bad bound {bound!r}: use an offset, a datetime, 'beginning' or 'end'")
    return Bound(OFFSET, bound) if bound >= 0 else Bound(LAST, -bound)

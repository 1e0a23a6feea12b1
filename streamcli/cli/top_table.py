"""What top shows of topics and groups: its columns, how they are sorted, and lines that say how it went."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from streamcli.cli.values import size_or_dash
from streamcli.engine.activity import Activity, GroupActivity, TopicActivity

Row = TopicActivity | GroupActivity

BLOCKS = "▁▂▃▄▅▆▇█"
ASCII_BLOCKS = "_.-:=+*#"
"""Eight heights, for terminals whose encoding has not the others."""


class Column(NamedTuple):
    """width: columns of a screen, 0 for the name's; value: what it is sorted by; cell: what is shown."""

    title: str
    width: int
    value: Callable[[Any], Any]
    cell: Callable[[Any], str]


class Table(NamedTuple):
    """One of the two. sort: the number of the column by which it is sorted at first; trend: what its sparklines are of."""

    name: str
    columns: tuple[Column, ...]
    sort: int
    trend_title: str
    trend: Callable[[Any], float | None]
    rows: Callable[[Activity], Sequence[Row]]


def format_count(number: float | None) -> str:
    """In six characters: 0.5, 999, 48.2k, 1.2M; - where it is not known."""
    if number is None:
        return "-"
    if number < 10 and number != int(number):
        return f"{number:.1f}"
    for unit in ("", "k", "M", "G", "T"):
        if round(number, 1 if unit else 0) < 1000:
            break
        number /= 1000
    return f"{number:.1f}{unit}" if unit else f"{number:.0f}"


def format_wait(seconds: float | None) -> str:
    """12s, 3m20s, 2h05m, 3d04h; - where it is not known, or never."""
    if seconds is None:
        return "-"
    whole = round(seconds)
    for unit, size, smaller, part in (("d", 86400, "h", 3600), ("h", 3600, "m", 60), ("m", 60, "s", 1)):
        if whole >= size:
            return f"{whole // size}{unit}{whole % size // part:02}{smaller}"
    return f"{whole}s"


TOPICS = Table(
    "topics",
    (
        Column("TOPIC", 0, lambda row: row.topic, lambda row: row.topic),
        Column("PARTS", 5, lambda row: row.partitions, lambda row: str(row.partitions)),
        Column("IN/S", 6, lambda row: row.records_in, lambda row: format_count(row.records_in)),
        Column("BYTES/S", 8, lambda row: row.bytes_in, lambda row: size_or_dash(row.bytes_in)),
        Column("OUT/S", 6, lambda row: row.records_out, lambda row: format_count(row.records_out)),
        Column("SIZE", 8, lambda row: row.size, lambda row: size_or_dash(row.size)),
        Column("LAG", 6, lambda row: row.lag, lambda row: format_count(row.lag)),
    ),
    2,
    "IN/S",
    lambda row: row.records_in,
    lambda activity: activity.topics,
)

GROUPS = Table(
    "groups",
    (
        Column("GROUP", 0, lambda row: row.group, lambda row: row.group),
        Column("MEMBERS", 7, lambda row: row.members, lambda row: str(row.members)),
        Column("PARTS", 5, lambda row: row.partitions, lambda row: str(row.partitions)),
        Column("IN/S", 6, lambda row: row.records_in, lambda row: format_count(row.records_in)),
        Column("OUT/S", 6, lambda row: row.records_out, lambda row: format_count(row.records_out)),
        Column("LAG", 6, lambda row: row.lag, lambda row: format_count(row.lag)),
        Column("CAUGHT-UP", 9, lambda row: row.caught_up_in, lambda row: format_wait(row.caught_up_in)),
    ),
    5,
    "LAG",
    lambda row: row.lag,
    lambda activity: activity.groups,
)

TABLES = (TOPICS, GROUPS)


def name_of(row: Row) -> str:
    return row.topic if isinstance(row, TopicActivity) else row.group


def chosen(rows: Sequence[Row], pattern: str) -> list[Row]:
    """Those whose name matches a glob, or without any glob in it contains the text."""
    glob = pattern if any(character in pattern for character in "*?[") else f"*{pattern}*"
    return [row for row in rows if fnmatchcase(name_of(row), glob)]


def in_order(rows: Sequence[Row], column: Column, *, reverse: bool) -> list[Row]:
    """Numbers from the greatest on, names from a on, the other way round if `reverse`; what is not known comes last."""
    by_name = sorted(rows, key=name_of)
    known = [row for row in by_name if column.value(row) is not None]
    unknown = [row for row in by_name if column.value(row) is None]
    return sorted(known, key=column.value, reverse=(column.width > 0) != reverse) + unknown


class Trend:
    """Values of one row at even times, the last `length` of them."""

    def __init__(self, length: int) -> None:
        self._values: deque[float | None] = deque(maxlen=length)
        self._count = 0

    def add(self, value: float | None) -> None:
        self._values.append(value)
        self._count += 1

    def sparkline(self, width: int, blocks: str = BLOCKS) -> str:
        """The values in so many characters, the newest to the right; where there are more, each is the mean of some."""
        if width <= 0:
            return ""
        each = max(1, -(-len(self._values) // width))
        first = self._count - len(self._values)
        sums: dict[int, list[float]] = {}
        for number, value in enumerate(self._values, first):
            if value is not None:
                sums.setdefault(number // each, []).append(value)
        last = (self._count - 1) // each if self._count else 0
        means = [sum(found) / len(found) if (found := sums.get(last - back)) else None for back in range(width)]
        return scaled(means[::-1], blocks)


def scaled(values: Sequence[float | None], blocks: str) -> str:
    """A block for each value, the greatest the highest; the lowest is 0 alone, and a space none."""
    greatest = max((value for value in values if value is not None), default=0)
    return "".join(" " if value is None else blocks[_height(value, greatest, len(blocks))] for value in values)


def _height(value: float, greatest: float, heights: int) -> int:
    return 0 if value <= 0 else max(1, round(value / greatest * (heights - 1)))

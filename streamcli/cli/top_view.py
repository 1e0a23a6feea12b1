"""The screen of top as lines of text, and what keys do to it. Nothing here knows of a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from streamcli.cli.context import show
from streamcli.cli.main import reason_of
from streamcli.cli.top_table import BLOCKS, TABLES, Row, Table, Trend, chosen, format_count, in_order, name_of
from streamcli.cli.values import format_size, size_or_dash
from streamcli.engine.activity import Activity, sum_known
from streamcli.record.errors import StreamcliError

PLAIN, TITLE, HEADER, SORTED, FAINT, TREND, WARNING = range(7)
"""What a piece of a line is, and so how it is drawn."""

Line = list[tuple[str, int]]

_SHORTEST_TREND = 8
_SHORTEST_NAME = 8

KEYS = "q quit  t topics/groups  </> sort by  r reverse  / filter  p pause  ? help"

HELP = (
    "t, Tab         topics or groups",
    "< >, , .       sort by the column to the left, to the right",
    "1 to 7         sort by that column",
    "r              reverse the order",
    "/              only names that match this glob, or have this text; Esc: all",
    "p, Space       pause, and go on",
    "Up Down, k j   scroll; also Page Up, Page Down, Home, End",
    "?, h           this help",
    "q, Ctrl-C      quit",
    "",
    "IN/S, BYTES/S  what is appended each second, over the last seconds",
    "OUT/S          what groups commit each second; of a topic, all of them",
    "LAG            records not committed; of a topic, by the slowest group",
    "CAUGHT-UP      when the lag is 0, if it goes on so; - where it never will be",
    "on the right   the last five minutes, each row by its own greatest value",
)


_FIRST_SORTS = tuple(table.sort for table in TABLES)


class View(NamedTuple):
    """What is shown. table: its number in TABLES; sorts: the column of each; typed: the filter that is being typed, or None."""

    table: int = 0
    sorts: tuple[int, ...] = _FIRST_SORTS
    reverse: bool = False
    filter: str = ""
    typed: str | None = None
    first: int = 0
    is_paused: bool = False
    is_help: bool = False
    is_done: bool = False

    @property
    def shown(self) -> Table:
        return TABLES[self.table]


class Surroundings(NamedTuple):
    """What is said above the table: where, the time of day, the interval as text, that no answer comes; and what draws sparklines."""

    where: str
    clock: str
    interval: str
    blocks: str = BLOCKS
    silence: str = ""


def pressed(view: View, key: str, page: int) -> View:
    """The view after a key, by the name that curses has for it. page: rows that are shown at once."""
    if view.typed is not None:
        return _typed(view, view.typed, key)
    if view.is_help:
        return view._replace(is_help=False, is_done=key == "q")
    action = _ACTIONS.get(key)
    if action is not None:
        return action(view, page)
    if key.isascii() and key.isdigit() and 1 <= int(key) <= len(view.shown.columns):
        return _sorted_by(view, int(key) - 1)
    return view


def _typed(view: View, typed: str, key: str) -> View:
    if key in ("\n", "\r", "KEY_ENTER"):
        return view._replace(filter=typed, typed=None, first=0)
    if key == "\x1b":
        return view._replace(filter="", typed=None, first=0)
    if key in ("\x7f", "\b", "KEY_BACKSPACE"):
        typed = typed[:-1]
    elif len(key) == 1 and key.isprintable():
        typed += key
    return view._replace(typed=typed, first=0)


def _sorted_by(view: View, column: int) -> View:
    sorts = [*view.sorts]
    sorts[view.table] = column % len(view.shown.columns)
    return view._replace(sorts=tuple(sorts), first=0)


def _scrolled(rows: int) -> Callable[[View, int], View]:
    return lambda view, page: view._replace(first=max(0, view.first + rows))


def _table(view: View, page: int) -> View:
    return view._replace(table=1 - view.table, first=0)


def _left(view: View, page: int) -> View:
    return _sorted_by(view, view.sorts[view.table] - 1)


def _right(view: View, page: int) -> View:
    return _sorted_by(view, view.sorts[view.table] + 1)


_ACTIONS: dict[str, Callable[[View, int], View]] = {
    **dict.fromkeys(("q",), lambda view, page: view._replace(is_done=True)),
    **dict.fromkeys(("t", "\t", "g"), _table),
    **dict.fromkeys(("<", ",", "KEY_LEFT"), _left),
    **dict.fromkeys((">", ".", "KEY_RIGHT"), _right),
    **dict.fromkeys(("r",), lambda view, page: view._replace(reverse=not view.reverse, first=0)),
    **dict.fromkeys(("/",), lambda view, page: view._replace(typed=view.filter)),
    **dict.fromkeys(("\x1b",), lambda view, page: view._replace(filter="", first=0)),
    **dict.fromkeys(("p", " "), lambda view, page: view._replace(is_paused=not view.is_paused)),
    **dict.fromkeys(("?", "h"), lambda view, page: view._replace(is_help=True)),
    **dict.fromkeys(("KEY_UP", "k"), _scrolled(-1)),
    **dict.fromkeys(("KEY_DOWN", "j"), _scrolled(1)),
    "KEY_PPAGE": lambda view, page: view._replace(first=max(0, view.first - page)),
    "KEY_NPAGE": lambda view, page: view._replace(first=view.first + page),
    "KEY_HOME": lambda view, page: view._replace(first=0),
    "KEY_END": lambda view, page: view._replace(first=1 << 30),
}


def rows_shown(view: View, activity: Activity) -> list[Row]:
    """The rows that match the filter, in order."""
    table = view.shown
    pattern = view.filter if view.typed is None else view.typed
    return in_order(chosen(table.rows(activity), pattern), table.columns[view.sorts[view.table]], reverse=view.reverse)


def room(height: int, activity: Activity) -> int:
    """Rows that fit on a screen of that many lines."""
    return max(1, height - 5 - bool(activity.left_out))


def scroll_within(view: View, activity: Activity, height: int) -> View:
    """The view with its first row where there is one."""
    last = max(0, len(rows_shown(view, activity)) - room(height, activity))
    return view._replace(first=min(view.first, last))


def draw(
    view: View, activity: Activity, trends: dict[str, Trend], about: Surroundings, width: int, height: int
) -> list[Line]:
    """The lines of a screen, at most `height` of at most `width` characters."""
    above = [_title(view, about, width), _totals(activity), [(about.silence, WARNING)]]
    if view.is_help:
        lines = [*above, *([(text, PLAIN)] for text in HELP)]
        return [_fitted(line, width) for line in lines[: height - 1]] + [_fitted([("any key: back", FAINT)], width)]
    rows = rows_shown(view, activity)
    shown = rows[view.first : view.first + room(height, activity)]
    lines = [*above, *_table_lines(view, shown, trends, about.blocks, width)]
    if not shown:
        pattern = view.filter if view.typed is None else view.typed
        lines.append([(f"no {view.shown.name} match {pattern!r}" if pattern else f"no {view.shown.name}", FAINT)])
    below = [[(_left_out(activity.left_out), WARNING)]] if activity.left_out else []
    below.append(_bottom(view, len(rows), len(shown)))
    lines = lines[: max(0, height - len(below))]
    lines += [[] for _ in range(height - len(below) - len(lines))]
    return [_fitted(line, width) for line in [*lines, *below]][:height]


def _title(view: View, about: Surroundings, width: int) -> Line:
    state = "paused" if view.is_paused else f"every {about.interval}"
    right = f"{state}  {about.clock}"
    left = f"streamcli top  {about.where}"
    return [(left[: max(0, width - len(right) - 2)].ljust(width - len(right)), TITLE), (right, TITLE)]


def _totals(activity: Activity) -> Line:
    topics = activity.topics
    size = sum_known([topic.size for topic in topics])
    came = format_count(_sum(topic.records_in for topic in topics))
    bytes_in = _sum(topic.bytes_in for topic in topics)
    out = format_count(_sum(topic.records_out for topic in topics))
    lag = format_count(sum(group.lag for group in activity.groups))
    partitions = sum(topic.partitions for topic in topics)
    there = f"{_counted(len(topics), 'topic')}, {_counted(partitions, 'part')}"
    if size is None:
        return [(f"{there}  in {came}/s  out {out}/s  lag {lag}", PLAIN)]
    return [(f"{there}, {format_size(size)}  in {came}/s, {size_or_dash(bytes_in)}/s  out {out}/s  lag {lag}", PLAIN)]


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _sum(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _table_lines(view: View, rows: list[Row], trends: dict[str, Trend], blocks: str, width: int) -> list[Line]:
    table = view.shown
    columns = table.columns[1:]
    taken = sum(column.width + 2 for column in columns)
    longest = max([len(table.columns[0].title), *(len(name_of(row)) for row in rows)])
    name_width = max(_SHORTEST_NAME, min(longest, width - taken - 2 - _SHORTEST_TREND))
    trend_width = max(0, width - name_width - taken - 2)
    titles = [table.columns[0].title.ljust(name_width)]
    titles += [f"  {column.title.rjust(column.width)}" for column in columns]
    sort = view.sorts[view.table]
    header = [(title, SORTED if number == sort else HEADER) for number, title in enumerate(titles)]
    header.append((f"  {table.trend_title}".ljust(trend_width + 2), HEADER))
    lines: list[Line] = [header]
    for row in rows:
        name = name_of(row)
        cut = name if len(name) <= name_width else name[: name_width - 1] + "~"
        cells = "".join(f"  {column.cell(row).rjust(column.width)}" for column in columns)
        trend = trends[name].sparkline(trend_width, blocks) if name in trends else ""
        lines.append([(cut.ljust(name_width) + cells, PLAIN), ("  " + trend, TREND)])
    return lines


def _left_out(left_out: dict[str, StreamcliError | OSError]) -> str:
    name, error = next(iter(left_out.items()))
    more = f" (and {len(left_out) - 1} more)" if len(left_out) > 1 else ""
    return show(f"{name} is left out{more}: {reason_of(error)}")


def _bottom(view: View, rows: int, shown: int) -> Line:
    if view.typed is not None:
        return [(f"filter: {view.typed}_  (Enter keeps it, Esc takes it back)", TITLE)]
    notes = [f"{view.first + 1}-{view.first + shown} of {rows}"] if shown < rows else []
    if view.filter:
        notes.append(f"filter {view.filter}")
    return [("  ".join([*notes, KEYS]), FAINT)]


def _fitted(line: Line, width: int) -> Line:
    """The line cut at `width` characters: names are ASCII, and all else has one column each."""
    fitted: Line = []
    left = width
    for text, kind in line:
        if left > 0:
            fitted.append((text[:left], kind))
        left -= len(text)
    return fitted

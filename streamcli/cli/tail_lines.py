"""A record as a line for eyes: time, where it lies, key and value, coloured and cut to the terminal's width."""

from __future__ import annotations

import os
from datetime import datetime
from typing import TYPE_CHECKING, TextIO
from zlib import crc32

from streamcli.cli.context import show_bytes
from streamcli.engine.consume import SourceBatch
from streamcli.record.batch import Record

if TYPE_CHECKING:
    from rich.text import Text

_COLOURS = ("green", "magenta", "blue", "yellow", "cyan", "red")
_JSON_STYLES = {
    "json.key": "blue",
    "json.str": "green",
    "json.number": "cyan",
    "json.bool_true": "magenta",
    "json.bool_false": "magenta",
    "json.null": "magenta",
}
"""Colours of the terminal's own sixteen that are neither bright, which light backgrounds swallow, nor black or white."""

_BYTES_A_COLUMN = 16
"""Bytes of a value that are looked at for each column: more than a character and its marks take."""


class TopicColours:
    """A colour for each topic: one that its name stands for, or the next one that is free."""

    def __init__(self) -> None:
        self._colours: dict[str, str] = {}

    def of(self, topic: str) -> str:
        if topic not in self._colours:
            first = crc32(topic.encode()) % len(_COLOURS)
            wanted = _COLOURS[first:] + _COLOURS[:first]
            taken = set(self._colours.values())
            self._colours[topic] = next((colour for colour in wanted if colour not in taken), wanted[0])
        return self._colours[topic]


class LineDrawer:
    """Draws records as lines on a terminal: one each, unless `wrap` lets long values go on."""

    def __init__(self, terminal: TextIO, *, wrap: bool) -> None:
        from rich.console import Console
        from rich.highlighter import JSONHighlighter
        from rich.theme import Theme

        self._terminal = terminal
        self._console = Console(file=terminal, highlight=False, markup=False, emoji=False, theme=Theme(_JSON_STYLES))
        self._highlight_json = JSONHighlighter().highlight
        self._wrap = wrap
        self._colours = TopicColours()
        self._topic_width = self._place_width = 0

    def expect(self, topics: list[str]) -> None:
        """Choose the colours of these, the same for the same topics whichever comes first, and their column's width."""
        for topic in sorted(topics):
            self._colours.of(topic)
            self._topic_width = max(self._topic_width, len(topic))

    def draw(self, taken: SourceBatch) -> None:
        """Write these records, a line each, in the width that the terminal has now."""
        from rich.text import Text

        width = os.get_terminal_size(self._terminal.fileno()).columns or self._console.width
        lines = [self._line(taken, record, width) for record in taken.batch.records()]
        self._print(Text("\n").join(lines))

    def note(self, text: str) -> None:
        """Write a line that is no record's."""
        from rich.text import Text

        self._print(Text(text, style="dim"))

    def _print(self, text: Text) -> None:
        self._console.print(text, soft_wrap=True, overflow="ignore", crop=False)

    def _line(self, taken: SourceBatch, record: Record, width: int) -> Text:
        from rich.text import Text

        topic, partition = taken.source.topic, taken.source.partition
        place = f"{partition}:{record.offset}"
        self._place_width = max(self._place_width, len(place))
        name = self._cut(topic.encode(), width // 3).ljust(min(self._topic_width, width // 3))
        line = Text(clock_time(record.timestamp), style="dim")
        line.append(f" {name} {place.ljust(self._place_width)} ", style=f"not dim {self._colours.of(topic)}")
        if record.key is not None:
            line.append(self._cut(record.key, width // 3), style="not dim bold")
            line.append(" ")
        line.append_text(self._value(record.value, width))
        if not self._wrap:
            line.truncate(width, overflow="ellipsis")
        return line

    def _value(self, value: bytes | None, width: int) -> Text:
        from rich.text import Text

        if value is None:
            return Text("null", style="not dim italic")
        text = Text(self._cut(value, width), style="not dim")
        if value[:1] in (b"{", b"["):
            self._highlight_json(text)
        return text

    def _cut(self, data: bytes, width: int) -> str:
        return show_bytes(data) if self._wrap else cut_to(data, width)


def cut_to(data: bytes, width: int) -> str:
    """What of `data` fits in so many columns, with an ellipsis where that is not all."""
    from rich.cells import cell_len, set_cell_size

    most = width * _BYTES_A_COLUMN
    text = show_bytes(data[:most])
    if len(data) <= most and cell_len(text) <= width:
        return text
    return set_cell_size(text, min(cell_len(text), width - 1)) + "…" if width > 0 else ""


def clock_time(timestamp: int) -> str:
    """The local time of day, with the date in front when it is not today's."""
    try:
        moment = datetime.fromtimestamp(timestamp / 1000)
    except (ValueError, OverflowError, OSError):
        return f"@{timestamp}"
    clock = moment.isoformat(sep=" ", timespec="milliseconds")
    return clock[11:] if moment.date() == datetime.now().date() else clock

"""top's terminal, by curses.

It comes with Python, loads in 2 ms, knows each terminal from terminfo, sends only what has changed, and restores the screen on
Ctrl-Z. rich.live, which is there for tables and progress, takes 90 ms to load and has no keys.
"""

from __future__ import annotations

import curses
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from streamcli.cli.top_table import ASCII_BLOCKS, BLOCKS
from streamcli.cli.top_view import FAINT, HEADER, PLAIN, SORTED, TITLE, TREND, WARNING, Line
from streamcli.record.errors import UsageError


@contextmanager
def screen() -> Iterator[Screen]:
    """The terminal's other screen, until the end of the block, however that comes. UsageError where it has none to draw on."""
    terminal = os.environ.get("TERM") or "unknown"
    try:
        curses.setupterm()
        can_move = curses.tigetstr("cup") is not None
    except curses.error:
        can_move = False
    if not can_move:
        raise UsageError(f"the terminal (TERM={terminal}) cannot be drawn on: use --once, or --json")
    window = curses.initscr()
    try:
        curses.noecho()
        curses.cbreak()
        curses.set_escdelay(25)
        window.keypad(True)
        window.nodelay(True)
        with suppress(curses.error):  # a terminal whose cursor is always there
            curses.curs_set(0)
        yield Screen(window)
    finally:
        curses.endwin()


class Screen:
    """Draws lines, and says which keys were pressed."""

    def __init__(self, window: curses.window) -> None:
        self._window = window
        self._attributes = _attributes()
        self._encoding = window.encoding
        self.blocks = BLOCKS if self._encoding.lower().replace("-", "") == "utf8" else ASCII_BLOCKS

    def size(self) -> tuple[int, int]:
        """(columns, lines), as the terminal has now."""
        columns, lines = os.get_terminal_size(1)
        if columns and lines and (lines, columns) != self._window.getmaxyx():
            curses.resizeterm(lines, columns)
        lines, columns = self._window.getmaxyx()
        return columns, lines

    def draw(self, lines: list[Line]) -> None:
        self._window.erase()
        for number, line in enumerate(lines):
            column = 0
            for text, kind in line:
                shown = text.encode(self._encoding, "backslashreplace").decode(self._encoding)
                with suppress(
                    curses.error
                ):  # the last character of the last line was drawn, and the cursor finds no place
                    self._window.addstr(number, column, shown, self._attributes[kind])
                column += len(shown)
        # While curses sends, it ignores Ctrl-Z; one that is blocked comes afterwards.
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTSTP])
        try:
            self._window.refresh()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)

    def pressed(self) -> Iterator[str]:
        """The keys that were pressed since, by curses' names."""
        while True:
            try:
                yield self._window.getkey()
            except curses.error:
                return


def _attributes() -> dict[int, int]:
    attributes = {
        PLAIN: curses.A_NORMAL,
        TITLE: curses.A_BOLD,
        HEADER: curses.A_REVERSE,
        SORTED: curses.A_REVERSE | curses.A_BOLD | curses.A_UNDERLINE,
        FAINT: curses.A_DIM,
        TREND: curses.A_NORMAL,
        WARNING: curses.A_BOLD,
    }
    if os.environ.get("NO_COLOR"):
        return attributes
    with suppress(curses.error):  # a terminal without colours, or without a background of its own
        curses.start_color()
        curses.use_default_colors()
        curses.init_pair(1, curses.COLOR_CYAN, -1)
        curses.init_pair(2, curses.COLOR_RED, -1)
        attributes |= {TREND: curses.color_pair(1), WARNING: curses.color_pair(2) | curses.A_BOLD}
    return attributes

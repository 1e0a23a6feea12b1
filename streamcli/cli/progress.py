"""Progress on standard error for what takes long: a bar where the size is known, else a counter."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

PATIENCE = 0.5
"""Seconds before anything is drawn: what is done by then needs no progress, nor rich, which takes long to import."""

INTERVAL = 0.1
"""Seconds between two drawings."""


_SHORTEST_BAR, _LONGEST_BAR = 4, 40
"""Columns."""

_BESIDE_BAR = 48
"""Columns for 123.4/456.7 MB, 123.4 MB/s and 12,345,678 records."""


class Progress:
    """How far a piece of work is, wiped away at the end, however that comes. Nothing at all unless it `is_shown`.

    total: how many bytes there are to work on, None where not known; asked for when the bar is first drawn.
    """

    def __init__(self, total: Callable[[], int | None], *, is_shown: bool) -> None:
        self._total = total
        self._done = 0
        self._next = time.monotonic() + PATIENCE if is_shown else float("inf")
        self._bar: RichProgress | None = None

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self.wipe()

    def advance(self, size: int) -> None:
        """So many bytes more are done."""
        self.update(self._done + size)

    def update(self, done: int, records: int | None = None) -> None:
        """So many bytes are done, and so many records."""
        self._done = done
        now = time.monotonic()
        if now >= self._next:
            self._draw("" if records is None else f"{records:,} records")
            self._next = time.monotonic() + INTERVAL

    def wipe(self) -> None:
        """Leave a clean line, for what is to be written now; the next drawing brings it back."""
        if self._bar is not None:
            self._bar.stop()

    def _draw(self, records: str) -> None:
        if self._bar is None:
            self._bar = _bar(self._total())
        task = self._bar.tasks[0]
        total = task.total if task.total is None else max(task.total, self._done)
        self._bar.update(task.id, completed=self._done, total=total, records=records)
        self._bar.start()
        self._bar.refresh()


def _bar(total: int | None) -> RichProgress:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, FileSizeColumn, TextColumn, TransferSpeedColumn
    from rich.progress import Progress as RichProgress
    from rich.table import Column

    console = Console(stderr=True)
    one_line = Column(no_wrap=True)  # what does not fit is cut
    width = max(_SHORTEST_BAR, min(_LONGEST_BAR, console.width - _BESIDE_BAR))
    known = (BarColumn(width), DownloadColumn(table_column=one_line))
    # No redirection: it would send what is printed on standard output to standard error.
    bar = RichProgress(
        *(known if total is not None else (FileSizeColumn(one_line),)),
        TransferSpeedColumn(one_line),
        TextColumn("{task.fields[records]}", table_column=one_line),
        console=console,
        auto_refresh=False,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )
    bar.add_task("", total=total, records="")
    return bar

"""Progress on standard error for what takes long: a bar where the size is known, else a counter."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

PATIENCE = 1.0
"""Seconds before anything is drawn: what is done by then needs no progress, nor rich, which takes long to import."""


class Progress:
    """total: bytes to come, None when not known."""

    def __init__(self, total: int | None) -> None:
        self._total = total
        self._started = time.monotonic()
        self._bar: RichProgress | None = None

    def update(self, done: tuple[int, int] | None) -> None:
        """(records, bytes) so far; None ends it and wipes it away."""
        if done is None:
            if self._bar is not None:
                self._bar.stop()
            return
        if self._bar is None:
            if time.monotonic() - self._started < PATIENCE:
                return
            self._draw()
        assert self._bar is not None
        records, size = done
        self._bar.update(self._bar.task_ids[0], completed=size, records=f"{records:,} records")

    def _draw(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, FileSizeColumn, TextColumn, TransferSpeedColumn
        from rich.progress import Progress as RichProgress

        known = (BarColumn(), DownloadColumn()) if self._total is not None else (FileSizeColumn(),)
        columns = (*known, TransferSpeedColumn(), TextColumn("{task.fields[records]}"))
        self._bar = RichProgress(*columns, console=Console(stderr=True), transient=True)
        self._bar.add_task("", total=self._total, records="")
        self._bar.start()

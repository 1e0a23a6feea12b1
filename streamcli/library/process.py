"""What the library takes from its process: the clock, the logger, and whether it is still the same process."""

from __future__ import annotations

import logging
import os
import time

from streamcli.record.errors import UsageError

warn = logging.getLogger("streamcli").warning
"""Takes a line of what went otherwise than one would think, and is no error."""


def now_ms() -> int:
    """The wall clock, ms since the epoch."""
    return time.time_ns() // 1_000_000


class ProcessGuard:
    """Refuses a thing in a child of the process that opened it: both would hold its locks, and write what waits in memory."""

    __slots__ = ("_pid", "_what")

    def __init__(self, what: str) -> None:
        self._pid = os.getpid()
        self._what = what

    def is_here(self) -> bool:
        return os.getpid() == self._pid

    def check(self) -> None:
        """UsageError after a fork."""
        if not self.is_here():
            raise UsageError(f"this {self._what} was opened by process {self._pid}: open one after the fork")

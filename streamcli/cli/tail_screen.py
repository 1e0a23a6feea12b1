"""tail on a terminal: what a record's line looks like, and what is shown when more comes than a person can read."""

from __future__ import annotations

import os
import select
import time
from collections import deque
from collections.abc import Iterable
from typing import Protocol, TextIO

from streamcli.cli.stop import Stopped, StopSignals
from streamcli.engine.consume import SourceBatch
from streamcli.record.errors import StreamcliError

PERIOD = 0.2
"""Seconds in which a page is shown at most as it comes; what exceeds it waits for their end."""

BURST = 1000
"""Records that wait at most, so that a burst is shown whole. Drawing takes up to 1 ms a record."""

_LONGEST_WAIT = 8 << 20
"""Bytes of keys and values that wait at most, but for one batch."""

_DRAWN_AT_ONCE = 20
"""Records between two looks whether a signal came."""


class Pace:
    """Which records are shown when: a page in each PERIOD at once; what comes beyond it at its end, BURST records at
    most. Where more wait, all but the newest page of them are skipped.

    page: the lines of a page. `now` is in seconds, by a clock that never goes back.
    """

    def __init__(self, page: int) -> None:
        self.page = page
        self._waiting: deque[tuple[SourceBatch, int]] = deque()
        self._records = 0
        self._size = 0
        self._skipped = 0
        self._shown = 0
        self._period_end = float("-inf")

    def offer(self, taken: SourceBatch) -> None:
        """Records to be shown, after all that were offered before."""
        batch = taken.batch
        # A large one is held as it is: it takes the place of all others, and taking each apart would not keep up with a flood.
        size = 0 if batch.count > BURST else _size_of(batch.keys()) + _size_of(batch.values())
        self._waiting.append((taken, size))
        self._records += batch.count
        self._size += size
        if self._skipped or self._records > BURST or self._size > _LONGEST_WAIT:
            self._skip()

    def left(self, now: float) -> float | None:
        """Seconds until what waits may be shown, 0 at once; None where nothing waits."""
        if not self._records:
            return None
        fits = not self._skipped and self._shown + self._records <= self.page
        return 0 if fits else max(0.0, self._period_end - now)

    def take(self, now: float) -> tuple[int, list[SourceBatch]]:
        """All that waits, to be shown now, and how many records were skipped before it."""
        if now >= self._period_end:
            self._period_end, self._shown = now + PERIOD, 0
        batches, skipped = [taken for taken, _ in self._waiting], self._skipped
        excess = self._records - max(self.page, 1)
        if batches and excess > 0 and (skipped or self._records > BURST):
            source, first = batches[0]
            batches[0] = SourceBatch(source, first.take(excess, first.count))
            skipped += excess
            self._records -= excess
        self._shown += self._records
        self._waiting.clear()
        self._records = self._size = self._skipped = 0
        return skipped, batches

    def _skip(self) -> None:
        """Drop the oldest batches that are not needed for a page, or make what waits too large; never the last."""
        while len(self._waiting) > 1:
            taken, size = self._waiting[0]
            if self._records - taken.batch.count < self.page and self._size <= _LONGEST_WAIT:
                break
            self._waiting.popleft()
            self._records -= taken.batch.count
            self._size -= size
            self._skipped += taken.batch.count


def _size_of(column: Iterable[bytes | None]) -> int:
    return sum(len(element) for element in column if element is not None)


class Drawer(Protocol):
    """What writes to the terminal."""

    def expect(self, topics: list[str]) -> None:
        """Records of these topics will come."""

    def draw(self, taken: SourceBatch) -> None:
        """Write some records."""

    def note(self, line: str) -> None:
        """Write a line that is no record's."""


class TerminalTail:
    """Shows batches on a terminal.

    A signal ends it between records, and while the terminal takes nothing.
    """

    def __init__(self, terminal: TextIO, stop: StopSignals, drawer: Drawer) -> None:
        self._terminal = terminal
        self._stop = stop
        self._drawer = drawer
        self._pace = Pace(1)

    def __enter__(self) -> TerminalTail:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Show what waits, after an error of ours too; not when stopped."""
        if kind is not None and issubclass(kind, Stopped):
            self._leave_plain()
        elif self._stop.pending is None and (kind is None or issubclass(kind, StreamcliError)):
            self._show_waiting()

    def show(self, taken: SourceBatch) -> None:
        """Show all of these records."""
        batch = taken.batch.listed() if taken.batch.count > _DRAWN_AT_ONCE else taken.batch
        for first in range(0, batch.count, _DRAWN_AT_ONCE):
            if self._stop.pending is not None:
                raise self._stop.pending
            with self._stop.interruptible():
                self._drawer.draw(
                    SourceBatch(taken.source, batch.slice(first, min(first + _DRAWN_AT_ONCE, batch.count)))
                )

    def offer(self, taken: SourceBatch) -> None:
        """Show these records, or newer ones that come too soon after them."""
        self._pace.offer(taken)
        self.pause()

    def pause(self) -> float | None:
        """Show what may be shown by now, and say in how many seconds to call again, None: when more was offered."""
        self._pace.page = self._page()
        left = self._pace.left(time.monotonic())
        if left == 0:
            self._show_waiting()
            return None
        return left

    def _show_waiting(self) -> None:
        skipped, batches = self._pace.take(time.monotonic())
        if skipped:
            self._drawer.note(f"... {skipped:,} records skipped")
        for taken in batches:
            self.show(taken)

    def _page(self) -> int:
        """The lines that the terminal has now (0: not known), but for the skipped ones' and the cursor's."""
        lines = os.get_terminal_size(self._terminal.fileno()).lines or 24
        return min(max(1, lines - 2), BURST)

    def _leave_plain(self) -> None:
        """End a colour that was being drawn in, where the terminal takes it at once."""
        poll = select.poll()
        poll.register(self._terminal.fileno(), select.POLLOUT)
        if poll.poll(0):
            os.write(self._terminal.fileno(), b"\x1b[0m")

"""Times in which the other side does not answer: told once, waited out with growing pauses, and told when they are over."""

from __future__ import annotations

import select
import time
from collections.abc import Callable
from typing import TypeVar

from streamcli.mirror.interface import Unreachable

T = TypeVar("T")

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
"""Seconds between two tries: each pause is twice the one before."""

_TELL_AFTER = 3.0
"""Seconds that an outage lasts before it is told: a broker that is restarted, or a moved leader, is no news."""


class GaveUp(Exception):
    """The outage lasts longer than it may. str: why the last try failed."""


class Outage:
    """limit: seconds without success before giving up, None for never; wakeup: a descriptor that ends a pause when it can be read;
    check: called before each pause, raises to end it all; tell: takes a line for the user."""

    def __init__(
        self, where: str, *, limit: float | None, wakeup: int, check: Callable[[], None], tell: Callable[[str], None]
    ) -> None:
        self._where = where
        self._limit = limit
        self._wakeup = wakeup
        self._check = check
        self._tell = tell
        self._began: float | None = None
        self._is_told = False
        self._pause = FIRST_PAUSE

    def note(self, reason: str) -> None:
        """What was tried goes on, and has come to nothing so far. GaveUp when that took too long."""
        self._check()
        now = time.monotonic()
        if self._began is None:
            self._began = now
        lasted = now - self._began
        if self._limit is not None and lasted >= self._limit:
            raise GaveUp(reason)
        if not self._is_told and lasted >= _TELL_AFTER:
            self._is_told = True
            until = "until it can be done" if self._limit is None else f"for {self._limit:g} s"
            self._tell(f"the mirror stands still ({self._where}): {reason}: trying again {until}")

    def wait(self, reason: str) -> None:
        """A try has failed: sleep before the next one. GaveUp when it was the last."""
        self.note(reason)
        poll = select.poll()
        poll.register(self._wakeup, select.POLLIN)
        poll.poll(self._pause * 1000)
        self._check()
        self._pause = min(self._pause * 2, LONGEST_PAUSE)

    def asked(self, question: Callable[[], T]) -> T:
        """The answer to a question, asked again as long as it is Unreachable."""
        while True:
            asked_at = time.monotonic()
            try:
                answer = question()
            except Unreachable as error:
                self._began = self._began or asked_at
                self.wait(str(error))
            else:
                self.over()
                return answer

    def over(self) -> None:
        """A try has succeeded."""
        if self._is_told and self._began is not None:
            self._tell(f"the mirror goes on ({self._where}), after {time.monotonic() - self._began:.0f} s")
        self._began, self._is_told, self._pause = None, False, FIRST_PAUSE

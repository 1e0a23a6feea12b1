"""Ctrl-C and SIGTERM: finish what is in hand, then leave with 128+signal."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from streamcli.storage import locks

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(BaseException):
    """A signal asked the command to stop."""

    def __init__(self, signum: int) -> None:
        self.signum = signum
        super().__init__(signal.Signals(signum).name)

    @property
    def status(self) -> int:
        return 128 + self.signum


class StopSignals:
    """Raises Stopped where the command stands, or while deferred keeps the signal in `pending` and wakes a poll.

    What waits for a lock has nothing in hand: there a signal raises even while deferred.
    """

    def __init__(self) -> None:
        self.pending: Stopped | None = None
        self._deferred = False
        self._second_raises = False

    def install(self) -> None:
        """Take over the signals, but for those that our parent had us ignore (nohup, a background job)."""
        for signum in _SIGNALS:
            if signal.getsignal(signum) != signal.SIG_IGN:
                signal.signal(signum, self._receive)

    @contextmanager
    def deferred(self, *, second_raises: bool = False) -> Iterator[int]:
        """Keep signals for later; yields a descriptor that becomes readable when one came.

        second_raises: where nothing can be half done, a second signal does not wait for what the first one waits for.
        """
        readable, writable = os.pipe()
        os.set_blocking(writable, False)
        self._deferred, self._second_raises = True, second_raises
        previous = signal.set_wakeup_fd(writable, warn_on_full_buffer=False)
        try:
            yield readable
        finally:
            signal.set_wakeup_fd(previous)
            self._deferred = self._second_raises = False
            os.close(readable)
            os.close(writable)

    @contextmanager
    def interruptible(self, *, another: bool = False) -> Iterator[None]:
        """A wait with nothing in hand, inside `deferred`: a signal raises. So does one that came before, unless it takes
        `another`."""
        if self.pending is not None and not another:
            raise self.pending
        before, self._deferred = self._deferred, False
        try:
            yield
        finally:
            self._deferred = before

    @contextmanager
    def held(self) -> Iterator[None]:
        """What ends soon and must not be left half done, inside `deferred`: not even a second signal raises."""
        before, self._second_raises = self._second_raises, False
        try:
            yield
        finally:
            self._second_raises = before

    def _receive(self, signum: int, _: FrameType | None) -> None:
        again = self.pending is not None
        self.pending = Stopped(signum)
        if not self._deferred or (again and self._second_raises) or locks.is_waiting():
            raise self.pending

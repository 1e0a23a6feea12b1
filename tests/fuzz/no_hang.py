"""A deadline for what may never end."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from .run import HANG


@contextmanager
def no_hang() -> Iterator[None]:
    """AssertionError when what is inside takes longer than an input may."""

    def expire(*_: object) -> None:
        raise AssertionError(f"hangs: no end after {HANG} s")

    before = signal.signal(signal.SIGALRM, expire)
    signal.setitimer(signal.ITIMER_REAL, HANG)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)

"""A copy of this process that answers what this one asks."""

from __future__ import annotations

import os
import signal
import struct
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise

SIZE = struct.Struct("=Q")
"""What goes before an answer: its bytes."""


class Fork:
    """Runs `serve(asked, answer)` in the copy: descriptors to read what is asked from, at its end when this process has ended, and to
    write answers to. The copy has none of our other descriptors, above all no lock, and signals to all of a terminal's are ours.

    ask: the descriptor to ask by; answers: the one to read answers from. OSError where there can be no other process.
    """

    def __init__(self, serve: Callable[[int, int], None]) -> None:
        fds: list[int] = []
        try:
            fds += os.pipe()
            fds += os.pipe()
            self.pid = os.fork()
        except OSError:
            for fd in fds:
                os.close(fd)
            raise
        asked, self.ask, self.answers, answer = fds
        if self.pid == 0:
            _become(serve, asked, answer)
        os.close(asked)
        os.close(answer)

    def close(self) -> None:
        """Have it end where it waits to be asked, and wait for that."""
        os.close(self.ask)
        os.close(self.answers)
        with suppress(ChildProcessError):  # our parent had us ignore SIGCHLD: the kernel reaps it
            os.waitpid(self.pid, 0)

    def kill(self) -> None:
        """End it, whatever it waits for."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        self.close()


def write_answer(fd: int, data: bytes) -> None:
    """All of it, after its SIZE."""
    for part in (SIZE.pack(len(data)), data):
        rest = memoryview(part)
        while rest:
            rest = rest[os.write(fd, rest) :]


def _become(serve: Callable[[int, int], None], asked: int, answer: int) -> None:
    try:
        signal.set_wakeup_fd(-1)
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(signum, signal.SIG_IGN)
        _close_all_but(asked, answer)
        serve(asked, answer)
    finally:
        os._exit(0)


def _close_all_but(*kept: int) -> None:
    """Close all descriptors but these. OSError where it is not known which there are.

    Up to the last there is: up to the last there may be takes minutes where a container allows 2^30 and there is no
    close_range(2).
    """
    end = max(map(int, os.listdir("/dev/fd"))) + 1
    for before, after in pairwise([-1, *sorted(kept), end]):
        os.closerange(before + 1, after)

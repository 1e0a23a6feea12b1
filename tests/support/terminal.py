"""A real terminal: a process on a pseudo-terminal of a given width."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.support.command import STREAMCLI
from tests.support.waiting import DEADLINE, is_ready


class Terminal:
    """The user's side: what the process shows, and what is typed."""

    def __init__(self, fd: int, process: subprocess.Popen[bytes]) -> None:
        self._fd = fd
        self.process = process
        self.shown = b""

    def type(self, keys: bytes) -> None:
        os.write(self._fd, keys)

    def resize(self, columns: int, rows: int = 24) -> None:
        """Give the terminal another size, as a window's border that is moved does: the process gets a SIGWINCH."""
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def see(self, enough: Callable[[bytes], bool]) -> bytes:
        """Everything shown, once it is `enough`; AssertionError when that does not come."""
        end = time.monotonic() + DEADLINE
        while not enough(self.shown):
            assert is_ready(self._fd, max(0, end - time.monotonic())), f"the terminal shows only {self.shown!r}"
            if not self._take():
                raise AssertionError(f"the process ended, the terminal shows only {self.shown!r}")
        return self.shown

    def finish(self) -> tuple[int, bytes]:
        """Wait for the end of the process: its status, and everything shown."""
        while self._take():
            pass
        return self.process.wait(DEADLINE), self.shown

    def _take(self) -> bool:
        try:
            piece = os.read(self._fd, 1 << 16)
        except OSError:  # Linux: the last one on the other side has gone
            return False
        self.shown += piece
        return bool(piece)


@contextmanager
def on_terminal(*words: str, columns: int = 80) -> Iterator[Terminal]:
    """streamcli with a terminal as its three streams."""
    with program_on_terminal([*STREAMCLI, *words], dict(os.environ), columns=columns) as terminal:
        yield terminal


@contextmanager
def program_on_terminal(command: list[str], environment: dict[str, str], *, columns: int = 80) -> Iterator[Terminal]:
    """Any program with a terminal of its own as its three streams; killed at the end."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    # The environment is given: readline, which pytest imports, puts COLUMNS into the one that C has and os.environ has not.
    process = subprocess.Popen(
        command,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        env=environment,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(theirs)
    try:
        yield Terminal(ours, process)
    finally:
        process.kill()
        process.wait(DEADLINE)
        os.close(ours)

"""One run of a command: its standard input given, the end of its standard error kept, its time limited."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import NamedTuple

from streamcli.groups.orphan import open_pidfd
from streamcli.record.errors import StreamcliError
from streamcli.storage import durable

KEPT_STDERR = 4096
"""Bytes of the end of a command's standard error that are kept, for the dead letter."""

GRACE = 2.0
"""Seconds from SIGTERM to SIGKILL, for a command that is out of time."""

_PIECE = 4 << 10
_PIECES_A_STEP = 256
"""Standard error read in one step: more than a pipe holds, and an end where a command writes without one. A piece is no
longer than what a pipe that can be written takes without waiting (PIPE_BUF)."""

_OUR_STDERR = 2

_WITHOUT_PIDFD = 0.02
"""Seconds between looks for a command's end, where the system cannot tell it to a poll."""


class Outcome(NamedTuple):
    """How a run ended: `status` as a shell says it (128+N for a signal), `reason` in words; status 0 is success."""

    status: int
    reason: str
    stderr: bytes


class RunningCommand:
    """A command at work, in a process group of its own: Ctrl-C on our terminal is for us, who let it finish.

    Its standard input is a file in memory, whole before it starts: through a pipe it would take the end of a killed member
    for the end of its input, and half a record for a whole one. It inherits no descriptor but its standard ones, so none of
    our locks. What its children leave open is not waited for. environment: all of it; before: called in the command's process before it becomes the command.
    """

    def __init__(
        self,
        argv: list[str],
        data: Iterable[bytes | memoryview],
        environment: dict[bytes, bytes],
        timeout: float | None,
        before: Callable[[], None] | None,
    ) -> None:
        try:
            given = _input(data)
        except OSError as error:
            raise StreamcliError(
                f"no room for the input of {argv[0]!r}: {error.strerror}: make room in memory, or take less with --batch"
            ) from None
        try:
            self._process = subprocess.Popen(
                argv,
                stdin=given,
                stderr=subprocess.PIPE,
                env=environment,
                process_group=0,
                preexec_fn=before,
                bufsize=0,
            )
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise StreamcliError(
                f"cannot run {argv[0]!r}: {reason}: its records are not committed; mend it and run again"
            ) from None
        finally:
            os.close(given)
        assert self._process.stderr is not None
        self._stderr: int | None = self._process.stderr.fileno()
        os.set_blocking(self._stderr, False)
        self._kept = b""
        self._unwritten = b""
        self._ended: float | None = None
        self._pidfd = open_pidfd(self._process.pid)
        self._deadline = None if timeout is None else time.monotonic() + timeout
        self._timeout = timeout
        self._timed_out = False

    def waits_for(self) -> list[tuple[int, int]]:
        """What to poll, and for what."""
        waits = [(self._pidfd, select.POLLIN)]
        if self._unwritten:
            waits.append((_OUR_STDERR, select.POLLOUT))
        else:
            waits.append((self._stderr, select.POLLIN))
        return [(fd, events) for fd, events in waits if fd is not None]

    def due_in(self) -> float | None:
        """Seconds until `step` has to be called though nothing is ready."""
        waits = [] if self._pidfd is not None else [_WITHOUT_PIDFD]
        if self._ended is not None:
            return max(0.0, self._ended + GRACE - time.monotonic())
        if self._deadline is not None:
            waits.append(max(0.0, self._deadline - time.monotonic()))
        return min(waits, default=None)

    def step(self) -> Outcome | None:
        """Do what can be done now; the outcome once the command has ended."""
        status = self._process.poll()
        self._drain()
        if status is not None:
            self._ended = self._ended or time.monotonic()
            if self._unwritten and time.monotonic() < self._ended + GRACE:
                return None  # what it said last, and nobody has read yet
            return self._finish(status)
        if self._deadline is not None and time.monotonic() >= self._deadline:
            self.kill(signal.SIGKILL if self._timed_out else signal.SIGTERM)
            self._timed_out = True
            self._deadline = time.monotonic() + GRACE
        return None

    def wait(self, seconds: float) -> bool:
        """Whether the command ends within `seconds`."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def kill(self, signum: int) -> None:
        """Signal the command and what it started, but for what left its process group."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signum)

    def _drain(self) -> None:
        """Pass on what the command says on standard error, and keep the end of it.

        While nobody reads ours, the command's is not read either: it waits, and not we.
        """
        for _ in range(_PIECES_A_STEP):
            if self._unwritten and not self._pass_on():
                return
            if self._stderr is None:
                return
            try:
                piece = os.read(self._stderr, _PIECE)
            except BlockingIOError:
                return
            if not piece:
                self._close_stderr()
                return
            self._kept = (self._kept + piece)[-KEPT_STDERR:]
            self._unwritten = piece

    def _pass_on(self) -> bool:
        """Write what was read, unless that would have to wait."""
        ours = select.poll()
        ours.register(_OUR_STDERR, select.POLLOUT)
        if not ours.poll(0):
            return False
        piece, self._unwritten = self._unwritten, b""
        with suppress(OSError):  # nobody can read ours: no reason to stop the work
            self._unwritten = piece[os.write(_OUR_STDERR, piece) :]
        return True

    def _close_stderr(self) -> None:
        assert self._process.stderr is not None
        self._process.stderr.close()
        self._stderr = None

    def _finish(self, status: int) -> Outcome:
        if self._stderr is not None:
            self._close_stderr()
        if self._pidfd is not None:
            os.close(self._pidfd)
        if self._timed_out:
            self.kill(signal.SIGKILL)  # what it started and ignores SIGTERM: the next run is not to meet it
            return Outcome(124, f"no end after {self._timeout:g} s", self._kept)
        if status < 0:
            return Outcome(128 - status, f"killed by {signal.Signals(-status).name}", self._kept)
        return Outcome(status, f"status {status}", self._kept)


def _input(data: Iterable[bytes | memoryview]) -> int:
    """A descriptor to read `data` from; the file has no name, and ends with its last descriptor."""
    if hasattr(os, "memfd_create"):
        fd = os.memfd_create("records", os.MFD_CLOEXEC)
    else:
        import tempfile

        with tempfile.TemporaryFile() as file:
            fd = os.dup(file.fileno())
    size = 0
    try:
        for piece in data:
            durable.write_all(fd, piece, size)
            size += len(piece)
    except BaseException:
        os.close(fd)
        raise
    return fd


def end_all(commands: Iterable[RunningCommand]) -> None:
    """End commands that nobody waits for any more: SIGTERM, and SIGKILL for what is left after the grace.

    Their partitions are given up next, so they must not be at work any more.
    """
    commands = list(commands)
    for command in commands:
        command.kill(signal.SIGTERM)
    deadline = time.monotonic() + GRACE
    for command in commands:
        ended = command.wait(max(0.0, deadline - time.monotonic()))
        command.kill(signal.SIGKILL)
        if not ended:
            command.wait(GRACE)

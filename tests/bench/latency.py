"""Follow latency: from writing a line into one process to reading it back from another, on one clock."""

from __future__ import annotations

import os
import select
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.bench.access_log import LINE
from tests.bench.commands import CommandFailed
from tests.bench.place import Place

_WARM_UP = 20
_WARM_UP_RATE = 1000
_PATIENCE = 60.0
"""Seconds without a record after which it counts as lost."""


@contextmanager
def pipeline(place: Place, writer: str, reader: str) -> Iterator[tuple[int, int]]:
    """Both processes running, as (the descriptor to write lines to, the one they come back on)."""
    with (
        place.start(reader, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as reading,
        place.start(writer, stdin=subprocess.PIPE) as writing,
    ):
        assert writing.stdin is not None
        assert reading.stdout is not None
        try:
            yield writing.stdin.fileno(), reading.stdout.fileno()
        finally:
            writing.stdin.close()
            writing.wait()
            reading.terminate()
    if writing.returncode:
        raise CommandFailed(f"the writer ended with status {writing.returncode}")


def latencies(ends: tuple[int, int], rate: int, count: int) -> list[int]:
    """Nanoseconds that each of `count` lines took, sent `rate` a second; after some that are not counted."""
    RoundTrip(*ends).measure(_WARM_UP_RATE, _WARM_UP)
    return RoundTrip(*ends).measure(rate, count)


class RoundTrip:
    """One thread sends and receives, so that neither waits for the other's turn at the interpreter.

    Lines that are due are written together, each with the time of that write.
    """

    def __init__(self, write_fd: int, read_fd: int) -> None:
        self._write_fd = write_fd
        self._read_fd = read_fd
        self._partial = b""
        self._taken: list[int] = []

    def measure(self, rate: int, count: int) -> list[int]:
        started = time.monotonic_ns()
        sent = 0
        while sent < count:
            self._receive_until(started + sent * 1_000_000_000 // rate)
            due = (time.monotonic_ns() - started) * rate // 1_000_000_000 + 1
            lines = min(due, count) - sent
            os.write(self._write_fd, b"%0*d\n" % (LINE - 1, time.monotonic_ns()) * lines)
            sent += lines
        while len(self._taken) < count:
            if not self._receive(_PATIENCE):
                raise CommandFailed(f"{count - len(self._taken)} of {count} records did not come back")
        return self._taken

    def _receive_until(self, moment: int) -> None:
        while (left := moment - time.monotonic_ns()) > 0:
            self._receive(left / 1e9)

    def _receive(self, timeout: float) -> bool:
        if not select.select([self._read_fd], [], [], timeout)[0]:
            return False
        data = os.read(self._read_fd, 1 << 16)
        now = time.monotonic_ns()
        if not data:
            raise CommandFailed("the reader ended early")
        *lines, self._partial = (self._partial + data).split(b"\n")
        self._taken += [now - int(line) for line in lines]
        return True

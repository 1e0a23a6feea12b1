"""Processes that are measured: fed through a pipe, drained through a pipe, or both, and ended whatever happens."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import streamcli
from streamcli.record.errors import StreamcliError

_PATIENCE = 60.0
"""Seconds without a record after which it counts as lost."""


_MAIN = "import sys; sys.path.insert(0, sys.argv.pop(1)); from streamcli.__main__ import main; main()"


class Run(NamedTuple):
    """How many records went through, in how many seconds."""

    records: int
    seconds: float

    @property
    def rate(self) -> float:
        """Records a second."""
        return self.records / self.seconds


def streamcli_words(directory: str, *words: str) -> list[str]:
    """The command line of a streamcli that is this one, on a log directory."""
    above = os.path.dirname(os.path.dirname(streamcli.__file__))
    return [sys.executable, "-P", "-c", _MAIN, above, *words, "--dir", directory]


@contextmanager
def process(words: list[str], *, stdin: int, stdout: int) -> Iterator[subprocess.Popen[bytes]]:
    """A running process; killed at the end if it still runs. In a group of its own: Ctrl-C is for us, and we end it."""
    started = subprocess.Popen(words, stdin=stdin, stdout=stdout, stderr=subprocess.PIPE, bufsize=0, process_group=0)
    try:
        yield started
    finally:
        started.kill()
        started.wait()
        for stream in (started.stdin, started.stdout, started.stderr):
            if stream is not None:
                stream.close()


def expect_end(words: list[str], found: subprocess.Popen[bytes]) -> None:
    """Wait for the end of a process; StreamcliError with what it said where that is a failure."""
    said = b"" if found.stderr is None else found.stderr.read()
    if found.wait():
        name = os.path.basename(words[0])
        raise StreamcliError(f"{name} ended with status {found.returncode}: {said.decode(errors='replace').strip()}")


class Lines:
    """Records to feed: `count` lines of `size` bytes and a newline, of random letters that no file system compresses away."""

    def __init__(self, count: int, size: int) -> None:
        self.count = count
        self.length = size + 1
        self._in_chunk = max(1, (1 << 20) // self.length)
        letters = os.urandom((self._in_chunk * size + 1) // 2).hex().encode()
        self._chunk = b"".join(letters[at * size : at * size + size] + b"\n" for at in range(self._in_chunk))

    def feed(self, fd: int, deadline: float) -> int:
        """Write them, or as many as there is time for, and return how many. deadline: as time.monotonic counts."""
        done = 0
        while done < self.count and time.monotonic() < deadline:
            records = min(self._in_chunk, self.count - done)
            view = memoryview(self._chunk)[: records * self.length]
            while view:
                view = view[os.write(fd, view) :]
            done += records
        return done


def feed(words: list[str], lines: Lines, most: float, *, stdout: int, sync: Callable[[], None]) -> Run:
    """Start a process, feed it, wait for its end, then `sync`: all of that is timed. most: seconds to feed it for."""
    started = time.monotonic()
    with process(words, stdin=subprocess.PIPE, stdout=stdout) as fed:
        assert fed.stdin is not None
        try:
            records = lines.feed(fed.stdin.fileno(), time.monotonic() + most)
        except BrokenPipeError:
            records = 0  # it ended, and says why
        fed.stdin.close()
        expect_end(words, fed)
        if not records:
            raise StreamcliError(f"{words[0]} took no record")
        sync()
        return Run(records, time.monotonic() - started)


def drain(words: list[str], lines: Lines, most: float) -> Run:
    """Start a process and read what it prints to its end, or for `most` seconds; StreamcliError when there is less of it."""
    started = time.monotonic()
    with process(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as drained:
        assert drained.stdout is not None
        fd, size = drained.stdout.fileno(), 0
        while time.monotonic() < started + most:
            data = os.read(fd, 1 << 20)
            if not data:
                seconds = time.monotonic() - started
                expect_end(words, drained)
                if size != lines.count * lines.length:
                    raise StreamcliError(f"{size} bytes came, of {lines.count * lines.length} that were written")
                return Run(lines.count, seconds)
            size += len(data)
        return Run(size // lines.length, time.monotonic() - started)


class RoundTrip:
    """Sends records into one process and takes them out of another. One thread does both, so that neither waits for its turn.

    size: bytes of a record. A record holds the time it was sent, in ns.
    """

    def __init__(self, write_fd: int, read_fd: int, size: int) -> None:
        self._write_fd = write_fd
        self._read_fd = read_fd
        self._size = size
        self._partial = b""
        self._taken: list[int] = []

    def latencies(self, count: int, rate: int) -> list[int]:
        """ns that each of `count` records took, sent `rate` a second."""
        self._taken = []
        started = time.monotonic_ns()
        for number in range(count):
            due = started + number * 1_000_000_000 // rate
            while (left := due - time.monotonic_ns()) > 0:
                self._receive(left / 1e9)
            os.write(self._write_fd, b"%0*d\n" % (self._size, time.monotonic_ns()))
        while len(self._taken) < count:
            if not self._receive(_PATIENCE):
                raise StreamcliError(f"{count - len(self._taken)} of {count} records did not come back")
        return self._taken

    def _receive(self, seconds: float) -> bool:
        if not select.select([self._read_fd], [], [], seconds)[0]:
            return False
        data = os.read(self._read_fd, 1 << 16)
        now = time.monotonic_ns()
        if not data:
            raise StreamcliError("the reader ended before all records had come")
        *lines, self._partial = (self._partial + data).split(b"\n")
        self._taken += [now - int(line) for line in lines]
        return True

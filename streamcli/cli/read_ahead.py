"""A long file of lines: a thread reads and counts the next of them while those before are appended."""

from __future__ import annotations

import _thread
import os
import stat
from typing import NamedTuple

from streamcli.cli.input import CHUNK, Filler, count_newlines

_LONG = 8 << 20
"""Bytes of a file from which on a thread pays."""


def is_long_file(fd: int) -> bool:
    """Whether `fd` is a file of which much can be read at any time."""
    status = os.fstat(fd)
    return stat.S_ISREG(status.st_mode) and status.st_size >= _LONG


class _Filled(NamedTuple):
    """Where the bytes that were read end; `lines` newlines are before `cut`, where the last whole line ends."""

    end: int
    cut: int
    lines: int


class AheadFiller(Filler):
    """Fills one buffer while the lines in another are in use. A thread, not one for each buffer: to start one takes ten times as
    long as to wake it."""

    def __init__(self, fd: int) -> None:
        super().__init__(fd)
        self._spare = bytearray(CHUNK)
        self._job: tuple[bytearray, int] | None = None
        self._filled: _Filled | None = None
        self._error: Exception | None = None
        self._asked, self._answered = _thread.allocate_lock(), _thread.allocate_lock()
        self._asked.acquire()
        self._answered.acquire()
        self._has_thread = True
        try:
            _thread.start_new_thread(self._run, ())
        except RuntimeError:  # no thread to be had: a limit of processes or memory
            self._has_thread = False

    def fill(self, buffer: bytearray, start: int) -> int:
        if self._job is None:
            self._filled = None
            return super().fill(buffer, start)
        self._answered.acquire()
        self._job = None
        if self._error is not None:
            raise self._error
        assert self._filled is not None
        return self._filled.end

    def lines(self, cut: int) -> int | None:
        return self._filled.lines if self._filled is not None and self._filled.cut == cut else None

    def begin_next(self, buffer: bytearray, cut: int, end: int) -> tuple[bytearray, int] | None:
        if self.at_end or not self._has_thread or len(buffer) > CHUNK:
            return None
        following, self._spare = self._spare, buffer
        following[: end - cut] = memoryview(buffer)[cut:end]
        self._job = following, end - cut
        self._asked.release()
        return self._job

    def close(self) -> None:
        if self._job is not None:
            self._answered.acquire()
            self._job = None
        if self._has_thread:
            self._has_thread = False
            self._asked.release()

    def _run(self) -> None:
        while self._asked.acquire() and self._job is not None:
            try:
                self._filled = self._fill(*self._job)
            except Exception as error:  # noqa: BLE001  # raised where it is waited for
                self._error = error
            self._answered.release()

    def _fill(self, buffer: bytearray, start: int) -> _Filled:
        end = super().fill(buffer, start)
        cut = buffer.rfind(b"\n", 0, end) + 1
        return _Filled(end, cut, count_newlines(buffer, 0, cut) if cut else 0)

"""Looking at a log again and again, where most of the time nothing has changed: two stats then, instead of opening files.

A partition's directory gets a new time when a segment is begun or removed, or a small file is replaced; its last segment gets
longer with each append. Times of directories are coarse: one that is recent may be that of a later change, too, so it is
not believed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

from streamcli.storage import layout
from streamcli.storage.format import NO_TIMESTAMP
from streamcli.storage.layout import SegmentName
from streamcli.storage.log import Log
from streamcli.storage.sizes import size_of
from streamcli.storage.tail import Mark

_RECENT = 1_000_000_000
"""ns within which a directory's time may be that of a later change, too; file systems take it every 4 ms or so."""


class LogState(NamedTuple):
    """start, end: offsets, end excluded; size: bytes of the segments; written: bytes appended since the first glance;
    last_timestamp: the latest, ms, far in the past without one."""

    start: int
    end: int
    size: int
    written: int
    last_timestamp: int


class Glances:
    """One log at `directory`, looked at many times."""

    def __init__(self, directory: str) -> None:
        self._log = Log(directory)
        self._names: Sequence[SegmentName] = ()
        self._closed_size = 0
        self._last_size = -1
        self._directory_time: tuple[int, int] | None = None
        self._end: Mark | None = None
        self._state = LogState(0, 0, 0, 0, NO_TIMESTAMP)

    @property
    def directory(self) -> str:
        return self._log.directory

    def look(self) -> LogState:
        """The log as it is now. FileNotFoundError when it is gone."""
        status = os.lstat(self._log.directory)
        directory_time = (status.st_ino, status.st_mtime_ns)
        if directory_time != self._directory_time:
            self._list()
            self._look_into(start=self._log.start())
        else:
            size = self._size_of_last()
            if size != self._last_size:
                self._look_into(start=self._state.start)
        is_recent = time.time_ns() - status.st_mtime_ns < _RECENT
        self._directory_time = None if is_recent else directory_time
        return self._state

    def _list(self) -> None:
        names = layout.list_segments(self._log.directory)
        if list(names) != list(self._names):
            self._names = names
            self._closed_size = size_of(self._log.directory, names[:-1])

    def _look_into(self, start: int) -> None:
        self._last_size = self._size_of_last()  # before the look: what is appended after it changes it again
        before, end = self._end, self._log.end()
        written = 0 if before is None else self._written(before, end)
        size = self._closed_size + max(self._last_size, 0)
        self._end = end
        self._state = LogState(start, end.offset, size, self._state.written + written, end.max_timestamp)

    def _written(self, before: Mark, end: Mark) -> int:
        if before.segment == end.segment:
            return max(0, end.position - before.position)
        return self._log.size_from(before.offset, end)

    def _size_of_last(self) -> int:
        if self._names:
            with suppress(FileNotFoundError):  # removed, or compacted, since the names were listed
                return os.lstat(layout.segment_path(self._log.directory, self._names[-1])).st_size
        return -1

"""A partition's log, to ask and to read: where it starts and ends, what lies at an offset or a time. Takes no lock."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

from streamcli.storage import durable, layout
from streamcli.storage.checkpoint import read_checkpoint
from streamcli.storage.cursor import Cursor
from streamcli.storage.format import NO_TIMESTAMP, BatchHeader
from streamcli.storage.index import IndexEntry
from streamcli.storage.lookup import lookup
from streamcli.storage.segment import Segment
from streamcli.storage.tail import CLEAN, DAMAGED, UNKNOWN, Mark, Tail, find_tail


class LogSummary(NamedTuple):
    """start, end: offsets, end excluded; size: bytes of its segments; first and last time: ms, None when empty."""

    start: int
    end: int
    size: int
    segments: int
    first_timestamp: int | None
    last_timestamp: int | None


class Log:
    """One partition's log at `directory`."""

    __slots__ = ("directory",)

    def __init__(self, directory: str) -> None:
        self.directory = directory

    def start(self) -> int:
        """The log start offset: the first that can be read."""
        bases = layout.segment_bases(self.directory)
        return bases[0] if bases else 0

    def end(self) -> Mark:
        """The end of the log as it is now; see `tail`."""
        return self.tail().end

    def tail(self) -> Tail:
        """The end of the log as it is now, and how many bytes known to have been on disk are missing there.

        Bytes there that are no batch, and should be, are within the end: who reads up to it is told of them.
        """
        bases = layout.segment_bases(self.directory)
        if not bases:
            return Tail(Mark(0, 0, 0, NO_TIMESTAMP), CLEAN, 0, 0)
        segment = Segment(self.directory, bases[-1])
        try:
            tail = find_tail(self.directory, segment)
        finally:
            segment.close()
        if tail.kind in (DAMAGED, UNKNOWN):
            return tail._replace(end=tail.end._replace(position=tail.size))
        return tail

    def make_durable(self, offset: int) -> int:
        """Return once every record before `offset` is on disk, with the offset before which all are. Closed segments are; the
        checkpoint tells of the active one."""
        checkpoint = read_checkpoint(self.directory)
        if checkpoint is not None and durable.is_this_boot(checkpoint.boot_id) and checkpoint.offset >= offset:
            return checkpoint.offset
        end = self.tail().end.offset
        segment = Segment(self.directory, layout.segment_bases(self.directory)[-1])
        try:
            durable.sync_data(segment.fd)
        finally:
            segment.close()
        return max(end, offset)

    def cursor(self, offset: int, end: Mark | None, tail: Tail | None = None) -> Cursor:
        """A cursor on the batch that holds `offset`, to stop at `end`; None: to follow, from the `tail` that was found."""
        return Cursor(self.directory, offset, end, tail)

    def headers(self, offset: int, end: Mark) -> Iterator[BatchHeader]:
        """The batch headers from the one that holds `offset` up to `end`, bodies unread."""
        cursor = self.cursor(offset, end)
        try:
            while (header := cursor.peek()) is not None:
                yield header
                cursor.pass_by()
        finally:
            cursor.close()

    def offset_at(self, timestamp: int, end: Mark) -> int:
        """The first offset before `end` whose record has this time (ms) or a later one; else `end`'s offset."""
        cursor = self.cursor(self._offset_before(timestamp), end)
        try:
            while (header := cursor.peek()) is not None:
                if header.max_timestamp < timestamp:
                    cursor.pass_by()
                    continue
                if header.min_timestamp >= timestamp and header.record_count == header.last_offset_delta + 1:
                    return header.base_offset
                batch = cursor.take()
                if batch is None:
                    continue
                pairs = zip(batch.offsets(), batch.timestamps(), strict=True)
                return next(offset for offset, time in pairs if time >= timestamp)
        finally:
            cursor.close()
        return end.offset

    def headers_backwards(self, start: int, end: Mark) -> Iterator[BatchHeader]:
        """The batch headers from the last before `end` back to the one that holds offset `start`, a piece at a time."""
        for base in reversed([base for base in layout.segment_bases(self.directory) if base <= end.segment]):
            segment = Segment(self.directory, base)
            limit = end.position if base == end.segment else segment.size()
            try:
                for header in self._backwards(segment, limit, closed=base != end.segment):
                    if header.next_offset <= start:
                        return
                    yield header
            finally:
                segment.close()

    def _backwards(self, segment: Segment, limit: int, *, closed: bool) -> Iterator[BatchHeader]:
        """The headers of a segment that lie before `limit`, from the last, an index entry's worth at a time."""
        while limit > 0:
            entry = lookup(self.directory, segment, partial(_lies_before, limit), closed=closed)
            piece = list(segment.headers_past_damage(entry.position if entry else 0, limit))
            yield from (header for header in reversed(piece) if header.record_count)
            limit = piece[0].position if piece else 0

    def summary(self) -> LogSummary:
        """What `topics describe` shows."""
        bases = layout.segment_bases(self.directory)
        size = sum(os.lstat(layout.segment_path(self.directory, base)).st_size for base in bases)
        start, end = self.start(), self.end()
        first = next(self.headers(start, end), None)
        if first is None:
            return LogSummary(start, end.offset, size, len(bases), None, None)
        return LogSummary(start, end.offset, size, len(bases), first.min_timestamp, end.max_timestamp)

    def _offset_before(self, timestamp: int) -> int:
        """An offset at or before the first with this time, from the indexes: nothing before it has that time or a later one."""
        bases = layout.segment_bases(self.directory)
        low, high = 0, len(bases)
        while high - low > 1:
            middle = (low + high) // 2
            if self._time_entry(bases, middle, timestamp) is None:
                high = middle
            else:
                low = middle
        if not bases:
            return 0
        entry = self._time_entry(bases, low, timestamp)
        return bases[low] if entry is None else entry

    def _time_entry(self, bases: list[int], number: int, timestamp: int) -> int | None:
        """The base offset of the segment's last indexed batch that has only earlier times before it."""
        segment = Segment(self.directory, bases[number])
        try:
            closed = number < len(bases) - 1
            entry = lookup(self.directory, segment, lambda e: e.max_timestamp_before < timestamp, closed=closed)
            return entry.base_offset if entry else None
        finally:
            segment.close()


def _lies_before(limit: int, entry: IndexEntry) -> bool:
    return entry.position < limit

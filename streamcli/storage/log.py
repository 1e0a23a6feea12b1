"""A partition's log, to ask and to read: where it starts and ends, what lies at an offset or a time. Takes no lock."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from functools import partial
from typing import NamedTuple

from streamcli.storage import durable, layout
from streamcli.storage.checkpoint import read_checkpoint
from streamcli.storage.cursor import Cursor
from streamcli.storage.format import NO_TIMESTAMP, BatchHeader
from streamcli.storage.index import INTERVAL, IndexEntry
from streamcli.storage.layout import SegmentName
from streamcli.storage.log_start import read_log_start
from streamcli.storage.lookup import lookup, rebuild_indexes
from streamcli.storage.segment import Segment
from streamcli.storage.sizes import size_of, size_of_log
from streamcli.storage.tail import CLEAN, DAMAGED, UNKNOWN, Mark, Tail, find_tail

_LONGEST_PIECE = 16 << 20
"""Bytes that are read at once by who reads backwards."""


class LogSummary(NamedTuple):
    """start, end: offsets, end excluded; size: bytes of its segments; first and last time: ms, None when empty."""

    start: int
    end: int
    size: int
    segments: int
    first_timestamp: int | None
    last_timestamp: int | None


class Log:
    """One partition's log at `directory`.

    Listing ten thousand segments takes as long as all else that a short command does. So the names are listed for `tail`, and
    kept: what is asked then goes by these, and lists them anew where one is not there any more.
    """

    __slots__ = ("_names", "directory")

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self._names: Sequence[SegmentName] | None = None

    def start(self) -> int:
        """The log start offset: the first that can be read, unless it was lost."""
        return read_log_start(self.directory) or 0

    def end(self) -> Mark:
        """The end of the log as it is now; see `tail`."""
        return self.tail().end

    def tail(self) -> Tail:
        """The end of the log as it is now, and how many bytes known to have been on disk are missing there.

        Bytes there that are no batch, and should be, are within the end: who reads up to it is told of them.
        """
        return self._tail(self._last_segment())

    def _tail(self, segment: Segment | None) -> Tail:
        """The end of the log whose last segment this is; it is closed."""
        if segment is None:
            return Tail(Mark(0, 0, 0, NO_TIMESTAMP), CLEAN, 0, 0)
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
        segment = self._last_segment()
        if segment is not None:
            try:
                durable.sync_data(segment.fd)
            finally:
                segment.close()
        return max(end, offset)

    def cursor(self, offset: int, end: Mark | None, tail: Tail | None = None) -> Cursor:
        """A cursor on the batch that holds `offset`, to stop at `end`; None: to follow, from the `tail` that was found."""
        return Cursor(self.directory, max(offset, self.start()), end, tail, self._segments())

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
        """The first offset before `end` whose record has this time (ms) or a later one; else `end`'s offset.

        Records are read from the last index entry on that has only earlier times before it, up to the next one at most. More
        is read only where the times of removed records are in the indexes, once: these are made again then.
        """
        start = self._offset_before(timestamp)
        cursor = self.cursor(start, end)
        passed: list[SegmentName] = []
        try:
            found = _first_at(cursor, timestamp, passed)
        finally:
            cursor.close()
        from_beginning = bool(passed) and start <= max(passed[0].base_offset, self.start())
        if passed[1:-1] or (from_beginning and passed[:-1]):
            rebuild_indexes(self.directory, passed[:-1])
        return end.offset if found is None else found

    def headers_backwards(self, start: int, end: Mark) -> Iterator[BatchHeader]:
        """The batch headers from the last before `end` back to the one that holds offset `start`, a piece at a time."""
        before = end.offset
        names = self._segments()
        while before > start:
            number = bisect_left(names, SegmentName.of(before)) - 1
            if number < 0:
                return
            try:
                segment = Segment(self.directory, names[number])
            except FileNotFoundError:  # removed, or compacted, since the names were listed
                names = self._listed()
                continue
            is_last = number == len(names) - 1
            limit = end.position if names[number] == SegmentName.of(end.segment) else segment.size()
            try:
                for header in self._backwards(segment, limit, closed=not is_last):
                    if header.next_offset <= start:
                        return
                    if header.base_offset < before:
                        yield header
            finally:
                segment.close()
            before = names[number].base_offset

    def _backwards(self, segment: Segment, limit: int, *, closed: bool) -> Iterator[BatchHeader]:
        """The headers of a segment that lie before `limit`, from the last, an index entry's worth at a time."""
        while limit > 0:
            entry = lookup(self.directory, segment, partial(_lies_before, limit), closed=closed)
            piece = list(segment.headers_past_damage(entry.position if entry else 0, limit))
            yield from (header for header in reversed(piece) if header.record_count)
            limit = piece[0].position if piece else 0

    def segments(self) -> list[SegmentName]:
        """The segments in force."""
        return layout.segments(self.directory)

    def offsets_backwards(self, end: Mark) -> Iterator[int]:
        """Base offsets from which on to read the log backwards, a piece at a time, ending with its first; the pieces grow."""
        names = self.segments()
        last = SegmentName.of(end.segment)
        piece, held = INTERVAL, 0
        for name in reversed([name for name in names if name.base_offset <= end.segment]):
            try:
                segment = Segment(self.directory, name)
            except FileNotFoundError:  # removed, or compacted, since the names were listed
                continue
            with closing(segment):
                limit = end.position if name == last else segment.size()
                while held + limit > piece:
                    wanted = partial(_lies_before, limit + held - piece)
                    entry = lookup(self.directory, segment, wanted, closed=name != names[-1])
                    if entry is None or entry.position == 0:
                        break
                    yield entry.base_offset
                    limit, held, piece = entry.position, 0, min(piece * 4, _LONGEST_PIECE)
            held += limit
            if held > piece:
                yield name.base_offset
                held, piece = 0, min(piece * 4, _LONGEST_PIECE)
        if held:
            yield names[0].base_offset

    def other_files(self) -> list[str]:
        """The names there, listed now, that belong to no segment."""
        self._names, others = layout.list_files(self.directory)
        return others

    def summary(self, *, just_listed: bool = False) -> LogSummary:
        """What `topics describe` shows; `just_listed`: not to list them anew right after `other_files`."""
        start, end = self.start(), self._tail(self._last_segment(just_listed=just_listed)).end
        names = self._segments()
        size = size_of_log(self.directory, names)
        first = self._first_timestamp(start, end)
        return LogSummary(start, end.offset, size, len(names), first, None if first is None else end.max_timestamp)

    def _first_timestamp(self, start: int, end: Mark) -> int | None:
        """The least timestamp of the first batch, without its records before the log start offset."""
        cursor = self.cursor(start, end)
        try:
            while (header := cursor.peek()) is not None:
                if header.base_offset >= start:
                    return header.min_timestamp
                batch = cursor.take()
                if batch is not None:
                    return batch.min_timestamp
            return None
        finally:
            cursor.close()

    def size_from(self, offset: int, end: Mark) -> int:
        """Bytes from the batch that holds `offset` up to `end`."""
        cursor = self.cursor(offset, end)
        try:
            header = cursor.peek()
            if header is None:
                return 0
            base, position = cursor.segment.base_offset, header.position
        finally:
            cursor.close()
        names = [name for name in self._segments() if base <= name.base_offset < end.segment]
        return max(0, size_of(self.directory, names) + end.position - position)

    def _segments(self) -> Sequence[SegmentName]:
        """The segments as they were listed last."""
        return self._listed() if self._names is None else self._names

    def _listed(self) -> Sequence[SegmentName]:
        """The segments, listed now."""
        self._names = layout.list_segments(self.directory)
        return self._names

    def _last_segment(self, *, just_listed: bool = False) -> Segment | None:
        """The last segment, open; None where there is none. Listed now, unless they were `just_listed`."""
        names = self._segments() if just_listed else self._listed()
        while names:
            with suppress(FileNotFoundError):  # rolled, and compacted, since it was listed
                return Segment(self.directory, names[-1])
            names = self._listed()
        return None

    def _offset_before(self, timestamp: int) -> int:
        """An offset at or before the first with this time, from the indexes: nothing before it has that time or a later one."""
        names = self._segments()
        while True:
            try:
                return self._offset_before_in(names, timestamp)
            except FileNotFoundError:  # a segment was removed, or compacted, since they were listed
                names = self._listed()

    def _offset_before_in(self, names: Sequence[SegmentName], timestamp: int) -> int:
        low, high = 0, len(names)
        while high - low > 1:
            middle = (low + high) // 2
            if self._time_entry(names, middle, timestamp) is None:
                high = middle
            else:
                low = middle
        if not names:
            return 0
        entry = self._time_entry(names, low, timestamp)
        return names[low].base_offset if entry is None else entry

    def _time_entry(self, names: Sequence[SegmentName], number: int, timestamp: int) -> int | None:
        """The base offset of the segment's last indexed batch that has only earlier times before it."""
        segment = Segment(self.directory, names[number])
        try:
            closed = number < len(names) - 1
            entry = lookup(self.directory, segment, lambda e: e.max_timestamp_before < timestamp, closed=closed)
            return entry.base_offset if entry else None
        finally:
            segment.close()


def _first_at(cursor: Cursor, timestamp: int, passed: list[SegmentName]) -> int | None:
    """The first offset with this time or a later one from the cursor on; `passed` gets the segments that were looked into."""
    while (header := cursor.peek()) is not None:
        if passed[-1:] != [cursor.segment]:
            passed.append(cursor.segment)
        if header.max_timestamp < timestamp:
            cursor.pass_by()
            continue
        if header.min_timestamp >= timestamp and header.record_count == header.last_offset_delta + 1:
            return max(header.base_offset, cursor.offset)
        batch = cursor.take()
        pairs = zip(batch.offsets(), batch.timestamps(), strict=True) if batch is not None else ()
        found = next((offset for offset, time in pairs if time >= timestamp), None)
        if found is not None:
            return found
    return None


def _lies_before(limit: int, entry: IndexEntry) -> bool:
    return entry.position < limit

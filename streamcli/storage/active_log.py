"""The end of a partition's log, for who has the append lock: found, recovered, followed while others append, and rolled."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress

from streamcli.record.errors import CorruptData, NotFound
from streamcli.storage import durable, layout
from streamcli.storage.active_index import ActiveIndex
from streamcli.storage.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from streamcli.storage.format import HEADER_SIZE, LONGEST_LOSS, BatchHeader, decode_header, encode_lost
from streamcli.storage.layout import SegmentName
from streamcli.storage.log_start import read_log_start
from streamcli.storage.opening import open_directory
from streamcli.storage.segment import Segment
from streamcli.storage.tail import CLEAN, DAMAGED, TORN, Mark, Tail, find_tail

_FAR_BEHIND = 2 << 20
"""Bytes that others appended, from which on the index is asked where they end."""


class ActiveLog:
    """The active segment and where it ends. Whatever changes it, or looks for its end, is called under the append lock.

    segment: None until it is first asked for; end: where the next batch goes; first_timestamp: of the segment's first batch, None
    where it has none (ms); failed: why no more can be appended. warn: takes a line for the user.
    """

    def __init__(self, directory: str, warn: Callable[[str], None]) -> None:
        self.directory = directory
        self._warn = warn
        self.segment: Segment | None = None
        self.end = Mark(0, 0, 0, 0)
        self.first_timestamp: int | None = None
        self.failed: OSError | NotFound | None = None
        self._index: ActiveIndex | None = None
        self._unsynced = False
        # Held open so that its inode number is not given to a successor's.
        self._directory_fd = open_directory(directory)

    def catch_up(self) -> Segment:
        """The active segment, with `end` at its end, whoever wrote since."""
        segment = self.segment
        if segment is not None:
            try:
                status = os.stat(segment.path)
            except FileNotFoundError:
                status = None
            if status is not None and status.st_ino == segment.inode():
                if status.st_size != self.end.position:
                    self._follow(segment, status.st_size)
                if not layout.has_segment_from(self.directory, self.end.offset) or self.end.position == 0:
                    return segment
        return self.open()

    def open(self) -> Segment:
        """Open the last segment and find its end: recover what a dead writer left, mend index and checkpoint. CorruptData when the
        log does not end in a whole batch.

        Another process may have rolled: what we appended to the segment before is on disk before that is closed.
        """
        if self.segment is not None and self._unsynced:
            self._sync_data(self.segment)
        self._close_segment()
        self.check_there()
        names = layout.list_segments(self.directory)
        last = names[-1] if names else None
        if last is None or last.end_offset is not None:
            last = SegmentName.of(self._offset_after(last))
            durable.create_file(layout.segment_path(self.directory, last))
            durable.sync_directory(self.directory)
        segment = Segment(self.directory, last, writable=True)
        if segment.size() == 0:
            durable.sync_directory(self.directory)  # who made it may have died before
        self.segment = segment
        known = read_checkpoint(self.directory)
        is_first = known is None or not durable.is_this_boot(known.boot_id)
        self._recover(segment, find_tail(self.directory, segment))
        start = read_log_start(self.directory) or 0
        if self.end.offset < start:  # a log that was restored from a copy: before the log start offset nobody reads
            self.mark_lost(segment, start)
        self._index = ActiveIndex(self.directory, segment, self.end, is_sound=not is_first)
        first = next(segment.headers_past_damage(0, self.end.position), None)
        self.first_timestamp = first.max_timestamp if first and first.record_count else None
        if is_first:
            self._sync_data(segment)
            self.checkpoint(self.end)
        return segment

    def add(self, header: BatchHeader) -> None:
        """Take in a batch that was just written at the end."""
        self._unsynced = True
        if self._index is not None:
            self._index.add(header, self.end.max_timestamp)
        self._note(header)

    def roll(self, segment: Segment) -> Segment:
        """Close the active segment and make the next. The old one is on disk first: only the last segment is ever unsynced."""
        self._sync_data(segment)
        end = self.end
        if self._index is not None:
            self._index.sync()
        name = SegmentName.of(end.offset)
        durable.create_file(layout.segment_path(self.directory, name))
        durable.sync_directory(self.directory)
        self._close_segment()
        self.segment = Segment(self.directory, name, writable=True)
        self.end = Mark(end.offset, 0, end.offset, end.max_timestamp)
        self._index = ActiveIndex(self.directory, self.segment, self.end)
        self.first_timestamp = None
        self.checkpoint(self.end)
        return self.segment

    def mark_lost(self, segment: Segment, next_offset: int) -> None:
        """Write a mark at the end of the log, on disk, for the offsets before this one. One that cannot be is left out."""
        position, first = self.end.position, self.end.offset
        if next_offset - first > LONGEST_LOSS:
            return
        mark = encode_lost(position=position, base_offset=first, next_offset=next_offset, length=HEADER_SIZE)
        durable.write_all(segment.fd, mark, position)
        self._sync_data(segment)
        self._note(decode_header(mark, position))
        segment.forget()

    def checkpoint(self, end: Mark, *, believe: bool = False) -> None:
        """Write the checkpoint, unless this boot's already says more and is to be believed. No room for it is no failure."""
        known = None if believe else read_checkpoint(self.directory)
        if known is not None and durable.is_this_boot(known.boot_id) and (known.segment, known.position) >= end[:2]:
            return
        with suppress(OSError):
            write_checkpoint(self.directory, Checkpoint(durable.boot_id(), *end))

    def note_synced(self, end: Mark) -> None:
        """The log is on disk up to there."""
        if end == self.end:
            self._unsynced = False

    def check_there(self) -> None:
        """NotFound when the topic was deleted."""
        if not self._is_ours():
            self.failed = NotFound(
                f"the topic was deleted while it was being written ({self.directory}): see `streamcli topics list`"
            )
        self.raise_what_failed()

    def raise_what_failed(self) -> None:
        """What failed for good, if anything did."""
        if self.failed is not None:
            raise self.failed

    def close(self) -> None:
        self._close_segment()
        os.close(self._directory_fd)

    def _follow(self, segment: Segment, size: int) -> None:
        """Take in what others appended, header by header, and recover when it ends in a torn batch.

        Where it is much, from the last batch on that the index leads to: as `find_tail` would. Of 32 producers at once each
        would read 31 headers for every batch of its own, under the lock.
        """
        segment.forget()
        if self._index is not None and 0 < self.end.position < size - _FAR_BEHIND:
            self.end = self._index.last_before(size, segment, self.end)
        for header in segment.headers(self.end.position, size):
            if self._index is not None:
                self._index.pass_by(header)
            self._note(header)
        if self.end.position != size:
            self._recover(segment, find_tail(self.directory, segment))

    def _offset_after(self, last: SegmentName | None) -> int:
        """Where to begin when the active segment is missing: after the last there is, and what is known to have been written."""
        known = read_checkpoint(self.directory)
        ends = (0 if last is None else last.end_offset or 0, read_log_start(self.directory) or 0)
        return max(*ends, known.offset if known else 0)

    def _recover(self, segment: Segment, tail: Tail) -> None:
        """Make the end of the file the end of the log. The cut bytes are kept, on disk, before they are cut."""
        segment.forget()
        self.end = tail.end
        position = tail.end.position
        where = f"{segment.path}, position {position}"
        if tail.kind == DAMAGED:
            raise CorruptData(
                "the log does not end in a whole batch, so where to append is not known; `streamcli repair` keeps a copy of "
                "those bytes and gives them up",
                segment.path,
                position,
                length=tail.size - position,
                first=tail.end.offset,
            )
        if tail.kind != CLEAN:
            whole = sum(1 for _ in segment.headers_past_damage(position, tail.size))
            kept = layout.cut_path(segment.path, position)
            durable.keep_bytes(kept, segment.fd, position, tail.size)
            durable.truncate(segment.fd, position)
            self._sync_data(segment)
            why = "an append that did not finish" if tail.kind == TORN else "what is no batch"
            also = f", and {whole} batches behind it that were never acknowledged," if whole else ""
            self._warn(f"recovered the log: cut {tail.size - position} bytes of {why}{also} ({where}), kept in {kept}")
            if not tail.missing:
                self.checkpoint(tail.end, believe=True)
        if tail.missing:
            self._mark_missing(segment, tail.missing)

    def _mark_missing(self, segment: Segment, size: int) -> None:
        """Go on after what is there, but not with offsets that were given out: a group would take new records for old."""
        known = read_checkpoint(self.directory)
        if known is not None and self.end.offset < known.offset:
            self.mark_lost(segment, known.offset)
        self._warn(
            f"{size} bytes that were known to be on disk are missing at the end of the log ({segment.path}): was the file "
            f"cut or restored from a copy? Going on at offset {self.end.offset}"
        )
        self.checkpoint(self.end, believe=True)

    def _note(self, header: BatchHeader) -> None:
        """Move the end past a batch that is in the file."""
        end = self.end
        if header.position == 0:
            self.first_timestamp = header.max_timestamp if header.record_count else None
        latest = max(end.max_timestamp, header.max_timestamp)
        self.end = Mark(end.segment, header.end, header.next_offset, latest)

    def _sync_data(self, segment: Segment) -> None:
        """fsync, after whose failure nothing more can be said to be on disk: the kernel tells of it only once."""
        try:
            durable.sync_data(segment.fd)
        except OSError as error:
            self.failed = error
            raise
        self._unsynced = False

    def _is_ours(self) -> bool:
        """Whether the partition is still the one we opened, and not a successor of the same name."""
        try:
            return os.stat(self.directory).st_ino == os.fstat(self._directory_fd).st_ino
        except FileNotFoundError:
            return False

    def _close_segment(self) -> None:
        for opened in (self.segment, self._index):
            if opened is not None:
                opened.close()
        self.segment = self._index = None

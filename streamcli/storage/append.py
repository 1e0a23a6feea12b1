"""Appending to a partition: lock, catch up, write one batch, roll, sync, checkpoint; and recovery of a torn tail."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from streamcli.record.batch import Columns
from streamcli.record.errors import CorruptData, NotFound
from streamcli.storage import durable, layout
from streamcli.storage.active_index import ActiveIndex
from streamcli.storage.body import Body, EncodedBody, encode_body
from streamcli.storage.checkpoint import Checkpoint, read_checkpoint, sync_checkpoint, write_checkpoint
from streamcli.storage.config import TopicConfig
from streamcli.storage.format import (
    CODEC_NONE,
    HEADER_SIZE,
    LONGEST_LOSS,
    BatchHeader,
    decode_header,
    encode_lost,
)
from streamcli.storage.layout import SegmentName
from streamcli.storage.locks import ExclusiveLock
from streamcli.storage.log_start import read_log_start
from streamcli.storage.opening import open_directory
from streamcli.storage.segment import Segment
from streamcli.storage.tail import CLEAN, DAMAGED, TORN, Mark, Tail, find_tail


class RollPolicy(NamedTuple):
    """When a segment is full: at `segment_bytes`, or for a record that is `segment_ms` younger than its first batch."""

    segment_bytes: int
    segment_ms: int

    @classmethod
    def of(cls, config: TopicConfig) -> RollPolicy:
        """That of a topic."""
        return cls(config.number("segment.bytes"), config.number("segment.ms"))


class SyncTicket(NamedTuple):
    """What an fsync of `fd` makes durable: the log up to `end`. `fd` is the ticket's own."""

    fd: int
    end: Mark

    def wait(self) -> None:
        """Return once it is on disk; may run in another thread than the appender."""
        try:
            durable.sync_data(self.fd)
        finally:
            os.close(self.fd)


class Appender:
    """Appends batches to one partition, among any number of other processes that do.

    clock: ms since the epoch, read under the lock, so that timestamps rise along the log; warn: takes a line for the
    user; codec: how bodies are compressed, see storage.codec. Not for several threads at once, but for a SyncTicket's `wait`.
    policy and codec may be replaced at any time. has_rolled: whether it closed a segment; to be reset by who looks at it.
    """

    def __init__(
        self,
        directory: str,
        policy: RollPolicy,
        *,
        lock_timeout: float,
        clock: Callable[[], int],
        warn: Callable[[str], None],
        codec: int = CODEC_NONE,
    ) -> None:
        self._directory = directory
        self.policy = policy
        self.codec = codec
        self._clock = clock
        self._warn = warn
        self._segment: Segment | None = None
        self._index: ActiveIndex | None = None
        self._first_timestamp: int | None = None
        self._unsynced = False
        self.has_rolled = False
        self._failed: OSError | NotFound | None = None
        self._end = Mark(0, 0, 0, 0)
        self._lock = ExclusiveLock(os.path.join(directory, layout.LOCK), lock_timeout)
        # Held open so that its inode number is not given to a successor's.
        self._directory_fd = open_directory(directory)

    def append(self, columns: Columns) -> int:
        """Append one batch, whole or not at all, and return its base offset. On disk after `sync`.

        OSError (ENOSPC, EIO ...) leaves the records of the log as they were. After a failed fsync, and once the topic was
        deleted, that error is all that comes.
        """
        self._raise_what_failed()
        body = encode_body(columns, self.codec)  # before the lock is taken: it is the larger part of the work
        with self._lock:
            segment = self._catch_up()
            now = self._clock()
            newest = body.times[1] if body.times else now
            if self._first_timestamp is not None and newest - self._first_timestamp >= self.policy.segment_ms:
                segment = self._roll(segment)
            header, buffers = self._place(body, now)
            if header.position > 0 and header.end > self.policy.segment_bytes:
                segment = self._roll(segment)
                header, buffers = self._place(body, now)
            self._write(segment, header, buffers)
            self._unsynced = True
            if self._index is not None:
                self._index.add(header, self._end.max_timestamp)
            self._note(header)
            return header.base_offset

    def recover(self) -> None:
        """What an append does before it appends: find the end of the log, recover what a dead writer left, mend index and
        checkpoint. CorruptData when the log does not end in a whole batch."""
        self._raise_what_failed()
        with self._lock:
            self._open()
        self.sync()

    @property
    def end(self) -> int:
        """The offset after the last record that this appender has seen."""
        return self._end.offset

    def roll_if(self, is_due: Callable[[SegmentName, int | None], bool]) -> None:
        """Close the active segment, if it holds anything and `is_due` says so: of its name and its first timestamp (ms), under
        the append lock."""
        self._raise_what_failed()
        with self._lock:
            segment = self._catch_up()
            if self._end.position and is_due(segment.name, self._first_timestamp):
                self._roll(segment)

    def go_on_at(self, offset: int) -> None:
        """Give out no offset before this one any more: those that were not written yet are marked as lost."""
        self._raise_what_failed()
        with self._lock:
            segment = self._catch_up()
            if self._end.offset < offset:
                self._mark_lost(segment, offset)
        self.sync()

    def sync(self) -> None:
        """Make everything up to this appender's last batch durable, and say so in the checkpoint.

        NotFound when the topic was deleted meanwhile.
        """
        self._raise_what_failed()
        if self._segment is None:
            return
        ticket = self.begin_sync()
        try:
            ticket.wait()
        except OSError as error:
            self._failed = error
            raise
        self.end_sync(ticket)

    def check_there(self) -> None:
        """NotFound when the topic was deleted."""
        if not self._is_ours():
            self._failed = NotFound(f"the topic was deleted while it was being written ({self._directory})")
        self._raise_what_failed()

    def begin_sync(self) -> SyncTicket:
        """What a sync started now covers; its `wait` does the work, then call `end_sync`."""
        assert self._segment is not None
        return SyncTicket(os.dup(self._segment.fd), self._end)

    def end_sync(self, ticket: SyncTicket) -> None:
        """Note in the checkpoint, durably, that the ticket's part is on disk: after a power cut what lies behind the
        checkpoint counts as promised. NotFound when the topic was deleted."""
        self.check_there()
        if ticket.end == self._end:
            self._unsynced = False
        with self._lock:
            self._checkpoint(ticket.end)
        sync_checkpoint(self._directory)

    def close(self) -> None:
        self._close_segment()
        self._lock.close()
        os.close(self._directory_fd)

    def _catch_up(self) -> Segment:
        """The active segment, with `_end` at its end, whoever wrote since. Under the lock."""
        segment = self._segment
        if segment is not None:
            try:
                status = os.stat(segment.path)
            except FileNotFoundError:
                status = None
            if status is not None and status.st_ino == os.fstat(segment.fd).st_ino:
                if status.st_size != self._end.position:
                    self._follow(segment, status.st_size)
                if (
                    not os.path.exists(layout.segment_path(self._directory, SegmentName.of(self._end.offset)))
                    or self._end.position == 0
                ):
                    return segment
        return self._open()

    def _follow(self, segment: Segment, size: int) -> None:
        """Take in what others appended, header by header, and recover when it ends in a torn batch."""
        segment.forget()
        for header in segment.headers(self._end.position, size):
            if self._index is not None:
                self._index.pass_by(header)
            self._note(header)
        if self._end.position != size:
            self._recover(segment, find_tail(self._directory, segment))

    def _open(self) -> Segment:
        """Open the last segment and find its end. Under the lock.

        Another process may have rolled: what we appended to the segment before is on disk before that is closed.
        """
        if self._segment is not None and self._unsynced:
            self._sync_data(self._segment.fd)
            self._unsynced = False
        self._close_segment()
        self.check_there()
        names = layout.list_segments(self._directory)
        last = names[-1] if names else None
        if last is None or last.end_offset is not None:
            last = SegmentName.of(self._offset_after(last))
            durable.create_file(layout.segment_path(self._directory, last))
            durable.sync_directory(self._directory)
        segment = Segment(self._directory, last, writable=True)
        if segment.size() == 0:
            durable.sync_directory(self._directory)  # who made it may have died before
        self._segment = segment
        known = read_checkpoint(self._directory)
        is_first = known is None or not durable.is_this_boot(known.boot_id)
        self._recover(segment, find_tail(self._directory, segment))
        start = read_log_start(self._directory) or 0
        if self._end.offset < start:  # a log that was restored from a copy: before the log start offset nobody reads
            self._mark_lost(segment, start)
        self._index = ActiveIndex(self._directory, segment, self._end, is_sound=not is_first)
        first = next(segment.headers_past_damage(0, self._end.position), None)
        self._first_timestamp = first.max_timestamp if first and first.record_count else None
        if is_first:
            self._sync_data(segment.fd)
            self._checkpoint(self._end)
        return segment

    def _offset_after(self, last: SegmentName | None) -> int:
        """Where to begin when the active segment is missing: after the last there is, and what is known to have been written."""
        known = read_checkpoint(self._directory)
        ends = (0 if last is None else last.end_offset or 0, read_log_start(self._directory) or 0)
        return max(*ends, known.offset if known else 0)

    def _recover(self, segment: Segment, tail: Tail) -> None:
        """Make the end of the file the end of the log. The cut bytes are kept, on disk, before they are cut."""
        segment.forget()
        self._end = tail.end
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
            self._sync_data(segment.fd)
            why = "an append that did not finish" if tail.kind == TORN else "what is no batch"
            also = f", and {whole} batches behind it that were never acknowledged," if whole else ""
            self._warn(f"recovered the log: cut {tail.size - position} bytes of {why}{also} ({where}), kept in {kept}")
            if not tail.missing:
                self._checkpoint(tail.end, believe=True)
        if tail.missing:
            self._mark_missing(segment, tail.missing)

    def _mark_missing(self, segment: Segment, size: int) -> None:
        """Go on after what is there, but not with offsets that were given out: a group would take new records for old."""
        known = read_checkpoint(self._directory)
        if known is not None and self._end.offset < known.offset:
            self._mark_lost(segment, known.offset)
        self._warn(
            f"{size} bytes that were known to be on disk are missing at the end of the log ({segment.path}): was the file "
            f"cut or restored from a copy? Going on at offset {self._end.offset}"
        )
        self._checkpoint(self._end, believe=True)

    def _mark_lost(self, segment: Segment, next_offset: int) -> None:
        """Write a mark at the end of the log, on disk, for the offsets before this one. One that cannot be is left out."""
        position, first = self._end.position, self._end.offset
        if next_offset - first > LONGEST_LOSS:
            return
        mark = encode_lost(position=position, base_offset=first, next_offset=next_offset, length=HEADER_SIZE)
        durable.write_all(segment.fd, mark, position)
        self._sync_data(segment.fd)
        self._note(decode_header(mark, position))
        segment.forget()

    def _note(self, header: BatchHeader) -> None:
        """Move the end past a batch that is in the file."""
        end = self._end
        if header.position == 0:
            self._first_timestamp = header.max_timestamp if header.record_count else None
        latest = max(end.max_timestamp, header.max_timestamp)
        self._end = Mark(end.segment, header.end, header.next_offset, latest)

    def _write(self, segment: Segment, header: BatchHeader, buffers: Body) -> None:
        length = header.end - header.position
        try:
            with durable.naming_file(segment.fd):
                written = os.pwritev(segment.fd, buffers, header.position)
            if written != length:
                rest = b"".join(buffers)[written:]
                durable.write_all(segment.fd, rest, header.position + written)
        except OSError:
            durable.truncate(segment.fd, header.position)
            raise

    def _place(self, body: EncodedBody, now: int) -> tuple[BatchHeader, Body]:
        return body.batch(position=self._end.position, base_offset=self._end.offset, timestamp=now)

    def _roll(self, segment: Segment) -> Segment:
        """Close the active segment and make the next. The old one is on disk first: only the last segment is ever unsynced."""
        self._sync_data(segment.fd)
        self._unsynced = False
        end = self._end
        if self._index is not None:
            self._index.sync()
        name = SegmentName.of(end.offset)
        durable.create_file(layout.segment_path(self._directory, name))
        durable.sync_directory(self._directory)
        self._close_segment()
        self._segment = Segment(self._directory, name, writable=True)
        self._end = Mark(end.offset, 0, end.offset, end.max_timestamp)
        self._index = ActiveIndex(self._directory, self._segment, self._end)
        self._first_timestamp = None
        self.has_rolled = True
        self._checkpoint(self._end)
        return self._segment

    def _checkpoint(self, end: Mark, *, believe: bool = False) -> None:
        """Write the checkpoint, unless this boot's already says more and is to be believed. No room for it is no failure."""
        known = None if believe else read_checkpoint(self._directory)
        if known is not None and durable.is_this_boot(known.boot_id) and (known.segment, known.position) >= end[:2]:
            return
        with suppress(OSError):
            write_checkpoint(self._directory, Checkpoint(durable.boot_id(), *end))

    def _sync_data(self, fd: int) -> None:
        """fsync, after whose failure nothing more can be said to be on disk: the kernel tells of it only once."""
        try:
            durable.sync_data(fd)
        except OSError as error:
            self._failed = error
            raise

    def _raise_what_failed(self) -> None:
        if self._failed is not None:
            raise self._failed

    def _is_ours(self) -> bool:
        """Whether the partition is still the one we opened, and not a successor of the same name."""
        try:
            return os.stat(self._directory).st_ino == os.fstat(self._directory_fd).st_ino
        except FileNotFoundError:
            return False

    def _close_segment(self) -> None:
        for opened in (self._segment, self._index):
            if opened is not None:
                opened.close()
        self._segment = self._index = None

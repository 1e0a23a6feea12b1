"""Checking a partition, without any lock and without changing it: what every reader and appender relies on.

Batches are read as every reader reads them, so that what is found is what a reader would meet, and an append in flight
is no problem. What recovery deals with by itself (a torn tail, what a power cut left) is none either.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import NamedTuple

from streamcli.record.batch import RecordBatch
from streamcli.record.errors import CorruptData, UnsupportedBatch
from streamcli.record.lost import RemovedRecords
from streamcli.storage import durable, layout
from streamcli.storage.checkpoint import Checkpoint, read_checkpoint
from streamcli.storage.cursor import Cursor
from streamcli.storage.format import NO_TIMESTAMP, BatchHeader
from streamcli.storage.index import ENTRY_SIZE, IndexEntry, SparseIndex
from streamcli.storage.layout import SegmentName
from streamcli.storage.log import Log
from streamcli.storage.log_start import read_log_start
from streamcli.storage.lookup import leads
from streamcli.storage.producer_state import has_producers, read_producers
from streamcli.storage.segment import Segment
from streamcli.storage.tail import DAMAGED, UNKNOWN

LOG, INDEX, CHECKPOINT, LOG_START, PRODUCERS = "log", "index", "checkpoint", "log-start", "producers"

_LOOKS = 5


class Problem(NamedTuple):
    """One thing that is wrong. part: LOG, INDEX, CHECKPOINT, LOG_START or PRODUCERS; position, length: bytes in the file at `path`, None where
    unknown; first <= offset < next_offset cannot be read, None where none or unknown."""

    part: str
    reason: str
    path: str
    position: int | None = None
    length: int | None = None
    first: int | None = None
    next_offset: int | None = None


class PartitionCheck:
    """One pass over a partition up to its end as it was at the start. on_read: told how many bytes were read, of each batch.

    Iterate over `problems`; then records, batches and size (their bytes) say what was right, lost how many records repair
    gave up earlier, unread why of how many batches the checksums alone were checked: those that cannot be taken apart here.
    """

    def __init__(self, partition_directory: str, on_read: Callable[[int], None] = lambda _: None) -> None:
        self._directory = partition_directory
        self._on_read = on_read
        self.records = self.batches = self.size = self.lost = 0
        self.unread: dict[str, int] = {}
        self._index: _IndexCheck | None = None
        self._unmended: SegmentName | None = None  # the segment whose index the first append of this boot will mend
        self._inexact: str | None = None  # the last segment in which something was not read
        self._start = 0  # the log start offset: the times of records before it need not be in the indexes
        self._latest = NO_TIMESTAMP

    def problems(self) -> Iterator[Problem]:
        if not layout.segments(self._directory):
            yield Problem(LOG, "the partition has no segment", self._directory)
            return
        yield from self.problems_from(self._first_offset())
        yield from self._close_index()

    def close(self) -> None:
        """Be done with a check that was not gone through to its end."""
        if self._index is not None:
            self._index.finish()
            self._index = None

    def _first_offset(self) -> int:
        """Where the log starts, or its first segment: what lies there and is not given to readers is checked too."""
        return min(Log(self._directory).start(), layout.segments(self._directory)[0].base_offset)

    def problems_from(self, offset: int, until: tuple[SegmentName, int] | None = None) -> Iterator[Problem]:
        """The problems of the log from `offset` on, and of the checkpoint. until: (segment, position) to go no further than."""
        log = Log(self._directory)
        checkpoint, problem = _read_checkpoint(self._directory)
        yield from filter(None, (_log_start_problem(self._directory), _producers_problem(self._directory), problem))
        self._start = log.start()
        tail = log.tail()
        if checkpoint is None or not durable.is_this_boot(checkpoint.boot_id):
            self._unmended = SegmentName.of(tail.end.segment)
        if tail.missing and tail.kind not in (DAMAGED, UNKNOWN):  # else the damage there is told, up to the end
            reason = f"{tail.missing} bytes that were known to be on disk are missing at the end of the log"
            path = layout.segment_path(self._directory, SegmentName.of(tail.end.segment))
            next_offset = checkpoint.offset if checkpoint else None
            yield Problem(LOG, reason, path, tail.end.position, None, tail.end.offset, next_offset)
        cursor = Cursor(self._directory, offset, tail.end)
        try:
            yield from self._read(cursor, checkpoint, until)
        finally:
            cursor.close()

    def _read(
        self, cursor: Cursor, checkpoint: Checkpoint | None, until: tuple[SegmentName, int] | None
    ) -> Iterator[Problem]:
        while True:
            try:
                header = cursor.peek()
                self._count_lost(cursor)
                if header is None:
                    return
                name = cursor.segment
                if until is not None and (name, header.position) > until:
                    return
                batch = cursor.take()
                if batch is None:
                    continue  # cut off by a recovery meanwhile: it was never whole
                self._check_body(batch)
            except CorruptData as damage:
                yield Problem(
                    LOG, damage.reason, damage.path, damage.position, damage.length, damage.first, damage.next_offset
                )
                self._inexact = damage.path
                cursor.skip_damage(damage)
                continue
            self.records += header.record_count
            self.batches += 1
            self.size += header.end - header.position
            self._on_read(header.end - header.position)
            if (
                checkpoint is not None
                and (name, header.end) == (SegmentName.of(checkpoint.segment), checkpoint.position)
                and header.next_offset != checkpoint.offset
            ):
                path = os.path.join(self._directory, layout.CHECKPOINT)
                yield Problem(
                    CHECKPOINT, f"the checkpoint says offset {checkpoint.offset} for {header.next_offset}", path
                )
            yield from self._check_index(cursor.opened, header)

    def _check_body(self, batch: RecordBatch) -> None:
        """CorruptData unless it holds what its header says, as far as that can be told here. Its checksum is right."""
        try:
            batch.check()
        except UnsupportedBatch as error:
            why = f"{error.reason}: {error.remedy}"
            self.unread[why] = self.unread.get(why, 0) + 1

    def _count_lost(self, cursor: Cursor) -> None:
        while cursor.lost:
            lost = cursor.lost.pop(0)
            if isinstance(lost, RemovedRecords):
                continue
            assert lost.first is not None
            assert lost.next_offset is not None
            self.lost += lost.next_offset - lost.first
            self._inexact = lost.path

    def _check_index(self, segment: Segment, header: BatchHeader) -> Iterator[Problem]:
        if segment.name == self._unmended:
            return
        if self._index is None or self._index.segment != segment.name:
            yield from self._close_index()
            self._index = _IndexCheck(self._directory, segment.name)
        self._index.see(segment, header, self._latest, is_exact=self._inexact != segment.path)
        if header.next_offset > self._start:
            self._latest = max(self._latest, header.max_timestamp)

    def _close_index(self) -> Iterator[Problem]:
        if self._index is not None:
            problem = self._index.finish()
            self._index = None
            if problem is not None:
                yield problem


class _IndexCheck:
    """The index of one segment, gone along with the segment's batches. A missing or short index is none the worse."""

    def __init__(self, partition_directory: str, segment: SegmentName) -> None:
        self.segment = segment
        self._index = SparseIndex(layout.index_path(partition_directory, segment))
        self._next = 0
        self._wrong: int | None = None

    def see(self, segment: Segment, header: BatchHeader, latest: int, *, is_exact: bool) -> None:
        """Compare with a batch. latest: the greatest timestamp before it, as far as it was read (ms); is_exact: whether
        every batch so far was read, so that an entry that leads to none is wrong."""
        while self._wrong is None and self._next < self._index.count:
            entry = self._index.entry(self._next)
            if entry is not None and entry.position > header.position:
                return
            if entry is None or not self._is_right(segment, entry, header, latest, is_exact=is_exact):
                if not segment.is_at_path():  # it was compacted since it was opened: the index may be another's
                    self._next = self._index.count
                    return
                self._wrong = self._next
            self._next += 1

    def _is_right(
        self, segment: Segment, entry: IndexEntry, header: BatchHeader, latest: int, *, is_exact: bool
    ) -> bool:
        """Whether an entry for `header`, or for what lies before it, leads there. Batches without records are not read."""
        if entry.position == header.position:
            return entry.leads_to(header) and entry.max_timestamp_before >= latest
        return not is_exact or leads(segment, entry)

    def finish(self) -> Problem | None:
        path, wrong = self._index.path, self._wrong
        self._index.close()
        if wrong is None:
            return None
        return Problem(INDEX, f"entry {wrong} of the index leads to no batch", path, wrong * ENTRY_SIZE, ENTRY_SIZE)


def _log_start_problem(directory: str) -> Problem | None:
    path = os.path.join(directory, layout.LOG_START)
    if read_log_start(directory) is None and os.path.lexists(path):
        return Problem(
            LOG_START, "the log start offset's file is damaged: what lies before the log counts as missing", path
        )
    return None


def _producers_problem(directory: str) -> Problem | None:
    if not has_producers(directory) or read_producers(directory) is not None:
        return None
    reason = "the file of producers is damaged: what was removed of their records may be appended again"
    return Problem(PRODUCERS, reason, os.path.join(directory, layout.PRODUCERS))


def _read_checkpoint(directory: str) -> tuple[Checkpoint | None, Problem | None]:
    """The checkpoint, and what is wrong with it. None there, or one of an earlier boot, is no problem."""
    path = os.path.join(directory, layout.CHECKPOINT)
    # It is rewritten in place: a look in the middle of that sees neither the old nor the new.
    found = next(filter(None, (read_checkpoint(directory) for _ in range(_LOOKS))), None)
    if found is None and os.path.lexists(path):
        return None, Problem(CHECKPOINT, "the checkpoint is damaged", path)
    return found, None

"""Reading a partition, without any lock: a cursor that goes from batch to batch, and where to set it.

A batch that is incomplete or fails at the very end may be an append in flight: the cursor looks again, and until
more arrives there is nothing to read. The same with batches after it, or staying that way, is corruption.
"""

from __future__ import annotations

import os
import time
from bisect import bisect_right

from streamcli.record.batch import RecordBatch
from streamcli.record.errors import CorruptData
from streamcli.record.lost import LostRecords
from streamcli.storage import layout
from streamcli.storage.format import BatchHeader, InvalidBatch
from streamcli.storage.lookup import lookup
from streamcli.storage.segment import Segment
from streamcli.storage.tail import DAMAGED, UNKNOWN, UNPROMISED, Mark, Tail, find_tail

_LOOKS = 5
_PAUSE = 0.02
"""How often, and how many seconds apart, a failing batch is read again before it counts as damaged."""


class Cursor:
    """A position in one partition: `peek` at the next batch's header, then `take` it or `skip` it.

    offset: the next to be read. end: where to stop (None: never, what is appended later is read too). tail: the log's tail
    as it was found: of what a power cut left there nothing is read. lost: what was met that repair has given up, to be taken
    out by who tells of it.
    """

    __slots__ = (
        "_bases",
        "_directory",
        "_expected",
        "_header",
        "_position",
        "_segment",
        "_unpromised",
        "end",
        "lost",
        "offset",
    )

    def __init__(self, partition_directory: str, offset: int, end: Mark | None, tail: Tail | None = None) -> None:
        self._directory = partition_directory
        self._unpromised = tail if end is None and tail is not None and tail.kind == UNPROMISED else None
        self.offset = offset
        self.end = end
        self.lost: list[LostRecords] = []
        self._header: BatchHeader | None = None
        self._expected: int | None = None  # the base offset of the batch at the position, where that is known
        self._segment: Segment | None = None
        self._position = 0
        self._bases = layout.segment_bases(partition_directory)
        self._seek_offset(offset)

    def peek(self) -> BatchHeader | None:
        """The header of the next batch with a record at `offset` or after; None when there is none (now).

        CorruptData when the bytes there are no batch; `skip_damage` goes past them.
        """
        while self._header is None:
            segment = self._segment
            if segment is None:
                if not self._bases_refreshed():
                    return None
                self._seek_offset(self.offset)
                continue
            header = self._next_header(segment)
            if header is None:
                if not self._next_segment():
                    return None
                continue
            if self._expected is not None and header.base_offset != self._expected:
                if not self._may_follow(header):
                    self._check_damage(segment, "a batch of other offsets lies here", self._limit(segment))
                self._report_gap(segment, header.base_offset)
            if header.record_count and header.next_offset > self.offset:
                self._header = header
            else:
                self._pass_empty(segment, header)
        return self._header

    def take(self) -> RecordBatch | None:
        """The batch that `peek` showed, checked; its records before `offset` are left out.

        None when it is not there any more, cut off by a recovery and perhaps replaced: `peek` again.
        """
        header, segment = self._header, self._segment
        assert header is not None
        assert segment is not None
        batch = self._read(segment, header)
        if batch is None:
            self._header = None
            return None
        start = self.offset
        self.pass_by()
        return batch.between(start, None) or batch

    def pass_by(self) -> None:
        """Go past the batch that `peek` showed, unread."""
        assert self._header is not None
        self._position, self.offset = self._header.end, self._header.next_offset
        self._expected = self.offset
        self._header = None

    def skip_damage(self, damage: CorruptData) -> None:
        """Go on after the damage that `peek` or `take` raised."""
        self._header = None
        if damage.length is not None:
            self._position = damage.position + damage.length
        if damage.next_offset is not None:
            self._expected = damage.next_offset
            self.offset = max(self.offset, damage.next_offset)

    @property
    def segment_base(self) -> int:
        """The base offset of the segment that `peek`'s batch lies in."""
        assert self._segment is not None
        return self._segment.base_offset

    def is_current(self) -> bool:
        """Whether the partition that is read is still the one at its path, and not deleted, or made anew."""
        segment = self._segment
        try:
            if segment is None:
                return os.path.isdir(self._directory)
            return os.stat(segment.path).st_ino == os.fstat(segment.fd).st_ino
        except FileNotFoundError:
            pass
        try:  # the segment may have been removed by retention: then there are later ones
            return layout.segment_bases(self._directory)[-1] > segment.base_offset if segment else False
        except (FileNotFoundError, IndexError):
            return False

    def close(self) -> None:
        if self._segment is not None:
            self._segment.close()
            self._segment = None

    def _pass_empty(self, segment: Segment, header: BatchHeader) -> None:
        """Go past a batch that has no record for us."""
        if header.is_lost and header.next_offset > self.offset:
            place = (segment.path, header.position)
            self.lost.append(LostRecords(*place, first=header.base_offset, next_offset=header.next_offset))
        self._position, self._expected = header.end, header.next_offset
        self.offset = max(self.offset, header.next_offset)

    def _seek_offset(self, offset: int) -> None:
        if not self._bases:
            return
        segment = self._open(self._bases[max(bisect_right(self._bases, offset) - 1, 0)])
        if offset <= segment.base_offset:  # no index is needed
            self._expected = segment.base_offset
            return
        closed = segment.base_offset != self._bases[-1]
        entry = lookup(self._directory, segment, lambda entry: entry.base_offset <= offset, closed=closed)
        self._position = entry.position if entry else 0
        self._expected = entry.base_offset if entry else segment.base_offset

    def _open(self, base_offset: int) -> Segment:
        self.close()
        self._segment = Segment(self._directory, base_offset)
        self._position = 0
        return self._segment

    def _limit(self, segment: Segment) -> int:
        if self.end is not None and segment.base_offset >= self.end.segment:
            return self.end.position if segment.base_offset == self.end.segment else 0
        size = segment.size()
        if self._unpromised is None or self._unpromised.end.segment != segment.base_offset:
            return size
        if size != self._unpromised.size:  # somebody has recovered the log, or is about to
            tail = find_tail(self._directory, segment)
            self._unpromised = tail if tail.kind == UNPROMISED else None
        return size if self._unpromised is None else self._unpromised.end.position

    def _next_header(self, segment: Segment) -> BatchHeader | None:
        """The header at the position, or None where the segment ends (now)."""
        limit = self._limit(segment)
        if self._position >= limit:
            return None
        for look in range(_LOOKS):
            try:
                header = segment.header_at(self._position)
            except InvalidBatch as error:
                reason = str(error)
            else:
                if header is not None and header.end <= limit:
                    return header
                if self.end is None and not self._successor():
                    segment.forget()
                    return None
                reason = "the batch is cut short"
            segment.forget()
            if look and self._is_before_others(segment, self._position, limit):
                break
            if look:
                time.sleep(_PAUSE)
            limit = self._limit(segment)
        self._check_damage(segment, reason, limit)
        return None

    def _may_follow(self, header: BatchHeader) -> bool:
        """Whether a batch can belong at the position, behind a gap perhaps: one that was written elsewhere cannot."""
        successor = self._successor()
        begins_after = self._expected is None or header.base_offset >= self._expected
        return begins_after and (successor is None or header.next_offset <= successor)

    def _next_that_may_follow(self, segment: Segment, limit: int) -> BatchHeader | None:
        after = segment.next_valid(self._position, limit)
        while after is not None and not self._may_follow(after):
            after = segment.next_valid(after.position, limit)
        return after

    def _check_damage(self, segment: Segment, reason: str, limit: int) -> None:
        """Raise CorruptData with the extent of the damage, or return where it is only an unfinished tail."""
        after = self._next_that_may_follow(segment, limit)
        if after is not None:
            self._fail(segment, reason, after.position - self._position, after.base_offset)
        successor = self._successor()
        if successor is not None:
            self._fail(segment, reason, limit - self._position, successor)
        if self.end is None and find_tail(self._directory, segment).kind not in (DAMAGED, UNKNOWN):
            return
        self._fail(segment, reason, limit - self._position, None)

    def _report_gap(self, segment: Segment, found: int) -> None:
        """Offsets have no gaps from batch to batch, nor from segment to segment: what lay between was lost."""
        reason = "records are missing: was a segment removed?"
        raise CorruptData(reason, segment.path, self._position, length=0, first=self._expected, next_offset=found)

    def _fail(self, segment: Segment, reason: str, length: int, next_offset: int | None) -> None:
        first = self.offset if self._expected is None else self._expected
        raise CorruptData(reason, segment.path, self._position, length=length, first=first, next_offset=next_offset)

    def _read(self, segment: Segment, header: BatchHeader) -> RecordBatch | None:
        for look in range(_LOOKS):
            try:
                return segment.batch_of(header)
            except InvalidBatch as error:
                reason = str(error)
            segment.forget()
            if self._is_replaced(segment, header):
                return None
            if look and self._is_before_others(segment, header.end - 1, self._limit(segment)):
                break
            if look:
                time.sleep(_PAUSE)
        length = header.end - header.position
        raise CorruptData(
            reason,
            segment.path,
            header.position,
            length=length,
            first=header.base_offset,
            next_offset=header.next_offset,
        )

    def _is_before_others(self, segment: Segment, position: int, limit: int) -> bool:
        """Whether a batch or a segment follows what fails at a position, so that it is no append in flight."""
        return self._successor() is not None or segment.next_valid(position, limit) is not None

    def _is_replaced(self, segment: Segment, header: BatchHeader) -> bool:
        try:
            return segment.header_at(header.position) != header
        except InvalidBatch:
            return True

    def _successor(self) -> int | None:
        """The base offset of the segment after the open one, or None."""
        assert self._segment is not None
        base = self._segment.base_offset
        if self._bases[-1] <= base and os.path.exists(layout.segment_path(self._directory, self.offset)):
            self._bases_refreshed()
        later = self._bases[bisect_right(self._bases, base) :]
        return later[0] if later else None

    def _next_segment(self) -> bool:
        """Open the next segment, once the open one is read to its end; False when there is none (now)."""
        segment = self._segment
        assert segment is not None
        successor = self._successor()
        if successor is None or (self.end is not None and successor > self.end.segment):
            return False
        if self._position < self._limit(segment):
            return True  # an append came between the last look and the roll
        if not self.is_current():
            return False  # deleted, and perhaps made anew: what comes next is another's
        if (
            self._expected is not None
            and successor != self._expected
            and layout.segment_bases(self._directory)[0] < successor
        ):
            self._report_gap(segment, successor)
        try:
            self._open(successor)
        except FileNotFoundError:  # removed since the names were listed
            return self._bases_refreshed()
        self._expected = successor
        self.offset = max(self.offset, successor)
        return True

    def _bases_refreshed(self) -> bool:
        before = self._bases
        try:
            self._bases = layout.segment_bases(self._directory)
        except FileNotFoundError:  # the topic was deleted: what is open can still be read
            return False
        return self._bases != before and bool(self._bases)

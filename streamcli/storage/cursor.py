"""Reading a partition, without any lock: a cursor that goes from batch to batch, and where to set it.

A batch that is incomplete or fails at the very end may be an append in flight: the cursor looks again, and until
more arrives there is nothing to read. The same with batches after it, or staying that way, is corruption.
"""

from __future__ import annotations

import os
import time
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from streamcli.record.batch import RecordBatch
from streamcli.record.errors import CorruptData
from streamcli.record.lost import LostRecords, RemovedRecords
from streamcli.storage import layout
from streamcli.storage.format import BatchHeader, InvalidBatch
from streamcli.storage.layout import SegmentName
from streamcli.storage.log_start import read_log_start
from streamcli.storage.lookup import lookup
from streamcli.storage.opening import open_directory
from streamcli.storage.segment import Segment
from streamcli.storage.tail import DAMAGED, UNKNOWN, UNPROMISED, Mark, Tail, find_tail

_LOOKS = 5
_PAUSE = 0.02
"""How often, and how many seconds apart, a failing batch is read again before it counts as damaged."""


class Cursor:
    """A position in one partition: `peek` at the next batch's header, then `take` it or `pass_by` it.

    offset: the next to be read, not after the end. end: where to stop (None: never, what is appended later is read too). tail: the
    log's tail as it was found: of what a power cut left there nothing is read. segments: as they were listed before, if they were.
    lost: what was met that cannot be given any more, to be taken out by who tells of it.

    A segment that is removed or compacted while it is read is read to its end: it is open. What comes after is looked for
    by its offset, in the segments that are there then.
    """

    __slots__ = (
        "_directory",
        "_directory_fd",
        "_expected",
        "_header",
        "_known_to",
        "_position",
        "_segment",
        "_segments",
        "_skipped",
        "_unpromised",
        "end",
        "lost",
        "offset",
    )

    def __init__(
        self,
        partition_directory: str,
        offset: int,
        end: Mark | None,
        tail: Tail | None = None,
        segments: Sequence[SegmentName] | None = None,
    ) -> None:
        self._directory = partition_directory
        self._unpromised = tail if end is None and tail is not None and tail.kind == UNPROMISED else None
        self.offset = offset
        self.end = end
        self.lost: list[LostRecords] = []
        self._header: BatchHeader | None = None
        self._expected: int | None = None  # the base offset of the batch at the position, where that is known
        self._segment: Segment | None = None
        self._position = 0
        self._skipped: tuple[int, int] | None = None  # from where to where damage at the end was gone past
        self._known_to = 0  # how far the segment went at the last look
        # Held open so that its inode number is not given to a successor's.
        self._directory_fd = open_directory(partition_directory)
        try:
            self._segments = self._listed() if segments is None else segments
            self._seek(offset)
        except BaseException:
            self.close()
            raise

    def peek(self) -> BatchHeader | None:
        """The header of the next batch with a record at `offset` or after; None when there is none (now).

        CorruptData when the bytes there are no batch; `skip_damage` goes past them.
        """
        while self._header is None:
            segment = self._segment
            if segment is None:
                if not self._refreshed():
                    return None
                self._seek(self.offset)
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
            if self._is_past_end(segment.name, header.base_offset):
                return None
            if header.record_count and header.next_offset > self.offset:
                self._header = header
            else:
                self._pass_empty(segment, header)
        return self._header

    def take(self) -> RecordBatch | None:
        """The batch that `peek` showed, checked; its records before `offset` are left out, and those not before the end.

        None when none of its records is wanted, or it is not there any more, cut off by a recovery and perhaps replaced:
        `peek` again.
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
        return batch.between(start, None if self.end is None else self.end.offset)

    def pass_by(self) -> None:
        """Go past the batch that `peek` showed, unread."""
        assert self._header is not None
        self._position, self._expected = self._header.end, self._header.next_offset
        self._reach(self._expected)
        self._header = None

    def go_on(self) -> None:
        """Read what comes after the end, too."""
        self.end = None
        if self._header is None and self._expected is not None and self._expected > self.offset:
            self._seek(self.offset)  # of the last batch only a part was wanted

    def skip_damage(self, damage: CorruptData) -> None:
        """Go on after the damage that `peek` or `take` raised; where that is at the end of what is there, it is looked at again once
        the file has another size: repaired, it may be cut off, and something else lie there."""
        self._header = None
        if damage.length is not None:
            self._position = damage.position + damage.length
            is_last = damage.next_offset is None and self.end is None
            self._skipped = (damage.position, self._position) if is_last else None
        if damage.next_offset is not None:
            self._expected = damage.next_offset
            self._reach(damage.next_offset)

    @property
    def segment(self) -> SegmentName:
        """The segment that `peek`'s batch lies in."""
        return self.opened.name

    @property
    def opened(self) -> Segment:
        """The same, as it is open: it may have been compacted or removed since."""
        assert self._segment is not None
        return self._segment

    def is_drained(self) -> bool:
        """Whether all that was there at the last look was given: whether there is more by now takes another."""
        return self._header is None and self._position >= self._known_to

    def is_current(self) -> bool:
        """Whether the partition that is read is still the one at its path, and not deleted, or made anew."""
        try:
            return os.stat(self._directory).st_ino == os.fstat(self._directory_fd).st_ino
        except (FileNotFoundError, NotADirectoryError):
            return False

    def close(self) -> None:
        self._close_segment()
        if self._directory_fd >= 0:
            os.close(self._directory_fd)
            self._directory_fd = -1

    def _pass_empty(self, segment: Segment, header: BatchHeader) -> None:
        """Go past a batch that has no record for us."""
        if header.is_lost and header.next_offset > self.offset:
            place = (segment.path, header.position)
            self.lost.append(LostRecords(*place, first=header.base_offset, next_offset=header.next_offset))
        self._position, self._expected = header.end, header.next_offset
        self._reach(header.next_offset)

    def _reach(self, offset: int) -> None:
        """Nothing before `offset` is to be read any more. Never past the end: a compaction may have put a batch there together with
        later ones, which somebody is yet to be given."""
        self.offset = max(self.offset, offset if self.end is None else min(offset, self.end.offset))

    def _seek(self, offset: int) -> None:
        """Go to the batch that holds `offset`, or to the first after it, in the segments as they are listed."""
        while self._segments:
            number = self._last_from(offset)
            try:
                self._open(self._segments[max(number, 0)])
            except FileNotFoundError:  # removed since the names were listed
                if not self._refreshed():
                    return
                continue
            if number < 0 and (start := self._pass_removed(offset)) > offset:
                self._reach(start)
                offset = start
                continue
            if number < 0 and self._refreshed():  # a long listing can miss what is renamed meanwhile
                continue
            self._seek_within(offset)
            if number < 0:
                self._expected = offset  # what is missing is told where it should lie
            return

    def _last_from(self, offset: int) -> int:
        """The number of the last segment that begins at `offset` or before; -1 where none does."""
        return bisect_left(self._segments, SegmentName.of(offset + 1)) - 1

    def _seek_within(self, offset: int) -> None:
        segment = self._segment
        assert segment is not None
        self._expected = segment.base_offset
        if offset <= segment.base_offset:  # no index is needed
            return
        closed = segment.name != self._segments[-1]
        entry = lookup(self._directory, segment, lambda entry: entry.base_offset <= offset, closed=closed)
        if entry is not None:
            self._position, self._expected = entry.position, entry.base_offset

    def _listed(self) -> Sequence[SegmentName]:
        return layout.list_segments(self._directory)

    def _opened(self, name: SegmentName) -> Segment:
        return Segment(self._directory, name)

    def _open(self, name: SegmentName) -> None:
        opened = self._opened(name)
        self._close_segment()
        self._segment = opened
        self._position, self._skipped = 0, None

    def _close_segment(self) -> None:
        if self._segment is not None:
            self._segment.close()
            self._segment = None

    def _is_past_end(self, name: SegmentName, offset: int) -> bool:
        """Whether `offset`, in a segment of that name, lies behind the end. In the segment where the end was seen the position
        tells, with what is damaged before it; but that segment may have been compacted since."""
        if self.end is None or offset < self.end.offset:
            return False
        return name.end_offset is not None or name.base_offset > self.end.segment

    def _limit(self, segment: Segment) -> int:
        if self.end is not None and segment.base_offset >= self.end.segment and segment.name.end_offset is None:
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
        limit = self._known_to = self._limit(segment)
        if self._skipped is not None and limit != self._skipped[1]:
            self._position, self._skipped = self._skipped[0], None
            segment.forget()
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
        """The base offset of the segment after the open one, or None where that is the last."""
        segment = self._segment
        assert segment is not None
        if segment.name.end_offset is not None:
            return segment.name.end_offset
        if segment.name >= self._segments[-1] and self._may_have_rolled(segment):
            self._refreshed()
        numbers = range(bisect_right(self._segments, segment.name), len(self._segments))
        later = (self._segments[number].base_offset for number in numbers)
        return next((base for base in later if base > segment.base_offset), None)

    def _may_have_rolled(self, segment: Segment) -> bool:
        """Whether another segment may follow: it is there, or was compacted or removed already, but not before the open one."""
        offset = self.offset if self._expected is None else self._expected
        return layout.has_segment_from(self._directory, offset) or not os.access(segment.path, os.F_OK)

    def _next_segment(self) -> bool:
        """Open the segment with the next offset, once the open one is read to its end; False when there is none (now)."""
        segment = self._segment
        assert segment is not None
        successor = self._successor()
        if successor is None:
            return False
        if self._position < self._limit(segment):
            return True  # an append came between the last look and the roll
        if not self.is_current():
            return False  # deleted, and perhaps made anew: what comes next is another's
        offset = successor if self._expected is None else self._expected
        end = self.end
        if end is not None and offset >= end.offset and segment.base_offset >= end.segment:
            return False
        name = self._holding(offset, segment)
        if name is None:
            self._expected = offset = self._pass_removed(offset)
            name = self._holding(offset, segment)
        self._reach(offset)
        if name is None:
            if end is None or offset < end.offset:
                self._check_gap(segment, offset)
            return False
        if self._is_past_end(name, max(offset, name.base_offset)):
            return False
        try:
            self._open(name)
        except FileNotFoundError:  # removed since the names were listed
            return self._refreshed()
        self._seek_within(self.offset)
        return True

    def _holding(self, offset: int, done: Segment) -> SegmentName | None:
        """The segment that holds `offset`, now that `done` is read to its end; None where none does."""
        while True:
            number = self._last_from(offset)
            name = self._segments[max(number, 0)]
            is_other = number >= 0 and name != done.name
            if is_other and (name.base_offset == offset or name.end_offset is None or name.end_offset > offset):
                return name
            if not self._refreshed():
                return None

    def _pass_removed(self, offset: int) -> int:
        """Where the log starts, if that is after `offset`: what lay between was removed before it was read."""
        start = read_log_start(self._directory)
        if start is None or start <= offset:
            return offset
        until = start if self.end is None else min(start, self.end.offset)
        if until > offset:
            self.lost.append(RemovedRecords(self._directory, first=offset, next_offset=until))
        return start

    def _check_gap(self, done: Segment, offset: int) -> None:
        """CorruptData where a segment comes after one that is missing."""
        following = self._last_from(offset) + 1
        if following < len(self._segments):
            self._report_gap(done, self._segments[following].base_offset)

    def _refreshed(self) -> bool:
        """List the segments anew; whether there are others than before."""
        before = self._segments
        try:
            self._segments = self._listed() or before
        except FileNotFoundError:  # the topic was deleted: what is open can still be read
            return False
        return self._segments != before

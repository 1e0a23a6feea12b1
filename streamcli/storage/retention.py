"""Retention: the oldest segments are removed, whole, once all of their records are too old or the partition is too large.

The log start offset is moved first, on disk; then the files go. A crash in between leaves files before the log start
offset, which the next removal takes along. Readers that have a segment open read it to its end.

A segment is too old when its greatest timestamp is. As in Kafka the first one that is not keeps all after it. Of a damaged
one that is not known: it stays until it is repaired, unless the partition is too large.
"""

from __future__ import annotations

import os
from contextlib import closing, nullcontext, suppress
from itertools import pairwise
from typing import NamedTuple

from streamcli.record.errors import CorruptData
from streamcli.storage import durable, layout
from streamcli.storage.config import UNLIMITED
from streamcli.storage.format import NO_TIMESTAMP
from streamcli.storage.hold import first_hold
from streamcli.storage.layout import SegmentName
from streamcli.storage.log_start import read_log_start, write_log_start
from streamcli.storage.producer_state import keep_producers, size_of_producers
from streamcli.storage.segment import Segment
from streamcli.storage.tail import Mark, last_indexed

_ROOM = 16 << 10
"""Bytes on disk that are enough for a small file."""


class RetentionPolicy(NamedTuple):
    """milliseconds, bytes: UNLIMITED for no limit."""

    milliseconds: int
    bytes: int

    @property
    def is_unlimited(self) -> bool:
        return self.milliseconds == UNLIMITED and self.bytes == UNLIMITED


class Removed(NamedTuple):
    """What was removed: segments, their bytes, and the offsets before and after."""

    segments: int
    bytes: int
    start_before: int
    start: int


def remove_expired(partition_directory: str, policy: RetentionPolicy, now: int) -> Removed:
    """Remove the closed segments that the policy does not keep, and no mirror holds. Under the append lock. now: ms since the epoch.

    CorruptData where the first segment is as old as far as it can be read, and damaged; with others before it these are
    removed, and the next call raises.
    """
    names = layout.segments(partition_directory)
    sizes = [os.lstat(layout.segment_path(partition_directory, name)).st_size for name in names]
    total = sum(sizes)
    start = read_log_start(partition_directory) or 0
    hold = first_hold(partition_directory)
    expired: list[SegmentName] = []
    for (name, following), size in zip(pairwise(names), sizes, strict=False):
        is_too_large = policy.bytes != UNLIMITED and total - size >= policy.bytes
        try:
            if not is_too_large and not is_expired(partition_directory, name, policy, now):
                break
        except CorruptData:
            if not expired:
                raise
            break
        end = _end_offset(partition_directory, name, following)
        if hold is not None and end > hold.offset:
            break
        total -= size
        start = max(start, end)
        expired.append(name)
    return _remove(partition_directory, start, expired)


def is_expired(partition_directory: str, name: SegmentName, policy: RetentionPolicy, now: int) -> bool:
    """Whether all records of a segment are older than the policy keeps. CorruptData where that are those that can be read,
    but not all can."""
    if policy.milliseconds == UNLIMITED:
        return False
    limit = now - policy.milliseconds
    with closing(Segment(partition_directory, name)) as segment:
        last = last_indexed(partition_directory, segment, segment.size()) or _beginning(segment)
        if _latest(segment, last.position) >= limit:  # the youngest mostly come last: then no more is read
            return False
        end = _end_of(segment, last)
        if end is not None and last.position and end.max_timestamp < limit:
            return True
        # What came before the segment, or compaction removed, may be younger than what is there.
        latest = _latest(segment, 0)
        if latest < limit and _end_of(segment, _beginning(segment)) is None:
            reason = "old enough to be removed, but how old what is damaged in it is cannot be told: `streamcli repair` gives it up"
            raise segment.damaged(reason, 0, segment.size(), name.base_offset, None)
        return latest < limit


def _latest(segment: Segment, position: int) -> int:
    """The greatest timestamp from a position on, in headers that can be read, ms."""
    headers = segment.headers_past_damage(position, segment.size())
    return max((header.max_timestamp for header in headers), default=NO_TIMESTAMP)


def _beginning(segment: Segment) -> Mark:
    return Mark(segment.base_offset, 0, segment.base_offset, NO_TIMESTAMP)


def _end_by_index(directory: str, segment: Segment) -> Mark | None:
    """The end of a segment, with the greatest timestamp in the log before it, where the index leads to it."""
    indexed = last_indexed(directory, segment, segment.size())
    return None if indexed is None else _end_of(segment, indexed)


def _end_of(segment: Segment, start: Mark) -> Mark | None:
    """The end of a segment, from a mark on; None where something from there on is damaged."""
    size = segment.size()
    _, position, offset, latest = start
    for header in segment.headers(position, size):
        if header.base_offset != offset:
            return None
        position, offset, latest = header.end, header.next_offset, max(latest, header.max_timestamp)
    return Mark(segment.base_offset, position, offset, latest) if position == size else None


def _end_offset(directory: str, name: SegmentName, following: SegmentName) -> int:
    """The offset after a segment: not always that of the following one, where one between them was lost, which is to be told."""
    if name.end_offset is not None:
        return name.end_offset
    with closing(Segment(directory, name)) as segment:
        end = _end_by_index(directory, segment) or _end_of(segment, _beginning(segment))
        return following.base_offset if end is None else min(end.offset, following.base_offset)


def has_removed(partition_directory: str) -> bool:
    """Whether a segment is there still that lies before the log start offset."""
    names = layout.segments(partition_directory)
    return len(names) > 1 and names[1].base_offset <= (read_log_start(partition_directory) or 0)


def remove_before(partition_directory: str, offset: int) -> Removed:
    """Make `offset` the log start offset, and remove the segments that lie before it. Under the append lock.

    What was cut off these, or given up in them, goes with them.
    """
    return _remove(partition_directory, offset, [])


def _remove(directory: str, offset: int, expired: list[SegmentName]) -> Removed:
    """The same, and these segments, the first ones, are among those that lie before it."""
    before = read_log_start(directory) or 0
    start = max(before, offset)
    names = layout.segments(directory)
    doomed = [name for name, following in pairwise(names) if following.base_offset <= start or name in expired]
    if doomed:
        _make_room(directory, doomed)
        keep_producers(directory, nullcontext())
    if offset > before:
        write_log_start(directory, offset)
    size = sum(os.lstat(layout.segment_path(directory, name)).st_size for name in doomed)
    for name in doomed:
        durable.remove_file(layout.segment_path(directory, name))
    if doomed:
        kept = min(names[len(doomed)][:20], SegmentName.of(start))
        for found in sorted(os.listdir(directory)):
            if layout.is_beside_segment(found) and found[:20] < kept:
                with suppress(OSError):
                    durable.remove_file(os.path.join(directory, found))
    return Removed(len(doomed), size, before, start)


def _make_room(directory: str, doomed: list[SegmentName]) -> None:
    """On a full disk the indexes of what is to go, which are disposable, make room for the small files that are written before."""
    if not durable.has_room(directory, _ROOM + size_of_producers(directory)):
        for name in doomed:
            durable.remove_file(layout.index_path(directory, name))

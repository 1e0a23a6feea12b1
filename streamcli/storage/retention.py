"""Retention: the oldest segments are removed, whole, once all of their records are too old or the partition is too large.

The log start offset is moved first, on disk; then the files go. A crash in between leaves files before the log start
offset, which the next removal takes along. Readers that have a segment open read it to its end.

A segment is too old when its greatest timestamp is. As in Kafka the first one that is not keeps all after it.
"""

from __future__ import annotations

import os
from contextlib import suppress
from itertools import pairwise
from typing import NamedTuple

from streamcli.storage import durable, layout
from streamcli.storage.config import UNLIMITED
from streamcli.storage.layout import SegmentName
from streamcli.storage.log_start import read_log_start, write_log_start
from streamcli.storage.segment import Segment
from streamcli.storage.tail import last_in, max_timestamp_before

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
    """Remove the closed segments that the policy does not keep. Under the append lock. now: ms since the epoch."""
    names = layout.segments(partition_directory)
    sizes = [os.lstat(layout.segment_path(partition_directory, name)).st_size for name in names]
    total = sum(sizes)
    start = read_log_start(partition_directory) or 0
    for (name, following), size in zip(pairwise(names), sizes, strict=False):
        is_too_large = policy.bytes != UNLIMITED and total - size >= policy.bytes
        if not is_too_large and not is_expired(partition_directory, name, policy, now):
            break
        total -= size
        start = max(start, following.base_offset)
    return remove_before(partition_directory, start)


def is_expired(partition_directory: str, name: SegmentName, policy: RetentionPolicy, now: int) -> bool:
    """Whether all records of a segment are older than the policy keeps."""
    if policy.milliseconds == UNLIMITED:
        return False
    return _max_timestamp(partition_directory, name, now - policy.milliseconds) < now - policy.milliseconds


def _max_timestamp(directory: str, name: SegmentName, limit: int) -> int:
    """The greatest timestamp of a segment, ms; of one that is below `limit` any that is. Mostly the index says it."""
    segment = Segment(directory, name)
    try:
        latest = last_in(directory, segment)
        if latest is None or (latest >= limit and max_timestamp_before(directory, name.base_offset) >= limit):
            headers = segment.headers_past_damage(0, segment.size())
            return max((header.max_timestamp for header in headers if header.record_count), default=limit - 1)
        return latest
    finally:
        segment.close()


def remove_before(partition_directory: str, offset: int) -> Removed:
    """Make `offset` the log start offset, and remove the segments that lie before it. Under the append lock.

    What was cut off these, or given up in them, goes with them.
    """
    before = read_log_start(partition_directory) or 0
    names = layout.segments(partition_directory)
    kept = next(
        (name for name, following in pairwise(names) if following.base_offset > offset), names[-1] if names else ""
    )
    doomed = [name for name in names if name < kept]
    if offset > before:
        _move_log_start(partition_directory, offset, doomed)
    size = sum(os.lstat(layout.segment_path(partition_directory, name)).st_size for name in doomed)
    for name in doomed:
        durable.remove_file(layout.segment_path(partition_directory, name))
    for found in sorted(os.listdir(partition_directory)) if doomed else ():
        if layout.is_beside_segment(found) and found[:20] < kept[:20]:
            with suppress(OSError):
                durable.remove_file(os.path.join(partition_directory, found))
    return Removed(len(doomed), size, before, max(before, offset))


def _move_log_start(directory: str, offset: int, doomed: list[SegmentName]) -> None:
    """Write the log start offset; on a full disk the indexes of what is to go, which are disposable, make room for it."""
    if not durable.has_room(directory, _ROOM):
        for name in doomed:
            durable.remove_file(layout.index_path(directory, name))
    write_log_start(directory, offset)

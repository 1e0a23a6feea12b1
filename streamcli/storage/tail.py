"""Where a partition's log ends, found from its last segment: the one thing appending and reading must agree on.

There is no "next offset" file. The scan starts at the checkpoint or the last index entry, whichever is later,
and goes from header to header to the end of the file. What it finds after the last good batch:

    CLEAN       nothing
    TORN        the beginning of a batch: the mark of a dead writer, or of one that is writing now
    UNPROMISED  bytes after the checkpoint of an earlier boot that are no batch: what a power cut left.
                They were never acknowledged: before that, the file and then the checkpoint are fsynced
    UNKNOWN     bytes that are no batch, with no checkpoint to say whether they were acknowledged
    DAMAGED     bytes that are no batch, written in this boot or known to have been on disk: corruption
"""

from __future__ import annotations

from contextlib import suppress
from typing import NamedTuple

from streamcli.storage import durable, layout
from streamcli.storage.checkpoint import Checkpoint, read_checkpoint
from streamcli.storage.format import HEADER_SIZE, NO_TIMESTAMP, InvalidBatch
from streamcli.storage.index import SparseIndex
from streamcli.storage.layout import SegmentName
from streamcli.storage.log_start import read_log_start
from streamcli.storage.reindex import write_index
from streamcli.storage.segment import Segment

CLEAN, TORN, UNPROMISED, UNKNOWN, DAMAGED = "clean", "torn", "unpromised", "unknown", "damaged"


class Mark(NamedTuple):
    """A place between two batches: `position` in the segment with base offset `segment`, `offset` the next one there,
    `max_timestamp` the greatest in the log before it (ms)."""

    segment: int
    position: int
    offset: int
    max_timestamp: int


class Tail(NamedTuple):
    """The end of the log, what is wrong after it (`size` bytes in the file), and how many acknowledged bytes are missing."""

    end: Mark
    kind: str
    size: int
    missing: int


def find_tail(partition_directory: str, segment: Segment) -> Tail:
    """The end of the log whose last segment is `segment`."""
    checkpoint = read_checkpoint(partition_directory)
    size = segment.size()  # after the checkpoint, which others move on meanwhile
    rebooted = checkpoint is not None and not durable.is_this_boot(checkpoint.boot_id)
    start = _start(partition_directory, segment, checkpoint, size, verify=rebooted)
    end, kind = _scan(segment, start, size, verify=rebooted)
    if kind == DAMAGED and rebooted:
        kind = UNPROMISED
    elif kind == DAMAGED and checkpoint is None:
        kind = UNKNOWN
    return Tail(end, kind, size, _missing(partition_directory, segment, checkpoint, size))


def _missing(directory: str, segment: Segment, checkpoint: Checkpoint | None, size: int) -> int:
    """Bytes of the checkpoint's segment that are not there; that segment may be gone as a whole."""
    if checkpoint is None or checkpoint.segment < segment.base_offset:
        return 0
    if checkpoint.segment == segment.base_offset:
        return max(0, checkpoint.position - size)
    # One that was made since the last one was looked for may have been compacted or removed by now, but not as the last.
    there = any(name.base_offset >= checkpoint.segment for name in layout.segments(directory))
    return 0 if there else checkpoint.position


def max_timestamp_before(partition_directory: str, base_offset: int) -> int:
    """The greatest timestamp in the log before the segment at `base_offset`, ms.

    Goes back to the first segment that has an index, and makes those of the others: who comes next reads none of them again.
    """
    earlier = _segments_before(partition_directory, base_offset)
    while True:
        latest = None
        with suppress(FileNotFoundError):  # one was removed, or compacted, since the names were listed
            latest = _max_timestamp_of(partition_directory, earlier)
        again = _segments_before(partition_directory, base_offset)
        if latest is not None and again == earlier:  # a long listing can miss what is renamed meanwhile
            return latest
        earlier = again


def _segments_before(directory: str, base_offset: int) -> list[SegmentName]:
    return [name for name in layout.segments(directory) if name.base_offset < base_offset]


def _max_timestamp_of(partition_directory: str, names: list[SegmentName]) -> int:
    """The greatest timestamp up to the end of the last of these segments."""
    unindexed: list[SegmentName] = []
    latest = NO_TIMESTAMP
    for name in reversed(names):
        segment = Segment(partition_directory, name)
        try:
            found = last_in(partition_directory, segment)
            if found is not None:
                latest = found
                break
        finally:
            segment.close()
        unindexed.append(name)
    start = read_log_start(partition_directory) or 0 if unindexed else 0
    for name in reversed(unindexed):
        segment = Segment(partition_directory, name)
        try:
            latest, _ = write_index(partition_directory, segment, latest, start)
        finally:
            segment.close()
    return latest


def last_in(partition_directory: str, segment: Segment) -> int | None:
    """The greatest timestamp in the log up to the end of a segment, ms, where its index leads to its end."""
    start = last_indexed(partition_directory, segment, segment.size())
    return None if start is None else _scan(segment, start, segment.size(), verify=False)[0].max_timestamp


def last_indexed(partition_directory: str, segment: Segment, size: int) -> Mark | None:
    """The last batch that the index leads to, or None when it leads nowhere."""
    index = SparseIndex(layout.index_path(partition_directory, segment.name))
    try:
        found = index.last_where(lambda entry: entry.position < size)
        if found is None:
            return None
        entry = found[1]
        header = segment.header_at(entry.position)
        if header is None or not entry.leads_to(header):
            return None
        return Mark(segment.base_offset, entry.position, entry.base_offset, entry.max_timestamp_before)
    except InvalidBatch:
        return None
    finally:
        index.close()


def _start(directory: str, segment: Segment, checkpoint: Checkpoint | None, size: int, *, verify: bool) -> Mark:
    base = segment.base_offset
    known = None
    if checkpoint is not None and checkpoint.segment == base and checkpoint.position <= size:
        known = Mark(base, checkpoint.position, checkpoint.offset, checkpoint.max_timestamp)
    if known is not None and not verify and not _begins_batch(segment, known.position, size):
        known = None  # the file was cut, and has grown again
    if known is not None and (verify or known.position == size):
        return known
    indexed = None if verify else last_indexed(directory, segment, size)
    if indexed is not None and (known is None or indexed.position > known.position):
        return indexed
    return known or Mark(base, 0, base, max_timestamp_before(directory, base))


def _begins_batch(segment: Segment, position: int, size: int) -> bool:
    """Whether a batch, or the beginning of one, lies there, or nothing."""
    try:
        return size - position < HEADER_SIZE or segment.header_at(position) is not None
    except InvalidBatch:
        return False


def _scan(segment: Segment, start: Mark, size: int, *, verify: bool) -> tuple[Mark, str]:
    """The place after the last batch from `start` on, and what follows it: CLEAN, TORN or DAMAGED.

    With `verify` bodies are checked and the first invalid batch ends the log; without, damage with batches after it is
    stepped over: it is for a reader to report.
    """
    _, position, offset, latest = start
    while True:
        is_misplaced = False
        for header in segment.headers(position, size):
            if header.base_offset < offset:  # offsets rise: it was written elsewhere, and came here by a copy
                is_misplaced = True
                break
            if verify:
                try:
                    segment.body_of(header)
                except InvalidBatch:
                    return Mark(segment.base_offset, position, offset, latest), DAMAGED
            position, offset = header.end, header.next_offset
            latest = max(latest, header.max_timestamp)
        end = Mark(segment.base_offset, position, offset, latest)
        if position == size:
            return end, CLEAN
        if not is_misplaced and _begins_batch(segment, position, size):
            return end, TORN
        after = None if verify else segment.next_valid(position, size)
        while after is not None and after.base_offset < offset:
            after = segment.next_valid(after.position, size)
        if after is None:
            return end, DAMAGED
        position = after.position

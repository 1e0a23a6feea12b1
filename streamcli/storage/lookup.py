"""Looking into the index of a segment, and making it again where it is missing or damaged."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing, suppress

from streamcli.storage import durable, layout
from streamcli.storage.format import InvalidBatch
from streamcli.storage.index import IndexEntry, SparseIndex
from streamcli.storage.layout import SegmentName
from streamcli.storage.log_start import read_log_start
from streamcli.storage.reindex import write_index
from streamcli.storage.segment import Segment
from streamcli.storage.tail import max_timestamp_before


def lookup(
    partition_directory: str, segment: Segment, wanted: Callable[[IndexEntry], bool], *, closed: bool
) -> IndexEntry | None:
    """The last index entry of `segment` with `wanted` true (true then false along the index), leading to its batch.

    None: read from the segment's beginning. The index of a `closed` segment is made again when it proves bad; that of
    the active one is its appenders' to mend.
    """
    entry, good = _look(partition_directory, segment, wanted)
    if closed and not good and rebuild_index(partition_directory, segment):
        entry, _ = _look(partition_directory, segment, wanted)
    return entry


def rebuild_index(partition_directory: str, segment: Segment) -> bool:
    """Make the index of a closed segment again, on disk; False where we may not write."""
    latest = max_timestamp_before(partition_directory, segment.base_offset)
    _, is_written = write_index(partition_directory, segment, latest, read_log_start(partition_directory) or 0)
    if is_written:
        with suppress(OSError):
            durable.sync_directory(partition_directory)
    return is_written


def rebuild_indexes(partition_directory: str, names: list[SegmentName]) -> None:
    """Make the indexes of closed segments, which follow each other, again, without the times of records that are gone: one
    of them may have been far ahead, and have hidden all times after it. As far as we may write."""
    latest = max_timestamp_before(partition_directory, names[0].base_offset)
    start = read_log_start(partition_directory) or 0
    for name in names:
        with suppress(FileNotFoundError), closing(Segment(partition_directory, name)) as segment:
            latest, is_written = write_index(partition_directory, segment, latest, start)
            if not is_written:
                return


def _look(directory: str, segment: Segment, wanted: Callable[[IndexEntry], bool]) -> tuple[IndexEntry | None, bool]:
    """The entry, and whether the index is good as far as this look could see."""
    index = SparseIndex(layout.index_path(directory, segment.name))
    try:
        last = index.entry(index.count - 1)
        good = last is not None and leads(segment, last)
        found = index.last_where(wanted)
        if found is None:
            return None, good and index.entry(0) is not None
        return (found[1], good and not index.damaged) if leads(segment, found[1]) else (None, False)
    finally:
        index.close()


def leads(segment: Segment, entry: IndexEntry) -> bool:
    """Whether an index entry leads to its batch."""
    try:
        header = segment.header_at(entry.position)
    except InvalidBatch:
        return False
    return header is not None and entry.leads_to(header)

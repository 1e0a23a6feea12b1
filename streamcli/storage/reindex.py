"""Making the index of a closed segment again, by reading its headers once."""

from __future__ import annotations

from streamcli.storage import durable, layout
from streamcli.storage.index import INTERVAL, encode_entry
from streamcli.storage.segment import Segment


def write_index(partition_directory: str, segment: Segment, latest: int, log_start: int) -> tuple[int, bool]:
    """Write the index of a closed segment. latest: the greatest timestamp in the log before it (ms), without the times of
    records that are gone: a batch with all its offsets before `log_start` does not count.

    Returns the greatest up to its end, and whether the index could be written; a segment that is open and was compacted or
    removed since has none any more. Safe beside others that do the same: all write the same bytes, and each replaces the file
    atomically; it is on disk before it has its name.
    """
    entries = []
    indexed_to = -INTERVAL
    for header in segment.headers_past_damage(0, segment.size()):
        if header.position - indexed_to >= INTERVAL:
            entries.append(encode_entry(header, latest))
            indexed_to = header.position
        if header.next_offset > log_start:
            latest = max(latest, header.max_timestamp)
    if not segment.is_at_path():
        return latest, False
    try:
        path = layout.index_path(partition_directory, segment.name)
        durable.replace_one_of_many(path, b"".join(entries))
    except OSError:
        return latest, False
    return latest, True

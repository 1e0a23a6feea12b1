"""What a cleaner that died leaves in a partition: temporary files, segments that were superseded, indexes without a segment."""

from __future__ import annotations

from streamcli.storage import durable, layout
from streamcli.storage.layout import SegmentName
from streamcli.storage.locks import ExclusiveLock

_MADE = ("0", layout.LOG_START, layout.PRODUCERS)
"""How the names of what a cleaner makes begin."""


def has_leftovers(partition_directory: str) -> bool:
    """Whether `remove_leftovers` has something to do, or a cleaner is at work."""
    return (
        any(durable.has_temporaries(partition_directory, name) for name in _MADE)
        or bool(layout.superseded_segments(partition_directory))
        or bool(layout.orphaned_indexes(partition_directory))
    )


def remove_leftovers(partition_directory: str, lock: ExclusiveLock) -> None:
    """Remove what a cleaner that died has left. lock: the append lock, so that no appender with a superseded segment open
    finds that one still there, and the one after it gone."""
    with lock:
        for beginning in _MADE:
            durable.remove_temporaries(partition_directory, beginning)
        superseded = layout.superseded_segments(partition_directory)
        if superseded:
            durable.sync_directory(partition_directory)  # the names of what takes their place
        for name in superseded:
            remove_segment(partition_directory, name)
        for path in layout.orphaned_indexes(partition_directory):
            durable.remove_file(path)


def remove_segment(directory: str, name: SegmentName) -> None:
    """Remove a segment and its index, where they are there."""
    durable.remove_file(layout.segment_path(directory, name))
    durable.remove_file(layout.index_path(directory, name))

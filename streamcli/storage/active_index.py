"""The index of the active segment: mended when it is opened, and added to as the segment grows."""

from __future__ import annotations

from contextlib import suppress

from streamcli.storage import layout
from streamcli.storage.format import BatchHeader, InvalidBatch
from streamcli.storage.index import INTERVAL, SparseIndex
from streamcli.storage.segment import Segment
from streamcli.storage.tail import Mark, last_indexed, max_timestamp_before


class ActiveIndex:
    """Open for adding, under the append lock: cut to what leads to this log up to `end`, what is missing filled in.

    is_sound: False where a power cut may have left holes in it. What was cut off then is gone from the disk, too, before
    other entries take its place.
    """

    def __init__(self, partition_directory: str, segment: Segment, end: Mark, *, is_sound: bool = True) -> None:
        self._directory = partition_directory
        self._index = SparseIndex(layout.index_path(partition_directory, segment.name), writable=True)
        self._indexed_to = -INTERVAL
        if not is_sound:
            self._index.keep_sound()
        self._fill(segment, end)
        if not is_sound:
            self._index.sync()

    def add(self, header: BatchHeader, max_timestamp_before: int) -> None:
        """Take in a batch that was appended: an entry is added where one is due."""
        if self._is_due(header):
            self._index.append(header, max_timestamp_before)
            self._indexed_to = header.position

    def pass_by(self, header: BatchHeader) -> None:
        """Take in a batch of another writer, who has added its entry by the same rule."""
        if self._is_due(header):
            self._indexed_to = header.position

    def last_before(self, size: int, segment: Segment, start: Mark) -> Mark:
        """The last batch that an entry leads to, of those from `start` to `size`; else `start`."""
        entry = self._index.last()
        if entry is None or not start.position < entry.position < size or entry.base_offset < start.offset:
            return start
        with suppress(InvalidBatch):
            header = segment.header_at(entry.position)
            if header is not None and entry.leads_to(header):
                return Mark(start.segment, entry.position, entry.base_offset, entry.max_timestamp_before)
        return start

    def sync(self) -> None:
        """Return once the entries are on disk."""
        self._index.sync()

    def close(self) -> None:
        self._index.close()

    def _is_due(self, header: BatchHeader) -> bool:
        return header.position - self._indexed_to >= INTERVAL

    def _fill(self, segment: Segment, end: Mark) -> None:
        base = segment.base_offset
        mark = last_indexed(self._directory, segment, end.position)
        if mark is not None:
            last = self._index.last_where(lambda entry: entry.position <= mark.position)
            self._index.keep(last[0] + 1 if last else 0)
            self._indexed_to = mark.position
            if end.position - mark.position > INTERVAL:
                self._fill_from(mark, segment, end)
            return
        self._index.keep(0)
        if end.position:
            self._fill_from(Mark(base, 0, base, max_timestamp_before(self._directory, base)), segment, end)

    def _fill_from(self, start: Mark, segment: Segment, end: Mark) -> None:
        latest = start.max_timestamp
        for header in segment.headers(start.position, end.position):
            self.add(header, latest)
            latest = max(latest, header.max_timestamp)

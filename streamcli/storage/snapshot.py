"""The segments of a partition as they were at a moment, held open: whoever reads them several times reads the same.

Compaction removes a record for a newer one of its key, which may lie behind the end that a reader has pinned: to that
reader the key would be gone. Segments that are held open stay as they are, whatever takes their place.
"""

from __future__ import annotations

from streamcli.storage import layout
from streamcli.storage.cursor import Cursor
from streamcli.storage.layout import SegmentName
from streamcli.storage.segment import Segment
from streamcli.storage.tail import Mark


class Snapshot:
    """The segments in force when it is made. `close` it: it holds a descriptor for each of them."""

    def __init__(self, partition_directory: str) -> None:
        self._directory = partition_directory
        self._segments: dict[SegmentName, Segment] = {}
        while not self._open_all():
            self.close()

    def is_in_force(self) -> bool:
        """Whether the segments are the same ones now: then what was asked of the log meanwhile is true of them."""
        return layout.segments(self._directory) == list(self._segments)

    def cursor(self, offset: int, end: Mark) -> Cursor:
        """A cursor on these segments; see `Log.cursor`."""
        return _SnapshotCursor(self._directory, self._segments, offset, end)

    def close(self) -> None:
        for segment in self._segments.values():
            segment.close()
        self._segments = {}

    def _open_all(self) -> bool:
        """Whether all that were listed were there, and still are."""
        try:
            for name in layout.segments(self._directory):
                self._segments[name] = Segment(self._directory, name)
        except FileNotFoundError:
            return False
        except BaseException:
            self.close()
            raise
        return self.is_in_force()


class _SnapshotCursor(Cursor):
    """Knows no other segments than those of a snapshot."""

    __slots__ = ("_held",)

    def __init__(self, directory: str, held: dict[SegmentName, Segment], offset: int, end: Mark) -> None:
        self._held = held
        super().__init__(directory, offset, end)

    def is_current(self) -> bool:
        return True

    def _listed(self) -> list[SegmentName]:
        return list(self._held)

    def _opened(self, name: SegmentName) -> Segment:
        return self._held[name].again()

    def _seek_within(self, _: int) -> None:
        """Read on from the segment's begin: its index may belong to another one by now, or be gone."""
        assert self._segment is not None
        self._expected = self._segment.base_offset

"""Records that were lost, and are known to be."""

from __future__ import annotations

from streamcli.record.errors import CorruptData


class LostRecords(CorruptData):
    """Records that repair has given up: `first` <= offset < `next_offset`. To be told, and no reason to stop."""

    def __init__(self, path: str, position: int, *, first: int, next_offset: int) -> None:
        super().__init__("lost to damage, and repaired", path, position, first=first, next_offset=next_offset)

    def _message(self) -> str:
        assert self.first is not None
        assert self.next_offset is not None
        count = self.next_offset - self.first
        records = "a record was" if count == 1 else f"{count} records were"
        return f"{records} lost to damage here, which was repaired ({self.path}, {self.offsets()})"


class RemovedRecords(LostRecords):
    """Records that retention or trim removed before they were read: `first` <= offset < `next_offset`. `path`: the partition's
    directory."""

    def __init__(self, path: str, *, first: int, next_offset: int) -> None:
        super().__init__(path, 0, first=first, next_offset=next_offset)

    def _message(self) -> str:
        return f"{self.offsets()} were removed by retention or trim before they were read ({self.path}): going on after them"

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

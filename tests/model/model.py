"""What a log directory holds, in memory and with nothing to go wrong."""

from __future__ import annotations

from typing import NamedTuple

from streamcli.engine.partitioner import partition_of
from streamcli.record.batch import Columns, Header, Record, RecordBatch, split_column
from streamcli.storage.config import Value

Place = tuple[str, int]


def rows_of(columns: Columns, now: int) -> list[Record]:
    """The records of a batch as they were meant, offsets counted from 0."""
    keys = [columns.common_key] * columns.record_count if columns.keys is None else split_column(columns.keys)
    own: list[list[Header]] = columns.headers or [[]] * columns.record_count
    headers = [(columns.common_headers or []) + pairs for pairs in own]
    times = columns.timestamps or [now] * columns.record_count
    rows = zip(range(columns.record_count), times, keys, split_column(columns.values), headers, strict=True)
    return [Record(*row) for row in rows]


def records_of(batch: RecordBatch) -> list[Record]:
    return [record._replace(headers=list(record.headers)) for record in batch.records()]


class Partition:
    """ever: all records that were appended, by offset; records: those of them that are there; start, end: the log's offsets."""

    def __init__(self) -> None:
        self.ever: list[Record] = []
        self.records: list[Record] = []
        self.start = 0

    @property
    def end(self) -> int:
        return len(self.ever)

    def append(self, rows: list[Record]) -> None:
        new = [row._replace(offset=self.end + number) for number, row in enumerate(rows)]
        self.ever += new
        self.records += new

    def between(self, start: int, stop: int | None = None) -> list[Record]:
        """The records there with start <= offset < stop."""
        return [row for row in self.records if start <= row.offset and (stop is None or row.offset < stop)]

    def offset_at(self, time: int) -> int:
        """The offset of the first record there that has this time or a later one, else the end."""
        return next((record.offset for record in self.records if record.timestamp >= time), self.end)

    def trim(self, before: int) -> None:
        self.start = max(self.start, before)
        self.records = self.between(self.start)

    def compact(self, left: list[Record]) -> None:
        """`left` is what compaction left: AssertionError if that is not what it may leave."""
        there = {record.offset for record in left}
        assert left == [record for record in self.records if record.offset in there]
        newest = {record.key: record.offset for record in self.records}
        for record in self.records:
            is_superseded = record.key is not None and newest[record.key] > record.offset
            assert record.offset in there or is_superseded or record.value is None, f"{record} is lost"
        now = {record.key: record for record in left}
        for record in now.values():
            assert record.key is None or newest[record.key] == record.offset, f"{record} is back"
        self.records = left


class Topic:
    """partitions: the records of each. born: no two topics of one name have the same."""

    def __init__(self, partitions: int, born: int, config: dict[str, Value]) -> None:
        self.partitions = [Partition() for _ in range(partitions)]
        self.born = born
        self.config = config

    @property
    def is_compacted(self) -> bool:
        return "compact" in str(self.config.get("cleanup.policy", ""))

    @property
    def has_retention(self) -> bool:
        return "retention.ms" in self.config

    def partition_for(self, row: Record) -> int | None:
        """Where a record with a key has to go; None where it may go anywhere."""
        return partition_of(row.key, len(self.partitions)) if row.key else None


class Group(NamedTuple):
    """lines: what each line of the journal says, oldest first; None where a commit was taken back."""

    lines: list[dict[Place, int | None]]

    def newest(self, place: Place, lines: int | None = None) -> int | None:
        """The committed offset, after all lines or the first `lines` of them."""
        return next((line[place] for line in reversed(self.lines[:lines]) if place in line), None)

    def committed(self) -> dict[Place, int]:
        places = {place for line in self.lines for place in line}
        return {place: offset for place in places if (offset := self.newest(place)) is not None}

    def commit(self, line: dict[Place, int | None]) -> None:
        if line:
            self.lines.append(line)

    def undo(self) -> None:
        """Take back the last line."""
        before = len(self.lines) - 1
        self.lines.append({place: self.newest(place, before) for place in self.lines[-1]})

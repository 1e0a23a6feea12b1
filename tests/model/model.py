"""What a log directory holds, in memory and with nothing to go wrong."""

from __future__ import annotations

from typing import NamedTuple

from streamcli.engine.partitioner import partition_of
from streamcli.record.batch import Columns, Header, Record, RecordBatch, split_column

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


class Topic:
    """partitions: the records of each. born: no two topics of one name have the same."""

    def __init__(self, partitions: int, born: int) -> None:
        self.partitions: list[list[Record]] = [[] for _ in range(partitions)]
        self.born = born

    def append(self, partition: int, rows: list[Record]) -> None:
        end = len(self.partitions[partition])
        self.partitions[partition] += [row._replace(offset=end + number) for number, row in enumerate(rows)]

    def partition_for(self, row: Record) -> int | None:
        """Where a record with a key has to go; None where it may go anywhere."""
        return partition_of(row.key, len(self.partitions)) if row.key else None

    def since(self, partition: int, time: int) -> list[Record]:
        """The records from the first on that has this time or a later one."""
        records = self.partitions[partition]
        first = next((record.offset for record in records if record.timestamp >= time), len(records))
        return records[first:]


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

"""Writing a compacted segment: the records that stay, at their offsets, in batches that span the offsets of those that go.

Small batches become large ones; a large one that stays whole is copied as it is. Batches remain contiguous: each begins
at the offset after the one before. So a reader, and verify, can still tell records that were removed from records that
are missing.
"""

from __future__ import annotations

import os

from streamcli.record.batch import Columns, Header, RecordBatch, join_column
from streamcli.storage import durable
from streamcli.storage.body import encode_body
from streamcli.storage.format import (
    CODEC_NONE,
    HEADER_SIZE,
    NO_TIMESTAMP,
    BatchHeader,
    encode_header,
    encode_lost,
)
from streamcli.storage.index import INTERVAL, encode_entry
from streamcli.storage.opening import open_file

BATCH_BYTES = 1 << 20
BATCH_RECORDS = 1 << 16
COPIED_WHOLE = 32 << 10
"""Bytes from which a batch that stays whole is copied; smaller ones are put together."""

_SMALL = 8 << 10
"""Bytes up to which batches of different times are put together, unless they are compressed: a timestamp for each record takes
more than another header."""

_LONGEST_SPAN = 2**31


class SegmentWriter:
    """Writes a new segment file at `path`, from offset `base_offset` on; `finish` has it on disk.

    latest: the greatest timestamp in the log before (ms); codec: of the batches that are put together, CODEC_NONE for that of
    their sources. records: how many were written; index: the entries of its index.
    """

    def __init__(self, path: str, base_offset: int, latest: int, codec: int) -> None:
        self._fd = open_file(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
        self._position = 0
        self._offset = base_offset
        self._latest = latest
        self._indexed_to = -INTERVAL
        self._codec = codec
        self._pending = _Pending(codec)
        self.index = bytearray()
        self.records = 0

    def add(self, header: BatchHeader, batch: RecordBatch, horizons: list[int] | None) -> None:
        """Take in what stays of a batch. horizons: those of its tombstones, None without any (ms);
        header: that of the batch it was.
        """
        codec = self._codec or header.codec
        if codec != self._pending.codec:
            self._flush(header.base_offset)
            self._pending.codec = codec
        for first in range(0, batch.count, BATCH_RECORDS):
            part = batch if batch.count <= BATCH_RECORDS else batch.take(first, min(first + BATCH_RECORDS, batch.count))
            offsets = part.offsets()
            if self._is_better_alone(header, part) or offsets[-1] - self._offset >= _LONGEST_SPAN:
                self._flush(offsets[0])
            if not self._pending.offsets:
                self._pending.latest = self._latest
            self._latest = max(self._latest, header.max_timestamp)
            self._pending.add(part, horizons and horizons[first : first + BATCH_RECORDS])
            if self._pending.size >= BATCH_BYTES or len(self._pending.offsets) >= BATCH_RECORDS:
                self._flush(offsets[-1] + 1)

    def _is_better_alone(self, header: BatchHeader, part: RecordBatch) -> bool:
        """Whether records are not to be put together with those that are pending."""
        pending = self._pending
        if not pending.offsets:
            return False
        most = _SMALL if pending.codec == CODEC_NONE else COPIED_WHOLE
        size = header.raw_length * part.count // header.record_count
        return header.raw_length >= BATCH_BYTES or (max(pending.size, size) >= most and not pending.is_of_time(part))

    def copy(self, header: BatchHeader, body: memoryview) -> None:
        """Take in a batch as it is."""
        self._flush(header.base_offset)
        self.records += header.record_count
        copied, encoded = encode_header(*header._replace(position=self._position)[:-1])
        self._write(copied, [encoded, body], self._latest)
        self._latest = max(self._latest, header.max_timestamp)

    def pass_by(self, header: BatchHeader) -> None:
        """A batch of which nothing stays."""
        self._latest = max(self._latest, header.max_timestamp)

    def mark_lost(self, header: BatchHeader) -> None:
        """Keep a mark of records lost to damage."""
        self._flush(header.base_offset)
        mark = encode_lost(
            position=self._position,
            base_offset=header.base_offset,
            next_offset=header.next_offset,
            length=HEADER_SIZE,
        )
        durable.write_all(self._fd, mark, self._position)
        self._position += HEADER_SIZE
        self._offset = header.next_offset

    def finish(self, end_offset: int) -> None:
        """End the segment at `end_offset`, and return once it is on disk."""
        self._flush(end_offset)
        durable.sync_data(self._fd)

    def close(self) -> None:
        os.close(self._fd)

    def _flush(self, next_offset: int) -> None:
        """Write what is pending as a batch that spans up to `next_offset`, and where that is too far empty ones after it."""
        pending = self._pending
        self._pending = _Pending(pending.codec)
        columns, timestamp = pending.columns(self._offset)
        latest = pending.latest if pending.offsets else self._latest
        while self._offset < next_offset:
            until = min(next_offset, self._offset + _LONGEST_SPAN)
            if pending.offsets:
                until = max(until, pending.offsets[-1] + 1)
            body = encode_body(columns, pending.codec)._replace(last_offset_delta=until - self._offset - 1)
            header, buffers = body.batch(position=self._position, base_offset=self._offset, timestamp=timestamp)
            self._write(header, buffers, latest)
            self.records += columns.record_count
            pending, latest = self._pending, self._latest
            columns, timestamp = pending.columns(self._offset)

    def _write(self, header: BatchHeader, buffers: list[bytes | memoryview], latest: int) -> None:
        if header.position - self._indexed_to >= INTERVAL:
            self.index += encode_entry(header, latest)
            self._indexed_to = header.position
        durable.write_all(self._fd, b"".join(buffers), self._position)
        self._position, self._offset = header.end, header.next_offset


_NOTHING = Columns(0, b"", offset_deltas=[])


class _Pending:
    """Records for the next batch. latest: the greatest timestamp in the log before them (ms); size: bytes, about."""

    def __init__(self, codec: int) -> None:
        self.latest = NO_TIMESTAMP
        self.codec = codec
        self.size = 0
        self.offsets: list[int] = []
        self._timestamps: list[int] = []
        self._keys: list[bytes | None] = []
        self._values: list[bytes | None] = []
        self._headers: list[list[Header]] = []
        self._horizons: list[int] = []

    def add(self, batch: RecordBatch, horizons: list[int] | None) -> None:
        keys, values, headers = batch.keys(), batch.values(), batch.headers()
        self.offsets += batch.offsets()
        self._timestamps += batch.timestamps()
        self._keys += keys
        self._values += values
        self._headers += headers
        self._horizons += horizons or [0] * batch.count
        self.size += sum(map(len, filter(None, keys))) + sum(map(len, filter(None, values))) + 16 * batch.count
        self.size += sum(len(name) + len(value or b"") + 8 for pairs in headers for name, value in pairs)

    def is_of_time(self, batch: RecordBatch) -> bool:
        """Whether the records have one timestamp, and those of `batch` the same."""
        return self._timestamps.count(batch.min_timestamp) == len(self._timestamps) and (
            batch.min_timestamp == batch.max_timestamp
        )

    def columns(self, base_offset: int) -> tuple[Columns, int]:
        """The columns, and the timestamp of all records where they have none (ms)."""
        if not self.offsets:
            return _NOTHING, NO_TIMESTAMP
        is_of_one_time = self._timestamps.count(self._timestamps[0]) == len(self._timestamps)
        columns = Columns(
            len(self.offsets),
            values=join_column(self._values),
            keys=join_column(self._keys) if any(key is not None for key in self._keys) else None,
            headers=self._headers if any(self._headers) else None,
            timestamps=None if is_of_one_time else self._timestamps,
            offset_deltas=[offset - base_offset for offset in self.offsets],
            delete_horizons=self._horizons if any(self._horizons) else None,
        )
        return columns, self._timestamps[0]

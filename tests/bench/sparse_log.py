"""Long logs made quickly: whole, with indexes and checkpoint, and mostly holes on disk.

Every batch is one that `produce` would write for a line of zero bytes: header, body, checksums and offsets are real, and so
are the index entries and the checkpoint. What is written to disk of a batch is its header and its last byte; between them
the file has a hole, which reads as the zero bytes that the line consists of. `streamcli verify` finds nothing wrong.
"""

from __future__ import annotations

import os
from typing import NamedTuple

from streamcli.record.batch import Columns
from streamcli.storage import durable, layout
from streamcli.storage.body import EncodedBody, encode_body
from streamcli.storage.checkpoint import Checkpoint, write_checkpoint
from streamcli.storage.format import HEADER_SIZE, NO_TIMESTAMP
from streamcli.storage.index import INTERVAL, encode_entry
from streamcli.storage.layout import SegmentName

APART = 100
"""ms from one batch to the next."""


class Shape(NamedTuple):
    """How a log is divided. The last segment, the active one, is half full. Sizes in bytes; a batch holds one record."""

    segments: int
    segment_bytes: int
    batch_bytes: int

    @property
    def batches(self) -> int:
        """Of the log, so also its next offset."""
        return (self.segments - 1) * self.in_segment + self.in_segment // 2

    @property
    def in_segment(self) -> int:
        return self.segment_bytes // self.batch_bytes

    @property
    def size(self) -> int:
        return self.batches * self.batch_bytes


def fill(partition_directory: str, shape: Shape, end_ms: int) -> None:
    """Make an empty partition a log of that shape, whose last batch is of the time `end_ms`."""
    beside = HEADER_SIZE + encode_body(Columns(1, b"\n")).length
    line = bytes(shape.batch_bytes - beside) + b"\n"
    written = Writer(partition_directory, encode_body(Columns(1, line)), end_ms - shape.batches * APART)
    for first in range(0, shape.batches, shape.in_segment):
        written.segment(first, min(shape.in_segment, shape.batches - first))
    write_checkpoint(partition_directory, Checkpoint(durable.boot_id(), *written.end))


class Writer:
    """end: segment, position, offset and greatest timestamp, as in a checkpoint."""

    def __init__(self, partition_directory: str, body: EncodedBody, start_ms: int) -> None:
        self._directory = partition_directory
        self._body = body
        self._start_ms = start_ms
        self.end = (0, 0, 0, NO_TIMESTAMP)

    def segment(self, base_offset: int, batches: int) -> None:
        """Write the next segment, and its index by the rule of those that appending writes."""
        name = SegmentName.of(base_offset)
        entries: list[bytes] = []
        indexed_to = -INTERVAL
        position, latest = 0, self.end[3]
        fd = os.open(layout.segment_path(self._directory, name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
        for offset in range(base_offset, base_offset + batches):
            timestamp = self._start_ms + offset * APART
            header, buffers = self._body.batch(position=position, base_offset=offset, timestamp=timestamp)
            *front, _ = buffers
            os.pwrite(fd, b"".join(front), position)
            os.pwrite(fd, b"\n", header.end - 1)
            if position - indexed_to >= INTERVAL:
                entries.append(encode_entry(header, latest))
                indexed_to = position
            position, latest = header.end, timestamp
        os.close(fd)
        with open(layout.index_path(self._directory, name), "wb") as index:
            index.write(b"".join(entries))
        self.end = (base_offset, position, base_offset + batches, latest)

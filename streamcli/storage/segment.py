"""One segment file, open for reading: headers, batches, and the next valid batch after damage."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial

from streamcli.record.batch import Columns, Extent, RecordBatch
from streamcli.record.errors import CorruptData, UnsupportedBatch
from streamcli.storage import layout
from streamcli.storage.body import decode_body
from streamcli.storage.format import (
    CODEC_NONE,
    HEADER_SIZE,
    KNOWN_COLUMNS,
    BatchHeader,
    InvalidBatch,
    check_body,
    decode_header,
    find_magic,
)
from streamcli.storage.layout import SegmentName
from streamcli.storage.opening import open_file

READ_AHEAD = 64 << 10
_LEAST_AHEAD = 4 << 10
_SHORT_GAP = 32 << 10
"""Bytes that are read ahead at most and at least: more and more while reading goes on near where it was, few where it goes far.
So headers of large batches are read without most of what lies between them, and those of small ones many at once."""


class Segment:
    """Reads a segment by position. What it has buffered may be stale at the file's tail: `forget` drops it."""

    __slots__ = ("_ahead", "_buffer", "_buffer_position", "_inode", "_whole_to", "base_offset", "fd", "name", "path")

    def __init__(self, partition_directory: str, name: SegmentName, *, writable: bool = False) -> None:
        self.name = name
        self.base_offset = name.base_offset
        self.path = layout.segment_path(partition_directory, name)
        self._open(writable=writable)

    @classmethod
    def at(cls, path: str) -> Segment:
        """The segment in a file that may lie anywhere and have any name, so that its base offset is not known: it counts as 0."""
        segment = cls.__new__(cls)
        segment.name = SegmentName.of(0)
        segment.base_offset, segment.path = 0, path
        segment._open(writable=False)
        return segment

    def again(self) -> Segment:
        """The same file, to be read and closed on its own, whether or not it still has its name."""
        segment = Segment.__new__(Segment)
        segment.name, segment.base_offset, segment.path = self.name, self.base_offset, self.path
        segment._begin(os.dup(self.fd))
        return segment

    def _open(self, *, writable: bool) -> None:
        self._begin(open_file(self.path, os.O_RDWR if writable else os.O_RDONLY))

    def _begin(self, fd: int) -> None:
        self.fd = fd
        self._inode: int | None = None
        self._buffer = memoryview(b"")
        self._buffer_position = 0
        self._ahead = _LEAST_AHEAD
        self._whole_to = 0  # the size of the file before the buffer was read

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def size(self) -> int:
        """Bytes in the file now."""
        return os.lseek(
            self.fd, 0, os.SEEK_END
        )  # a quarter of the time of fstat; nothing goes by where it leaves the descriptor

    def inode(self) -> int:
        """The file's number, which no other has while this one is open."""
        if self._inode is None:
            self._inode = os.fstat(self.fd).st_ino
        return self._inode

    def is_at_path(self) -> bool:
        """Whether the file is still the one of its name: not compacted since, nor removed."""
        try:
            return os.path.samestat(os.stat(self.path), os.fstat(self.fd))
        except FileNotFoundError:
            return False

    def forget(self) -> None:
        self._buffer = memoryview(b"")

    def bytes_at(self, position: int, length: int) -> memoryview:
        """The bytes from `position` on: `length`, or fewer where the file ends."""
        skip = position - self._buffer_position
        if skip >= 0 and skip + length <= len(self._buffer):
            return self._buffer[skip : skip + length]
        self._whole_to = self.size()
        if length < READ_AHEAD:
            goes_on = 0 <= skip <= len(self._buffer) + _SHORT_GAP
            self._ahead = min(2 * self._ahead, READ_AHEAD) if goes_on else _LEAST_AHEAD
            self._buffer = memoryview(self._pread(length + self._ahead, position))
            self._buffer_position = position
            return self._buffer[:length]
        # The next header comes along; the rest is not kept, so that many open segments stay small. pread makes room for all
        # that it is asked for, so a length out of a header counts only as far as the file goes.
        there = min(length, max(self._whole_to - position, 0))
        data = memoryview(self._pread(there + HEADER_SIZE, position))
        self._buffer = memoryview(bytes(data[length:]))
        self._buffer_position = position + length
        return data[:length]

    def _pread(self, length: int, position: int) -> bytes:
        try:
            return os.pread(self.fd, length, position)
        except OSError as error:  # a failing disk: pread(2) does not say which file
            error.filename = self.path
            raise

    def header_at(self, position: int) -> BatchHeader | None:
        """The header at `position`; None when the file ends before the header does; else InvalidBatch."""
        header = self._header_at(position)
        if header is not None and header.end > self._whole_to:
            # It was read before all of its batch was there. That batch may have been cut since, and another one written.
            self.forget()
            header = self._header_at(position)
        return header

    def _header_at(self, position: int) -> BatchHeader | None:
        data = self.bytes_at(position, HEADER_SIZE)
        return decode_header(data, position) if len(data) == HEADER_SIZE else None

    def body_of(self, header: BatchHeader) -> memoryview:
        """The checked body of a batch; InvalidBatch when it fails, or when the file ends before it does."""
        body = self.bytes_at(header.position + HEADER_SIZE, header.body_length)
        check_body(header, body)
        return body

    def batch_of(self, header: BatchHeader) -> RecordBatch:
        """The batch of a header, its checksum checked; InvalidBatch when it fails."""
        return self.batch_with(header, self.body_of(header))

    def batch_with(self, header: BatchHeader, body: memoryview) -> RecordBatch:
        """The batch of a header and its checked body."""
        extent = None
        if header.values_length and header.codec == CODEC_NONE:
            extent = Extent(self.fd, header.end - header.values_length, header.values_length)
        return RecordBatch(
            header.base_offset,
            header.next_offset,
            header.record_count,
            header.min_timestamp,
            header.max_timestamp,
            partial(self._columns, header, body),
            extent,
            body if header.codec == CODEC_NONE and not header.columns & ~KNOWN_COLUMNS else None,
        )

    def headers(self, position: int, end: int) -> Iterator[BatchHeader]:
        """The complete batches' headers from `position`, a batch's start, up to `end`; stops at the first invalid one."""
        while position + HEADER_SIZE <= end:
            try:
                header = self.header_at(position)
            except InvalidBatch:
                return
            if header is None or header.end > end:
                return
            yield header
            position = header.end

    def headers_past_damage(self, position: int, end: int) -> Iterator[BatchHeader]:
        """Like `headers`, going on after what is no batch: for who only counts, places, or looks for an end."""
        while True:
            for header in self.headers(position, end):
                yield header
                position = header.end
            after = self.next_valid(position, end) if position < end else None
            if after is None:
                return
            position = after.position

    def next_valid(self, position: int, end: int) -> BatchHeader | None:
        """The first header after `position` that checks and whose batch ends by `end`: where reading goes on after damage."""
        chunk = 1 << 20
        at = position + 1
        while at + HEADER_SIZE <= end:
            data = self._pread(min(chunk, end - at), at)
            if len(data) < HEADER_SIZE:
                return None
            found = find_magic(data, 0)
            while 0 <= found <= len(data) - HEADER_SIZE:
                try:
                    header = decode_header(data[found : found + HEADER_SIZE], at + found)
                    if header.end <= end:
                        return header
                except InvalidBatch:
                    pass
                found = find_magic(data, found + 1)
            at += len(data) - HEADER_SIZE + 1
        return None

    def damaged(
        self, reason: str, position: int, length: int | None, first: int | None, next_offset: int | None
    ) -> CorruptData:
        return CorruptData(reason, self.path, position, length=length, first=first, next_offset=next_offset)

    def _columns(self, header: BatchHeader, body: memoryview) -> Columns:
        span = (header.end - header.position, header.base_offset, header.next_offset)
        try:
            return decode_body(header, body)
        except InvalidBatch as error:
            raise self.damaged(str(error), header.position, *span) from None
        except UnsupportedBatch as error:
            offsets = self.damaged("", header.position, *span).offsets()
            where = f"{self.path}, position {header.position}"
            raise UnsupportedBatch(error.reason, error.remedy, offsets=offsets, where=where) from None

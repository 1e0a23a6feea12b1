"""The sparse index of a segment: offset and time -> position. A cache, checked and never believed.

    index := entry*        32 bytes each, little-endian, in the order of the segment

An entry names one batch of the segment and says what came before it in the log. Its checksum covers it, and
it holds the checksum of that batch's header, which names position and offset in turn: an entry that does not
lead to exactly that batch is dropped, with all after it. Delete an index, and it is made again.

`max_timestamp_before` is the greatest timestamp of the log before the batch, over all its segments, so it
never falls from an entry to the next: a time is found by bisection even where timestamps are out of order.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from crc32c import crc32c

from streamcli.storage import durable
from streamcli.storage.format import BatchHeader
from streamcli.storage.opening import NotAPlainFile, open_file

ENTRY = struct.Struct(
    "<"
    "Q"  # position of the batch in the segment
    "Q"  # base offset of the batch
    "q"  # greatest timestamp in the log before the batch, ms since the epoch
    "I"  # CRC-32C of the batch's header, from the header
    "I"  # CRC-32C of the 28 bytes before
)
ENTRY_SIZE = 32
assert ENTRY.size == ENTRY_SIZE

INTERVAL = 64 << 10
"""Bytes of segment from one entry to the next, at least. A seek scans no more headers than lie in between."""


MAX_POSITION = 2**62
"""More than any file system has: the kernel takes no greater positions."""


class IndexEntry(NamedTuple):
    position: int
    base_offset: int
    max_timestamp_before: int
    header_crc: int

    def leads_to(self, header: BatchHeader) -> bool:
        """Whether `header` is the batch that this entry names."""
        return (self.position, self.base_offset, self.header_crc) == (
            header.position,
            header.base_offset,
            header.header_crc,
        )


def encode_entry(header: BatchHeader, max_timestamp_before: int) -> bytes:
    checked = ENTRY.pack(header.position, header.base_offset, max_timestamp_before, header.header_crc, 0)[:-4]
    return checked + struct.pack("<I", crc32c(checked))


def decode_entry(data: bytes) -> IndexEntry | None:
    """The entry in 32 bytes, or None when they fail their checksum, or lead nowhere."""
    if len(data) != ENTRY_SIZE:
        return None
    *fields, crc = ENTRY.unpack(data)
    entry = IndexEntry(*fields)
    return entry if crc32c(data[:-4]) == crc and entry.position <= MAX_POSITION else None


def _open_to_write(path: str) -> int:
    """A descriptor of the index; what lies there and is no file is replaced by an empty one."""
    try:
        return open_file(path, os.O_RDWR | os.O_CREAT)
    except NotAPlainFile:
        durable.replace_file(path, b"", durable=False)
        return open_file(path, os.O_RDWR)


class SparseIndex:
    """An index file, open for lookup or, under the append lock, for adding. A missing or unreadable one is empty."""

    __slots__ = ("_fd", "count", "damaged", "path")

    def __init__(self, path: str, *, writable: bool = False) -> None:
        self.path = path
        self.damaged = False
        self._fd: int | None = None
        with suppress(OSError):  # to do without it costs time, and nothing else
            self._fd = _open_to_write(path) if writable else open_file(path)
        self.count = 0 if self._fd is None else os.fstat(self._fd).st_size // ENTRY_SIZE

    def entry(self, number: int) -> IndexEntry | None:
        """Entry `number`, counted from 0, or None when it is damaged or not there."""
        if self._fd is None or not 0 <= number < self.count:
            return None
        try:
            return decode_entry(os.pread(self._fd, ENTRY_SIZE, number * ENTRY_SIZE))
        except OSError:
            return None

    def last(self) -> IndexEntry | None:
        """The last entry that is in the file by now, or None when there is none or it is damaged."""
        if self._fd is None:
            return None
        self.count = os.fstat(self._fd).st_size // ENTRY_SIZE
        return self.entry(self.count - 1)

    def last_where(self, wanted: Callable[[IndexEntry], bool]) -> tuple[int, IndexEntry] | None:
        """The last entry (number, entry) with `wanted` true, for a `wanted` that is true then false along the index.

        A damaged entry counts as one with `wanted` false, everything from it on is passed over, and `damaged` is set.
        """
        low, high = 0, self.count
        found: tuple[int, IndexEntry] | None = None
        while low < high:
            middle = (low + high) // 2
            entry = self.entry(middle)
            self.damaged |= entry is None
            if entry is not None and wanted(entry):
                found = (middle, entry)
                low = middle + 1
            else:
                high = middle
        return found

    def append(self, header: BatchHeader, max_timestamp_before: int) -> None:
        """Add an entry at the file's end, under the append lock. A disk with no room for it costs later seeks some time, and nothing else."""
        if self._fd is None:
            return
        count = os.fstat(self._fd).st_size // ENTRY_SIZE
        try:
            durable.write_all(self._fd, encode_entry(header, max_timestamp_before), count * ENTRY_SIZE)
        except OSError:
            return
        self.count = count + 1

    def keep(self, count: int) -> None:
        """Drop every entry from number `count` on."""
        if self._fd is not None:
            durable.truncate(self._fd, count * ENTRY_SIZE)
        self.count = count

    def keep_sound(self) -> None:
        """Drop every entry from the first on that is damaged or out of order: of what was not synced, a power cut leaves
        any part."""
        previous = -1
        for number in range(self.count):
            entry = self.entry(number)
            if entry is None or entry.position <= previous:
                self.keep(number)
                return
            previous = entry.position

    def sync(self) -> None:
        """Return once its entries are on disk, where that can be had."""
        if self._fd is not None:
            with suppress(OSError):
                durable.sync_data(self._fd)

    def close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

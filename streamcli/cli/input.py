"""Input as chunks of whole records, as they arrive."""

from __future__ import annotations

import fcntl
import os
import select
import stat
from collections.abc import Callable, Iterator
from typing import NamedTuple

from streamcli.record.errors import StreamcliError

CHUNK = 1 << 20
"""Bytes of input in one chunk, unless a record is longer: what becomes one batch."""

PIPE_SIZE = 1 << 20


class RecordTooLong(StreamcliError):
    """A record is longer than it may be. The records before it were given."""


class CannotRead(StreamcliError):
    """The input failed, with the reason."""


class Chunk(NamedTuple):
    """Whole records, each followed by the delimiter, in `data` until the next chunk is asked for.

    `unended`: the input's last record, which no delimiter follows; data is that record alone. `start`: where in its
    buffer `data` begins.
    """

    data: memoryview
    unended: bool = False
    start: int = 0

    def lines(self) -> int:
        """How many newlines are in `data`; counted in its buffer, for a memoryview cannot count."""
        buffer = self.data.obj
        assert isinstance(buffer, bytearray)
        return buffer.count(b"\n", self.start, self.start + len(self.data))


def widen_pipe(fd: int) -> None:
    """Let a pipe hold 1 MiB: fewer switches between its two sides. Nothing where it is no pipe, or may not be had."""
    if not hasattr(fcntl, "F_SETPIPE_SZ"):
        return
    try:
        if stat.S_ISFIFO(os.fstat(fd).st_mode):
            fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, PIPE_SIZE)
    except OSError:
        return


def read_chunks(fd: int, delimiter: bytes, most: Callable[[], int], wait: Callable[[int], bool]) -> Iterator[Chunk]:
    """Cut what `fd` gives into chunks of whole records: as many as are there at once, up to CHUNK bytes.

    wait: returns True once `fd` can be read, False to stop. RecordTooLong for a record longer than
    `most()` bytes;
    CannotRead when the input fails.
    """
    widen_pipe(fd)
    source = _Filler(fd)
    buffer = bytearray(CHUNK)
    have = 0  # bytes of a record, not yet whole, at the buffer's beginning
    while source.at_end or wait(fd):
        end, limit = source.fill(buffer, have), most()
        if end == have:
            if have:
                yield from _whole_records(memoryview(buffer)[:have], delimiter, limit, unended=True)
            return
        cut = _end_of_records(buffer, delimiter, have, end)
        if cut:
            yield from _whole_records(memoryview(buffer)[:cut], delimiter, limit, unended=False)
            buffer, have = _move_rest(buffer, cut, end)
        else:
            have = end
        if have >= limit + len(delimiter):
            raise RecordTooLong
        if have == len(buffer):
            buffer = buffer + bytes(min(have, limit + len(delimiter) - have))


def split_chunk(chunk: Chunk, delimiter: bytes, most: int) -> Iterator[Chunk]:
    """The chunk in chunks of `most` records at most."""
    at = 0
    data = chunk.data
    while at < len(data):
        rest = bytes(data[at:])
        last = rest.split(delimiter, most)[-1] if rest.count(delimiter) > most else b""
        end = len(data) - len(last)
        yield Chunk(data[at:end], start=chunk.start + at)
        at = end


class _Filler:
    """Reads from a descriptor that can be read, and goes on for as long as there is more at once."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self.at_end = False
        self._poll = select.poll()
        self._poll.register(fd, select.POLLIN)

    def fill(self, buffer: bytearray, start: int) -> int:
        """Read into the buffer from `start` on and return where that ended: `start` at the end of input."""
        with memoryview(buffer) as view:
            end = start
            while end < len(buffer) and not self.at_end:
                try:
                    count = os.readv(self._fd, [view[end:]])
                except OSError as error:
                    raise CannotRead(error.strerror) from None
                self.at_end = count == 0
                end += count
                if not self._poll.poll(0):
                    break
        return end


def _end_of_records(buffer: bytearray, delimiter: bytes, have: int, end: int) -> int:
    """Where the last whole record in the buffer ends, 0 when none does; no delimiter ends before `have`.

    Delimiters count from the left, whatever the pieces that the input comes in: that matters where one may overlap itself.
    """
    start = max(0, have - len(delimiter) + 1)
    if len(delimiter) == 1:
        return buffer.rfind(delimiter, start, end) + 1
    if buffer.find(delimiter, start, end) < 0:
        return 0
    return end - len(bytes(memoryview(buffer)[:end]).split(delimiter)[-1])


def _whole_records(data: memoryview, delimiter: bytes, limit: int, *, unended: bool) -> Iterator[Chunk]:
    """`data` as a chunk, up to the first record that is too long."""
    good = _good_length(data, delimiter, limit)
    if good:
        yield Chunk(data[:good], unended)
    if good < len(data):
        raise RecordTooLong


def _good_length(data: memoryview, delimiter: bytes, limit: int) -> int:
    """The bytes of `data` before its first record of more than `limit` bytes."""
    if len(data) <= limit:
        return len(data)
    good = 0
    for record in bytes(data).split(delimiter):
        if len(record) > limit:
            return good
        good += len(record) + len(delimiter)
    return len(data)


def _move_rest(buffer: bytearray, cut: int, end: int) -> tuple[bytearray, int]:
    """The buffer with what follows `cut` at its beginning, back to its usual size, and how much that is."""
    rest = buffer[cut:end]
    if len(buffer) > CHUNK and len(rest) < CHUNK:
        buffer = bytearray(CHUNK)
    buffer[: len(rest)] = rest
    return buffer, len(rest)


def read_whole(fd: int, limit: int, wait: Callable[[int], bool]) -> bytes | None:
    """All that `fd` gives, as one record; None when stopped before its end; RecordTooLong over `limit` bytes; CannotRead."""
    pieces: list[bytes] = []
    size = 0
    while wait(fd):
        try:
            piece = os.read(fd, CHUNK)
        except OSError as error:
            raise CannotRead(error.strerror) from None
        if not piece:
            return b"".join(pieces)
        pieces.append(piece)
        size += len(piece)
        if size > limit:
            raise RecordTooLong
    return None

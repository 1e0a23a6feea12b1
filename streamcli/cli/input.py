"""Input as chunks of whole records, as they arrive."""

from __future__ import annotations

import fcntl
import os
import select
import stat
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from typing import NamedTuple

from streamcli.record.errors import StreamcliError

CHUNK = 1 << 20
"""Bytes of input in one chunk, unless a record is longer: what becomes one batch."""

PIPE_SIZE = 1 << 20

_LONG_LINE = 48
"""Bytes of lines, on the average, from which removing newlines is faster than counting them."""
_SAMPLE = 4 << 10
"""Bytes by which that is judged."""
_PIECE = 32 << 10
"""Bytes from which newlines are removed at once: what is little is not given back to the system each time, to be had again."""


_LITTLE = 4 << 10
"""Bytes of a read that took all that was there: what came since then is another's turn, and asking for it takes 1 us."""


class RecordTooLong(StreamcliError):
    """A record is longer than it may be. The records before it were given."""


class CannotRead(StreamcliError):
    """The input failed, with the reason."""


class Chunk(NamedTuple):
    """Whole records, each followed by the delimiter, in `data` until the next chunk is asked for.

    `unended`: the input's last record, which no delimiter follows; data is that record alone. `start`: where in its
    buffer `data` begins. `counted`: newlines in `data`, None where nobody counted them yet.
    """

    data: memoryview
    unended: bool = False
    start: int = 0
    counted: int | None = None

    def lines(self) -> int:
        """How many newlines are in `data`; counted in its buffer, for a memoryview cannot count."""
        if self.counted is not None:
            return self.counted
        buffer = self.data.obj
        assert isinstance(buffer, bytearray)
        return count_newlines(buffer, self.start, self.start + len(self.data))

    def after(self, length: int) -> Chunk:
        """What follows the first bytes."""
        return Chunk(self.data[length:], self.unended, self.start + length)


def widen_pipe(fd: int) -> None:
    """Let a pipe hold 1 MiB: fewer switches between its two sides. Nothing where it is no pipe, or may not be had."""
    if not hasattr(fcntl, "F_SETPIPE_SZ"):
        return
    try:
        if stat.S_ISFIFO(os.fstat(fd).st_mode):
            fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, PIPE_SIZE)
    except OSError:
        return


def read_chunks(
    fd: int, delimiter: bytes, most: Callable[[], int], wait: Callable[[int], bool], *, are_counted: bool = False
) -> Generator[Chunk]:
    """Cut what `fd` gives into chunks of whole records: as many as are there at once, up to CHUNK bytes.

    wait: returns True once `fd` can be read, False to stop. are_counted: the delimiter is a newline, and `lines` of every chunk
    will be asked for. RecordTooLong for a record longer than `most()` bytes; CannotRead when the input fails.
    """
    with closing(_filler(fd, are_counted=are_counted)) as source:
        yield from _chunks_of(source, fd, delimiter, most, wait)


def _filler(fd: int, *, are_counted: bool) -> Filler:
    if are_counted:
        from streamcli.cli.read_ahead import AheadFiller, is_long_file

        if is_long_file(fd):
            return AheadFiller(fd)
    widen_pipe(fd)
    return Filler(fd)


def _chunks_of(
    source: Filler, fd: int, delimiter: bytes, most: Callable[[], int], wait: Callable[[int], bool]
) -> Iterator[Chunk]:
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
            lines, following = source.lines(cut), source.begin_next(buffer, cut, end)
            yield from _whole_records(memoryview(buffer)[:cut], delimiter, limit, unended=False, lines=lines)
            buffer, have = following or _move_rest(buffer, cut, end)
        else:
            have = end
        if have >= limit + len(delimiter):
            raise RecordTooLong
        if have == len(buffer):
            buffer = buffer + bytes(min(have, limit + len(delimiter) - have))


def count_newlines(buffer: bytearray, start: int, end: int) -> int:
    """The newlines at start <= i < end, start < end.

    bytearray.count goes byte by byte: 1.6 GB/s. To remove the newlines and see how much shorter that is takes memchr's way:
    4.3 GB/s for lines of 83 bytes, 15 for 1 KiB; but only 0.1 where every byte is one.
    """
    sample = min(start + _SAMPLE, end)
    found = buffer.count(b"\n", start, sample)
    if sample == end:
        return found
    if found * _LONG_LINE > sample - start:
        return buffer.count(b"\n", start, end)
    is_full = start == 0 and len(buffer) == CHUNK and 2 * end > CHUNK
    if is_full and buffer.find(b"\n", end) < 0:  # no need to cut it up
        return CHUNK - len(buffer.replace(b"\n", b""))
    pieces = (buffer[at : min(at + _PIECE, end)] for at in range(start, end, _PIECE))
    return end - start - sum(len(piece.replace(b"\n", b"")) for piece in pieces)


class Filler:
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
                if count < _LITTLE or not self._poll.poll(0):
                    break
        return end

    def lines(self, cut: int) -> int | None:  # noqa: ARG002
        """How many newlines are before `cut` in what was filled last, where that was counted."""
        return None

    def begin_next(self, buffer: bytearray, cut: int, end: int) -> tuple[bytearray, int] | None:  # noqa: ARG002
        """Begin to fill another buffer, which gets what lies from `cut` to `end` in this one first: that buffer, and how much
        that is, to be given to `fill` next. None where nothing was begun."""
        return None

    def close(self) -> None:
        """Begin nothing more, and leave the descriptor alone."""


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


def _whole_records(
    data: memoryview, delimiter: bytes, limit: int, *, unended: bool, lines: int | None = None
) -> Iterator[Chunk]:
    """`data`, which has so many lines if that is known, as a chunk, up to the first record that is too long."""
    good = _good_length(data, delimiter, limit)
    if good:
        yield Chunk(data[:good], unended, 0, lines if good == len(data) else None)
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

"""Copying what lies scattered in memory to one place, with nothing done in Python for each piece of it."""

from __future__ import annotations

import ctypes as c
import errno
import os
from array import array

_VECTORS_AT_ONCE = 1024
"""What POSIX systems take in one call (IOV_MAX of Linux and macOS)."""

_TRIED_AGAIN = (errno.EINTR, errno.EAGAIN)

_NEWLINE = c.create_string_buffer(b"\n", 1)


class Gatherer:
    """The kernel does it: pieces are written to a file in memory by their addresses, and read from it in one go. Of 1,000,000
    lines that takes 0.06 s of processor time, where a bytes object for each took 0.35.

    most: pieces at a time, at most.
    """

    def __init__(self, most: int) -> None:
        self._fd = _open_memory()
        system = c.CDLL(None, use_errno=True)
        self._write, self._write_on = system.pwritev, system.writev
        self._write.restype = self._write_on.restype = c.c_ssize_t
        self._write_on.argtypes = (c.c_int, c.c_void_p, c.c_int)
        self._write.argtypes = (*self._write_on.argtypes, c.c_longlong)
        self._pieces = array("Q", bytes(16 * most))
        self._lines = array("Q", [0, 0, c.addressof(_NEWLINE), 1] * most)

    def __del__(self) -> None:
        os.close(self._fd)

    def pieces(self, addresses: array[int] | memoryview, size: int) -> bytes:
        """Pieces of the same size."""
        count = len(addresses)
        with memoryview(self._pieces) as vectors:
            vectors[0 : 2 * count : 2] = addresses
            vectors[1 : 2 * count : 2] = array("Q", [size]) * count
        return self._copied(self._pieces, count, size * count)

    def lines(self, addresses: memoryview, lengths: memoryview, size: int) -> bytes:
        """Each piece, with a newline after it. size: of all together."""
        return self._copied(self._lines, self._place(addresses, lengths), size)

    def write_lines(self, fd: int, addresses: memoryview, lengths: memoryview, sizes: list[int]) -> int:
        """The same to another file, without a copy: how many bytes it took, which are fewer after a signal. sizes: the lengths."""
        count = self._place(addresses, lengths)
        address, _ = self._lines.buffer_info()
        done = expected = 0
        for first in range(0, count, _VECTORS_AT_ONCE):
            last = min(first + _VECTORS_AT_ONCE, count)
            written = self._write_on(fd, address + 16 * first, last - first)
            if written < 0 and c.get_errno() not in _TRIED_AGAIN:
                raise _system_error()
            done += max(written, 0)
            expected += sum(sizes[first // 2 : last // 2]) + (last - first) // 2
            if done < expected:
                break
        return done

    def _place(self, addresses: memoryview, lengths: memoryview) -> int:
        count = len(addresses)
        with memoryview(self._lines) as vectors:
            vectors[0 : 4 * count : 4] = addresses
            vectors[1 : 4 * count : 4] = lengths
        return 2 * count

    def _copied(self, vectors: array[int], count: int, size: int) -> bytes:
        address, _ = vectors.buffer_info()
        done = 0
        for first in range(0, count, _VECTORS_AT_ONCE):
            written = self._write(self._fd, address + 16 * first, min(_VECTORS_AT_ONCE, count - first), done)
            if written < 0:
                raise _system_error()
            done += written
        data = os.pread(self._fd, size, 0)
        if done != size or len(data) != size:
            raise MemoryError(f"{size} bytes do not fit in a file in memory")
        return data


def _open_memory() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("streamcli")
    from tempfile import TemporaryFile

    with TemporaryFile() as file:
        return os.dup(file.fileno())


def _system_error() -> OSError:
    number = c.get_errno()
    return OSError(number, os.strerror(number))

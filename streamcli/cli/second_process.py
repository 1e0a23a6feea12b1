"""A copy of this process that does a part of its work on another processor.

Python runs one thread at a time, so what is work for the interpreter (taking lines apart, JSON, joining) gets no faster by
threads. A fork shares all code and options; what it makes lies in memory that both map, so nothing large goes through a pipe.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgpack

from streamcli.cli.fork import SIZE, Fork, write_answer
from streamcli.cli.input import CHUNK

_ROOM = 4 * CHUNK
"""Bytes that an answer may have: JSON that becomes more is rare, and is done by who asked."""

Answer = tuple[Any, list[bytes | memoryview]]


class SecondProcess:
    """Does `work` on one chunk of bytes at a time. work: returns what msgpack can pack, and buffers of at most _ROOM bytes in
    all; an Exception counts as no answer. It ends with this process, however that ends.

    OSError where there can be no other process.
    """

    def __init__(self, work: Callable[[bytearray], Answer]) -> None:
        self._given, self._made = mmap.mmap(-1, CHUNK), mmap.mmap(-1, _ROOM)
        self.length = 0
        self.is_busy = False
        self._is_open = True
        self._fork = Fork(lambda asked, answer: self._serve(work, asked, answer))

    @property
    def answers(self) -> int:
        """Can be read once what was asked is done."""
        return self._fork.answers

    def ask(self, data: memoryview) -> None:
        """Have it work on at most CHUNK bytes."""
        self.length = len(data)
        self._given[: self.length] = data
        self.is_busy = True
        with suppress(BrokenPipeError):  # then `answer` tells
            os.write(self._fork.ask, SIZE.pack(self.length))

    def answer(self) -> tuple[Any, memoryview] | None:
        """Wait for what it packed, and its buffers one after the other, valid until the next `ask`; None where it has no answer.
        EOFError where it has died."""
        self.is_busy = False
        packed = self._read(SIZE.unpack(self._read(SIZE.size))[0])
        return (msgpack.unpackb(packed), memoryview(self._made)) if packed else None

    def given(self) -> bytearray:
        """What it was asked about last."""
        return bytearray(memoryview(self._given)[: self.length])

    def close(self) -> None:
        """Have it end, and wait for that; `given` can still be asked for."""
        if not self._is_open:
            return
        self._is_open = False
        self._fork.close()

    def _read(self, size: int) -> bytes:
        """So many bytes of an answer."""
        found = b""
        while len(found) < size:
            piece = os.read(self.answers, size - len(found))
            if not piece:
                raise EOFError
            found += piece
        return found

    def _serve(self, work: Callable[[bytearray], Answer], asked: int, answer: int) -> None:
        """The other process's part."""
        while len(size := os.read(asked, SIZE.size)) == SIZE.size:
            packed = b""
            with suppress(Exception):
                packed = self._answer_to(work, bytearray(memoryview(self._given)[: SIZE.unpack(size)[0]]))
            write_answer(answer, packed)

    def _answer_to(self, work: Callable[[bytearray], Answer], data: bytearray) -> bytes:
        numbers, buffers = work(data)
        end = 0
        for buffer in buffers:
            self._made[end : end + len(buffer)] = buffer  # IndexError where there is no room
            end += len(buffer)
        packed: bytes = msgpack.packb(numbers)
        return packed

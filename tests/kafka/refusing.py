"""A broker that refuses for a moment what it is asked, as while a leader or a coordinator moves: a proxy that puts errors into answers.

Requests are done all the same. Layouts of answers are those of Kafka's protocol guide, in its flexible versions.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from typing import Any

from tests.kafka.proxy import Proxy

LIST_OFFSETS, OFFSET_COMMIT, OFFSET_FETCH, FIND_COORDINATOR, DESCRIBE_GROUPS, LIST_GROUPS = 2, 8, 9, 10, 15, 16
CREATE_TOPICS, DELETE_RECORDS, CREATE_PARTITIONS, DELETE_GROUPS, ALTER_CONFIGS = 19, 21, 37, 42, 44
"""Kinds of requests: API keys."""

NOT_LEADER, LOADING, COORDINATOR_NOT_AVAILABLE, NOT_COORDINATOR, NOT_CONTROLLER, STALE_EPOCH = 6, 14, 15, 16, 41, 74
"""Errors."""

FOR_EVER = 1 << 30


class RefusingProxy(Proxy):
    """`refused`: how many answers have got an error."""

    def __init__(self, behind: int) -> None:
        super().__init__(behind)
        self._kind, self._error, self._left = -1, 0, 0
        self.refused = 0

    def refuse(self, kind: int, error: int, times: int) -> None:
        """Have the next answers to requests of a kind be this error."""
        self._kind, self._error, self._left, self.refused = kind, error, times, 0

    def _pumps(
        self,
        reader: asyncio.StreamReader,
        requests: asyncio.StreamWriter,
        answers: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> list[Coroutine[Any, Any, None]]:
        asked: dict[int, int] = {}

        def note(frame: bytearray) -> None:
            kind, _, correlation = struct.unpack_from(">hhi", frame)
            asked[correlation] = kind

        def change(frame: bytearray) -> None:
            (correlation,) = struct.unpack_from(">i", frame)
            if asked.pop(correlation) == self._kind and self._left > 0:
                self._left -= 1
                self.refused += 1
                for place in _PLACES[self._kind](_Frame(frame)):
                    struct.pack_into(">h", frame, place, self._error)

        return [_forward(reader, requests, note), _forward(answers, writer, change)]


async def _forward(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, see: Callable[[bytearray], None]
) -> None:
    with suppress(ConnectionError, asyncio.IncompleteReadError):
        while True:
            length = await reader.readexactly(4)
            frame = bytearray(await reader.readexactly(int.from_bytes(length, "big")))
            see(frame)
            writer.write(length + frame)
            await writer.drain()


class _Frame:
    """Goes through an answer: `place` is in its body, after the correlation id and the tags of the header."""

    def __init__(self, frame: bytearray) -> None:
        self._frame = frame
        self.place = 5

    def __len__(self) -> int:
        return len(self._frame)

    def skip(self, count: int) -> None:
        self.place += count

    def number(self) -> int:
        """An unsigned varint."""
        value = shift = 0
        while True:
            byte = self._frame[self.place]
            self.place += 1
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7

    def skip_text(self) -> None:
        self.skip(max(self.number() - 1, 0))

    def elements(self) -> range:
        return range(self.number() - 1)


def _of_partitions(before: int, after: int) -> Callable[[_Frame], Iterator[int]]:
    """Of an answer with topics, and for each partition its number, `before` bytes, an error, and `after`."""

    def places(frame: _Frame) -> Iterator[int]:
        for _ in frame.elements():
            frame.skip_text()
            for _ in frame.elements():
                frame.skip(4 + before)
                yield frame.place
                frame.skip(2 + after + 1)
            frame.skip(1)

    return lambda frame: (frame.skip(4), places(frame))[1]


def _of_first(*, is_named: bool) -> Callable[[_Frame], Iterator[int]]:
    """Of an answer about several things, which begin with their names, or with their errors; only one was asked about."""

    def places(frame: _Frame) -> Iterator[int]:
        frame.skip(4)
        frame.number()
        if is_named:
            frame.skip_text()
        yield frame.place

    return places


_PLACES: dict[int, Callable[[_Frame], Iterator[int]]] = {
    LIST_OFFSETS: _of_partitions(0, 20),
    DELETE_RECORDS: _of_partitions(8, 0),
    OFFSET_COMMIT: _of_partitions(0, 0),
    OFFSET_FETCH: lambda frame: iter([len(frame) - 4]),  # of its only group, at the end
    DESCRIBE_GROUPS: _of_first(is_named=False),
    LIST_GROUPS: lambda _: iter([9]),
    DELETE_GROUPS: _of_first(is_named=True),
    CREATE_PARTITIONS: _of_first(is_named=True),
    ALTER_CONFIGS: _of_first(is_named=False),
}
"""Where errors are in an answer, by the kind of the request."""

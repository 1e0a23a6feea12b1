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

LIST_OFFSETS, METADATA, OFFSET_COMMIT, OFFSET_FETCH, JOIN_GROUP = 2, 3, 8, 9, 11
DESCRIBE_GROUPS, LIST_GROUPS, DELETE_RECORDS = 15, 16, 21
"""Kinds of requests: API keys."""

NO_LEADER, NOT_LEADER, LOADING, COORDINATOR_NOT_AVAILABLE, NOT_COORDINATOR, STALE_EPOCH = 5, 6, 14, 15, 16, 74
"""Errors."""

DROPPED = 0
"""In the place of an error: the connection ends, and there is no answer."""

FOR_EVER = 1 << 30
_NOBODY = -1


class RefusingProxy(Proxy):
    """`refused`: how many answers have got an error."""

    def __init__(self, behind: int) -> None:
        super().__init__(behind)
        self._kind, self._error, self._left = -1, 0, 0
        self._after: int | None = None
        self.refused = 0

    def refuse(self, kind: int, error: int, times: int, *, after: int | None = None) -> None:
        """Have the next answers to requests of a kind be this error. after: from the first request of that kind on."""
        self._after = after
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
            if kind == self._after:
                self._after = None

        def change(frame: bytearray) -> None:
            (correlation,) = struct.unpack_from(">i", frame)
            if asked.pop(correlation) == self._kind and self._left > 0 and self._after is None:
                self._left -= 1
                self.refused += 1
                if self._error == DROPPED:
                    raise ConnectionError
                for place in _PLACES[self._kind](_Frame(frame)):
                    struct.pack_into(">h", frame, place, self._error)
                    if self._kind == METADATA:
                        struct.pack_into(">i", frame, place + 6, _NOBODY)  # leads it

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


def _of_first_group(frame: _Frame) -> Iterator[int]:
    """Of an answer about groups, which begin with their errors; only one was asked about."""
    frame.skip(4)
    frame.number()
    yield frame.place


def _of_topics_partitions(frame: _Frame) -> Iterator[int]:
    """Of an answer about the cluster: an error of each partition."""
    frame.skip(4)
    for _ in frame.elements():  # brokers: id, host, port, rack
        frame.skip(4)
        frame.skip_text()
        frame.skip(4)
        frame.skip_text()
        frame.skip(1)
    frame.skip_text()
    frame.skip(4)
    for _ in frame.elements():  # topics: error, name, id, whether it is internal
        frame.skip(2)
        frame.skip_text()
        frame.skip(16 + 1)
        for _ in frame.elements():  # partitions: error, number, leader, epoch, three lists of brokers
            yield frame.place
            frame.skip(2 + 4 + 4 + 4)
            for _ in range(3):
                frame.skip(4 * len(frame.elements()))
            frame.skip(1)
        frame.skip(4 + 1)


_PLACES: dict[int, Callable[[_Frame], Iterator[int]]] = {
    LIST_OFFSETS: _of_partitions(0, 20),
    METADATA: _of_topics_partitions,
    DELETE_RECORDS: _of_partitions(8, 0),
    OFFSET_COMMIT: _of_partitions(0, 0),
    OFFSET_FETCH: lambda frame: iter([len(frame) - 4]),  # of its only group, at the end
    DESCRIBE_GROUPS: _of_first_group,
    LIST_GROUPS: lambda _: iter([9]),
}
"""Where errors are in an answer, by the kind of the request."""

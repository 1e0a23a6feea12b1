"""Taking apart and encoding of a long input on two processors."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from streamcli.cli.input import CHUNK, Chunk
from streamcli.cli.parse_records import Parsed

if TYPE_CHECKING:
    from streamcli.cli.second_process import Answer, SecondProcess
    from streamcli.engine.encoded import EncodedChunk
    from streamcli.engine.interface import Encoder

_FULL = CHUNK // 2
"""Bytes of a chunk from which on more of the input is waiting already."""

_AFTER = 4
"""Full chunks from which on a second process pays: to fork takes as long as one of them."""

_MOST_REFUSED = 3
"""Chunks of which it makes nothing (a bad line, records without a key), until it is given up."""


class EncodingBeside:
    """Takes one chunk at a time, to be appended in its turn. parse: takes a chunk apart, whole, or its first records."""

    def __init__(self, encoder: Encoder, parse: Callable[[Chunk], Parsed]) -> None:
        self._encoder = encoder
        self._parse = parse
        self._process: SecondProcess | None = None
        self._full = self._refused = 0
        self._is_off = _count_processors() < 2

    @property
    def answers(self) -> int | None:
        """Readable once what was taken can be given back without waiting; None where nothing was taken."""
        return self._process.answers if self._process is not None and self._process.is_busy else None

    def take(self, chunk: Chunk) -> bool:
        """Take it, if that is worth it and nothing else is in hand."""
        if chunk.unended or not _FULL <= len(chunk.data) <= CHUNK:
            return False
        self._full += 1
        if self._full <= _AFTER or self._is_off or self.answers is not None:
            return False
        if self._process is None:
            from streamcli.cli.second_process import SecondProcess

            try:
                self._process = SecondProcess(self._work)
            except OSError:  # a limit of processes or memory
                self._is_off = True
                return False
        self._process.ask(chunk.data)
        return True

    def append(self) -> int:
        """Append what was taken, with the errors of a producer, and return how many records that was: 0, and nothing is done, where
        it is to be appended as it was taken."""
        from streamcli.engine.encoded import EncodedChunk

        assert self._process is not None
        try:
            answer = self._process.answer()
        except EOFError:  # killed
            self._give_up()
            return 0
        if answer is None:
            self._refused += 1
            if self._refused == _MOST_REFUSED:
                self._give_up()
            return 0
        chunk = EncodedChunk.unpack(*answer)
        return chunk.record_count if self.append_encoded(chunk) else 0

    @property
    def length(self) -> int:
        """Bytes of what was taken last."""
        return 0 if self._process is None else self._process.length

    def taken(self) -> Chunk:
        """What was taken last, as it was."""
        assert self._process is not None
        return Chunk(memoryview(self._process.given()))

    def close(self) -> None:
        if self._process is not None:
            self._process.close()

    def _give_up(self) -> None:
        self._is_off = True
        self.close()

    def encode(self, parsed: Parsed) -> EncodedChunk | None:
        """See engine.interface."""
        return self._encoder.encode(parsed.columns, parsed.partitions)

    def append_encoded(self, chunk: EncodedChunk) -> bool:
        """See engine.interface."""
        return self._encoder.append_encoded(chunk)

    def _work(self, data: bytearray) -> Answer:
        """The second process's part."""
        parsed = self._parse(Chunk(memoryview(data)))
        encoded = self.encode(parsed) if parsed.length == len(data) else None
        if encoded is None:
            raise ValueError("not to be encoded here")
        return encoded.pack()


def _count_processors() -> int:
    """Those that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # macOS

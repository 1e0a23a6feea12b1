"""Producing from Python: records that share batches, and a count of what is durable."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Literal, Self
from weakref import WeakSet

from streamcli.engine import produce
from streamcli.library.background import Background
from streamcli.library.process import ProcessGuard, now_ms, warn
from streamcli.library.waiting import Waiting, columns_of, pieces_of
from streamcli.record.batch import Header
from streamcli.record.errors import NotFound, PartWritten, StreamcliError, UsageError
from streamcli.storage.directory import LogDirectory

BATCH_BYTES = 1 << 20
BATCH_RECORDS = 1 << 14
"""Bytes of keys and values, and records, at which a batch is written without waiting for more."""

_OVERHEAD = 64
"""Bytes in memory that a record counts for besides its key and value."""

_MOST_MS = 2**62

Sync = Literal["exit", "batch", "none"]


class Producer:
    r"""Appends records to one topic; `Directory.producer` opens it.

        >>> with directory.producer("clicks") as producer:
        ...     producer.append(b"GET /", key=b"ann")
        ...     producer.append_lines(b"GET /cart\nPOST /order\n")
        ...     producer.flush()
        3

    A record is in memory when `append` returns; within about `linger` seconds it is in the log, where readers see it, and a
    second later on disk. Who has to know calls `flush`. Leaving the block without an exception is a flush too: then all is on
    disk. After an exception what was appended before it is written and synced all the same: a block is no transaction. Where
    that fails, a note on the exception says how many records are durable. A producer that is neither left nor closed takes
    what waits in memory with it.

    A failure (a full disk, a deleted topic, an append lock not had in time) raises PartWritten from the next call: `durable`
    counts the records of this producer that are on disk, its first ones, and `__cause__` is what happened. The producer takes
    no more then: go on with another one, after that many records. With keys over several partitions some later ones may be in
    the log already, and come twice then; the message says how many.

    For one thread at a time. In a child after a fork it raises UsageError: what waits in memory is the parent's to write.
    """

    def __init__(
        self, directory: LogDirectory, topic: str, *, partition: int | None, sync: Sync, linger: float
    ) -> None:
        self.topic = topic
        self._partition = partition
        self._engine = produce.Producer(directory, topic, partition=partition, sync=sync, clock=now_ms, warn=warn)
        self._lingers = linger > 0
        self._lock = threading.Lock()  # for the engine, and for taking records out of _waiting
        self._waiting: deque[Waiting] = deque()  # is added to without the lock, which each record would have to get
        self._size = (
            0  # of what waits; two threads write it, and if that makes a batch shorter or longer it is no matter
        )
        self._guard = ProcessGuard("producer")
        self._failure: PartWritten | None = None
        self._is_closed = self._is_refusing = False
        self._background = Background(self._do_what_is_due, linger)
        self._note_config()
        _open_producers.add(self)

    @property
    def durable(self) -> int:
        """How many of this producer's records, its first ones, are known to be on disk; with `sync="none"`, in the log."""
        return self._engine.durable

    def append(
        self,
        value: bytes | None,
        *,
        key: bytes | None = None,
        headers: Sequence[Header] = (),
        timestamp: int | None = None,
        partition: int | None = None,
    ) -> None:
        """Append one record. A value of None is a tombstone; a header is a name and its bytes, or None.

        timestamp: ms since the epoch, by default the time at which the record is written to the log. partition: where it
        goes; by default the key says so, and batches without keys take turns.

        UsageError for what the topic does not take: a record longer than its max.message.bytes, or one without a key where it is
        compacted; NotFound for a partition that it has not. That record is not appended, and the producer goes on.
        PartWritten when the producer failed.
        """
        size = (0 if value is None else len(value)) + (0 if key is None else len(key))
        is_odd = self._needs_keys if key is None else key.__class__ is not bytes
        if is_odd or value.__class__ is not bytes or size > self._limit or self._is_refusing:
            self._check(value, key, size)
        if headers or timestamp is not None or partition is not None:
            headers = tuple(headers)  # the caller's list may change before it is written
            self._check_others(headers, timestamp, partition)
        self._waiting.append((value, key, headers, timestamp, partition))
        self._size += size + _OVERHEAD
        if self._size >= BATCH_BYTES or len(self._waiting) >= BATCH_RECORDS or not self._lingers:
            self._attempt(self._write_waiting)
        if not self._background.is_awake:
            self._background.wake()

    def append_lines(self, lines: bytes) -> None:
        r"""Append a record for each line, without its newline, in order; a last line needs none. Nothing is made for a line, so
        many at once go as fast as bytes do. They are in the log when this returns.

            >>> with directory.producer("clicks") as producer:
            ...     producer.append_lines(b"GET /\nGET /cart")

        UsageError, and nothing of it is appended, for a line longer than the topic's max.message.bytes and for a topic that is
        compacted, where each record needs a key. PartWritten when the producer failed.
        """
        if not isinstance(lines, bytes):
            raise TypeError(f"lines are bytes, not {type(lines).__name__}")
        self._check(lines, None, len(lines) if len(lines) <= self._limit else max(map(len, lines.split(b"\n"))))
        if lines:
            self._attempt(self._write_waiting, lambda: self._write_lines(lines))
            self._background.wake()

    def flush(self) -> int:
        """Return once all that was appended is on disk, with how many records of this producer that is. PartWritten when it
        failed. With `sync="none"` they are in the log, and on disk when the system sees fit."""
        self._attempt(self._write_waiting, self._engine.finish)
        return self._engine.durable

    def close(self) -> None:
        """Flush, and give up the files. Twice is once; `append` and `flush` raise UsageError afterwards."""
        if self._is_closed:
            return
        self._guard.check()
        self._background.stop()
        try:
            self._attempt(self._write_waiting, self._engine.finish)
        finally:
            self._is_closed = self._is_refusing = True
            self._engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None) -> None:
        try:
            self.close()
        except (StreamcliError, OSError) as failure:
            if error is None:
                raise
            if not isinstance(error, PartWritten):
                error.add_note(f"streamcli: {failure}")

    def _check(self, value: bytes | None, key: bytes | None, size: int) -> None:
        if self._is_refusing:
            self._refuse()
        if not isinstance(value, bytes | None) or not isinstance(key, bytes | None):
            raise TypeError(f"values and keys are bytes or None, not {type(value).__name__} and {type(key).__name__}")
        if size > self._limit:
            raise UsageError(
                f"a record of {size} bytes is longer than {self._limit} (max.message.bytes of {self.topic}): it was not appended"
            )
        if key is None and self._needs_keys:
            raise UsageError(
                f"a record without a key was not appended: {self.topic} keeps the newest record of each key (cleanup.policy)"
            )

    def _check_others(self, headers: Sequence[Header], timestamp: int | None, partition: int | None) -> None:
        for name, value in headers:
            if not isinstance(name, str) or not isinstance(value, bytes | None):
                raise TypeError("a header is a pair of a str and bytes or None")
            name.encode()  # UnicodeEncodeError, a ValueError, here and not where it is written
        if any(type(number) not in (int, type(None)) for number in (timestamp, partition)):  # a bool is no number here
            raise TypeError(f"timestamp and partition are ints or None, not {timestamp!r} and {partition!r}")
        if timestamp is not None and not -_MOST_MS <= timestamp < _MOST_MS:
            raise UsageError(f"bad timestamp {timestamp}: use ms since the epoch")
        if partition is not None and self._partition not in (None, partition):
            raise UsageError(f"partition {partition}: this producer writes to partition {self._partition} alone")
        if partition is not None and not 0 <= partition < self._engine.config.partitions:
            raise NotFound(f"topic {self.topic} has no partition {partition}: it has {self._engine.config.partitions}")

    def _attempt(self, *steps: Callable[[], object]) -> None:
        """Do something with the engine, and raise what came of it. Whatever breaks off a step leaves unknown what was written,
        so the producer ends there, and says how much is durable."""
        self._guard.check()
        with self._lock:
            if self._is_refusing:
                self._refuse()
            try:
                for step in steps:
                    step()
            except BaseException as error:
                self._failure, self._is_refusing = self._failed(error), True
                if isinstance(error, StreamcliError | OSError):
                    self._refuse()
                raise

    def _failed(self, error: BaseException) -> PartWritten:
        self._waiting.clear()
        with suppress(StreamcliError, OSError):  # then durable stays at what was synced before
            self._engine.finish()
        durable = self._engine.durable
        told = str(error) or type(error).__name__
        noun = "record is" if durable == 1 else "records are"
        more = self._engine.scattered
        others = f"; {more} records after them are in other partitions already" if more else ""
        failure = PartWritten(f"{told}; {durable} {noun} durable in {self.topic}: go on after these{others}", durable)
        failure.__cause__ = error
        return failure

    def _refuse(self) -> None:
        self._guard.check()
        if self._failure is None:
            raise UsageError("the producer is closed")
        raise PartWritten(str(self._failure), self._failure.durable) from self._failure.__cause__

    def _do_what_is_due(self) -> float | None:
        """Write what waits, and let the engine sync; seconds until there is more to do. The next call tells what went wrong."""
        if not self._guard.is_here() or self._failure is not None:
            return None
        with suppress(StreamcliError, OSError):
            self._attempt(self._write_waiting, self._engine.tick)
        return self._engine.due_in() if self._failure is None else None

    def _write_waiting(self) -> None:
        records = [self._waiting.popleft() for _ in range(len(self._waiting))]
        self._size = 0
        if records:
            self._engine.append(*columns_of(records))
            self._note_config()

    def _write_lines(self, lines: bytes) -> None:
        for columns in pieces_of(lines if lines.endswith(b"\n") else lines + b"\n", BATCH_BYTES):
            self._engine.append(columns)
            self._engine.tick()
        self._note_config()

    def _note_config(self) -> None:
        """What `append` goes by; a change of the topic's config counts from the next batch on."""
        self._limit = self._engine.config.number("max.message.bytes")
        self._needs_keys = self._engine.config.compacts


_open_producers: WeakSet[Producer] = WeakSet()


def _refuse_in_child() -> None:
    """So `append` refuses in a child too, without asking for the process at each record."""
    for producer in _open_producers:
        producer._is_refusing = True


os.register_at_fork(after_in_child=_refuse_in_child)

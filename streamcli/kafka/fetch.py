"""Fetching: one client of librdkafka, and of each partition what it has fetched and nobody has taken yet."""

from __future__ import annotations

import time
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Iterable
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from streamcli.kafka.client import END_OF_PARTITION, OUT_OF_RANGE, Client, Place, Received, Trouble
from streamcli.kafka.connection import Connection, as_error, load, told
from streamcli.kafka.messages import KafkaSource

if TYPE_CHECKING:
    from streamcli.record.batch import RecordBatch

HELD = 64 << 20
"""Bytes of values that are held over all partitions before those that hold their part of them are paused."""

_LEAST_HELD = 1 << 20

_READING: dict[str, Any] = {
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "enable.partition.eof": True,
    "auto.offset.reset": "error",
}
"""What the reading stands on."""

_QUICK: dict[str, str] = {
    "check.crcs": "true",
    # librdkafka rests for fetch.queue.backoff.ms when it is that far ahead; a second of that is its default, and made
    # 1,000,000 records take 4 s in place of 1.6.
    "fetch.queue.backoff.ms": "1",
    # Not much farther ahead than the processor's cache: 1.17 s with these, 1.42 with 1,000,000, 64 MiB and 4 MiB.
    "queued.min.messages": "50000",
    "queued.max.messages.kbytes": "16384",
    "fetch.message.max.bytes": "2097152",
}
"""What the user's properties may change."""


class Held:
    """What was fetched of one partition. next_offset: of the next record to be fetched, as far as it is known, and not after the stop;
    stop: the offset to stop at, None for no end; is_paused: nothing more is fetched, for there is enough; is_given_up:
    the partition is not ours any more, and what is held of it is not to be used."""

    __slots__ = (
        "_batches",
        "_first",
        "_latest",
        "_times",
        "is_given_up",
        "is_paused",
        "next_offset",
        "size",
        "source",
        "stop",
    )

    def __init__(self, source: KafkaSource, start: int, stop: int | None) -> None:
        self.source = source
        self.next_offset = start
        self.stop = stop
        self.size = 0
        self.is_paused = False
        self.is_given_up = False
        self._batches: deque[tuple[RecordBatch, int]] = deque()  # and the size of each
        self._times: list[int] | None = None  # of the first batch
        self._first = 0  # how many records of that were taken
        self._latest = 0

    def __bool__(self) -> bool:
        return bool(self._batches)

    @property
    def is_fetched(self) -> bool:
        """Whether nothing more is to be fetched."""
        return self.stop is not None and self.next_offset >= self.stop

    def add(self, batch: RecordBatch) -> None:
        self.reach(batch.next_offset)
        part = batch if self.stop is None else batch.between(0, self.stop)
        if part is not None:
            size = _size(part)
            self._batches.append((part, size))
            self.size += size

    def reach(self, offset: int) -> None:
        """Nothing before `offset` is to be fetched any more. What came from behind the stop was not held: who goes on there fetches it."""
        self.next_offset = max(self.next_offset, offset if self.stop is None else min(offset, self.stop))

    def first(self) -> RecordBatch:
        return self._batches[0][0]

    def pop(self) -> RecordBatch:
        """The first batch, or what is left of it."""
        batch, size = self._batches.popleft()
        self.size -= size
        if self._times is not None:
            self._latest = self._times[-1]
        first, self._first, self._times = self._first, 0, None
        return batch.slice(first, batch.count)

    def put_back(self, batch: RecordBatch) -> None:
        """Have this again, before all others."""
        size = _size(batch)
        self._batches.appendleft((batch, size))
        self.size += size
        self._times = None

    def turn(self) -> int:
        """The time by which the first record has its turn: the latest of its own and of those before it in the partition."""
        return self._turns()[self._first]

    def pop_until(self, time: int, *, with_that_time: bool) -> RecordBatch:
        """The first records whose turn is before `time`, or at it; the first one's is."""
        end = (bisect_right if with_that_time else bisect_left)(self._turns(), time, self._first)
        batch, size = self._batches[0]
        if end == batch.count:
            return self.pop()
        if self._first == 0:
            batch = batch.listed()
            self._batches[0] = batch, size
        first, self._first = self._first, end
        return batch.slice(first, end)

    def _turns(self) -> list[int]:
        if self._times is None:
            times = self._batches[0][0].timestamps()
            self._times = list(accumulate(times, max, initial=self._latest))[1:]
        return self._times


def _size(batch: RecordBatch) -> int:
    return batch.count * 16 + batch.value_size()


class Fetcher:
    """Fetches the assigned partitions.

    on_gone: told of a partition whose next offset is not in the log any more, and returns where to go on; on_trouble: gets an
    error that librdkafka recovers from by itself; on_life: called when the cluster answers.
    """

    def __init__(
        self,
        connection: Connection,
        client: Client,
        *,
        on_gone: Callable[[Held], int],
        on_trouble: Callable[[Any], None],
        on_life: Callable[[], None],
    ) -> None:
        self.client = client
        self._connection = connection
        self._on_gone = on_gone
        self._on_trouble = on_trouble
        self._on_life = on_life
        self.held: dict[KafkaSource, Held] = {}
        self._share = HELD

    def assign(self, reads: Iterable[Held]) -> None:
        """Fetch these partitions, from their next offsets, and no others."""
        paused = [held for held in self.held.values() if held.is_paused]
        self.held = {held.source: held for held in reads}
        self._share = max(_LEAST_HELD, HELD // max(len(self.held), 1))
        unfinished = [held for held in self.held.values() if not held.is_fetched]
        with told(self._connection, "read"):
            if paused:  # it would stay so in the next assignment
                self.client.resume([_at(held) for held in paused])
            for held in self.held.values():
                held.is_paused = False
            self.client.assign([_at(held) for held in unfinished])

    def add(self, reads: Iterable[Held]) -> None:
        """Fetch these partitions too."""
        self.assign([*self.held.values(), *reads])

    def expect(self, reads: Iterable[Held]) -> None:
        """Hold what comes of these partitions too, which are being assigned."""
        self.held |= {held.source: held for held in reads}
        self._share = max(_LEAST_HELD, HELD // max(len(self.held), 1))

    def forget(self, source: KafkaSource) -> None:
        """Hold nothing more of a partition, which is being revoked."""
        held = self.held.pop(source, None)
        if held is not None:
            held.is_given_up = True

    def fetch(self, timeout: float) -> bool:
        """Take what librdkafka has, or has within `timeout` seconds; False when that is nothing."""
        received = self.receive(timeout)
        self.hold(received)
        return any(received)

    def receive(self, timeout: float) -> Received:
        """What `hold` is to be given."""
        with told(self._connection, "read"):
            return self.client.receive(timeout)

    def hold(self, received: Received) -> None:
        """Put records in their partitions' places, and see to errors."""
        if received.runs:
            self._on_life()
        for source, batch in received.runs:
            self._add(source, batch)
        for trouble in received.troubles:
            self._take_trouble(trouble)

    def go_on(self, held: Held) -> None:
        """Fetch a partition that was paused, if it holds little enough by now."""
        if held.is_paused and not held.is_fetched and held.size < self._share // 2:
            held.is_paused = False
            with told(self._connection, "read"):
                self.client.resume([_at(held)])

    def close(self) -> None:
        self.client.close()

    def _add(self, source: KafkaSource, batch: RecordBatch) -> None:
        held = self.held.get(source)
        if held is None:
            return
        held.add(batch)
        if not held.is_paused and (held.is_fetched or held.size > self._share):
            held.is_paused = True
            with told(self._connection, "read"):
                self.client.pause(_at(held))

    def _take_trouble(self, trouble: Trouble) -> None:
        held = self.held.get(trouble.source)
        if trouble.code == END_OF_PARTITION:
            self._on_life()
            if held is not None:
                held.reach(trouble.offset)
        elif trouble.code == OUT_OF_RANGE and held is not None:
            held.next_offset = self._on_gone(held)
            with told(self._connection, "read"):
                self.client.seek(_at(held))
        elif trouble.is_fatal:
            raise as_error(trouble.error(), self._connection, "read")
        else:
            self._on_trouble(trouble.error())


def _at(held: Held) -> Place:
    return (*held.source, held.next_offset)


def reading_settings(connection: Connection, **ours: Any) -> dict[str, Any]:
    """The properties of a client that reads. ours: as in Connection.settings."""
    quick = connection._replace(properties={**_QUICK, **connection.properties})
    return {**quick.settings(**ours), **_READING}


class Outage:
    """Whether the cluster is away, told once when it goes and once when it is back. is_connected: it was there."""

    def __init__(self, connection: Connection, notice: Callable[[str], None]) -> None:
        self._connection = connection
        self._notice = notice
        self.since: float | None = None
        self.reason = ""
        self.is_connected = False

    def begins(self, error: Any) -> None:
        """librdkafka tells of an error; it tries again by itself."""
        self._connection.heard.take(error)
        if not self.is_connected:  # who asks for the first time tells what is wrong
            return
        code = load().KafkaError
        if error.fatal() or error.code() in _hopeless(code):
            raise as_error(error, self._connection, "read")
        if error.code() == code._ALL_BROKERS_DOWN and self.since is None:
            self.since = time.monotonic()
            said = f": {self.reason}" if self.reason else ""
            self._notice(f"no broker answers ({self._connection.url}){said}: trying again until one does")
        elif error.code() != code._ALL_BROKERS_DOWN:
            self.reason = error.str()

    def ends(self) -> None:
        if self.since is not None:
            self.since = None
            self._notice(f"the cluster answers again ({self._connection.url})")


def _hopeless(code: Any) -> tuple[int, ...]:
    """What trying again does not mend."""
    return (
        code._AUTHENTICATION,
        code.SASL_AUTHENTICATION_FAILED,
        code.TOPIC_AUTHORIZATION_FAILED,
        code.GROUP_AUTHORIZATION_FAILED,
        code.INVALID_SESSION_TIMEOUT,
        code.INCONSISTENT_GROUP_PROTOCOL,
        code.FENCED_INSTANCE_ID,
        code._FENCED,
    )

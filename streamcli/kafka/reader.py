"""Reading a cluster's topics without a group: see engine.interface."""

from __future__ import annotations

import heapq
import select
import time
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from streamcli.engine.consume import SourceBatch, is_glob
from streamcli.engine.read_options import ReadOptions
from streamcli.kafka.connection import Connection
from streamcli.kafka.direct import DirectClient
from streamcli.kafka.fetch import Fetcher, Held, Outage, reading_settings
from streamcli.kafka.last import last_records
from streamcli.kafka.messages import KafkaSource
from streamcli.kafka.offsets import Offsets, connect, find_kafka_sources, first_partitions_there, partitions_there
from streamcli.record.errors import NotFound, OffsetOutOfRange, StreamcliError
from streamcli.record.lost import RemovedRecords
from streamcli.record.range import LAST, TIME, Bound, Range

if TYPE_CHECKING:
    from streamcli.record.batch import RecordBatch

_SLICE = 0.1
"""Seconds that librdkafka is waited for at a time: what else ends a wait is looked at in between."""

_LOOK_EVERY = 2.0
_LOOK_PATIENCE = 1.0
"""Seconds from one look for new topics and partitions, and for deleted ones, to the next, and until it is given up."""


class Interrupted(Exception):
    """A signal came, or the reader of our output left."""


class KafkaReader:
    """See engine.interface. Records are merged by time one by one; a record's turn is never before that of one before it in its
    partition."""

    def __init__(self, connection: Connection, options: ReadOptions) -> None:
        self._connection = connection
        self._options = options
        self._outage = Outage(connection, options.notice)
        # A bounded read never waits for what is not there yet; a transaction's marker after the last record would be waited for.
        waits = {} if options.follow else {"fetch_wait_max_ms": 10}
        client = DirectClient(reading_settings(connection, **waits), self._outage.begins)
        self._fetcher = Fetcher(
            connection, client, on_gone=self._gone, on_trouble=self._outage.begins, on_life=self._outage.ends
        )
        self._offsets = Offsets(self._fetcher.client, connection)
        connect(self._fetcher.client, connection, options.topics)
        self._sources = find_kafka_sources(
            partial(first_partitions_there, self._fetcher.client, connection),
            options.topics,
            options.partitions,
            wait=options.follow,
            where=str(connection.url),
        )
        self._outage.is_connected = True
        self._ends: list[int] = []
        self._stops: list[int | None] = []

    @property
    def topics(self) -> list[str]:
        return list(dict.fromkeys(source.topic for source in self._sources))

    def bounded(self, wanted: Range) -> Iterator[SourceBatch]:
        return self._until_interrupted(self.merged(self.pinned(wanted)))

    def followed(self, wanted: Range) -> Iterator[SourceBatch]:
        return self._until_interrupted(self._followed(self.pinned(wanted), wanted))

    def rest(self) -> Iterator[SourceBatch]:
        reads = [Held(source, end, end) for source, end in zip(self._sources, self._ends, strict=True)]
        self._stops = [None] * len(reads)
        return self._until_interrupted(self._followed(reads, Range()))

    def ends(self) -> list[int]:
        """Where each partition that is read ends now."""
        return self._offsets.ends(self._sources)

    def starts_at(self, time: int, sources: Sequence[KafkaSource], ends: Sequence[int]) -> list[int]:
        """The first offsets of that time, in ms since the epoch, or later; the ends where there is none."""
        return self._offsets.resolve(sources, ends, Bound(TIME, time))

    def partition_count(self, topic: str) -> int:
        """How many partitions a topic has, read or not."""
        return len(partitions_there(self._fetcher.client, self._connection, topic).get(topic, []))

    def offsets(self) -> int:
        return sum(self._ends) - sum(self._offsets.starts(self._sources))

    def _until_interrupted(self, found: Iterator[SourceBatch]) -> Iterator[SourceBatch]:
        try:
            yield from found
        except Interrupted:
            return

    def starts(self, sources: Sequence[KafkaSource], ends: Sequence[int], bound: Bound) -> list[int]:
        """What any bound means, where the partitions have these ends."""
        if bound.kind != LAST:
            return self._offsets.resolve(sources, ends, bound)
        return last_records(sources, self._offsets.starts(sources), ends, bound.number, self._collect)

    def close(self) -> None:
        self._fetcher.close()

    def pinned(self, wanted: Range) -> list[Held]:
        """A range resolved on every partition, each end pinned now."""
        sources, offsets = self._sources, self._offsets
        self._ends = ends = offsets.ends(sources)
        starts = self.starts(sources, ends, wanted.start)
        self._stops = stops = offsets.stops(sources, ends, wanted.stop)
        return [
            Held(source, start, end if stop is None else min(stop, end))
            for source, start, end, stop in zip(sources, starts, ends, stops, strict=True)
        ]

    def _collect(self, reads: list[Held]) -> Iterator[tuple[KafkaSource, list[int], list[int]]]:
        """The offsets and times of all records in the ranges of `reads`."""
        for source, batch in self.unordered(reads):
            yield source, list(batch.offsets()), batch.timestamps()

    def unordered(self, reads: list[Held]) -> Iterator[tuple[KafkaSource, RecordBatch]]:
        """All up to where each read stops, as it comes; of each partition in its order."""
        self._fetcher.assign(reads)
        while reads:
            for held in reads:
                while held:
                    yield held.source, held.pop()
                    self._fetcher.go_on(held)
            reads = [held for held in reads if not held.is_fetched]
            if reads:
                self._fetch_for(*reads)

    def merged(self, reads: list[Held]) -> Iterator[SourceBatch]:
        """All up to where each read stops, by time."""
        self._fetcher.assign(reads)
        if len(reads) == 1:
            for batch in self._all_of(reads[0]):
                yield SourceBatch(reads[0].source, batch)
            return
        heap: list[tuple[int, int]] = []
        for number, held in enumerate(reads):
            self._push(heap, number, held)
        while heap:
            _, number = heapq.heappop(heap)
            held = reads[number]
            if heap:
                turn, other = heap[0]
                yield SourceBatch(held.source, held.pop_until(turn, with_that_time=number < other))
            else:
                yield SourceBatch(held.source, held.pop())
            self._fetcher.go_on(held)
            self._push(heap, number, held)

    def _push(self, heap: list[tuple[int, int]], number: int, held: Held) -> None:
        """Put a partition's next record in line, once it is there, unless there is none."""
        while not held and not held.is_fetched:
            self._fetch_for(held)
        if held:
            heapq.heappush(heap, (held.turn(), number))

    def _all_of(self, held: Held) -> Iterator[RecordBatch]:
        while True:
            while held:
                yield held.pop()
                self._fetcher.go_on(held)
            if held.is_fetched:
                return
            self._fetch_for(held)

    def _fetch_for(self, *reads: Held) -> None:
        """Fetch something, or come to know that a partition has no more; StreamcliError where neither comes in time, NotFound where
        the topic is not there any more."""
        held = reads[0]
        for each in reads:
            self._fetcher.go_on(each)
        looked = time.monotonic()
        deadline = looked + self._connection.timeout
        before = [each.next_offset for each in reads]
        while not any(reads) and [each.next_offset for each in reads] == before:
            has_come = self._fetcher.fetch(_SLICE)
            if not has_come and self._outage.since is None and time.monotonic() > looked + _LOOK_EVERY:
                looked = time.monotonic()
                self._check_there(held.source.topic)
            if not has_come and time.monotonic() > deadline:
                why = self._outage.reason or f"nothing came for {self._connection.timeout:g} s"
                raise StreamcliError(
                    f"cannot read {held.source.topic}, partition {held.source.partition}: {why} ({self._connection.url}): "
                    "is the cluster up? wait longer with --lock-timeout"
                )
            self._check_interrupts()

    def _check_there(self, topic: str) -> None:
        try:
            is_there = topic in self._hasty(topic)
        except StreamcliError:  # no answer: librdkafka tells of an outage
            return
        if not is_there:
            raise NotFound(f"topic {topic} was deleted while it was being read: start again without it")

    def _hasty(self, topic: str | None) -> dict[str, list[int]]:
        """The partitions there, for who cannot wait for an answer."""
        return partitions_there(self._fetcher.client, self._connection._replace(timeout=_LOOK_PATIENCE), topic)

    def _followed(self, reads: list[Held], wanted: Range) -> Iterator[SourceBatch]:
        """What is there, by time; then what comes, as it comes."""
        yield from self.merged(reads)
        options = self._options
        reads = [Held(held.source, held.next_offset, stop) for held, stop in zip(reads, self._stops, strict=True)]
        self._fetcher.assign(reads)
        again_at = _due(options.before_wait())
        last_record = looked = time.monotonic()
        while not self._is_over(reads):
            fetched = self._fetcher.fetch(_SLICE)
            given = 0
            for taken in self._at_hand():
                given += 1
                yield taken
            now = time.monotonic()
            if given:
                last_record = now
            if given or now >= again_at:
                again_at = _due(options.before_wait())
            if options.idle is not None and now >= last_record + options.idle:
                return
            self._check_interrupts()
            if not fetched and self._outage.since is None and now >= looked + _LOOK_EVERY:
                looked = now
                reads = self._looked(reads, wanted)

    def _is_over(self, reads: list[Held]) -> bool:
        has_globs = any(map(is_glob, self._options.topics))
        return bool(reads) and not has_globs and all(held.is_fetched for held in reads)

    def _at_hand(self) -> Iterator[SourceBatch]:
        """What was fetched, by time."""
        ready = [held for held in self._fetcher.held.values() if held]
        heap = [(held.turn(), number) for number, held in enumerate(ready)] if len(ready) > 1 else []
        heapq.heapify(heap)
        while heap:
            _, number = heapq.heappop(heap)
            held = ready[number]
            if not heap:
                break
            turn, other = heap[0]
            yield SourceBatch(held.source, held.pop_until(turn, with_that_time=number < other))
            if held:
                heapq.heappush(heap, (held.turn(), number))
        for held in ready:
            while held:
                yield SourceBatch(held.source, held.pop())
            self._fetcher.go_on(held)

    def _looked(self, reads: list[Held], wanted: Range) -> list[Held]:
        """The reads as the topics are now: new ones of a glob, and new partitions, from their beginning; without the deleted."""
        options = self._options
        there: dict[str, list[int]] = {}
        try:
            for name in [None] if any(map(is_glob, options.topics)) else options.topics:
                there |= self._hasty(name)
        except StreamcliError:  # librdkafka tells of an outage
            return reads
        topics = {held.source.topic for held in reads}
        gone = topics - there.keys()
        named = sorted(gone.intersection(options.topics))
        if named:
            raise NotFound(
                f"topic {named[0]} was deleted while it was being read: all it had was given; start again without it"
            )
        new = self._new_sources(there, topics, {held.source for held in reads}, wanted)
        if new or gone:
            begun = [Held(source, start, None) for source, start in self._beginnings(new)]
            reads = [held for held in reads if held.source.topic not in gone] + begun
            self._fetcher.assign(reads)
        return reads

    def _new_sources(
        self, there: dict[str, list[int]], topics: set[str], known: set[KafkaSource], wanted: Range
    ) -> list[KafkaSource]:
        """Those not read yet: of the topics read, only where no partitions were chosen and no bound was set."""
        options = self._options
        found = find_kafka_sources(
            lambda topic: there if topic is None else {topic: there[topic]},
            options.topics,
            [],
            wait=True,
            where=str(self._connection.url),
        )
        if options.partitions:
            return [source for source in found if source.topic not in topics and source.partition in options.partitions]
        takes_more = wanted.stop == Range().stop
        return [source for source in found if source not in known and (takes_more or source.topic not in topics)]

    def _beginnings(self, sources: list[KafkaSource]) -> Iterable[tuple[KafkaSource, int]]:
        return zip(sources, self._offsets.starts(sources), strict=True)

    def _gone(self, held: Held) -> int:
        """Where to go on in a partition that has not the offset any more that is next."""
        (start,), (end,) = self._offsets.starts([held.source]), self._offsets.ends([held.source])
        if held.next_offset > end:
            raise OffsetOutOfRange(
                f"offset {held.next_offset} is out of range ({held.source.topic}, partition {held.source.partition} ends at "
                f"{end} now): the topic was made anew, or its records were lost; start again"
            )
        where = f"{self._connection.url}, {held.source.topic}, partition {held.source.partition}"
        self._options.on_damage(RemovedRecords(where, first=held.next_offset, next_offset=start))
        return start

    def _check_interrupts(self) -> None:
        poll = select.poll()
        if self._options.wakeup is not None:
            poll.register(self._options.wakeup, select.POLLIN)
        if self._options.hangup is not None:
            poll.register(self._options.hangup, 0)
        if poll.poll(0):
            raise Interrupted


def _due(seconds: float | None) -> float:
    """When to call before_wait again."""
    return time.monotonic() + seconds if seconds is not None else float("inf")

"""An Apache Kafka cluster that is mirrored, as far as its transactions are committed."""

from __future__ import annotations

import select
import time
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from streamcli.engine.consume import SourceBatch
from streamcli.kafka.connection import Connection, load
from streamcli.kafka.consumer import ConsumerClient
from streamcli.kafka.fetch import Fetcher, Held, reading_settings
from streamcli.kafka.messages import KafkaSource
from streamcli.kafka.offsets import Offsets, find_kafka_sources, partitions_there
from streamcli.mirror.cluster import PATIENCE, QUICK, make_consumer, reaching
from streamcli.mirror.interface import Place, Span, Unreachable, Wanted
from streamcli.mirror.name import group_of
from streamcli.record.errors import StreamcliError
from streamcli.storage.config import TopicConfig

_SLICE = 0.2
"""Seconds that a wait may take until we look whether we are to stop."""


class ClusterSource:
    """See mirror.interface."""

    def __init__(self, connection: Connection, wanted: Wanted) -> None:
        self._connection = connection._replace(timeout=PATIENCE, properties={**QUICK, **connection.properties})
        self._wanted = wanted
        self._partitions: dict[str, list[int]] = {}
        self._pinned: dict[KafkaSource, int] = {}
        self._fetcher: Fetcher | None = None
        self._asker: Any = None
        self._trouble = ""

    @property
    def where(self) -> str:
        return str(self._connection.url)

    def topics(self) -> list[str]:
        with reaching(self._connection):
            there = partial(partitions_there, self._opened().client, self._connection)
            wanted = self._wanted
            found = find_kafka_sources(there, wanted.patterns, [], wait=wanted.follow, where=self.where)
        self._partitions = {}
        for source in found:
            self._partitions.setdefault(source.topic, []).append(source.partition)
        return list(self._partitions)

    def config(self, topic: str) -> TopicConfig:
        return TopicConfig(len(self._partitions[topic]), {})

    def spans(self, topic: str) -> dict[int, Span]:
        """The ends are those of the first look, unless it follows."""
        sources = [KafkaSource(topic, partition) for partition in self._partitions[topic]]
        with reaching(self._connection):
            offsets = Offsets(self._opened().client, self._connection)
            starts, ends = offsets.starts(sources), offsets.ends(sources)
        found = {}
        for source, start, end in zip(sources, starts, ends, strict=True):
            pinned = end if self._wanted.follow else self._pinned.setdefault(source, end)
            found[source.partition] = Span(start, pinned)
        return found

    def open(self, positions: Mapping[Place, int]) -> None:
        self._close_asker()
        reads = []
        for place, offset in positions.items():
            source = KafkaSource(*place)
            reads.append(Held(source, offset, None if self._wanted.follow else self._pinned[source]))
        with reaching(self._connection):
            self._opened().add(reads)

    def batches(self) -> Iterator[SourceBatch]:
        fetcher = self._opened()
        quiet_since = time.monotonic()
        while True:
            for held in fetcher.held.values():
                while held:
                    yield SourceBatch(held.source, held.pop())
                    quiet_since = time.monotonic()
                with reaching(self._connection):
                    fetcher.go_on(held)
            if not self._wanted.follow and all(held.is_fetched for held in fetcher.held.values()):
                return
            if not self._fetch(0 if self._wanted.follow else _SLICE):
                if self._wanted.follow:
                    return
                if time.monotonic() - quiet_since > PATIENCE:
                    raise Unreachable(f"nothing came for {PATIENCE:g} s")

    def make_durable(self, positions: Mapping[Place, int]) -> None:
        """Whoever wrote them has committed them."""

    def mirrored(self, positions: Mapping[Place, int]) -> None:
        """Nothing is held."""

    def release(self, topic: str) -> int:  # noqa: ARG002
        return 0

    def first_record(self, place: Place, offset: int) -> tuple[int, int] | None:
        kafka = load()
        if self._asker is None:
            # One for all partitions: each has connections of its own to make. A fetch that found the end of one partition would by
            # default wait there for half a second before the next partition's is sent.
            self._asker = make_consumer(self._connection, group_of(self._wanted.mirror), fetch_wait_max_ms=0)
        with reaching(self._connection):
            self._asker.assign([kafka.TopicPartition(*place, offset)])
            deadline = time.monotonic() + PATIENCE
            while time.monotonic() < deadline:
                found = self._asker.poll(_SLICE)
                if found is None or (found.topic(), found.partition()) != place:
                    continue
                if not found.error():
                    return found.offset(), max(found.timestamp()[1], 0)
                if found.error().code() == kafka.KafkaError._PARTITION_EOF:
                    return None
        raise Unreachable(f"nothing came for {PATIENCE:g} s")

    def held_from(self, place: Place) -> int | None:  # noqa: ARG002
        return None

    def wait(self, timeout: float | None, wakeup: int) -> bool:
        poll = select.poll()
        poll.register(wakeup, select.POLLIN)
        deadline = time.monotonic() + (PATIENCE if timeout is None else timeout)
        while (left := deadline - time.monotonic()) > 0 and not poll.poll(0):
            if self._fetch(min(left, _SLICE)):
                break
        return False

    def close(self) -> None:
        if self._fetcher is not None:
            self._fetcher.close()
            self._fetcher = None
        self._close_asker()
        self._trouble = ""

    def _close_asker(self) -> None:
        """It would go on fetching the partition that it was asked about last."""
        if self._asker is not None:
            self._asker.close()
            self._asker = None

    def _opened(self) -> Fetcher:
        if self._fetcher is None:
            settings = reading_settings(self._connection, isolation_level="read_committed")
            self._fetcher = Fetcher(
                self._connection,
                ConsumerClient(self._connection, settings, self._note_trouble),
                on_gone=self._gone,
                on_trouble=self._note_trouble,
                on_life=self._note_life,
            )
        return self._fetcher

    def _fetch(self, timeout: float) -> bool:
        with reaching(self._connection):
            found = self._opened().fetch(timeout)
        if self._trouble:
            raise Unreachable(self._trouble)
        return found

    def _note_trouble(self, error: Any) -> None:
        if error.code() == load().KafkaError._ALL_BROKERS_DOWN:
            self._trouble = error.str()

    def _note_life(self) -> None:
        self._trouble = ""

    def _gone(self, held: Held) -> int:
        """Where to go on in a partition that has not the offset any more that is next."""
        source, offset = held.source, held.next_offset
        offsets = Offsets(self._opened().client, self._connection)
        (start,), (end,) = offsets.starts([source]), offsets.ends([source])
        if offset > end:
            raise StreamcliError(
                f"{source.topic}, partition {source.partition}, ends at offset {end} now, and was read up to {offset} "
                f"({self.where}): was the topic deleted and made anew? To mirror it from its beginning, use another --name"
            )
        self._wanted.on_lost((source.topic, source.partition), offset, start)
        return start

"""Producing to Apache Kafka: records handed to librdkafka by the chunk, and an exact count of what the cluster acknowledged."""

from __future__ import annotations

import time
from array import array
from typing import Any

from streamcli.engine.divided import Divided
from streamcli.engine.partitioner import Placement
from streamcli.engine.produce_request import ProduceRequest
from streamcli.engine.syncing import SYNC_BATCH
from streamcli.kafka import librdkafka as lib
from streamcli.kafka.connection import Connection
from streamcli.kafka.elements import Elements, place_elements, place_joined
from streamcli.kafka.linger import FULL_RECORDS, Linger
from streamcli.kafka.opened_topic import OpenedTopic
from streamcli.kafka.producer_client import Row
from streamcli.kafka.producer_settings import lingers_here
from streamcli.kafka.refusals import REASONS
from streamcli.record.batch import Columns, first_without_key, split_column
from streamcli.record.errors import NotFound, StreamcliError

_PORTION = FULL_RECORDS
"""Records that are handed over at once."""

_PATIENCE = 0.1
"""Seconds between two looks for a signal, while the cluster has its turn."""

_FULL = 0.005
"""Seconds until librdkafka is offered more when it could take no more: some 5,000 of 50,000 records are acknowledged in it."""

_LAST_WORDS = 5.0
"""Seconds that records in flight have to be acknowledged, once a signal asked to stop."""


class KafkaProducer:
    """See engine.interface. A record counts as durable once all in-sync replicas have it (acks=all), and is sent again without
    being there twice where an answer was lost (enable.idempotence)."""

    def __init__(
        self,
        connection: Connection,
        opened: OpenedTopic,
        request: ProduceRequest,
    ) -> None:
        self.config = config = opened.facts.config
        self._topic = opened
        self._connection = connection
        self._request = request
        self._client = opened.client
        only = (
            0 if config.partitions == 1 else lib.ANY_PARTITION
        )  # librdkafka asks its partitioner where that may be saved
        self._partition = only if request.partition is None else request.partition
        self._waits = request.sync == SYNC_BATCH or request.offsets or request.copies
        self._linger = Linger() if lingers_here(connection, config.partitions) else None
        self._failed: dict[int, int] = {}
        self._places: dict[int, tuple[int, int]] = {}
        self._is_lost = False
        self._gives_up = False
        self._told_away = False
        self._handed = 0
        self.durable = 0
        self.scattered = 0
        self.already = 0

    @property
    def divides_among(self) -> int | None:
        return None

    @property
    def encoder(self) -> None:
        return None

    @property
    def appended(self) -> int:
        return self.durable if self._failed and not self._is_lost else self._handed

    def first_refused(self, columns: Columns | Divided) -> int | None:
        assert isinstance(columns, Columns)
        return first_without_key(columns) if self.config.compacts else None

    def append(self, columns: Columns | Divided, partitions: list[int | None] | None = None) -> list[Placement]:
        assert isinstance(columns, Columns)
        first = self._handed
        if columns.headers or columns.common_headers or columns.timestamps or partitions:
            self._hand_over_rows(columns, partitions)
        else:
            self._hand_over(columns)
        if self._linger is not None:
            values = columns.values
            self._linger.add(columns.record_count, 0 if isinstance(values, list) else len(values))
        self._serve()
        if self._waits:
            self._wait_for_all()
            self.durable = self._handed
        if not self._request.offsets:
            return []
        places = [self._places.pop(number) for number in range(first, self._handed)]
        return [Placement(partition, offset, range(i, i + 1)) for i, (partition, offset) in enumerate(places)]

    def due_in(self) -> float | None:
        due = None if self._linger is None else self._linger.due_in()
        return due if due is not None else _PATIENCE if self._client.waiting() else None

    def tick(self) -> None:
        if self._linger is not None and self._linger.due_in() == 0:
            self._client.flush(_FULL)
            self._linger.sent(is_all=not self._client.waiting())
        self._serve()

    def finish(self) -> None:
        """Returns when every record is acknowledged. After a failure it waits for what is in flight, and counts."""
        is_sound = not self._failed
        try:
            self._wait_for_all()
        finally:
            self._count()
        if is_sound and self._handed and self._is_deleted():
            raise self._deleted()

    def check_end(self) -> None:
        """Any end will do: a cluster knows of no earlier run."""

    def _hand_over(self, columns: Columns) -> None:
        values = _placed(columns.values, columns.record_count)
        if columns.keys is not None:
            keys = _placed(columns.keys, columns.record_count)
        elif columns.common_key is not None:
            keys = _repeated(columns.common_key, columns.record_count)
        else:
            keys = None
        done = 0
        while done < columns.record_count:
            end = min(done + _PORTION, columns.record_count)
            numbers = range(self._handed, self._handed + end - done)
            part = (_cut(values, done, end), None if keys is None else _cut(keys, done, end))
            taken, refused = self._client.hand_over(numbers, self._partition, *part)
            self._handed += taken
            done += taken
            self._check_refused(refused)
            self._serve()
            if taken < len(numbers):
                self._make_room()

    def _hand_over_rows(self, columns: Columns, partitions: list[int | None] | None) -> None:
        count = columns.record_count
        keys = [columns.common_key] * count if columns.keys is None else split_column(columns.keys)
        values, placed_keys = place_elements(split_column(columns.values)), place_elements(keys)
        common = columns.common_headers or []
        for index in range(count):
            own = None if partitions is None or self._partition != lib.ANY_PARTITION else partitions[index]
            row = Row(
                number=self._handed,
                partition=self._partition if own is None else own,
                value=(values.addresses[index], values.lengths[index]),
                key=(placed_keys.addresses[index], placed_keys.lengths[index]),
                timestamp=columns.timestamps[index] if columns.timestamps else 0,
                headers=common + columns.headers[index] if columns.headers else common,
            )
            while (error := self._client.hand_over_row(row)) == lib.QUEUE_FULL:
                self._make_room()
            self._handed += 1
            self._check_refused({self._handed - 1: error} if error else {})
            if self._handed % _PORTION == 0:
                self._serve()

    def _make_room(self) -> None:
        """Wait until librdkafka may take more. A signal does not wait for a cluster that gives no answer."""
        if self._request.is_stopping():
            self._wait_for_all()
        self._serve(_FULL)

    def _check_refused(self, refused: dict[int, int]) -> None:
        """Records that librdkafka itself refuses: those before them are sent all the same. After a failure it takes none: what
        that was may be reported yet."""
        self._failed |= refused
        if lib.FATAL in refused.values():
            self._wait_for_all()
        if refused:
            raise self._failure()

    def _serve(self, seconds: float = 0.0) -> None:
        """Take note of what became of records; StreamcliError once one has failed."""
        self._take_reports(seconds)
        if self._failed:
            raise self._failure()

    def _take_reports(self, seconds: float) -> None:
        """Where the cluster refuses one, what is not sent yet is not sent, nor sent again: it comes after it, in its partition."""
        for report in self._client.reports(seconds):
            if isinstance(report, int):
                self._tell(report)
            elif report.error:
                self._gives_up = True
                self._failed[report.number] = report.error
            elif self._request.offsets:
                self._places[report.number] = (report.partition, report.offset)
        if self._gives_up:
            self._client.give_up(in_flight=False)

    def _wait_for_all(self) -> None:
        """Until every record handed over is acknowledged or has failed; the first failure is raised."""
        deadline: float | None = None
        while self._client.waiting():
            self._client.flush(_PATIENCE)
            self._take_reports(0)
            if self._request.is_stopping():
                deadline = deadline or time.monotonic() + _LAST_WORDS
                if time.monotonic() > deadline:
                    self._client.give_up(in_flight=True)
        self._take_reports(0)
        if self._failed:
            raise self._failure()

    def _count(self) -> None:
        """Count what is acknowledged, where nothing waits any more: all but what failed."""
        if self._is_lost:
            return
        if not self._failed:
            self.durable = self._handed
            return
        self.durable = min(self._failed)
        self.scattered = self._handed - self.durable - len(self._failed)

    def _is_deleted(self) -> bool:
        """Whether the topic is gone, or another one has its name, where the cluster can be asked."""
        try:
            return not self._topic.is_same(self._connection)
        except StreamcliError:
            return False

    def _deleted(self) -> NotFound:
        """The topic was deleted, with all that was durable in it."""
        self._is_lost = True
        self.durable = self.scattered = 0
        return NotFound(f"topic {self._topic.name} was deleted while it was written to ({self._connection.url})")

    def _tell(self, error: int) -> None:
        """A client's error, which librdkafka gets over, or else fails records by."""
        if error == lib.ALL_BROKERS_DOWN and not self._told_away and self._client.waiting():
            self._told_away = True
            self._request.warn(
                f"the cluster does not answer, and is asked again until message.timeout.ms is over ({self._connection.url})"
            )

    def _failure(self) -> StreamcliError:
        """The first record that failed by itself, not by what was given up for it, and why, in our words."""
        number, error = min(self._failed.items(), key=lambda failed: (_rank(failed[1]), failed[0]))
        where = self._connection.url
        if error in (lib.UNKNOWN_TOPIC, lib.UNKNOWN_PARTITION, lib.NO_SUCH_TOPIC) and self._is_deleted():
            return self._deleted()
        kind, reason, remedy = REASONS.get(error, (StreamcliError, self._client.reason(error), ""))
        return kind(f"record {number + 1} is not acknowledged: {reason} ({where}){remedy}")


def _rank(error: int) -> int:
    """0 for what is wrong with a record itself; for what only follows from another's failure more, the less it says."""
    return {lib.FATAL: 1, lib.PURGED_QUEUE: 2, lib.PURGED_IN_FLIGHT: 2}.get(error, 0)


def _placed(column: Any, count: int) -> Elements:
    """A column of Columns, in place."""
    return place_elements(column) if isinstance(column, list) else place_joined(bytes(column), count)


def _repeated(element: bytes, count: int) -> Elements:
    one = place_elements([element])
    return Elements(one.addresses * count, one.lengths * count, one.owner)


def _cut(elements: Elements, start: int, end: int) -> Elements:
    whole = start == 0 and end == len(elements.addresses)
    if whole:
        return elements
    addresses: array[int] = elements.addresses[start:end]
    return Elements(addresses, elements.lengths[start:end], elements.owner)

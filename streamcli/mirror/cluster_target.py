"""An Apache Kafka cluster that is mirrored to: records and progress in one transaction.

The progress is what a group of consumers would commit: of the group streamcli-mirror.NAME, by topic and partition of the
target, the offset in the source at which to go on. streamcli-mirror.NAME is the transactional id too, so a broker takes
nothing from a mirror once another one of this name has begun.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from itertools import repeat
from typing import Any

from streamcli.engine.consume import SourceBatch
from streamcli.kafka.connection import Connection, load
from streamcli.mirror.cluster import PATIENCE, QUICK, committed_progress, make_consumer, verdict
from streamcli.mirror.interface import Place, Progress, Unreachable
from streamcli.mirror.name import group_of
from streamcli.record.errors import Busy, StreamcliError
from streamcli.storage.config import TopicConfig

_MOST_RECORDS, _MOST_BYTES = 200_000, 32 << 20
"""What a transaction holds at most, about: a batch of the source more. A part of it where the network takes long."""

_LONGEST_OPEN = 1.0
"""Seconds that a record waits at most for those after it, in one transaction with it."""

_LONG, _SHORT = 15.0, 5.0
"""Seconds of a transaction from which on the next ones are half as large, and up to which they are twice as large again."""

_STUCK, _CUT_OFF = 15.0, 4.0
"""Seconds after which a call to the coordinator, which sends no records, counts as lost, without and with a connection that was
lost: librdkafka may not notice until the transaction is too old that the broker was started again."""

_TRANSACTION_TIMEOUT = 60.0
"""Seconds after which a broker gives up a transaction that was begun and not committed."""

_STEP = 1.0
"""Seconds that a call may take until we look whether we are to stop; then it is called again, and goes on."""

_SILENCE = "it does not answer"

_ROOM_AROUND_RECORD = 64 << 10
"""Bytes that a record batch may have around one record, with headers: what a topic has to take besides the record."""

_REFUSALS = ("MSG_SIZE_TOO_LARGE", "RECORD_LIST_TOO_LARGE", "INVALID_TIMESTAMP", "INVALID_RECORD", "INVALID_MSG")
"""What a broker says of a record that it will not take at the next try either."""


class _Silent:
    """A logger: librdkafka would write what is fatal to standard error, in words of its own; it is told as an error too."""

    def log(self, *_: object) -> None:
        """Nothing."""


class ClusterTarget:
    """See mirror.interface. name: the mirror's; on_wait: told why a call takes long, each time that it is to be called again;
    it may raise."""

    is_atomic = True

    def __init__(self, connection: Connection, name: str, on_wait: Callable[[str], None]) -> None:
        self._kafka = load()
        self._connection = connection._replace(properties={**QUICK, **connection.properties})
        self._name = name
        self._on_wait = on_wait
        self._caller = ThreadPoolExecutor(1)
        self._trouble = ""
        self._share = 1.0
        self._producer: Any = None
        self._consumer: Any = None
        self._metadata: Any = None
        self._begun: float | None = None
        self._partitions: dict[str, int] | None = None  # of the topics there, as they were listed
        self._positions: dict[Place, Progress] = {}
        self._records = self._bytes = 0
        self._first: dict[Place, int] = {}
        self._reports = False
        self._refused: tuple[str, Place] | None = None

    @property
    def where(self) -> str:
        return str(self._connection.url)

    def connect(self) -> None:
        self.close()
        name = group_of(self._name)
        with self._reaching():
            self._consumer = make_consumer(self._connection, name)
            self._metadata = self._consumer.consumer_group_metadata()
            self._producer = self._kafka.Producer(
                self._connection.settings(
                    transactional_id=name,
                    transaction_timeout_ms=int(_TRANSACTION_TIMEOUT * 1000),
                    # A partition that is new, or has forgotten the producer, takes as its first batch whichever comes first: where that is
                    # the second one, because the first met a leader that was not ready, the first is lost. More at once were not faster.
                    max_in_flight=1,
                    message_max_bytes=1_000_000_000,
                    queue_buffering_max_messages=10_000_000,
                    queue_buffering_max_kbytes=2_000_000,
                ),
                error_cb=self._note_trouble,
                logger=_Silent(),
            )
            self._resumed(self._producer.init_transactions)

    def prepare(self, topic: str, config: TopicConfig) -> None:
        from confluent_kafka.admin import AdminClient
        from confluent_kafka.cimpl import NewPartitions, NewTopic

        with self._reaching():
            if self._partitions is None:
                listed = self._producer.list_topics(timeout=PATIENCE).topics
                self._partitions = {name: len(found.partitions) for name, found in listed.items()}
            known = self._partitions.get(topic)
            if known is not None and known >= config.partitions:
                return
            admin = AdminClient(self._connection.settings())
            if known is None:
                largest = config.number("max.message.bytes") + _ROOM_AROUND_RECORD
                new = NewTopic(topic, config.partitions, config={"max.message.bytes": str(largest)})
                made = admin.create_topics([new], request_timeout=self._connection.timeout)
            else:
                more = NewPartitions(topic, config.partitions)
                made = admin.create_partitions([more], request_timeout=self._connection.timeout)
            self._partitions[topic] = config.partitions
            made[topic].result()
            self._await_partitions(topic, config.partitions)

    def progress(self, places: Iterable[Place]) -> dict[Place, Progress]:
        with self._reaching():
            return committed_progress(self._consumer, places)

    def write(self, taken: SourceBatch) -> int:
        source, batch = taken
        topic, partition = source.topic, source.partition
        with self._reaching():
            if self._begun is None:
                self._producer.begin_transaction()
                self._begun = time.monotonic()
            columns = batch.columns
            values, keys = batch.values(), batch.keys() if columns.keys is not None else repeat(columns.common_key)
            arguments: list[Iterable[Any]] = [
                repeat(topic),
                values,
                keys,
                repeat(partition),
                repeat(self._note_report if self._reports else None),
            ]
            times = batch.timestamps()
            arguments += [repeat(None), [time or 1 for time in times] if 0 in times else times]
            if columns.headers is not None or columns.common_headers:
                arguments.append(batch.headers())
            # The loop is in C: in Python it takes a third of the time more.
            deque(map(self._producer.produce, *arguments), maxlen=0)
        self._first.setdefault((topic, partition), batch.base_offset)
        self._positions[topic, partition] = Progress(batch.next_offset, times[-1])
        self._records += batch.count
        size = sum(map(len, filter(None, values)))
        self._bytes += size
        return size

    def is_full(self) -> bool:
        is_old = self._begun is not None and time.monotonic() - self._begun > _LONGEST_OPEN
        return self._records >= _MOST_RECORDS * self._share or self._bytes >= _MOST_BYTES * self._share or is_old

    def due_in(self) -> float | None:
        return None if self._begun is None else 0.0

    def commit(self) -> None:
        if self._begun is None:
            return
        offsets = [
            self._kafka.TopicPartition(*place, offset, metadata=str(time))
            for place, (offset, time) in self._positions.items()
        ]
        with self._reaching():
            self._flush()
            self._resumed(lambda timeout: self._producer.send_offsets_to_transaction(offsets, self._metadata, timeout))
            self._resumed(self._producer.commit_transaction)
        took = time.monotonic() - self._begun
        if took > _LONG:
            self._share = max(self._share / 2, 1 / 512)
        elif took < _SHORT:
            self._share = min(self._share * 2, 1.0)
        self._forget()
        self._reports, self._trouble = False, ""

    def keep_progress(self, places: Iterable[Place]) -> None:
        found = self.progress(places)
        if not found:
            return
        with self._reaching():
            self._producer.begin_transaction()
        self._begun, self._positions = time.monotonic(), found
        self.commit()

    def close(self) -> None:
        """What was begun is aborted by the broker, when the next one of this name begins or the transaction gets too old."""
        if self._producer is not None:
            with suppress(self._kafka.KafkaException):
                self._producer.purge()
        self._caller.shutdown(wait=False)
        self._caller = ThreadPoolExecutor(1)  # whose thread is not still in a call
        if self._consumer is not None:
            self._consumer.close()
        self._producer = self._consumer = self._metadata = self._partitions = None
        self._forget()

    def _forget(self) -> None:
        self._begun, self._refused = None, None
        self._positions, self._first = {}, {}
        self._records = self._bytes = 0

    def _flush(self) -> None:
        """Return once the brokers have what was written, or have refused it: the next call tells."""
        left: int = self._producer.flush(_STEP)
        while left:
            before, left = left, self._producer.flush(_STEP)
            if left == before:
                self._on_wait(self._trouble or _SILENCE)

    def _resumed(self, call: Callable[[float], None]) -> None:
        """Call, again and again where the time was too short: each call goes on with what the one before has begun.

        In a thread, for librdkafka stays longer than it was told to where the broker is away: 60 s, deaf to Ctrl-C.
        """
        begun = time.monotonic()
        while True:
            ended = self._caller.submit(call, _STEP)
            while ended not in wait([ended], _STEP).done:
                self._producer.poll(0)
                if time.monotonic() - begun > (_CUT_OFF if self._trouble else _STUCK):
                    raise Unreachable(self._trouble or _SILENCE)
                self._on_wait(self._trouble or _SILENCE)
            try:
                return ended.result()
            except self._kafka.KafkaException as error:
                reason = error.args[0]
                if reason.fatal() or reason.txn_requires_abort() or not reason.retriable():
                    raise
            self._on_wait(reason.str())
            self._producer.poll(0.1)

    def _note_trouble(self, error: Any) -> None:
        self._trouble = error.str()

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        """What librdkafka raises in the block as an error of ours, or as Unreachable."""
        try:
            yield
        except self._kafka.KafkaException as error:
            raise self._verdict(error.args[0]) from None

    def _verdict(self, error: Any) -> Exception:
        codes = self._kafka.KafkaError
        if self._refused is not None:
            reason, place = self._refused
            first, last = self._first[place], self._positions[place].offset - 1
            return StreamcliError(
                f"{self.where} refuses a record of {place[0]}, partition {place[1]}, one of offsets {first} to {last}: {reason}: "
                "see the topic's config there; what comes before these is mirrored"
            )
        if (
            error.code() in (codes._FENCED, codes.PRODUCER_FENCED, codes.INVALID_PRODUCER_EPOCH)
            and not self._is_overdue()
        ):
            return Busy(
                f"another mirror named {self._name} has begun, and this one is shut out ({self.where}): run one of them, or "
                "each with a --name of its own"
            )
        # Why a record was refused is told to a callback alone, which is too dear for every record. So the next try has one.
        self._reports = self._begun is not None
        return verdict(error, self._connection)

    def _is_overdue(self) -> bool:
        """Whether the broker has given up the transaction by its age, which looks the same as another mirror's beginning."""
        return self._begun is not None and time.monotonic() - self._begun > _TRANSACTION_TIMEOUT - 10

    def _note_report(self, error: Any, message: Any) -> None:
        if error is not None and self._refused is None and error.code() in self._final_for_records():
            self._refused = error.str(), (message.topic(), message.partition())

    def _final_for_records(self) -> set[int]:
        return {getattr(self._kafka.KafkaError, name) for name in _REFUSALS}

    def _await_partitions(self, topic: str, count: int) -> None:
        """Return once the producer knows of them: a record for one that it does not know is refused at once."""
        deadline = time.monotonic() + self._connection.timeout
        while time.monotonic() < deadline:
            known = self._producer.list_topics(topic, timeout=PATIENCE).topics[topic]
            if len(known.partitions) >= count:
                return
            self._producer.poll(0.05)
        raise Unreachable(f"topic {topic} is not there yet, though it was made")

"""A client that may be a member of a group: confluent_kafka's Consumer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from streamcli.kafka.client import Found, Place, Received, Trouble
from streamcli.kafka.connection import Connection, as_error, load, told
from streamcli.kafka.messages import KafkaSource, MessageBatch
from streamcli.kafka.passing import Patience, is_passing, never

if TYPE_CHECKING:
    from confluent_kafka import Message

    from streamcli.record.batch import RecordBatch

_MOST_AT_ONCE = 1000
"""Records taken from librdkafka in one call. Of 1,000,000 records of 88 bytes the calls took 0.40 s of processor time so, 0.65 with
10,000: what is freed is still in the processor's cache when it is used again."""


class ConsumerClient:
    """See client.Client. consumer: the Consumer itself, for what only a member of a group asks. on_trouble: gets errors of the
    client as a whole, which are not among those received."""

    def __init__(self, connection: Connection, settings: Mapping[str, Any], on_trouble: Callable[[Any], None]) -> None:
        self._kafka = load()
        with told(connection, "set up a client"):
            self.consumer = self._kafka.Consumer({"group.id": "streamcli", **settings, "error_cb": on_trouble})

    def look_up(self, sources: Sequence[KafkaSource], time: int, timeout: float) -> list[Found]:
        asked = [self._kafka.TopicPartition(*source, time) for source in sources]
        try:
            answers = self.consumer.offsets_for_times(asked, timeout=timeout)
        except self._kafka.KafkaException as error:
            codes = self._kafka.KafkaError
            if error.args[0].code() != codes._UNKNOWN_PARTITION or not self._are_there(sources, timeout):
                raise
            return [Found(source, -1, codes(codes.LEADER_NOT_AVAILABLE)) for source in sources]
        return [Found(KafkaSource(one.topic, one.partition), one.offset, one.error) for one in answers]

    def _are_there(self, sources: Sequence[KafkaSource], timeout: float) -> bool:
        """librdkafka says of a partition without a leader, too, that it does not know it."""
        there = {
            topic: self.partitions(topic, timeout).get(topic, []) for topic in {source.topic for source in sources}
        }
        return all(source.partition in there[source.topic] for source in sources)

    def partitions(self, topic: str | None, timeout: float) -> dict[str, list[int]]:
        return Listing(self.consumer).partitions(topic, timeout)

    def poll(self, timeout: float) -> object:
        return self.consumer.poll(timeout)

    def assign(self, places: list[Place]) -> None:
        self.consumer.assign(self._at(places))

    def pause(self, place: Place) -> None:
        self.consumer.pause(self._at([place]))

    def resume(self, places: list[Place]) -> None:
        self.consumer.resume(self._at(places))

    def seek(self, place: Place) -> None:
        self.consumer.seek(*self._at([place]))

    def receive(self, timeout: float) -> Received:
        first = self.consumer.poll(timeout)
        if first is None:
            return Received([], [])
        messages = [first, *self.consumer.consume(_MOST_AT_ONCE - 1, 0)]
        if not any(map(type(first).error, messages)):
            return Received(_runs(messages), [])
        records = [one for one in messages if not one.error()]
        return Received(_runs(records), [_trouble(one) for one in messages if one.error()])

    def close(self) -> None:
        self.consumer.close()

    def _at(self, places: list[Place]) -> list[Any]:
        return [self._kafka.TopicPartition(*place) for place in places]


def committed(
    consumer: Any, connection: Connection, sources: Sequence[KafkaSource], is_over: Callable[[], bool] = never
) -> dict[KafkaSource, int]:
    """The committed offsets of a Consumer's group, below 0 where there is none; asked again while errors pass. StreamcliError."""
    kafka, doing = load(), "ask for the committed offsets"

    def ask(timeout: float) -> Any:
        """The answers, or a KafkaError."""
        try:
            return consumer.committed([kafka.TopicPartition(*source) for source in sources], timeout=timeout)
        except kafka.KafkaException as error:
            return error.args[0]

    def error_in(answer: Any) -> Any:
        if not isinstance(answer, list):
            return answer
        errors = [one.error for one in answer if one.error is not None]
        return next(filter(is_passing, errors), errors[0] if errors else None)

    answer = Patience(connection.timeout, is_over).settled(ask, error_in) if sources else []
    error = error_in(answer)
    if error is not None:
        raise as_error(error, connection, doing)
    return {KafkaSource(one.topic, one.partition): one.offset for one in answer}


class Listing:
    """See client.Lists. client: any of confluent_kafka."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def partitions(self, topic: str | None, timeout: float) -> dict[str, list[int]]:
        listed = self._client.list_topics(*([] if topic is None else [topic]), timeout=timeout)
        kafka = load()
        for found in listed.topics.values():
            if topic is not None and found.error and found.error.code() == kafka.KafkaError.TOPIC_AUTHORIZATION_FAILED:
                raise kafka.KafkaException(found.error)
        return {name: sorted(found.partitions) for name, found in listed.topics.items() if found.error is None}

    def poll(self, timeout: float) -> object:
        return self._client.poll(timeout)


def _runs(messages: list[Message]) -> list[tuple[KafkaSource, RecordBatch]]:
    if not messages:
        return []
    kind: Any = type(messages[0])
    runs: list[tuple[KafkaSource, RecordBatch]] = []
    first = 0
    for place, run in groupby(zip(map(kind.topic, messages), map(kind.partition, messages), strict=True)):
        end = first + sum(1 for _ in run)
        runs.append((KafkaSource(*place), MessageBatch(messages[first:end])))
        first = end
    return runs


def _trouble(message: Any) -> Trouble:
    error = message.error()
    source = KafkaSource(message.topic() or "", message.partition() or 0)
    return Trouble(error.code(), error.str(), error.fatal(), source, message.offset() or 0)

"""How much there is on a cluster: see engine.stats."""

from __future__ import annotations

from importlib import import_module
from typing import Any, NamedTuple

from streamcli.engine.group_admin import PartitionState
from streamcli.engine.stats import Appended, GroupStats, TopicStats
from streamcli.groups.assignment import TopicPartition
from streamcli.kafka.admin import Admin, Questions, ask_for_offsets
from streamcli.kafka.connection import Connection, load, refused_part, told
from streamcli.kafka.listed import list_groups, list_topics
from streamcli.kafka.partitions import time_of
from streamcli.kafka.passing import Patience
from streamcli.record.errors import NotFound, StreamcliError

Answers = dict[TopicPartition, Any]
"""Partition -> offset and timestamp as confluent-kafka has them, or a StreamcliError; nothing where the topic is gone."""

_START, _END, _FIRST, _LAST = range(-4, 0)
"""What is asked of each partition, beside the first offset at or after a time, which stands for itself."""


class PartitionHolds(NamedTuple):
    """start, end: offsets, end excluded: where a consumer's is; times in ms. Of the rest brokers say nothing."""

    start: int
    end: int
    first_timestamp: int | None
    last_timestamp: int | None
    size: None = None
    segments: None = None


class KafkaStock:
    """See engine.stats.Stock. All is asked at once, at the beginning, in a request for each broker and each kind of offset;
    StreamcliError when there is no answer."""

    def __init__(self, connection: Connection, admin: Admin, topics: list[str], since: list[int]) -> None:
        self._connection = connection
        there = list_topics(connection, admin)
        self._partitions = {topic: there[topic] for topic in topics if topic in there}
        places = [
            (topic, number)
            for topic, numbers in self._partitions.items()
            if not isinstance(numbers, StreamcliError)  # which cannot be asked
            for number in numbers
        ]
        patience = Patience(connection.timeout)
        with told(connection, "ask for offsets"):
            pending = {
                what: ask_for_offsets(admin, dict.fromkeys(places, spec), patience=patience)
                for what, spec in _specs(since).items()
            }
        self._groups = list_groups(connection, admin)
        self._found: dict[int, Answers] = {what: self._answers(asked, places) for what, asked in pending.items()}

    def topic(self, topic: str) -> TopicStats:
        # Marks of transactions have offsets too, and nobody says how many there are: so no count is exact.
        return TopicStats(topic, False, [self._holds((topic, number)) for number in self._numbers(topic)])

    def appended(self, topic: TopicStats, since: int) -> Appended:
        records = 0
        for number, holds in enumerate(topic.partitions):
            offset = self._answer(since, (topic.topic, number)).offset
            records += max(0, holds.end - offset) if offset >= 0 else 0
        return Appended(records, None)

    def groups(self) -> list[str]:
        return sorted(self._groups)

    def group(self, name: str, topics: set[str], now_ms: int) -> GroupStats:  # noqa: ARG002  # no commit's time is known
        group = self._groups[name]
        if isinstance(group, StreamcliError):
            raise group
        states, lags = [], []
        for topic in sorted(group.topics & topics):
            for number in self._numbers(topic):
                place = (topic, number)
                offset, holds = group.committed.get(place), self._holds(place)
                lag = None if offset is None else holds.end - offset
                states.append(PartitionState(*place, offset, holds.end, lag, None, group.owners.get(place)))
                lags.append(holds.end - holds.start if lag is None else max(lag, 0))
        return GroupStats(name, group.members, states, lags)

    def _numbers(self, topic: str) -> list[int]:
        numbers = self._partitions.get(topic)
        if isinstance(numbers, StreamcliError):
            raise numbers
        if numbers is None:
            raise self._gone(topic)
        return list(numbers)

    def _holds(self, place: TopicPartition) -> PartitionHolds:
        start, end, first, last = (self._answer(what, place) for what in (_START, _END, _FIRST, _LAST))
        return PartitionHolds(start.offset, end.offset, time_of(first), time_of(last))

    def _answer(self, what: int, place: TopicPartition) -> Any:
        answer = self._found[what].get(place)
        if answer is None:
            raise self._gone(place[0])
        if isinstance(answer, StreamcliError):
            raise answer
        return answer

    def _gone(self, topic: str) -> NotFound:
        return NotFound(f"no such topic: {topic} (in {self._connection.url}): see `streamcli topics list`")

    def _answers(self, asked: Questions[TopicPartition], places: list[TopicPartition]) -> Answers:
        found: Answers = {}
        for place in places:
            doing = f"ask for the offsets of {place[0]}"
            try:
                found[place] = asked.answer(place, doing)
            except load().KafkaException as error:
                refused = refused_part(error.args[0], self._connection, doing)
                if refused is not None:
                    found[place] = refused
        return found


def _specs(since: list[int]) -> dict[int, Any]:
    """confluent-kafka's OffsetSpec of all that is asked."""
    kinds: Any = import_module("confluent_kafka.admin")  # which says not, for type checkers, what it exports
    spec = kinds.OffsetSpec
    known = {_START: spec.earliest(), _END: spec.latest(), _FIRST: spec.for_timestamp(0), _LAST: spec.max_timestamp()}
    return known | {time: spec.for_timestamp(time) for time in since}

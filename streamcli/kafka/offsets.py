"""Which offsets partitions have: where they start and end, and what a bound of a range means in them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from fnmatch import fnmatchcase
from typing import Any

from streamcli.engine.consume import is_glob
from streamcli.kafka.client import UNKNOWN, Client, Found, Lists
from streamcli.kafka.connection import Connection, as_error, asked, reason_of, told
from streamcli.kafka.messages import KafkaSource
from streamcli.kafka.passing import Patience, is_passing, never, no_answer
from streamcli.record.errors import NotFound, OffsetOutOfRange, StreamcliError, did_you_mean, no_partition
from streamcli.record.range import BEGINNING, END, OFFSET, TIME, Bound
from streamcli.storage.layout import check_topic_name

LATEST, EARLIEST = -1, -2
"""As a timestamp in the protocol's ListOffsets: the end (of what is committed, for read_committed), and the start."""


_TO_CONNECT = 0.05
"""Seconds that the first connection may take before it is waited for in another way."""


class Offsets:
    """Asks the cluster, by a client of librdkafka. is_over: whether nobody waits for answers any more."""

    def __init__(self, client: Client, connection: Connection, is_over: Callable[[], bool] = never) -> None:
        self._client = client
        self._connection = connection
        self._is_over = is_over

    def starts(self, sources: Sequence[KafkaSource]) -> list[int]:
        return self._look_up(sources, EARLIEST)

    def ends(self, sources: Sequence[KafkaSource]) -> list[int]:
        """The offset after the last record that can be read now: with transactions, before the first that is open."""
        return self._look_up(sources, LATEST)

    def resolve(self, sources: Sequence[KafkaSource], ends: Sequence[int], bound: Bound) -> list[int]:
        """The offsets that a bound other than LAST means; OffsetOutOfRange for one that is not there."""
        if bound.kind == END:
            return list(ends)
        if bound.kind == TIME:
            found = self._look_up(sources, max(bound.number, 0))
            return [end if offset < 0 else min(offset, end) for offset, end in zip(found, ends, strict=True)]
        starts = self.starts(sources)
        if bound.kind == BEGINNING:
            return starts
        for source, start, end in zip(sources, starts, ends, strict=True):
            if not start <= bound.number <= end:
                holds = f"offsets {start} to {end - 1}" if end > start else "no records yet"
                raise OffsetOutOfRange(
                    f"offset {bound.number} is out of range ({source.topic}, partition {source.partition} has {holds}): "
                    "use -o beginning, or choose a partition with -p"
                )
        return [bound.number] * len(sources)

    def stops(self, sources: Sequence[KafkaSource], ends: Sequence[int], bound: Bound) -> list[int | None]:
        """The offsets at which a read stops, None where that is the end."""
        if bound.kind == END:
            return [None] * len(sources)
        if bound.kind == OFFSET:
            return [bound.number] * len(sources)
        return list(self.resolve(sources, ends, bound))

    def _look_up(self, sources: Sequence[KafkaSource], time: int) -> list[int]:
        def ask(asked: list[KafkaSource], timeout: float) -> list[Found]:
            return self._client.look_up(asked, time, timeout)

        answers = look_up(self._connection, sources, ask, self._is_over)
        for answer in answers:
            if answer.error is not None:
                raise as_error(answer.error, self._connection, f"ask for the offsets of {answer.source.topic}")
        return [answer.offset for answer in answers]


def look_up(
    connection: Connection,
    sources: Sequence[KafkaSource],
    ask: Callable[[list[KafkaSource], float], list[Found]],
    is_over: Callable[[], bool] = never,
) -> list[Found]:
    """What Client.look_up finds, by `ask`, which gets the seconds it may take, in the order of `sources`; those are asked for again
    whose errors pass. StreamcliError where there is no answer at all."""
    found: dict[KafkaSource, Found] = {}

    def error_of_those_left(timeout: float) -> Any:
        left = [source for source in sources if source not in found or is_passing(found[source].error)]
        try:
            for answer in ask(left, timeout) if left else ():
                found[answer.source] = answer._replace(error=no_answer()) if answer.offset == UNKNOWN else answer
        except Exception as error:
            if reason_of(error) is None:
                raise
            return reason_of(error)
        return next((answer.error for answer in found.values() if is_passing(answer.error)), None)

    with told(connection, "ask for offsets"):
        error = Patience(connection.timeout, is_over).settled(error_of_those_left, lambda error: error)
    if not found.keys() >= set(sources):
        raise as_error(error, connection, "ask for offsets")
    return [found[source] for source in sources]


def connect(client: Client, connection: Connection, topics: Sequence[str]) -> None:
    """Have a client that was just made connect. While its first connection comes about, librdkafka mostly answers the question
    which topics there are 50 ms late, but not that for an offset: 14 ms in place of 65 for both. What goes wrong is met again
    by who asks next."""
    names = [topic for topic in topics if not is_glob(topic)]
    if names:
        with suppress(StreamcliError), told(connection, "connect"):
            client.look_up([KafkaSource(names[0], 0)], LATEST, _TO_CONNECT)


def partitions_there(client: Lists, connection: Connection, topic: str | None = None) -> dict[str, list[int]]:
    """The partitions of each topic, or of one, which is not there where it is missing; not of the cluster's own topics.
    StreamcliError for one that this user may not see."""
    with told(connection, _doing(topic)):
        return _partitions(client, topic, connection.timeout)


def first_partitions_there(client: Lists, connection: Connection, topic: str | None = None) -> dict[str, list[int]]:
    """The same, for a client that has nothing assigned; an error says what is wrong with the connections."""
    return asked(client, connection, _doing(topic), lambda wait: _partitions(client, topic, wait))


def _doing(topic: str | None) -> str:
    return "ask which topics there are" if topic is None else f"ask for topic {topic}"


def _partitions(client: Lists, topic: str | None, timeout: float) -> dict[str, list[int]]:
    there = client.partitions(topic, timeout)
    return {name: numbers for name, numbers in there.items() if name == topic or not name.startswith("__")}


def find_kafka_sources(
    there: Callable[[str | None], dict[str, list[int]]],
    patterns: Sequence[str],
    partitions: Sequence[int],
    *,
    wait: bool,
    where: str,
) -> list[KafkaSource]:
    """The partitions of the topics named or matched, or those chosen of them. NotFound when a name, or a glob, has none (a glob
    with `wait`: none yet). there: gives the partitions of one topic, or of all."""
    topics: dict[str, list[int]] = {}
    for pattern in patterns:
        if is_glob(pattern):
            every = there(None)
            found = {name: every[name] for name in sorted(every) if fnmatchcase(name, pattern)}
            if not found and not wait:
                remedy = did_you_mean(pattern.strip("*?"), every, "see `streamcli topics list`")
                raise NotFound(f"no topic matches {pattern!r} (in {where}): {remedy}")
            topics.update(found)
        else:
            topics |= there(check_topic_name(pattern))
            if pattern not in topics:
                remedy = did_you_mean(pattern, there(None), "see `streamcli topics list`")
                raise NotFound(f"no such topic: {pattern} (in {where}): {remedy}")
    for topic, numbers in topics.items():
        for partition in partitions:
            if partition not in numbers:
                raise no_partition(topic, partition, len(numbers))
    return [
        KafkaSource(topic, number)
        for topic, numbers in topics.items()
        for number in (dict.fromkeys(partitions) or numbers)
    ]

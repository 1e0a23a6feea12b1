"""The engine on an Apache Kafka cluster: see engine.interface."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from functools import cached_property
from typing import TYPE_CHECKING

from streamcli.engine.alter import Alteration
from streamcli.engine.consume import is_glob
from streamcli.engine.ensure_topic import no_partition_in_new
from streamcli.engine.topic_state import TopicSettings, TopicState, Trimmed
from streamcli.kafka.admin import Admin
from streamcli.kafka.connection import Connection, check_installed
from streamcli.kafka.partitions import partition_states, trim
from streamcli.kafka.topics import BROKERS_OWN, Topics, change, config_of, is_own, metadata, settings_of
from streamcli.record.errors import NotFound, no_partition
from streamcli.record.range import Bound
from streamcli.storage.config import TopicConfig, Value, check_partitions
from streamcli.storage.directory import TopicExists
from streamcli.storage.layout import check_topic_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamcli.engine.activity import Observer
    from streamcli.engine.group_request import GroupEvents, GroupRequest
    from streamcli.engine.interface import GroupConsumer, Groups, Reader, Table
    from streamcli.engine.produce_request import ProduceRequest
    from streamcli.engine.read_options import ReadOptions, TableOptions
    from streamcli.engine.stats import Stock
    from streamcli.kafka.opened_topic import OpenedTopic
    from streamcli.kafka.produce import KafkaProducer


class KafkaEngine:
    """Topics and groups of a cluster."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        check_installed()
        self._opened: OpenedTopic | None = None

    @property
    def where(self) -> str:
        return str(self.connection.url)

    def exists(self) -> bool:
        self.topics()
        return True

    def topics(self, pattern: str = "*") -> list[str]:
        names = sorted(metadata(self.connection, self.admin).topics)
        return [name for name in names if fnmatchcase(name, pattern) and not is_own(name)]

    def config(self, topic: str) -> TopicConfig:
        found = self.cluster.get(topic, self.topics)
        return config_of(found, self.cluster.settings([topic])[topic])

    def settings(self, topics: list[str]) -> Iterator[tuple[str, TopicSettings]]:
        found, entries = self.cluster.find(topics), self.cluster.settings(topics)
        for topic in topics:
            there = found[topic]
            if there is None:
                raise self.cluster.missing(topic, self.topics)
            yield topic, settings_of(there, entries[topic])

    def matching(self, patterns: list[str]) -> list[str]:
        found: dict[str, None] = {}
        for pattern in patterns:
            matched = self.topics(pattern) if is_glob(pattern) else [check_topic_name(pattern)]
            if not matched:
                raise NotFound(f"no topic matches {pattern!r} (in {self.where}): see `streamcli topics list`")
            found.update(dict.fromkeys(matched))
        return list(found)

    def states(self, topics: list[str]) -> Iterator[TopicState]:
        for topic in topics:
            found = self.cluster.get(topic, self.topics)
            settings = settings_of(found, self.cluster.settings([topic])[topic])
            yield TopicState(topic, settings, partition_states(self.cluster, found), [], [])

    def check_new(self, topics: list[str], new: TopicConfig, replication: int | None) -> None:
        check_partitions(new.partitions)
        for topic in topics:
            check_topic_name(topic)
        if len(topics) > 1:
            self.cluster.check_new(topics, new.partitions, _as_text(new.overrides), replication or BROKERS_OWN)

    def create(self, topic: str, new: TopicConfig, replication: int | None) -> None:
        self.cluster.create(topic, new.partitions, _as_text(new.overrides), replication or BROKERS_OWN)

    def alter(self, topic: str, alteration: Alteration) -> tuple[TopicSettings, TopicSettings]:
        ((_, before),) = self.settings([check_topic_name(topic)])
        change(self.cluster, topic, before, alteration)
        ((_, after),) = self.settings([topic])
        return before, after

    def delete(self, topic: str) -> None:
        self.cluster.delete(self.cluster.get_users(topic, self.topics).name)

    def trim(
        self,
        topic: str,
        partitions: list[int],
        before: Bound,
        *,
        clock: Callable[[], int],  # noqa: ARG002  # the brokers'
        warn: Callable[[str], None],  # noqa: ARG002  # there is nothing to tell
    ) -> Iterator[Trimmed]:
        return trim(self.cluster, self.cluster.get_users(topic, self.topics), partitions, before)

    def ensure_topic(self, topic: str, new: TopicConfig, *, partition: int | None = None) -> TopicConfig:
        from streamcli.kafka.opened_topic import open_topic

        self._opened = open_topic(topic, self.connection)
        if self._opened is not None:
            return TopicConfig(self._opened.facts.config.partitions, {})
        if partition is not None and partition >= new.partitions:
            raise no_partition_in_new(topic, new.partitions, partition)
        try:
            self.create(topic, new, None)
        except TopicExists:  # another process was first
            return self.config(topic)
        return new

    def producer(self, topic: str, request: ProduceRequest) -> KafkaProducer:
        from streamcli.kafka.opened_topic import open_topic, suited
        from streamcli.kafka.produce import KafkaProducer

        opened, self._opened = self._opened, None
        if opened is None or opened.name != topic:
            opened = open_topic(topic, self.connection)
        if opened is None:
            raise self.cluster.missing(topic, self.topics)
        partitions = opened.facts.config.partitions
        if request.partition is not None and request.partition >= partitions:
            raise no_partition(topic, request.partition, partitions)
        return KafkaProducer(self.connection, suited(opened, self.connection, request), request)

    @cached_property
    def cluster(self) -> Topics:
        return Topics(self.connection, self.admin)

    def reader(self, options: ReadOptions) -> Reader:
        from streamcli.kafka.reader import KafkaReader

        return KafkaReader(self.connection, options)

    def table(self, options: TableOptions) -> Table:
        from streamcli.kafka.table import KafkaTable

        return KafkaTable(self.connection, options, may_compact=lambda: self._may_compact(options.topic))

    def consumer(self, request: GroupRequest, events: GroupEvents) -> GroupConsumer:
        from streamcli.kafka.group import KafkaConsumer

        return KafkaConsumer(self.connection, request, events)

    def groups(self, _: Callable[[], int]) -> Groups:
        from streamcli.kafka.groups import KafkaGroups

        return KafkaGroups(self.connection, self.admin)

    def observer(self, patterns: list[str]) -> Observer:
        from streamcli.kafka.observer import KafkaObserver

        return KafkaObserver(self.connection, self.admin, patterns)

    def stock(self, topics: list[str], since: list[int]) -> Stock:
        from streamcli.kafka.stock import KafkaStock

        return KafkaStock(self.connection, self.admin, topics, since)

    @cached_property
    def admin(self) -> Admin:
        return Admin(self.connection)

    def _may_compact(self, topic: str) -> bool:
        """Whether a topic is compacted, or nobody tells us."""
        entries = self.cluster.settings([topic])[topic]
        return "cleanup.policy" not in entries or "compact" in (entries["cleanup.policy"].value or "")


def _as_text(settings: dict[str, Value]) -> dict[str, str]:
    return {name: str(value) for name, value in settings.items()}

"""The engine on a log directory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from streamcli.record.errors import UsageError
from streamcli.storage.config import TopicConfig, check_config
from streamcli.storage.directory import LogDirectory
from streamcli.storage.layout import check_topic_name

if TYPE_CHECKING:
    from streamcli.engine.activity import Observer
    from streamcli.engine.alter import Alteration
    from streamcli.engine.group_request import GroupEvents, GroupRequest
    from streamcli.engine.interface import GroupConsumer, Groups, Reader, Table
    from streamcli.engine.produce import Producer
    from streamcli.engine.produce_request import ProduceRequest
    from streamcli.engine.read_options import ReadOptions, TableOptions
    from streamcli.engine.stats import Stock
    from streamcli.engine.topic_state import TopicSettings, TopicState, Trimmed
    from streamcli.record.range import Bound


class DirectoryEngine:
    """See engine.interface. directory: what commands that look into its files use."""

    def __init__(self, directory: LogDirectory) -> None:
        self.directory = directory

    @property
    def where(self) -> str:
        return self.directory.path

    def exists(self) -> bool:
        return self.directory.exists

    def topics(self, pattern: str = "*") -> list[str]:
        return self.directory.topics(pattern)

    def config(self, topic: str) -> TopicConfig:
        return self.directory.config(topic)

    def reader(self, options: ReadOptions) -> Reader:
        from streamcli.engine.directory_reader import DirectoryReader  # for produce it would be read in vain

        return DirectoryReader(self.directory, options)

    def table(self, options: TableOptions) -> Table:
        from streamcli.engine.directory_table import DirectoryTable

        return DirectoryTable(self.directory, options)

    def settings(self, topics: list[str]) -> Iterator[tuple[str, TopicSettings]]:
        from streamcli.engine.topic_state import TopicSettings

        return ((topic, TopicSettings.of(self.directory.config(topic))) for topic in topics)

    def matching(self, patterns: list[str]) -> list[str]:
        from streamcli.engine.consume import matching_topics

        return matching_topics(self.directory, patterns)

    def states(self, topics: list[str]) -> Iterator[TopicState]:
        from streamcli.engine.topic_state import directory_states

        return directory_states(self.directory, topics)

    def check_new(self, topics: list[str], new: TopicConfig, replication: int | None) -> None:
        if replication is not None:
            raise UsageError(
                "a log directory is on one machine, --replication-factor is for Apache Kafka: leave out the option"
            )
        check_config(new)
        for topic in topics:
            check_topic_name(topic)

    def create(self, topic: str, new: TopicConfig, replication: int | None) -> None:  # noqa: ARG002  # checked
        from streamcli.engine.ensure_topic import create_topic

        if not self.directory.exists:
            self.directory = LogDirectory(self.where, lock_timeout=self.directory.lock_timeout, create=True)
        create_topic(self.directory, topic, new)

    def alter(self, topic: str, alteration: Alteration) -> tuple[TopicSettings, TopicSettings]:
        from streamcli.engine.alter import alter_topic
        from streamcli.engine.topic_state import TopicSettings

        before, after = alter_topic(self.directory, check_topic_name(topic), alteration)
        return TopicSettings.of(before), TopicSettings.of(after)

    def delete(self, topic: str) -> None:
        self.directory.delete_topic(topic)

    def trim(
        self, topic: str, partitions: list[int], before: Bound, *, clock: Callable[[], int], warn: Callable[[str], None]
    ) -> Iterator[Trimmed]:
        from streamcli.engine.clean import Cleaning
        from streamcli.engine.topic_state import Trimmed

        for place, done in Cleaning(self.directory, clock=clock, warn=warn).trim(topic, partitions, before):
            yield Trimmed(*place, done.start_before, done.start, done.segments, done.bytes)

    def observer(self, patterns: list[str]) -> Observer:
        from streamcli.engine.directory_observer import DirectoryObserver

        return DirectoryObserver(self.directory, patterns)

    def stock(self, topics: list[str], since: list[int]) -> Stock:  # noqa: ARG002  # it looks when it is asked
        from streamcli.engine.directory_stock import DirectoryStock

        return DirectoryStock(self.directory)

    def ensure_topic(self, topic: str, new: TopicConfig, *, partition: int | None = None) -> TopicConfig:
        from streamcli.engine.ensure_topic import ensure_topic

        return ensure_topic(self.directory, topic, new, partition=partition)

    def producer(self, topic: str, request: ProduceRequest) -> Producer:
        from streamcli.engine.produce import Producer

        return Producer(
            self.directory,
            topic,
            partition=request.partition,
            sync=request.sync,
            compress=request.compress,
            clock=request.clock,
            warn=request.warn,
            is_stopping=request.is_stopping,
            name=request.name,
        )

    def consumer(self, request: GroupRequest, events: GroupEvents) -> GroupConsumer:
        from streamcli.engine.group import BoundedConsumer, FollowingConsumer

        return (FollowingConsumer if request.follow else BoundedConsumer)(self.directory, request, events)

    def groups(self, clock: Callable[[], int]) -> Groups:
        from streamcli.engine.directory_groups import DirectoryGroups

        return DirectoryGroups(self.directory, clock)

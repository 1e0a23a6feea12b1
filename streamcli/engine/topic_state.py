"""What there is to know of a topic: its settings, and what each partition holds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from streamcli.storage import strangers
from streamcli.storage.config import SETTINGS, TopicConfig, Value
from streamcli.storage.directory import LogDirectory
from streamcli.storage.hold import Hold, holds
from streamcli.storage.layout import topic_directory
from streamcli.storage.log import Log


class TopicSettings(NamedTuple):
    """partitions: how many; in_force: name -> value of every setting; set: the names of those not left at their default."""

    partitions: int
    in_force: dict[str, Value]
    set: list[str]

    @classmethod
    def of(cls, config: TopicConfig) -> TopicSettings:
        in_force = {name: config.value(name) for name in SETTINGS}
        return cls(config.partitions, in_force, [name for name in SETTINGS if name in config.overrides])

    def config(self) -> TopicConfig:
        """What was set of what a log directory knows too."""
        return TopicConfig(self.partitions, {name: self.in_force[name] for name in self.set if name in SETTINGS})


class Replication(NamedTuple):
    """The brokers that have a partition, by their ids: leader None while there is none."""

    leader: int | None
    replicas: list[int]
    in_sync: list[int]


class PartitionState(NamedTuple):
    """start, end: the log start offset and the log end offset, None while no broker leads it; size in bytes, segments: None where
    only brokers know; first_timestamp, last_timestamp: ms since the epoch, None without a record; replication: None on a log
    directory."""

    number: int
    start: int | None
    end: int | None
    size: int | None
    segments: int | None
    first_timestamp: int | None
    last_timestamp: int | None
    replication: Replication | None = None


class TopicState(NamedTuple):
    """holds: what mirrors hold, with the partition's number; strangers: paths beside the topic's files that are not streamcli's."""

    name: str
    settings: TopicSettings
    partitions: list[PartitionState]
    holds: list[tuple[int, Hold]]
    strangers: list[str]


class Trimmed(NamedTuple):
    """The log start offset of a partition before and after; segments and bytes that went at once, None where only brokers know."""

    topic: str
    partition: int
    start_before: int
    start: int
    segments: int | None
    bytes: int | None


def directory_states(directory: LogDirectory, topics: list[str]) -> Iterator[TopicState]:
    """The states of topics of a log directory. NotFound when its turn comes for one that is not there."""
    for name in topics:
        config = directory.config(name)
        logs = [Log(directory.partition_directory(name, number)) for number in range(config.partitions)]
        others = {log.directory: log.other_files() for log in logs}
        states = [PartitionState(number, *log.summary(just_listed=True)) for number, log in enumerate(logs)]
        held = [
            (number, hold) for number, log in enumerate(logs) for hold in holds(log.directory, others[log.directory])
        ]
        strange = strangers.in_topic(topic_directory(directory.path, name), others)
        yield TopicState(name, TopicSettings.of(config), states, held, strange)

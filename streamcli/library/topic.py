"""Topics: what they look like, and from Python's values to their config."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from streamcli.storage.config import SETTINGS, TopicConfig, Value, check_config, checked_value
from streamcli.storage.directory import LogDirectory
from streamcli.storage.log import Log


class PartitionDescription(NamedTuple):
    """One partition. `log_start_offset` <= offset < `log_end_offset` are its offsets, which have gaps where compaction was; `size` is in
    bytes on disk; the timestamps, of its first and last record, are ms since the epoch, None where it is empty."""

    partition: int
    log_start_offset: int
    log_end_offset: int
    size: int
    segments: int
    first_timestamp: int | None
    last_timestamp: int | None


class TopicDescription(NamedTuple):
    """A topic. `config` has the value in force of every setting (bytes, ms, -1 for unlimited), `overrides` those that were set."""

    topic: str
    partitions: list[PartitionDescription]
    config: dict[str, Value]
    overrides: dict[str, Value]


def describe(directory: LogDirectory, topic: str) -> TopicDescription:
    """NotFound when there is no such topic."""
    config = directory.config(topic)
    logs = [Log(directory.partition_directory(topic, number)) for number in range(config.partitions)]
    partitions = [PartitionDescription(number, *log.summary()) for number, log in enumerate(logs)]
    return TopicDescription(topic, partitions, {name: config.value(name) for name in SETTINGS}, dict(config.overrides))


def make_config(partitions: int, settings: Mapping[str, Value]) -> TopicConfig:
    """The config of a topic to be made; UsageError for a value that it cannot have."""
    config = TopicConfig(partitions, {name: checked_value(name, value) for name, value in settings.items()})
    check_config(config)
    return config

"""Making topics: on demand, or when something is first written to one."""

from __future__ import annotations

import os
import time

from streamcli.record.errors import NotFound
from streamcli.storage.config import TopicConfig
from streamcli.storage.directory import LogDirectory, TopicExists
from streamcli.storage.layout import GROUPS


def create_topic(directory: LogDirectory, topic: str, config: TopicConfig) -> None:
    """Make a topic; TopicExists when it is there. What groups have committed of an earlier one of that name is void: its
    offsets are not those of the new one."""

    def void_commits() -> None:
        if os.path.isdir(os.path.join(directory.path, GROUPS)):
            from streamcli.engine.group_admin import void_commits  # only where there are groups

            void_commits(directory, topic, time.time_ns() // 1_000_000)

    directory.create_topic(topic, config, void_commits)


def ensure_topic(directory: LogDirectory, topic: str, new: TopicConfig, *, partition: int | None = None) -> TopicConfig:
    """The config of the topic that is there, or of the `new` one that is made now.

    partition: the one that is going to be written to; NotFound, and nothing is made, when a new topic would not have it.
    """
    try:
        return directory.config(topic)
    except NotFound:
        pass
    if partition is not None and partition >= new.partitions:
        raise no_partition_in_new(topic, new.partitions, partition)
    try:
        create_topic(directory, topic, new)
    except TopicExists:  # another process was first
        return directory.config(topic)
    return new


def no_partition_in_new(topic: str, partitions: int, partition: int) -> NotFound:
    """The error for a partition that a topic would not have."""
    return NotFound(
        f"topic {topic} is not there yet, and made with {partitions} would have no partition "
        f"{partition}: create it with --partitions"
    )

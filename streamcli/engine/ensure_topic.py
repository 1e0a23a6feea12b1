"""A topic that is made when something is first written to it."""

from __future__ import annotations

from streamcli.record.errors import NotFound
from streamcli.storage.config import TopicConfig
from streamcli.storage.directory import LogDirectory, TopicExists


def ensure_topic(directory: LogDirectory, topic: str, new: TopicConfig, *, partition: int | None = None) -> TopicConfig:
    """The config of the topic that is there, or of the `new` one that is made now.

    partition: the one that is going to be written to; NotFound, and nothing is made, when a new topic would not have it.
    """
    try:
        return directory.config(topic)
    except NotFound:
        pass
    if partition is not None and partition >= new.partitions:
        raise NotFound(
            f"topic {topic} is not there yet, and with {new.partitions} partitions would have no partition "
            f"{partition}: create it with --partitions"
        )
    try:
        directory.create_topic(topic, new)
    except TopicExists:  # another process was first
        return directory.config(topic)
    return new

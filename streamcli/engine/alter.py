"""Altering a topic: more partitions, other settings, or the default ones again."""

from __future__ import annotations

from typing import NamedTuple

from streamcli.storage.config import TopicConfig, Value
from streamcli.storage.directory import LogDirectory


class Alteration(NamedTuple):
    """What is to change. partitions: how many there are to be, None as many as there are; settings: those to set, as stored;
    unset: the names of those that are to be the default again."""

    partitions: int | None
    settings: dict[str, Value]
    unset: frozenset[str]

    def apply(self, config: TopicConfig) -> TopicConfig:
        kept = {name: value for name, value in config.overrides.items() if name not in self.unset}
        return TopicConfig(config.partitions if self.partitions is None else self.partitions, kept | self.settings)


def alter_topic(directory: LogDirectory, topic: str, alteration: Alteration) -> tuple[TopicConfig, TopicConfig]:
    """The topic's config before and after. Producers and consumers that run take notice, about a second later at most.

    NotFound when there is no such topic, UsageError for fewer partitions; then nothing has changed.
    """
    return directory.alter_topic(topic, alteration.apply)

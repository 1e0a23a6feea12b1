"""A topic's config as it is now, for who works on the topic for long."""

from __future__ import annotations

import time
from contextlib import suppress

from streamcli.record.errors import StreamcliError
from streamcli.storage.config import TopicConfig
from streamcli.storage.directory import LogDirectory

INTERVAL = 1.0
"""Seconds from one look at the config to the next, at least."""


class CurrentConfig:
    """The config of a topic, read again where the last look is INTERVAL ago. NotFound when there is no such topic.

    Later, where it cannot be read, the last one goes on: that the topic was deleted is told by the append that meets it.
    """

    __slots__ = ("_config", "_directory", "_looked_at", "_topic")

    def __init__(self, directory: LogDirectory, topic: str) -> None:
        self._directory = directory
        self._topic = topic
        self._config = directory.config(topic)
        self._looked_at = time.monotonic()

    def get(self) -> TopicConfig:
        """The same object as long as nothing was changed."""
        now = time.monotonic()
        if now - self._looked_at >= INTERVAL:
            self._looked_at = now
            with suppress(StreamcliError, OSError):
                found = self._directory.config(self._topic)
                self._config = self._config if found == self._config else found
        return self._config

"""A topic's config as it is now, for who works on the topic for long."""

from __future__ import annotations

import os
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

    __slots__ = ("_config", "_directory", "_looked_at", "_seen", "_topic")

    def __init__(self, directory: LogDirectory, topic: str) -> None:
        self._directory = directory
        self._topic = topic
        self._config = directory.config(topic)
        self._looked_at = time.monotonic()
        self._seen: tuple[int, int] | None = None  # the file that was read last, where `now` has read it

    def now(self) -> TopicConfig:
        """That of this moment: by a stat(2), as long as the file is the same."""
        with suppress(OSError):
            status = os.stat(self._directory.config_path(self._topic))
            seen = status.st_ino, status.st_mtime_ns
            if seen != self._seen:
                self._read()
                self._seen = seen
        return self._config

    def get(self) -> TopicConfig:
        """The same object as long as nothing was changed."""
        if time.monotonic() - self._looked_at >= INTERVAL:
            self._read()
        return self._config

    def _read(self) -> None:
        self._looked_at = time.monotonic()
        with suppress(StreamcliError, OSError):
            found = self._directory.config(self._topic)
            self._config = self._config if found == self._config else found

"""Appenders for who writes to a partition without producing records to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from streamcli.storage.append import Appender, RollPolicy
from streamcli.storage.directory import LogDirectory


@contextmanager
def open_appender(
    directory: LogDirectory, topic: str, partition: int, *, clock: Callable[[], int], warn: Callable[[str], None]
) -> Iterator[Appender]:
    """An appender to one partition, closed at the end. clock: ms since the epoch; warn: takes a line for the user."""
    policy = RollPolicy.of(directory.config(topic))
    path = directory.partition_directory(topic, partition)
    appender = Appender(path, policy, lock_timeout=directory.lock_timeout, clock=clock, warn=warn)
    try:
        yield appender
    finally:
        appender.close()

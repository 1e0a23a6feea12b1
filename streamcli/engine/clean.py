"""Cleaning topics: retention and compaction now, and trimming to an offset."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import NamedTuple

from streamcli.engine.appending import open_appender
from streamcli.engine.consume import resolve, topic_sources
from streamcli.record.errors import OffsetOutOfRange, StreamcliError
from streamcli.record.range import OFFSET, Bound
from streamcli.storage.append import Appender
from streamcli.storage.clean import Cleaner, CleaningPolicy
from streamcli.storage.compact import Compacted
from streamcli.storage.config import TopicConfig
from streamcli.storage.directory import LogDirectory
from streamcli.storage.retention import Removed


class Cleaned(NamedTuple):
    """What was done to a partition; an error where something stood in the way."""

    topic: str
    partition: int | None
    done: Removed | Compacted | StreamcliError | OSError


class Cleaning:
    """Cleans partitions of a log directory. clock: ms since the epoch; warn: takes a line for the user; on_read: told how many
    bytes a compaction has read, of each batch."""

    def __init__(
        self,
        directory: LogDirectory,
        *,
        clock: Callable[[], int],
        warn: Callable[[str], None],
        on_read: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._directory = directory
        self._clock = clock
        self._warn = warn
        self._on_read = on_read

    def clean(self, topics: list[str]) -> Iterator[Cleaned]:
        """Apply retention and compaction to every partition of the topics, one after the other.

        An error is yielded, and the next one's turn comes.
        """
        self._directory.check_local()
        for topic in topics:
            try:
                config = self._directory.config(topic)
            except StreamcliError as error:
                yield Cleaned(topic, None, error)
                continue
            for partition in range(config.partitions):
                try:
                    yield from (Cleaned(topic, partition, done) for done in self._clean(topic, partition, config))
                except (StreamcliError, OSError) as error:
                    yield Cleaned(topic, partition, error)

    def trim(self, topic: str, partitions: list[int], before: Bound) -> Iterator[tuple[tuple[str, int], Removed]]:
        """Make the offset that `before` means in each partition its log start offset: of a time the first that is not older. Gives
        topic and partition, and what was removed.

        OffsetOutOfRange, and nothing is done, where a partition does not reach so far.
        """
        sources = topic_sources(self._directory, topic, partitions)
        ends = [source.log.end() for source in sources]
        for source, end in zip(sources, ends, strict=True):
            if before.kind == OFFSET and before.number > end.offset:
                raise OffsetOutOfRange(
                    f"offset {before.number} is after the end of {topic}, partition {source.partition}, which is "
                    f"{end.offset}: use --before end, or choose partitions with -p"
                )
        config = self._directory.config(topic)
        self._directory.check_local()
        for source, end in zip(sources, ends, strict=True):
            offset = before.number if before.kind == OFFSET else resolve(source, end, before)
            with self._appender(topic, source.partition) as appender:
                removed = self._cleaner(topic, source.partition, config).trim(appender, offset)
                yield (topic, source.partition), removed

    def _clean(self, topic: str, partition: int, config: TopicConfig) -> Iterator[Removed | Compacted]:
        cleaner = self._cleaner(topic, partition, config)
        if not cleaner.has_nothing_to_do():
            with self._appender(topic, partition) as appender:
                yield from cleaner.clean(appender, self._clock())

    def _appender(self, topic: str, partition: int) -> AbstractContextManager[Appender]:
        return open_appender(self._directory, topic, partition, clock=self._clock, warn=self._warn)

    def _cleaner(self, topic: str, partition: int, config: TopicConfig) -> Cleaner:
        path = self._directory.partition_directory(topic, partition)
        timeout = self._directory.lock_timeout
        return Cleaner(path, CleaningPolicy.of(config), lock_timeout=timeout, on_read=self._on_read)

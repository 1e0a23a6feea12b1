"""Consuming without a group what comes later: records, partitions, and topics that globs match."""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Iterator

from streamcli.engine.consume import PartitionRead, Source, SourceBatch, is_glob, merged, topic_sources
from streamcli.record.errors import CorruptData, NotFound
from streamcli.storage import layout
from streamcli.storage.directory import LogDirectory
from streamcli.storage.watch import Wake, Watcher


class Following:
    """Batches as they are appended, for ever: those that are there by time, then each as it comes. Topics that globs match by
    then, and partitions that a topic got, are read from their beginning; partitions only where none were chosen, and no
    bound was set.

    idle: stop after that many seconds without any (None: never). hangup: a pipe whose closing by its reader ends it;
    wakeup: a descriptor that ends it when it can be read.
    before_wait is called when all that is there was given, and also before it is known that there is no more; and again after
    as many seconds as it returns (None: not before something comes).
    """

    def __init__(
        self,
        directory: LogDirectory,
        patterns: list[str],
        partitions: list[int],
        *,
        on_damage: Callable[[CorruptData], None],
        before_wait: Callable[[], float | None],
        idle: float | None = None,
        hangup: int | None = None,
        wakeup: int | None = None,
    ) -> None:
        self._directory = directory
        self._wakeup = wakeup
        self._globs = [pattern for pattern in patterns if is_glob(pattern)]
        self._partitions = partitions
        self._on_damage = on_damage
        self._before_wait = before_wait
        self._idle = idle
        self._hangup = hangup
        self._watcher = Watcher()
        self._opened: list[PartitionRead] = []

    def batches(self, reads: list[PartitionRead]) -> Iterator[SourceBatch]:
        reads = list(reads)
        if self._globs:
            self._watcher.add(self._directory.topics_directory())
        self._watch([read.source for read in reads])
        reads += self._new_reads(reads)
        looked_at = reads
        last = time.monotonic()
        while True:
            given = 0
            for batch in merged(looked_at, self._on_damage, self._before_wait):
                given += 1
                yield batch
            again_in = self._before_wait()
            if reads and not self._globs and all(read.is_finished() for read in reads):
                return
            if given:
                last = time.monotonic()
            else:
                reads = self._without_deleted(reads)
                looked_at = self._new_reads(reads)
                reads += looked_at
                if looked_at:
                    continue
            wake = self._wait(last, again_in)
            if wake is None:
                return
            chosen = wake.directories
            looked_at = [read for read in reads if chosen is None or read.source.log.directory in chosen]
            if chosen is None or not chosen.issubset({read.source.log.directory for read in looked_at}):
                new = self._new_reads(reads, chosen)
                looked_at = new + looked_at
                reads += new

    def close(self) -> None:
        """Close what it opened: the watcher, and the cursors of partitions that came later."""
        self._watcher.close()
        for read in self._opened:
            read.cursor.close()

    def _wait(self, last: float, again_in: float | None) -> Wake | None:
        """Why to look again, after `again_in` seconds at the latest; None when it is time to stop."""
        left = None if self._idle is None else last + self._idle - time.monotonic()
        if left is not None and left <= 0:
            return None
        if again_in is not None:
            left = again_in if left is None else min(left, again_in)
        others = [] if self._wakeup is None else [(self._wakeup, select.POLLIN)]
        wake = self._watcher.wait(left, self._hangup, others)
        return None if wake.hangup or self._wakeup in wake.ready else wake

    def _without_deleted(self, reads: list[PartitionRead]) -> list[PartitionRead]:
        """The reads whose partition is still there; NotFound when it is a topic that was named."""
        there = []
        for read in reads:
            if read.cursor.is_current():
                there.append(read)
                continue
            read.cursor.close()
            if not self._globs:
                raise NotFound(
                    f"topic {read.source.topic} was deleted while it was being read: all it had was given; start again without it"
                )
        return there

    def _new_reads(self, reads: list[PartitionRead], woken: set[str] | None = None) -> list[PartitionRead]:
        """Reads of the topics that match by now, and of the partitions that the topics have by now, from their beginning.

        woken: the directories in which something was written since the last look; None: perhaps in all.
        """
        topics = {read.source.topic for read in reads}
        matching = {topic for pattern in self._globs for topic in self._directory.topics(pattern)} - topics
        sources = [
            source for topic in sorted(matching) for source in topic_sources(self._directory, topic, self._partitions)
        ]
        if not self._partitions and all(read.stop is None for read in reads):
            known = {(read.source.topic, read.source.partition) for read in reads}
            changed = [topic for topic in sorted(topics) if woken is None or self._topic_directory(topic) in woken]
            sources += [source for topic in changed for source in self._sources_there(topic) if source[:2] not in known]
        self._watch(sources)
        opened = [PartitionRead(source, source.log.cursor(0, None), None) for source in sources]
        self._opened += opened
        return opened

    def _sources_there(self, topic: str) -> list[Source]:
        try:
            return topic_sources(self._directory, topic, [])
        except NotFound:  # deleted, which is told when all it had was given
            return []

    def _watch(self, sources: list[Source]) -> None:
        """Have writes to partitions end a wait, and new partitions of their topics."""
        for topic in {source.topic for source in sources}:
            self._watcher.add(self._topic_directory(topic))
        for source in sources:
            self._watcher.add(source.log.directory)

    def _topic_directory(self, topic: str) -> str:
        return layout.topic_directory(self._directory.path, topic)

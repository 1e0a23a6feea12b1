"""A log directory that is mirrored."""

from __future__ import annotations

import select
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress

from streamcli.engine.consume import PartitionRead, SourceBatch, is_glob, matching_topics, merged, topic_sources
from streamcli.mirror.interface import Place, Span, Wanted
from streamcli.record.errors import CorruptData, NotFound
from streamcli.record.lost import RemovedRecords
from streamcli.storage import layout
from streamcli.storage.config import TopicConfig
from streamcli.storage.cursor import Cursor
from streamcli.storage.directory import LogDirectory
from streamcli.storage.hold import Hold, has_hold, holds, remove_hold, write_hold
from streamcli.storage.tail import Tail
from streamcli.storage.watch import Watcher

HOLD_INTERVAL = 1.0
"""Seconds from one moving of the holds to the next, at least: what is held longer than it has to be hinders nobody."""


class DirectorySource:
    """See mirror.interface."""

    def __init__(self, directory: LogDirectory, wanted: Wanted) -> None:
        self.directory = directory
        self._wanted = wanted
        self._tails: dict[Place, Tail] = {}
        self._reads: dict[str, PartitionRead] = {}
        self._held: dict[str, int] = {}
        self._held_since = 0.0
        self._watcher = Watcher() if wanted.follow else None

    @property
    def where(self) -> str:
        return self.directory.path

    def topics(self) -> list[str]:
        found = matching_topics(self.directory, self._wanted.patterns, wait=self._wanted.follow)
        return [topic for topic in found if topic in self._wanted.patterns or not layout.is_bench_topic(topic)]

    def config(self, topic: str) -> TopicConfig:
        return self.directory.config(topic)

    def spans(self, topic: str) -> dict[int, Span]:
        """The ends are those of the first look, unless it follows."""
        found = {}
        for source in topic_sources(self.directory, topic, []):
            place = (topic, source.partition)
            if self._wanted.follow or place not in self._tails:
                self._tails[place] = source.log.tail()
            found[source.partition] = Span(source.log.start(), self._tails[place].end.offset)
        return found

    def open(self, positions: Mapping[Place, int]) -> None:
        for (topic, partition), offset in positions.items():
            path = self.directory.partition_directory(topic, partition)
            source = topic_sources(self.directory, topic, [partition])[0]
            if self._wanted.hold or has_hold(path, self._wanted.mirror):
                write_hold(path, Hold(self._wanted.mirror, offset))
                self._held[path] = offset
            if self._watcher is not None:
                self._watcher.add(layout.topic_directory(self.directory.path, topic))
                self._watcher.add(path)
                cursor = Cursor(path, offset, None, source.log.tail())
            else:
                cursor = Cursor(path, offset, self._tails[topic, partition].end)
            self._reads[path] = PartitionRead(source, cursor, None)

    def batches(self) -> Iterator[SourceBatch]:
        return merged(self._reads.values(), self._meet)

    def _meet(self, damage: CorruptData) -> None:
        if isinstance(damage, RemovedRecords) and damage.first is not None and damage.next_offset is not None:
            source = self._reads[damage.path].source
            self._wanted.on_lost((source.topic, source.partition), damage.first, damage.next_offset)
        else:
            self._wanted.on_damage(damage)

    def make_durable(self, positions: Mapping[Place, int]) -> None:
        for place, offset in positions.items():
            read = self._reads.get(layout.partition_directory(self.directory.path, *place))
            with suppress(FileNotFoundError):
                if read is not None:  # else the topic was deleted
                    read.source.log.make_durable(offset)

    def mirrored(self, positions: Mapping[Place, int]) -> None:
        for place, offset in positions.items():
            path = layout.partition_directory(self.directory.path, *place)
            if path in self._held:
                self._held[path] = offset
        if time.monotonic() - self._held_since >= HOLD_INTERVAL:
            self._move_holds()

    def release(self, topic: str) -> int:
        paths = [source.log.directory for source in topic_sources(self.directory, topic, [])]
        return sum(remove_hold(path, self._wanted.mirror) for path in paths)

    def first_record(self, place: Place, offset: int) -> tuple[int, int] | None:
        source = topic_sources(self.directory, place[0], [place[1]])[0]
        with closing(source.log.cursor(offset, source.log.end())) as cursor:
            while cursor.peek() is not None:
                batch = cursor.take()
                if batch is not None:
                    return batch.offsets()[0], batch.timestamps()[0]
        return None

    def held_from(self, place: Place) -> int | None:
        found = holds(self.directory.partition_directory(*place))
        return next((hold.offset for hold in found if hold.mirror == self._wanted.mirror), None)

    def wait(self, timeout: float | None, wakeup: int) -> bool:
        assert self._watcher is not None
        if any(map(is_glob, self._wanted.patterns)):
            self._watcher.add(self.directory.topics_directory())
        wake = self._watcher.wait(timeout, None, [(wakeup, select.POLLIN)])
        self._leave_deleted()
        return wake.directories is None or not wake.directories.issubset(self._reads)

    def close(self) -> None:
        self._move_holds()
        self._held.clear()
        for read in self._reads.values():
            read.cursor.close()
        self._reads.clear()

    def _move_holds(self) -> None:
        self._held_since = time.monotonic()
        for path, offset in self._held.items():
            hold = Hold(self._wanted.mirror, offset)
            if has_hold(path, self._wanted.mirror) and hold not in holds(
                path
            ):  # not there any more: released meanwhile
                write_hold(path, hold)

    def _leave_deleted(self) -> None:
        """Read nothing any more of a topic that was deleted; NotFound where it was named."""
        for path, read in list(self._reads.items()):
            if read.cursor.is_current():
                continue
            if read.source.topic in self._wanted.patterns:
                raise NotFound(
                    f"topic {read.source.topic} was deleted while it was being mirrored ({self.where}): start again without it"
                )
            read.cursor.close()
            del self._reads[path]
            self._held.pop(path, None)

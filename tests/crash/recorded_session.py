"""streamcli at work under a recorder: each step says what it is about to do, and what was acknowledged, in the trace."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import NoReturn

from streamcli.cli.main import run
from streamcli.engine.consume import merged
from streamcli.engine.group import BoundedConsumer, GroupEvents, GroupRequest
from streamcli.engine.produce import Producer
from streamcli.record.batch import Columns
from streamcli.storage.config import TopicConfig
from streamcli.storage.directory import LogDirectory
from tests.crash.oracle import ALL, LOCK_TIMEOUT
from tests.crash.trace import Recorder


class Session:
    """A log directory that is used under a recorder."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        self.path = str(recorder.root / "log")
        self.counts: dict[tuple[str, int], int] = {}
        self._time = 1_700_000_000_000
        self._moved_to = 0

    def directory(self) -> LogDirectory:
        return LogDirectory(self.path, lock_timeout=LOCK_TIMEOUT, create=True)

    def create(self, topic: str, partitions: int = 1, **config: int) -> None:
        self.recorder.note("create", topic=topic, partitions=partitions)
        overrides = {name.replace("_", "."): value for name, value in config.items()}
        self.directory().create_topic(topic, TopicConfig(partitions, overrides))
        self.recorder.note("created", topic=topic)

    def delete(self, topic: str) -> None:
        self.recorder.note("delete", topic=topic)
        self.directory().delete_topic(topic)
        self.recorder.note("deleted", topic=topic)

    def producer(self, topic: str, sync: str) -> Producer:
        return Producer(self.directory(), topic, partition=None, sync=sync, clock=self.clock, warn=print)

    def values(self, topic: str, partition: int, count: int, size: int = 30) -> list[str]:
        """New values for a partition, about to be appended."""
        first = self.counts.get((topic, partition), 0)
        self.counts[topic, partition] = first + count
        values = [f"{topic} {partition} {first + number} ".ljust(size, "x") for number in range(count)]
        self.recorder.note("append", topic=topic, partition=partition, values=values)
        return values

    def append(self, producer: Producer, topic: str, partition: int, count: int, size: int = 30) -> None:
        """Append one batch."""
        values = self.values(topic, partition, count, size)
        producer.append(columns(values), [partition] * count)

    def acknowledge(self, topic: str, *partitions: int) -> None:
        """All that was appended to these partitions is acknowledged."""
        for partition in partitions or (0,):
            self.recorder.note("appended", topic=topic, partition=partition, end=self.counts[topic, partition])

    def consume(self, group: str, topics: list[str], commit_every: int = 1) -> None:
        """A bounded run of a group that commits after so many batches."""
        request = GroupRequest(group, topics, ALL, follow=False, commits=True, idle=None, hangup=None)
        consumer = BoundedConsumer(self.directory(), request, GroupEvents(self.clock, print))
        done: dict[tuple[str, int], int] = {}
        for number, (source, batch) in enumerate(merged(consumer.owned.reads(), fail)):
            place = {"topic": source.topic, "partition": source.partition}
            self.recorder.note("processed", group=group, **place, offset=batch.next_offset)
            consumer.owned.processed(source, batch.next_offset)
            done[source.topic, source.partition] = batch.next_offset
            if number % commit_every == 0:
                consumer.owned.commit()
                self._committed(group, done)
        consumer.close()
        self._committed(group, done)

    def command(self, *words: str) -> int:
        """Run a command line, with nothing on its standard input."""
        return run(["--dir", self.path, *words])

    def produce(self, topic: str, chunks: Iterable[list[str]], *words: str) -> None:
        """Run `produce --offsets`, which gets a chunk as soon as it printed the offsets of the one before."""
        rest = iter(chunks)
        readable, writable = os.pipe()
        os.dup2(readable, 0)
        os.close(readable)
        printed = 0

        def feed(data: bytes = b"") -> None:
            nonlocal printed
            printed += data.count(b"\n")
            if data:
                self.recorder.note("created", topic=topic)
                self.recorder.note("appended", topic=topic, partition=0, end=printed)
            values = next(rest, None)
            if values is None:
                os.close(writable)
                return
            self.recorder.note("append", topic=topic, partition=0, values=values)
            os.write(writable, "".join(value + "\n" for value in values).encode())

        self.recorder.note("create", topic=topic, partitions=1)
        self.recorder.on_print = feed
        feed()
        assert self.command("produce", topic, "--offsets", *words) == 0
        self.recorder.on_print = None

    def move(self, group: str, topic: str, offset: int, *words: str) -> None:
        """Run a `groups` command that sets the committed offset of partition 0."""
        place = {"group": group, "topic": topic, "partition": 0}
        self.recorder.note("committed", **place, offset=min(offset, self._moved_to))
        self.recorder.note("processed", **place, offset=max(offset, self._moved_to))
        assert self.command("groups", *words) == 0
        for what in ("committed", "processed"):
            self.recorder.note(what, **place, offset=offset)
        self._moved_to = offset

    def clock(self) -> int:
        self._time += 1
        return self._time

    def _committed(self, group: str, done: dict[tuple[str, int], int]) -> None:
        for (topic, partition), offset in done.items():
            self._moved_to = offset
            self.recorder.note("committed", group=group, topic=topic, partition=partition, offset=offset)


def columns(values: list[str]) -> Columns:
    return Columns(len(values), "".join(value + "\n" for value in values).encode())


def fail(damage: Exception) -> NoReturn:
    raise damage

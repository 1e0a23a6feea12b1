"""Whether streamcli keeps its promises on a disk that a crash left: each state is looked at as its users would."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from streamcli.engine.consume import merged, start_reads, topic_sources
from streamcli.engine.group import BoundedConsumer, GroupEvents, GroupRequest
from streamcli.engine.group_admin import group_names, open_group
from streamcli.engine.produce import Producer
from streamcli.engine.syncing import SYNC_BATCH
from streamcli.engine.verify import Verification
from streamcli.groups.assignment import TopicPartition
from streamcli.record.batch import Columns
from streamcli.record.errors import CorruptData
from streamcli.record.range import BEGINNING, END, Bound, Range
from streamcli.storage import layout
from streamcli.storage.checkpoint import read_checkpoint
from streamcli.storage.config import TopicConfig
from streamcli.storage.directory import LogDirectory
from tests.crash.promises import Promises

ALL = Range(Bound(BEGINNING), Bound(END))
LOCK_TIMEOUT = 5.0


class BrokenPromise(AssertionError):
    """A state after a crash that streamcli promises not to leave."""


class Found(NamedTuple):
    """What was found in a state: records read, and those that were appended and are lost, none of them acknowledged."""

    records: int
    unacknowledged_lost: int
    cut: bool


class Examination:
    """One state after a crash, looked at by streamcli's own code, in the order that users would: readers first."""

    def __init__(self, path: Path, promises: Promises) -> None:
        self._path = path
        self._promises = promises
        self._warnings: list[str] = []
        self._after: dict[TopicPartition, list[bytes]] = {}
        self._now = 10_000_000_000_000

    def run(self) -> Found:
        """BrokenPromise when one is."""
        directory = LogDirectory(str(self._path), lock_timeout=LOCK_TIMEOUT)
        before = self._read_all(directory)
        self._check_verified(directory)
        self._check_groups(directory, before)
        self._check_letters(directory, before)
        directory = LogDirectory(str(self._path), lock_timeout=LOCK_TIMEOUT, create=True)
        self._go_on(directory, before)
        self._check_new_topic(directory)
        self._consume_rest(directory)
        self._check_verified(directory)
        read = sum(len(values) for values in before.values())
        appended = sum(len(values) for topic in self._promises.topics.values() for values in topic.appended)
        return Found(read, appended - read, any("recovered" in warning for warning in self._warnings))

    def _read_all(self, directory: LogDirectory) -> dict[TopicPartition, list[bytes]]:
        """What a reader sees before anybody appended: a prefix of what was appended, with all that was acknowledged."""
        topics = directory.topics()
        for name in self._promises.gone.intersection(topics):
            raise BrokenPromise(f"topic {name} is back, its deletion was acknowledged")
        found = {}
        for name, topic in self._promises.topics.items():
            if name not in topics:
                if topic.must_be and not topic.may_go:
                    raise BrokenPromise(f"topic {name} is not there, its creation was acknowledged")
                if topic.acknowledged != [0] * len(topic.acknowledged) and not topic.may_go:
                    raise BrokenPromise(f"topic {name} is not there, with records acknowledged")
                continue
            self._check(directory.config(name).partitions == len(topic.appended), f"{name} has other partitions")
            for number, appended in enumerate(topic.appended):
                values = read_partition(directory, (name, number), self._complain)
                self._check_prefix((name, number), values, appended, topic.acknowledged[number])
                self._check_covered((name, number), topic.covered[number])
                found[name, number] = values
        strange = set(topics) - set(self._promises.topics)
        self._check(not strange, f"topics that were never made: {strange}")
        self._check(not self._warnings, f"a reader warned: {self._warnings}")
        return found

    def _check_prefix(
        self, place: TopicPartition, found: list[bytes], appended: list[bytes], acknowledged: int
    ) -> None:
        if found != appended[: len(found)]:
            wrong = next(i for i, value in enumerate(found) if i >= len(appended) or value != appended[i])
            raise BrokenPromise(f"{place}: offset {wrong} is {found[wrong][:60]!r}, which was not appended there")
        if len(found) < acknowledged:
            raise BrokenPromise(f"{place}: {len(found)} records are there, {acknowledged} were acknowledged")

    def _check_covered(self, place: TopicPartition, acknowledged: int) -> None:
        checkpoint = read_checkpoint(layout.partition_directory(str(self._path), *place))
        if checkpoint is None or checkpoint.offset < acknowledged:
            raise BrokenPromise(
                f"{place}: {acknowledged} records were acknowledged, and the checkpoint is {checkpoint}"
            )

    def _check_groups(self, directory: LogDirectory, found: dict[TopicPartition, list[bytes]]) -> None:
        """Committed offsets are not behind what was acknowledged, nor past what was processed or what is there."""
        names = group_names(directory)
        committed = {}
        for name in names:
            group = open_group(directory, name) if os.path.isdir(self._path / "groups" / name / "members") else None
            if group is not None:
                committed |= {(name, *place): offset for place, offset in group.journal.committed().items()}
        for place, least in self._promises.committed.items():
            if place[1] in self._promises.topics and committed.get(place, -1) < least:
                raise BrokenPromise(f"{place}: {committed.get(place)} is committed, {least} was acknowledged")
        for place, offset in committed.items():
            most = self._promises.processed.get(place, 0)
            self._check(offset <= most, f"{place}: {offset} is committed, and only {most} processed")
            values = found.get(place[1:])
            self._check(values is None or offset <= len(values), f"{place}: {offset} is committed, past the log's end")

    def _check_letters(self, directory: LogDirectory, found: dict[TopicPartition, list[bytes]]) -> None:
        """What was committed though it failed is in the dead-letter topic."""
        for note in self._promises.letters:
            group, topic, letters = note["group"], note["topic"], note["letters"]
            if group not in group_names(directory) or not (self._path / "groups" / group / "members").is_dir():
                continue
            offset = open_group(directory, group).journal.committed().get((topic, 0), 0)
            there = found.get((letters, 0), [])
            self._check(offset <= note["offset"] or len(there) >= note["count"], f"{note}: {offset}, {there}")

    def _go_on(self, directory: LogDirectory, before: dict[TopicPartition, list[bytes]]) -> None:
        """Append to every partition: that recovers it. Then all is there that was, and what was cut off is kept."""
        for place, values in before.items():
            partition = Path(layout.partition_directory(str(self._path), *place))
            tails = {path: path.read_bytes() for path in partition.glob("*.log")}
            new = [b"after %d" % number for number in range(3)]
            self._append(directory, place, new[:1])
            self._check_kept(partition, tails)
            self._append(directory, place, new[1:])
            after = read_partition(directory, place, self._complain)
            self._check(after == values + new, f"{place}: {len(values)} records and {new} became {after[-5:]}")
            self._check_seeks(directory, place, after)
            self._after[place] = after

    def _append(self, directory: LogDirectory, place: TopicPartition, values: list[bytes]) -> None:
        producer = Producer(
            directory, place[0], partition=place[1], sync=SYNC_BATCH, clock=self._clock, warn=self._warnings.append
        )
        try:
            producer.append(Columns(len(values), b"".join(value + b"\n" for value in values)))
            self._check(producer.durable == len(values), "a batch that is not durable")
        finally:
            producer.close()

    def _check_kept(self, partition: Path, tails: dict[Path, bytes]) -> None:
        """Bytes that recovery cut off lie beside the segment."""
        for path, data in tails.items():
            now = path.read_bytes()
            if now.startswith(data):
                continue
            kept = [(int(cut.name.split("-")[1]), cut.read_bytes()) for cut in partition.glob(f"{path.stem}.cut-*")]
            whole = any(now[:at] == data[:at] and cut == data[at:] for at, cut in kept)
            self._check(
                whole, f"{path}: of {len(data)} bytes only {[at for at, _ in kept]} are kept, {len(now)} are there"
            )

    def _check_seeks(self, directory: LogDirectory, place: TopicPartition, values: list[bytes]) -> None:
        """Any offset can be gone to, by whatever the index says."""
        source = topic_sources(directory, place[0], [place[1]])[0]
        end = source.log.end()
        for offset in sorted({0, len(values) // 3, len(values) // 2, len(values) - 4, len(values) - 1}):
            if offset < 0:
                continue
            cursor = source.log.cursor(offset, end)
            try:
                self._check(cursor.peek() is not None, f"{place}: no batch at {offset}")
                batch = cursor.take()
                assert batch is not None
                self._check(batch.offsets()[0] == offset, f"{place}: a seek to {offset} led to {batch.offsets()[0]}")
                self._check(batch.values()[0] == values[offset], f"{place}: another record at {offset}")
            finally:
                cursor.close()
        newest = source.log.offset_at(self._now, end)
        self._check(newest == len(values) - 2, f"{place}: the newest time leads to {newest} of {len(values)}")

    def _check_new_topic(self, directory: LogDirectory) -> None:
        """Topics can be made, and what a creation or deletion left half done is swept by it."""
        directory.create_topic("made-after", TopicConfig(2, {}))
        left = [name for name in os.listdir(self._path / "topics") if name.startswith(layout.TEMPORARY)]
        self._check(not left, f"{left} is left in topics")
        self._append(directory, ("made-after", 1), [b"x"])
        found = read_partition(directory, ("made-after", 1), self._complain)
        self._check(found == [b"x"], f"a new topic gives {found}")
        for name in self._promises.topics:
            if name not in directory.topics():
                directory.create_topic(name, TopicConfig(1, {}))

    def _consume_rest(self, directory: LogDirectory) -> None:
        """Each group goes on where it was committed, and gets what is there after it, once."""
        for group in sorted({place[0] for place in self._promises.processed}):
            topics = sorted({place[1] for place in self._promises.processed if place[0] == group})
            request = GroupRequest(group, topics, ALL, follow=False, commits=True, idle=None, hangup=None)
            start = self._committed(directory, group)
            consumer = BoundedConsumer(directory, request, GroupEvents(self._clock, self._warnings.append))
            try:
                got: dict[TopicPartition, list[bytes | None]] = {}
                for source, batch in merged(consumer.owned.reads(), self._complain):
                    got.setdefault((source.topic, source.partition), []).extend(batch.values())
                    consumer.owned.processed(source, batch.next_offset)
            finally:
                consumer.close()
            committed = self._committed(directory, group)
            for topic in topics:
                for number in range(directory.config(topic).partitions):
                    place = (topic, number)
                    values = self._after.get(place, [])
                    expected = values[start.get(place, 0) :]
                    self._check(
                        got.get(place, []) == expected, f"{group}, {place}: got {got.get(place)}, not {expected}"
                    )
                    now = committed.get(place, 0)
                    self._check(now == len(values), f"{group}, {place}: {now} is committed of {len(values)}")

    def _committed(self, directory: LogDirectory, group: str) -> dict[TopicPartition, int]:
        if not (self._path / "groups" / group / "members").is_dir():
            return {}
        return open_group(directory, group).journal.committed()

    def _check_verified(self, directory: LogDirectory) -> None:
        """`verify` finds nothing."""
        findings = [f"{finding.place()}: {finding.problem}" for finding in Verification(directory, None).findings()]
        self._check(not findings, f"verify finds {findings}")

    def _clock(self) -> int:
        self._now += 1
        return self._now

    def _complain(self, damage: CorruptData) -> None:
        raise BrokenPromise(f"a reader met damage: {damage}")

    def _check(self, truth: bool, what: str) -> None:
        if not truth:
            raise BrokenPromise(what)


def read_partition(
    directory: LogDirectory, place: TopicPartition, on_damage: Callable[[CorruptData], None]
) -> list[bytes]:
    """The values of a partition: as a bounded reader sees it, and as one that follows it does."""

    def missing(*what: Any) -> None:
        raise BrokenPromise(f"bytes known to be on disk are missing: {what}")

    found = []
    for follow in (False, True):
        source = topic_sources(directory, place[0], [place[1]])[0]
        reads = start_reads([source], ALL, follow=follow, on_missing=missing)
        try:
            batches = [batch for _, batch in merged(reads, on_damage)]
        finally:
            for read in reads:
                read.cursor.close()
        offsets = [offset for batch in batches for offset in batch.offsets()]
        if offsets != list(range(len(offsets))):
            raise BrokenPromise(f"{place}: offsets {offsets}")
        found.append([value for batch in batches for value in batch.values()])
    if found[0] != found[1]:
        raise BrokenPromise(f"{place}: a reader gets {len(found[0])} records, one that follows {len(found[1])}")
    return found[0]  # type: ignore[return-value]

"""Everything that is done to a log directory, in any order, and after each step: it holds what the model holds.

Producers, followers of a log and the directory itself are kept over steps or opened anew, so that what one has in
memory is put to the test by what another does. Between the steps writers die, machines reboot, and the files that are
said to be disposable are deleted and scrambled.
"""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from streamcli.cli import groups
from streamcli.cli.context import Context
from streamcli.cli.context import Place as TopicsPlace
from streamcli.cli.stop import StopSignals
from streamcli.engine.alter import Alteration, alter_topic
from streamcli.engine.clean import Cleaning
from streamcli.engine.consume import PartitionRead, Source, find_sources, merged, start_reads
from streamcli.engine.group import BoundedConsumer
from streamcli.engine.group_request import GroupEvents, GroupRequest
from streamcli.engine.produce import Producer
from streamcli.engine.syncing import SYNC_BATCH, SYNC_EXIT
from streamcli.groups.member import GroupDirectory
from streamcli.record.batch import Columns, Record, join_column, split_column
from streamcli.record.errors import CorruptData, NotFound, OffsetOutOfRange, StreamcliError, UsageError
from streamcli.record.range import LAST, OFFSET, TIME, Bound, Range
from streamcli.storage import layout
from streamcli.storage.append import Appender, RollPolicy
from streamcli.storage.checkpoint import read_checkpoint, write_checkpoint
from streamcli.storage.compact import Compacted
from streamcli.storage.config import TopicConfig, Value
from streamcli.storage.cursor import Cursor
from streamcli.storage.directory import LogDirectory, TopicExists
from streamcli.storage.log import Log
from streamcli.storage.retention import Removed
from streamcli.storage.tail import UNPROMISED
from tests.support.segments import leftovers

from .model import Group, Partition, Place, Topic, records_of, rows_of
from .writers import killed_writer

TOPICS = ["a", "b"]
GROUPS = ["g", "h"]
OTHER_BOOT = "00000000-0000-0000-0000-000000000000"
START = 1_000
CLEANING: list[dict[str, Value]] = [
    {},
    {"cleanup.policy": "compact", "delete.retention.ms": 0, "min.cleanable.dirty.ratio": 0.5},
    {"cleanup.policy": "compact", "delete.retention.ms": 20, "min.cleanable.dirty.ratio": 1.0},
    {"cleanup.policy": "compact,delete", "retention.ms": 30},
    {"retention.ms": 30},
]

names = st.sampled_from(TOPICS)
groups_of = st.sampled_from(GROUPS)
elements = st.one_of(st.sampled_from([b"", b"a", b"two\nlines", b"\xff\x00"]), st.binary(max_size=12))
long_elements = st.integers(100, 700).map(lambda size: b"x" * size)
# Draws may not depend on what is in the files, which is not the same in each run: this is a share of it, modulo its size.
shares = st.integers(0, 1 << 16)
WAYS = ["delete", "cut", "empty", "scramble", "flip", "add"]
times = st.integers(START - 20, START + 60)


@st.composite
def batches(draw: st.DrawFn) -> Columns:
    """Columns of every form, small, and some long enough for a segment to be full of them."""
    count = draw(st.integers(1, 5))

    def one_each(element: st.SearchStrategy) -> st.SearchStrategy:
        return st.lists(element, min_size=count, max_size=count)

    values = draw(one_each(st.one_of(elements, elements, st.none(), long_elements)))
    keys = draw(st.none() | one_each(st.none() | st.sampled_from([b"", b"k1", b"k2", b"\n"])))
    pairs = st.lists(st.tuples(st.sampled_from(["h", "é"]), st.none() | elements), max_size=2)
    return Columns(
        count,
        join_column(values) if draw(st.booleans()) else values,
        keys=keys,
        common_key=draw(st.none() | st.just(b"common")) if keys is None else None,
        headers=draw(st.none() | one_each(pairs)),
        common_headers=draw(st.none() | pairs),
        timestamps=draw(st.none() | one_each(times)),
    )


def with_keys(columns: Columns) -> Columns:
    """The same records, with a key where they had none."""
    if columns.keys is None:
        return columns._replace(common_key=columns.common_key or b"k1")
    keys = columns.keys if isinstance(columns.keys, list) else split_column(columns.keys)
    return columns._replace(keys=[b"k1" if key is None else key for key in keys])


def no_damage(damage: CorruptData) -> None:
    raise damage


class DirectoryMachine(RuleBasedStateMachine):
    """`log` is the model; `producers` and `followers` are kept over steps."""

    def __init__(self) -> None:
        super().__init__()
        memory = "/dev/shm"
        self.root = tempfile.mkdtemp(prefix="streamcli-model.", dir=memory if os.access(memory, os.W_OK) else None)
        self.path = os.path.join(self.root, "log")
        self.directory = LogDirectory(self.path, lock_timeout=30, create=True)
        self.now = START
        self.born = 0
        self.log: dict[str, Topic] = {}
        self.groups: dict[str, Group] = {}
        self.policies: dict[str, RollPolicy] = {}
        self.producers: dict[str, tuple[Producer, int]] = {}
        self.followers: dict[Place, tuple[Cursor, int, int]] = {}
        self.warnings: list[str] = []

    def tick(self) -> int:
        """The clock: each thing done has its own time."""
        self.now += 1
        return self.now

    # Topics

    @initialize(partitions=st.integers(1, 3), size=st.sampled_from([1024, 4096]))
    def begin(self, partitions: int, size: int) -> None:
        self.create(TOPICS[0], partitions, size)

    @rule(
        topic=names,
        partitions=st.integers(1, 3),
        size=st.sampled_from([1024, 1024, 4096]),
        cleaning=st.sampled_from(CLEANING),
    )
    def create(self, topic: str, partitions: int, size: int, cleaning: dict[str, Value] = CLEANING[0]) -> None:
        config = TopicConfig(partitions, {"segment.bytes": size, "segment.ms": 40, **cleaning})
        if topic in self.log:
            with pytest.raises(TopicExists):
                self.directory.create_topic(topic, config)
            return
        self.directory.create_topic(topic, config)
        self.born += 1
        self.log[topic] = Topic(partitions, self.born, config.overrides)
        self.policies[topic] = RollPolicy(size, 40)

    @rule(topic=names, sure=st.integers(0, 3))
    def delete(self, topic: str, sure: int) -> None:
        if topic not in self.log:
            with pytest.raises(NotFound):
                self.directory.delete_topic(topic)
        elif sure == 0:
            self.directory.delete_topic(topic)
            del self.log[topic]

    @precondition(lambda self: self.log)
    @rule(data=st.data(), more=st.integers(0, 1), cleaning=st.sampled_from(CLEANING))
    def alter(self, data: st.DataObject, more: int, cleaning: dict[str, Value]) -> None:
        """More partitions, another policy. Producers take notice in a second; these begin anew."""
        topic = data.draw(st.sampled_from(sorted(self.log)))
        known = self.log[topic]
        wanted = min(len(known.partitions) + more, 4)
        unset = frozenset(name for one in CLEANING for name in one) - cleaning.keys()
        alter_topic(self.directory, topic, Alteration(wanted, cleaning, unset))
        known.partitions += [Partition() for _ in range(wanted - len(known.partitions))]
        known.config = {**{name: value for name, value in known.config.items() if name not in unset}, **cleaning}
        for name in [name for name in self.producers if name.split(" ")[0] == topic]:
            self.producers.pop(name)[0].close()

    # Cleaning

    @precondition(lambda self: self.log)
    @rule()
    def clean(self) -> None:
        """Retention and compaction, of all topics; and again, for what is left of a segment may be old; then nothing is to do."""
        now = self.tick()
        for is_last in (False, False, True):
            done = list(self.cleaning(now).clean(sorted(self.log)))
            assert all(isinstance(cleaned.done, Removed | Compacted) for cleaned in done)
            assert not (is_last and done), done
            for topic in self.log:
                self.take_cleaned(topic)
                self.check_swept(topic)

    @precondition(lambda self: self.log)
    @rule(data=st.data(), at=shares)
    def trim(self, data: st.DataObject, at: int) -> None:
        """The log starts where one says, in the middle of a batch too."""
        topic = data.draw(st.sampled_from(sorted(self.log)))
        number = data.draw(st.integers(0, len(self.log[topic].partitions) - 1))
        known = self.log[topic].partitions[number]
        before = at % (known.end + 2)
        cleaning = self.cleaning(self.tick())
        if before > known.end:
            with pytest.raises(OffsetOutOfRange):
                list(cleaning.trim(topic, [number], Bound(OFFSET, before)))
            return
        list(cleaning.trim(topic, [number], Bound(OFFSET, before)))
        known.trim(before)

    def cleaning(self, now: int) -> Cleaning:
        return Cleaning(self.directory, clock=lambda: now, warn=self.warnings.append)

    def take_cleaned(self, topic: str) -> None:
        """Take over what cleaning has left in a topic, if that is what it may leave."""
        known = self.log[topic]
        for number, partition in enumerate(known.partitions):
            path = self.directory.partition_directory(topic, number)
            start = Log(path).start()
            removed = partition.between(0, start)
            limit = self.now - int(known.config.get("retention.ms", -1))
            assert not removed or (known.has_retention and all(row.timestamp < limit for row in removed)), removed
            partition.trim(start)
            left = self.read(path)
            if left != partition.records:
                assert known.is_compacted
                partition.compact(left)

    def check_swept(self, topic: str) -> None:
        for number in range(len(self.log[topic].partitions)):
            path = self.directory.partition_directory(topic, number)
            assert not leftovers(os.listdir(path), Log(path).start())

    @rule()
    def open_again(self) -> None:
        """All that was in memory is gone, as in another process."""
        self.close_all()
        self.directory = LogDirectory(self.path, lock_timeout=30)

    # Producing

    @precondition(lambda self: self.log)
    @rule(data=st.data(), made=st.lists(batches(), min_size=1, max_size=4), keep=st.booleans())
    def produce(self, data: st.DataObject, made: list[Columns], keep: bool) -> None:
        topic = data.draw(st.sampled_from(sorted(self.log)))
        partition = data.draw(st.none() | st.integers(0, len(self.log[topic].partitions) - 1))
        name = f"{topic} {partition}"
        producer, born = self.producers.pop(name, None) or (self.new_producer(topic, partition), self.log[topic].born)
        try:
            if born != self.log[topic].born:
                with pytest.raises(NotFound):
                    producer.append(with_keys(made[0]))
                producer.close()
                producer, born = self.new_producer(topic, partition), self.log[topic].born
            if self.log[topic].is_compacted:
                with pytest.raises(UsageError, match="without a key"):
                    producer.append(Columns(1, b"no key\n"))
                made = [with_keys(columns) for columns in made]
            for columns in made:
                self.append(producer, topic, columns, data)
            producer.finish()
            assert producer.durable == producer.appended
            self.take_cleaned(topic)
        finally:
            if keep:
                self.producers[name] = producer, born
            else:
                producer.close()

    def new_producer(self, topic: str, partition: int | None) -> Producer:
        sync = SYNC_BATCH if self.now % 2 else SYNC_EXIT
        made = Producer(
            self.directory,
            topic,
            partition=partition,
            sync=sync,
            compress=("none", "gzip", "zstd", "lz4")[self.now // 2 % 4],
            clock=lambda: self.now,
            warn=self.warnings.append,
        )
        made._partitioner.sticky._next = (
            self.now % made.config.partitions
        )  # it begins anywhere: here it has to be the same in each run
        return made

    def append(self, producer: Producer, topic: str, columns: Columns, data: st.DataObject) -> None:
        """One chunk of input, with partitions of its own or not; the model takes each record from where it went."""
        known, now = self.log[topic], self.tick()
        chosen = None
        if data.draw(st.integers(0, 3)) == 0:
            numbers = st.none() | st.integers(0, len(known.partitions) - 1)
            chosen = data.draw(st.lists(numbers, min_size=columns.record_count, max_size=columns.record_count))
        rows = rows_of(columns, now)
        placements = producer.append(columns, chosen)
        went = {index: placement.partition for placement in placements for index in placement.indexes}
        assert sorted(went) == list(range(columns.record_count))
        for placement in placements:
            assert placement.base_offset == known.partitions[placement.partition].end
            known.partitions[placement.partition].append([rows[index] for index in placement.indexes])
        if producer._partitioner._fixed is None:
            for index, row in enumerate(rows):
                wanted = known.partition_for(row) if chosen is None or chosen[index] is None else chosen[index]
                assert wanted in (None, went[index])

    # Crashes

    def a_log(self, data: st.DataObject) -> tuple[Topic, int, str, RollPolicy]:
        topic = data.draw(st.sampled_from(sorted(self.log)))
        partition = data.draw(st.integers(0, len(self.log[topic].partitions) - 1))
        return self.log[topic], partition, self.directory.partition_directory(topic, partition), self.policies[topic]

    @precondition(lambda self: self.log)
    @rule(data=st.data(), made=st.lists(batches(), min_size=1, max_size=4))
    def kill_a_writer(self, data: st.DataObject, made: list[Columns]) -> None:
        """What was acknowledged is there, and of the rest a beginning."""
        known, partition, path, policy = self.a_log(data)
        wanted = data.draw(st.integers(0, len(made)))
        now = self.tick()
        before = known.partitions[partition].end
        acknowledged = killed_writer(path, policy, made, wanted, now)
        assert acknowledged >= wanted
        found = [record for record in self.read(path) if record.offset >= before]
        count = 0
        for number, columns in enumerate(made):
            if number >= acknowledged and count == len(found):
                break
            rows = rows_of(columns, now)
            known.partitions[partition].append(rows)
            count += len(rows)
        assert count == len(found)

    @precondition(lambda self: self.log)
    @rule(data=st.data(), columns=batches(), at=shares, reboot=st.booleans(), zeros=st.booleans())
    def tear_the_last_batch(self, data: st.DataObject, columns: Columns, at: int, reboot: bool, zeros: bool) -> None:
        """A batch that was not acknowledged, cut short at any byte; after a power cut the rest may be there as zeros."""
        _, _, path, policy = self.a_log(data)
        self.tick()
        appender = Appender(path, policy, lock_timeout=30, clock=lambda: self.now, warn=self.warnings.append)
        appender.append(columns)
        start, end = self.last_batch(path)
        appender.close()
        segment = layout.segment_path(path, layout.segments(path)[-1])
        os.truncate(segment, start + at % (end - start))
        if reboot:
            self.reboot(path)
            if zeros:
                os.truncate(segment, end)

    def last_batch(self, path: str) -> tuple[int, int]:
        log = Log(path)
        header = next(log.headers_backwards(0, log.end()))
        return header.position, header.end

    def reboot(self, path: str) -> None:
        """The machine starts anew: no process is left, and the checkpoint is of an earlier boot."""
        self.open_again()
        known = read_checkpoint(path)
        if known is not None:
            write_checkpoint(path, known._replace(boot_id=OTHER_BOOT))

    @precondition(lambda self: self.log)
    @rule(data=st.data())
    def reboot_in_order(self, data: st.DataObject) -> None:
        self.reboot(self.a_log(data)[2])

    @precondition(lambda self: self.log)
    @rule(data=st.data(), chosen=shares, way=st.sampled_from(WAYS), seed=shares)
    def break_what_is_disposable(self, data: st.DataObject, chosen: int, way: str, seed: int) -> None:
        """Indexes and the checkpoint: deleted, cut, emptied, scrambled, added to."""
        path = self.a_log(data)[2]
        files = [*sorted(Path(path).glob("*.index")), Path(path, layout.CHECKPOINT)]
        file = files[chosen % len(files)]
        if file.name == layout.CHECKPOINT and Log(path).tail().kind == UNPROMISED:
            return  # the one thing it is needed for: without it that tail may be records that were lost, and is told as such
        dice = random.Random(seed)
        content = file.read_bytes() if file.exists() else b""
        if way == "delete":
            file.unlink(missing_ok=True)
        elif way == "flip" and content:
            at = dice.randrange(len(content))
            file.write_bytes(content[:at] + bytes([content[at] ^ 1 << dice.randrange(8)]) + content[at + 1 :])
        else:
            changed = {
                "cut": content[: dice.randint(0, len(content))],
                "add": content + dice.randbytes(40),
                "empty": b"",
            }
            file.write_bytes(changed.get(way, dice.randbytes(len(content))))

    # Reading

    def read(self, path: str) -> list[Record]:
        """All there is in a log, by objects made for it."""
        log = Log(path)
        source = Source("", 0, log)
        cursor = log.cursor(log.start(), log.end())
        try:
            reads = [PartitionRead(source, cursor, None)]
            return [record for taken in merged(reads, no_damage) for record in records_of(taken.batch)]
        finally:
            cursor.close()

    def read_range(self, topic: str, wanted: Range) -> dict[int, list[Record]]:
        sources = find_sources(self.directory, [topic], [], wait=False)
        reads = start_reads(sources, wanted, follow=False, on_missing=lambda source, size: pytest.fail("bytes missing"))
        found: dict[int, list[Record]] = {source.partition: [] for source in sources}
        try:
            for source, batch in merged(reads, no_damage):
                found[source.partition] += records_of(batch)
        finally:
            for read in reads:
                read.cursor.close()
        return found

    @precondition(lambda self: self.log)
    @rule(data=st.data(), start=times, length=st.integers(0, 60))
    def consume_by_time(self, data: st.DataObject, start: int, length: int) -> None:
        topic = data.draw(st.sampled_from(sorted(self.log)))
        found = self.read_range(topic, Range(Bound(TIME, start), Bound(TIME, start + length)))
        for partition, records in found.items():
            known = self.log[topic].partitions[partition]
            assert records == known.between(known.offset_at(start), known.offset_at(start + length))

    @precondition(lambda self: self.log)
    @rule(data=st.data(), start=st.integers(0, 40), stop=st.integers(0, 50))
    def consume_by_offset(self, data: st.DataObject, start: int, stop: int) -> None:
        topic = data.draw(st.sampled_from(sorted(self.log)))
        wanted = Range(Bound(OFFSET, start), Bound(OFFSET, stop))
        if any(not known.start <= start <= known.end for known in self.log[topic].partitions):
            with pytest.raises(OffsetOutOfRange):
                self.read_range(topic, wanted)
            return
        for partition, records in self.read_range(topic, wanted).items():
            assert records == self.log[topic].partitions[partition].between(start, stop)

    @precondition(lambda self: self.log)
    @rule(data=st.data(), count=st.integers(1, 30))
    def consume_the_last(self, data: st.DataObject, count: int) -> None:
        topic = data.draw(st.sampled_from(sorted(self.log)))
        found = self.read_range(topic, Range(Bound(LAST, count)))
        total = sum(len(known.records) for known in self.log[topic].partitions)
        assert sum(map(len, found.values())) == min(count, total)
        for partition, records in found.items():
            whole = self.log[topic].partitions[partition].records
            assert records == whole[len(whole) - len(records) :]

    @precondition(lambda self: self.log)
    @rule(data=st.data(), start=shares)
    def follow(self, data: st.DataObject, start: int) -> None:
        """Read on with a cursor that is kept: each record once, whatever was torn and cut meanwhile."""
        topic = data.draw(st.sampled_from(sorted(self.log)))
        partition = data.draw(st.integers(0, len(self.log[topic].partitions) - 1))
        known, born = self.log[topic].partitions[partition], self.log[topic].born
        cursor, next_offset, follows = self.followers.pop((topic, partition), (None, 0, 0))
        if cursor is not None and follows != born:
            assert not cursor.is_current()
            cursor.close()
            cursor = None
        if cursor is None:
            log = Log(self.directory.partition_directory(topic, partition))
            next_offset = known.start + start % (known.end - known.start + 1)
            cursor = log.cursor(next_offset, None, log.tail())
        found: list[Record] = []
        while cursor.peek() is not None:
            taken = cursor.take()
            found += records_of(taken) if taken else []
        # What it has open it reads to the end, also where that was compacted or removed meanwhile.
        offsets = [record.offset for record in found]
        assert offsets == sorted({*offsets, *(record.offset for record in known.between(next_offset))})
        assert found == [known.ever[offset] for offset in offsets]
        self.followers[topic, partition] = cursor, known.end, born

    # Groups

    @precondition(lambda self: self.log)
    @rule(
        data=st.data(),
        group=groups_of,
        limit=st.none() | st.integers(1, 12),
        commits=st.sampled_from([True] * 4 + [False]),
    )
    def consume_as_group(self, data: st.DataObject, group: str, limit: int | None, commits: bool) -> None:
        topic = data.draw(st.sampled_from(sorted(self.log)))
        known, model = self.log[topic].partitions, self.groups.setdefault(group, Group([]))
        request = GroupRequest(group, [topic], Range(), False, commits, None, None)
        events = GroupEvents(self.tick, self.warnings.append)
        committed = [model.newest((topic, number)) for number in range(len(known))]
        if any((offset or 0) > partition.end for offset, partition in zip(committed, known, strict=True)):
            with pytest.raises(OffsetOutOfRange):  # of a topic that was deleted and made anew
                BoundedConsumer(self.directory, request, events)
            return
        consumer = BoundedConsumer(self.directory, request, events)
        begins = [max(offset or 0, partition.start) for offset, partition in zip(committed, known, strict=True)]
        positions = list(begins)
        if commits:  # where it goes on after a trim is settled before it reads
            moved = enumerate(zip(begins, committed, strict=True))
            model.commit({(topic, number): begin for number, (begin, before) in moved if begin != (before or 0)})
        self.warnings.clear()
        try:
            for source, records, end in self.portions(consumer, limit):
                assert records == known[source.partition].between(positions[source.partition])[: len(records)]
                consumer.owned.processed(source, end)
                positions[source.partition] = end
        finally:
            consumer.close()
        if limit is None:
            assert not any(partition.between(at) for at, partition in zip(positions, known, strict=True))
        if commits:
            read = enumerate(zip(positions, begins, strict=True))
            model.commit({(topic, number): end for number, (end, begin) in read if end != begin})

    def portions(self, consumer: BoundedConsumer, limit: int | None) -> list[tuple[Source, list[Record], int]]:
        """(source, records, offset after them) of what the consumer has to give, `limit` records at most, as -n takes them."""
        found = []
        left = limit
        for source, batch in merged(consumer.owned.reads(), no_damage):
            part = batch if left is None else batch.take(0, min(left, batch.count))
            found.append((source, records_of(part), part.next_offset))
            if left is not None:
                left -= part.count
                if left == 0:
                    break
        return found

    @precondition(lambda self: self.groups and self.log)
    @rule(data=st.data(), to=st.sampled_from(["beginning", "end", "+2", "-2", "current", "@1010"]))
    def reset(self, data: st.DataObject, to: str) -> None:
        group = data.draw(st.sampled_from(sorted(self.groups)))
        topic = data.draw(st.sampled_from(sorted(self.log)))
        model, known = self.groups[group], self.log[topic]
        targets: dict[Place, int | None] = {}
        for number, partition in enumerate(known.partitions):
            start, end = partition.start, partition.end
            newest = model.newest((topic, number))
            committed = start if newest is None else newest
            targets[topic, number] = {
                "beginning": partition.start,
                "end": end,
                "+2": min(max(committed + 2, start), end),
                "-2": min(max(committed - 2, start), end),
                "current": max(committed, start),
                "@1010": partition.offset_at(1010),
            }[to]
        if any((offset or 0) > known.partitions[number].end for (_, number), offset in targets.items()):
            with pytest.raises(OffsetOutOfRange):
                self.admin(lambda context: groups.reset(context, group, [topic], to, dry_run=False, json=False))
            return
        self.admin(lambda context: groups.reset(context, group, [topic], to, dry_run=False, json=False))
        model.commit(targets)

    @precondition(lambda self: self.groups)
    @rule(data=st.data())
    def undo(self, data: st.DataObject) -> None:
        group = data.draw(st.sampled_from(sorted(self.groups)))
        if not self.groups[group].lines:
            with pytest.raises(StreamcliError, match="no commits"):
                self.admin(lambda context: groups.undo(context, group, json=False))
            return
        self.admin(lambda context: groups.undo(context, group, json=False))
        self.groups[group].undo()

    def admin(self, command) -> None:
        """A command about groups, its clock ours and its tables unread."""
        place = TopicsPlace(self.path, None, [], None, lock_timeout=30)
        context = Context(place, quiet=True, verbose=False, stop=StopSignals())
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(StringIO()):
            patch.setattr(groups, "now_ms", self.tick)
            assert command(context) == 0

    # What holds after every step

    @invariant()
    def every_log_is_the_models(self) -> None:
        assert self.directory.topics() == sorted(self.log)
        for topic, known in self.log.items():
            assert self.directory.config(topic).partitions == len(known.partitions)
            for number, partition in enumerate(known.partitions):
                path = self.directory.partition_directory(topic, number)
                assert self.read(path) == partition.records
                assert (Log(path).start(), Log(path).end().offset) == (partition.start, partition.end)

    @invariant()
    def every_group_is_the_models(self) -> None:
        for name, model in self.groups.items():
            group = GroupDirectory(self.directory, name)
            if group.exists():
                assert group.journal.committed() == model.committed()
            else:
                assert not model.lines

    def close_all(self) -> None:
        for producer, _ in self.producers.values():
            producer.close()
        for cursor, _, _ in self.followers.values():
            cursor.close()
        self.producers.clear()
        self.followers.clear()

    def teardown(self) -> None:
        self.close_all()
        shutil.rmtree(self.root)

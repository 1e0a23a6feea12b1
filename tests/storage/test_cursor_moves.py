"""Cursors at every point of a read, while the segments they read are closed, compacted, trimmed and removed.

A machine takes any steps in any order, and a model knows which records there are. No record is given twice, out of
order, altered, or beyond a pinned end; none is passed over unless compaction removed it, or it was told.
"""

from __future__ import annotations

import os
import random
import shutil
import tempfile

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from streamcli.engine.consume import Source, last_records
from streamcli.record.batch import Columns, Record
from streamcli.record.lost import RemovedRecords
from streamcli.storage import layout
from streamcli.storage.append import Appender
from streamcli.storage.clean import Cleaner, CleaningPolicy
from streamcli.storage.compact import CompactionPolicy
from streamcli.storage.config import UNLIMITED, TopicConfig
from streamcli.storage.cursor import Cursor
from streamcli.storage.directory import LogDirectory
from streamcli.storage.format import CODEC_NONE
from streamcli.storage.log import Log
from streamcli.storage.retention import Removed, RetentionPolicy
from streamcli.storage.tail import Mark
from streamcli.storage.verify import PartitionCheck

from .partition_log import NO_ROLL

KEPT = RetentionPolicy(UNLIMITED, UNLIMITED)
KEYS = [b"k1", b"k2", b"", None]
VALUES = [None, None, b"", b"v", b"two\nlines", b"x" * 300]
HUGE = 1 << 40


class Partition:
    """What is in a partition: `ever`: all records that were appended; `there`: the offsets of those that are there; horizons:
    when each tombstone that compaction met goes (ms); active: the base offset of the active segment."""

    def __init__(self) -> None:
        self.ever: list[Record] = []
        self.there: set[int] = set()
        self.start = 0
        self.active = 0
        self.horizons: dict[int, int] = {}

    @property
    def end(self) -> int:
        return len(self.ever)

    def records(self) -> list[Record]:
        return [self.ever[offset] for offset in sorted(self.there) if offset >= self.start]

    def compact(self, now: int, delete_retention_ms: int) -> None:
        """Of each key its newest record stays, unless that is a tombstone whose time has come."""
        closed = [self.ever[offset] for offset in sorted(self.there) if offset < self.active]
        newest = {record.key: record.offset for record in closed if record.key is not None}
        for record in closed:
            if record.key is None:
                continue
            if newest[record.key] > record.offset:
                self.there.discard(record.offset)
            elif record.value is None:
                horizon = self.horizons.setdefault(record.offset, now + delete_retention_ms)
                if horizon <= now:
                    self.there.discard(record.offset)


class Reader:
    """A cursor, the partition it reads, and the next offset that it owes; told: offsets it said are gone."""

    def __init__(self, cursor: Cursor, partition: Partition, end: Mark | None) -> None:
        self.cursor = cursor
        self.partition = partition
        self.end = end
        self.next = self.begun = cursor.offset
        self.told: set[int] = set()

    def step(self, *, pass_by: bool) -> None:
        header = self.cursor.peek()
        self.hear()
        assert self.end is None or self.cursor.offset <= max(self.end.offset, self.begun), (
            "what comes after the end is not read"
        )
        if header is None:
            self.account_for(self.partition.end if self.end is None else self.end.offset)
            return
        if pass_by:
            self.next = max(self.next, header.next_offset)
            self.cursor.pass_by()
            return
        batch = self.cursor.take()
        for record in () if batch is None else batch.records():
            assert record == self.partition.ever[record.offset]
            assert record.offset >= self.next, "given twice, or out of order"
            assert self.end is None or record.offset < self.end.offset
            self.account_for(record.offset)
            self.next = record.offset + 1

    def hear(self) -> None:
        while self.cursor.lost:
            lost = self.cursor.lost.pop()
            assert isinstance(lost, RemovedRecords)
            told = set(range(lost.first, lost.next_offset))
            assert not told & self.told, "told twice"
            assert lost.next_offset <= self.partition.start
            assert lost.first >= self.next
            assert self.end is None or lost.next_offset <= self.end.offset
            self.told |= told

    def account_for(self, offset: int) -> None:
        """All before `offset` was given, or is gone: compacted away, or told to be removed."""
        if not self.cursor.is_current():
            return
        missed = self.partition.there.intersection(range(self.next, offset)) - self.told
        assert not missed, f"not given: {missed}"


class CursorMoves(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        memory = "/dev/shm"
        self.root = tempfile.mkdtemp(prefix="streamcli-moves.", dir=memory if os.access(memory, os.W_OK) else None)
        self.directory = LogDirectory(os.path.join(self.root, "log"), lock_timeout=30, create=True)
        self.now = 1000
        self.readers: list[Reader] = []
        self.appender: Appender | None = None
        self.make_anew()

    def teardown(self) -> None:
        for reader in self.readers:
            reader.cursor.close()
        if self.appender is not None:
            self.appender.close()
        shutil.rmtree(self.root)

    @rule()
    def make_anew(self) -> None:
        if self.appender is not None:
            self.appender.close()
            self.directory.delete_topic("t")
        self.directory.create_topic("t", TopicConfig(1, {}))
        self.path = self.directory.partition_directory("t", 0)
        self.log = Log(self.path)
        self.partition = Partition()
        self.appender = self.new_appender()

    def new_appender(self) -> Appender:
        return Appender(self.path, NO_ROLL, lock_timeout=30, clock=lambda: self.now, warn=self.fail)

    def fail(self, warning: str) -> None:
        raise AssertionError(warning)

    # Writing and cleaning

    @rule(
        rows=st.lists(st.tuples(st.sampled_from(KEYS), st.sampled_from(VALUES)), min_size=1, max_size=3),
        time=st.none() | st.integers(900, 1100),
        other=st.booleans(),
    )
    def append(self, rows: list[tuple[bytes | None, bytes | None]], time: int | None, other: bool) -> None:
        self.now += 1
        times = None if time is None else [time + number for number in range(len(rows))]
        columns = Columns(len(rows), [value for _, value in rows], [key for key, _ in rows], timestamps=times)
        appender = self.new_appender() if other else self.appender
        assert appender is not None
        base = appender.append(columns)
        if other:
            appender.close()
        assert base == self.partition.end
        for number, (key, value) in enumerate(rows):
            at = self.now if times is None else times[number]
            self.partition.ever.append(Record(base + number, at, key, value, []))
            self.partition.there.add(base + number)

    @rule()
    def roll(self) -> None:
        assert self.appender is not None
        self.appender.roll_if(lambda *_: True)
        self.partition.active = self.partition.end

    def clean(self, policy: CleaningPolicy) -> list[object]:
        appender = self.new_appender()
        try:
            return list(Cleaner(self.path, policy, lock_timeout=30).clean(appender, self.now))
        finally:
            appender.close()

    @rule(
        delete_after=st.sampled_from([0, 10, HUGE]),
        size=st.sampled_from([500, 2000, HUGE]),
        later=st.sampled_from([0, 1, 20]),
        leftovers=st.integers(0, 7),
        again=st.booleans(),
    )
    def compact(self, delete_after: int, size: int, later: int, leftovers: int, again: bool) -> None:
        """leftovers: as if the cleaner had died before it removed all sources."""
        self.now += later
        compaction = CompactionPolicy(delete_after, size, CODEC_NONE)
        kept = os.path.join(self.root, "kept")
        self.keep(kept)
        self.clean(CleaningPolicy(None, compaction, HUGE, 0.5))
        self.partition.active = self.partition.end
        self.partition.compact(self.now, delete_after)
        self.check_there()
        if again:
            before = self.state()
            assert self.clean(CleaningPolicy(None, compaction, HUGE, 0.5)) == []
            assert self.state() == before
        self.put_back(kept, leftovers)

    def keep(self, kept: str) -> None:
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(self.path, kept, copy_function=os.link)

    def put_back(self, kept: str, leftovers: int) -> None:
        """The last `leftovers` of the sources: they are removed from the first on."""
        gone = sorted(set(os.listdir(kept)) - set(os.listdir(self.path)))
        segments = [name for name in gone if name.endswith(".log")][-leftovers:] if leftovers else []
        covered = layout.segments(self.path)
        for name in segments:
            os.link(os.path.join(kept, name), os.path.join(self.path, name))
        assert layout.segments(self.path) == covered
        shutil.rmtree(kept)

    def state(self) -> list[tuple[str, int, int]]:
        """The files of segments; the index of the active one is cut anew by each appender that is opened."""
        active = layout.segments(self.path)[-1] + ".index"
        names = sorted(name for name in os.listdir(self.path) if name.endswith((".log", ".index")) and name != active)
        found = [(name, os.stat(os.path.join(self.path, name))) for name in names]
        return [(name, status.st_ino, status.st_mtime_ns) for name, status in found]

    @rule(size=st.integers(0, 3000), age=st.sampled_from([UNLIMITED, 0, 5, 100]))
    def retain(self, size: int, age: int) -> None:
        done = self.clean(CleaningPolicy(RetentionPolicy(age, size), None, HUGE, 0.5))
        self.partition.active = max(self.partition.active, layout.segments(self.path)[-1].base_offset)
        removed = [each for each in done if isinstance(each, Removed)]
        for each in removed:
            assert each.start_before == self.partition.start
            assert each.start > each.start_before
        self.partition.start = self.log.start()
        assert self.partition.start in [name.base_offset for name in layout.segments(self.path)] or not removed
        if size == 0:
            assert self.partition.start == self.partition.active or len(layout.segments(self.path)) == 1

    @rule(at=st.integers(0, 100))
    def trim(self, at: int) -> None:
        offset = at % (self.partition.end + 1)
        appender = self.new_appender()
        try:
            Cleaner(self.path, CleaningPolicy(None, None, HUGE, 0.5), lock_timeout=30).trim(appender, offset)
        finally:
            appender.close()
        self.partition.start = max(self.partition.start, offset)
        self.partition.active = layout.segments(self.path)[-1].base_offset
        assert self.log.start() == self.partition.start

    @rule(seed=st.integers(0, 1 << 16))
    def break_an_index(self, seed: int) -> None:
        dice = random.Random(seed)
        names = sorted(name for name in os.listdir(self.path) if name.endswith(".index"))
        if names:
            path = os.path.join(self.path, dice.choice(names))
            if dice.random() < 0.5:
                os.unlink(path)
            else:
                with open(path, "r+b") as file:
                    file.write(dice.randbytes(20))

    # Reading

    @rule(at=st.integers(0, 100), bounded=st.booleans())
    def open_reader(self, at: int, bounded: bool) -> None:
        if len(self.readers) > 4:
            self.readers.pop(0).cursor.close()
        tail = self.log.tail()
        end = tail.end if bounded else None
        self.readers.append(Reader(self.log.cursor(at % (self.partition.end + 1), end, tail), self.partition, end))

    @precondition(lambda self: self.readers)
    @rule(number=st.integers(0, 10), steps=st.integers(1, 3), pass_by=st.booleans())
    def step(self, number: int, steps: int, pass_by: bool) -> None:
        reader = self.readers[number % len(self.readers)]
        for _ in range(steps):
            reader.step(pass_by=pass_by)

    def check_there(self) -> None:
        reader = Reader(self.log.cursor(0, self.log.end()), self.partition, self.log.end())
        found = []
        try:
            while reader.cursor.peek() is not None:
                batch = reader.cursor.take()
                found += [] if batch is None else list(batch.records())
            assert not reader.cursor.lost
        finally:
            reader.cursor.close()
        assert found == self.partition.records()

    @invariant()
    def is_what_the_model_says(self) -> None:
        self.check_there()
        assert self.log.end().offset == self.partition.end
        summary = self.log.summary()
        assert (summary.start, summary.end) == (self.partition.start, self.partition.end)
        records = self.partition.records()
        assert summary.first_timestamp is None or not records or summary.first_timestamp <= records[0].timestamp

    @rule(time=st.integers(890, 1110))
    def find_a_time(self, time: int) -> None:
        wanted = next((r.offset for r in self.partition.records() if r.timestamp >= time), self.partition.end)
        assert self.log.offset_at(time, self.log.end()) == wanted

    @rule(count=st.integers(1, 12))
    def find_the_last(self, count: int) -> None:
        records = self.partition.records()
        wanted = {record.offset for record in records[-count:]}
        (start,) = last_records([Source("t", 0, self.log)], [self.log.end()], count)
        assert {record.offset for record in records if record.offset >= start} == wanted

    @rule()
    def verify(self) -> None:
        check = PartitionCheck(self.path)
        problems = [problem for problem in check.problems() if problem.part != "index"]
        assert not problems
        assert not check.lost


CursorMoves.TestCase.settings = settings(max_examples=40, stateful_step_count=30)
TestCursorMoves = CursorMoves.TestCase

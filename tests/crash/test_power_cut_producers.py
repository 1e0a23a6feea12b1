"""Power cuts while an input is produced under a name, run after run: the run after the cut leaves each record there once, in
order, whatever was on disk of the log and of what is known of producers; and retention, trim and compaction beside it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from streamcli.engine.consume import merged, start_reads, topic_sources
from streamcli.engine.produce import Producer
from streamcli.engine.syncing import SYNC_BATCH, SYNC_EXIT, SYNC_NONE
from streamcli.engine.verify import Verification
from streamcli.record.batch import Columns
from streamcli.storage import producer_state
from streamcli.storage.config import TopicConfig
from streamcli.storage.directory import LogDirectory
from streamcli.storage.log import Log
from tests.crash.disk_model import Disk
from tests.crash.examined_states import examine_states
from tests.crash.oracle import ALL as WHOLE
from tests.crash.oracle import LOCK_TIMEOUT
from tests.crash.power_cut_choices import at_random, systematic
from tests.crash.recorded_session import Session, fail
from tests.crash.trace import Line, Recorder, record

TOPIC, NAME, ALL = "clicks", "web", 150
STATES = int(os.environ.get("STREAMCLI_POWER_CUT_STATES", "200")) // 10

Config = dict[str, object]
DELETE: Config = {"retention.bytes": 3000}
COMPACT: Config = {"cleanup.policy": "compact", "delete.retention.ms": 0, "min.cleanable.dirty.ratio": 0}


def rows(first: int, end: int) -> Columns:
    values = [b"%060d" % number for number in range(first, end)]
    return Columns(end - first, b"\n".join([*values, b""]), keys=[b"k%d" % (n % 7) for n in range(first, end)])


def feed(producer: Producer, end: int, each: int) -> None:
    """The input from its beginning to `end`, in chunks of so many records."""
    for first in range(0, end, each):
        producer.append(rows(first, min(end, first + each)))
        producer.tick()


class Runs:
    """Runs of one input under a recorder, each going further than the one before."""

    def __init__(self, recorder: Recorder, partitions: int = 1, config: Config | None = None) -> None:
        producer_state.DUE_AFTER = 3  # so that the file is written often
        self._session = Session(recorder)
        overrides = {"segment.bytes": 1024, **(config or {})}
        self._session.directory().create_topic(TOPIC, TopicConfig(partitions, overrides))

    def produce(self, end: int, each: int, sync: str = SYNC_EXIT) -> None:
        """One that is acknowledged."""
        producer = self.producer(sync)
        feed(producer, end, each)
        producer.finish()
        producer.close()
        if sync != SYNC_NONE:
            self._session.recorder.note("appended", end=end)

    def die(self, moment: str, end: int, each: int) -> None:
        """One that is killed at a call."""
        producer = self.producer(SYNC_BATCH)
        self._session.recorder.die(moment, lambda: feed(producer, end, each))

    def producer(self, sync: str) -> Producer:
        directory, clock = self._session.directory(), self._session.clock
        return Producer(directory, TOPIC, partition=None, sync=sync, clock=clock, warn=str, name=NAME)

    def command(self, *words: str) -> None:
        assert self._session.command("topics", *words) == 0


def growing(recorder: Recorder) -> None:
    """An input that grows, read again from its beginning each time; some runs never fsync."""
    runs = Runs(recorder)
    for end, each, sync in ((20, 7, SYNC_EXIT), (45, 4, SYNC_NONE), (70, 9, SYNC_BATCH), (130, 6, SYNC_EXIT)):
        runs.produce(end, each, sync)


def partitions(recorder: Recorder) -> None:
    """By key over three; then there are five."""
    runs = Runs(recorder, 3)
    runs.produce(40, 9)
    runs.die("short pwritev", 60, 20)
    runs.produce(60, 8)
    runs.command("alter", TOPIC, "-p", "5")
    runs.produce(90, 30, SYNC_BATCH)


def killed(recorder: Recorder) -> None:
    """In one segment: of files that a killed child made the recorder knows nothing."""
    runs = Runs(recorder, 1, {"segment.bytes": 1 << 20})
    for number, moment in enumerate(("short pwritev", "fdatasync") * 2):
        runs.die(moment, 30 * number + 30, 10)
        runs.produce(30 * number + 10, 5)
    runs.produce(ALL, 50)


def two_at_once(recorder: Recorder) -> None:
    """In chunks of their own, by turns; each rolls, and the file of one may be written after that of the other."""
    runs = Runs(recorder)
    lazy, eager = runs.producer(SYNC_EXIT), runs.producer(SYNC_BATCH)
    for number in range(12):
        lazy.append(rows(8 * number, 8 * number + 8))
        eager.append(rows(6 * number, 6 * number + 6))
    lazy.finish()
    recorder.note("appended", end=96)
    lazy.close()
    eager.close()


def retention(recorder: Recorder) -> None:
    runs = Runs(recorder, 1, DELETE)
    for end, each in ((60, 6), (120, 5)):
        runs.produce(end, each)
        runs.command("clean")


def trim(recorder: Recorder) -> None:
    runs = Runs(recorder)
    for end in (40, 90):
        runs.produce(end, 8)
        runs.command("trim", TOPIC, "--before", str(end - 5))
        runs.command("trim", TOPIC, "--before", "end")


def compaction(recorder: Recorder) -> None:
    runs = Runs(recorder, 2, COMPACT)
    for end, each in ((60, 6), (120, 25)):
        runs.produce(end, each)
        runs.command("clean")


SCENARIOS = (growing, partitions, killed, two_at_once, retention, trim, compaction)


def examine(path: Path, notes: list[Line]) -> None:
    """Read it, run the whole input again twice, once by another of its names: what had to be there is, and all of it once."""
    directory = LogDirectory(str(path), lock_timeout=LOCK_TIMEOUT)
    acknowledged = max((note.get("end", 0) for note in notes), default=0)
    if TOPIC not in directory.topics():
        assert acknowledged == 0
        return
    assert list(Verification(directory, None).findings()) == []
    before = sum(ends(directory))
    assert acknowledged <= before <= ALL
    numbers(directory)
    for _ in range(2):
        clock = iter(range(1_800_000_000_000, 1_900_000_000_000)).__next__
        producer = Producer(directory, TOPIC, partition=None, sync=SYNC_BATCH, clock=clock, warn=str, name=NAME)
        feed(producer, ALL, 40)
        producer.finish()
        producer.close()
        assert producer.already in (before, ALL)
        assert sum(ends(directory)) == ALL
    found = numbers(directory)
    config = directory.config(TOPIC)
    if (
        not config.compacts
        and "retention.bytes" not in config.overrides
        and all(start == 0 for start in starts(directory))
    ):
        assert found == list(range(ALL))
    assert list(Verification(directory, None).findings()) == []


def logs(directory: LogDirectory) -> list[Log]:
    return [Log(directory.partition_directory(TOPIC, number)) for number in range(directory.config(TOPIC).partitions)]


def ends(directory: LogDirectory) -> list[int]:
    return [log.end().offset for log in logs(directory)]


def starts(directory: LogDirectory) -> list[int]:
    return [log.start() for log in logs(directory)]


def numbers(directory: LogDirectory) -> list[int]:
    """The records, each there once, in the order of the input in each partition."""
    found = []
    for partition in range(directory.config(TOPIC).partitions):
        reads = start_reads(topic_sources(directory, TOPIC, [partition]), WHOLE, follow=False, on_missing=fail)
        part = [int(value or b"") for _, batch in merged(reads, fail) for value in batch.values()]
        reads[0].cursor.close()
        assert part == sorted(part)
        found += part
    assert len(found) == len(set(found))
    return sorted(found)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_each_record_is_there_once_after_a_power_cut(scenario: Callable[[Recorder], None], place: Path) -> None:
    root = place / "root"
    root.mkdir()
    disk = Disk(trace := record(root, place / "trace", scenario, boot_id="1" * 36))
    choices = [choice for point in disk.points() for choice in systematic(disk, point)]
    choices = choices[:: max(1, len(choices) // STATES)] + [at_random(disk, seed) for seed in range(STATES)]
    print(f"{scenario.__name__}: {examine_states(trace, disk, choices, place, examine)} states")

"""Power cuts while topics are cleaned, trimmed and altered: what had to stay is there, what was deleted does not come back,
and cleaning again comes to its end."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from streamcli.cli.main import run
from streamcli.engine.consume import merged, start_reads, topic_sources
from streamcli.engine.produce import Producer
from streamcli.engine.syncing import SYNC_BATCH, SYNC_EXIT
from streamcli.engine.verify import Verification
from streamcli.record.batch import Columns
from streamcli.storage.config import TopicConfig
from streamcli.storage.directory import LogDirectory
from tests.crash.disk_model import Disk
from tests.crash.examined_states import examine_states
from tests.crash.oracle import ALL, LOCK_TIMEOUT
from tests.crash.power_cut_choices import at_random, systematic
from tests.crash.recorded_session import Session, fail
from tests.crash.trace import Line, Recorder, record
from tests.support.segments import leftovers

TOPIC = "table"
STATES = int(os.environ.get("STREAMCLI_POWER_CUT_STATES", "200")) // 4

Row = tuple[bytes, bytes | None]
"""Key and value."""

COMPACT = {"cleanup.policy": "compact", "delete.retention.ms": 0, "min.cleanable.dirty.ratio": 1}
DELETE = {"retention.bytes": 3000}


class Table:
    """A topic with keys, under a recorder: each record is noted before it is appended, and once it is acknowledged."""

    def __init__(self, recorder: Recorder, config: dict[str, object]) -> None:
        self.session = Session(recorder)
        self.count = 0
        self._note("config", config=dict(config))
        self.session.directory().create_topic(TOPIC, TopicConfig(1, {"segment.bytes": 1024, **config}))

    def append(self, keys: list[str], *, tombstones: bool = False, sync: str = SYNC_EXIT) -> None:
        values = [None if tombstones else f"{key} {self.count + at}".ljust(40, "x") for at, key in enumerate(keys)]
        self.count += len(keys)
        self._note("append", rows=list(zip(keys, values, strict=True)))
        producer = self.session.producer(TOPIC, sync)
        encoded = [None if value is None else value.encode() for value in values]
        producer.append(Columns(len(keys), encoded, keys=[key.encode() for key in keys]))
        producer.finish()
        producer.close()
        self._note("appended", end=self.count)

    def fill(self) -> None:
        """Several segments: keys that are written over and over, and some once; two are deleted, one of them for good."""
        for number in range(5):
            self.append([f"once{number}", *(f"k{at % 4}" for at in range(8 + number))])
            if number < 2:
                self.append(["deleted"])
            if number in (1, 3):
                self.append([f"k{number}", *(["deleted"] if number == 3 else [])], tombstones=True)

    def command(self, *words: str, start: int = 0) -> None:
        """A command that is acknowledged when it returns, from when the log starts at `start` at least."""
        self._note("cleaning", start=start)
        assert self.session.command("topics", *words) == 0
        self._note("cleaned", start=start)

    def _note(self, note: str, **fields: object) -> None:
        self.session.recorder.note(note, **fields)


def compaction(recorder: Recorder) -> None:
    """Once, and again with what came since: tombstones go, and small segments are merged."""
    table = Table(recorder, COMPACT)
    table.fill()
    table.command("clean")
    table.fill()
    table.command("clean")
    table.command("clean")


def retention(recorder: Recorder) -> None:
    table = Table(recorder, DELETE)
    table.fill()
    table.command("clean")
    table.append(["k0"] * 40)
    table.command("clean")


def retention_of_a_table(recorder: Recorder) -> None:
    table = Table(recorder, {**COMPACT, **DELETE, "cleanup.policy": "compact,delete"})
    table.fill()
    table.command("clean")
    table.fill()
    table.command("clean")


def trim(recorder: Recorder) -> None:
    """To the middle of a batch, of a segment, and to the end."""
    table = Table(recorder, {})
    table.fill()
    for before in (3, 25):
        table.command("trim", TOPIC, "--before", str(before), start=before)
    table.append(["k0", "k1"])
    table.command("trim", TOPIC, "--before", "end", start=table.count)
    table.append(["k2"], sync=SYNC_BATCH)


def trim_of_a_table(recorder: Recorder) -> None:
    table = Table(recorder, COMPACT)
    table.fill()
    table.command("clean")
    table.command("trim", TOPIC, "--before", "31", start=31)
    table.command("clean", start=31)


def writers_clean(recorder: Recorder) -> None:
    """Compaction whenever a segment is full."""
    table = Table(recorder, {**COMPACT, "min.cleanable.dirty.ratio": 0})
    table.fill()
    table.fill()


SCENARIOS = (compaction, retention, retention_of_a_table, trim, trim_of_a_table, writers_clean)


class Model:
    """What the notes before a cut promise. rows: by offset, all that were appended; end: those before it were acknowledged;
    start: where the log starts at least."""

    def __init__(self, notes: list[Line]) -> None:
        self.rows: list[Row] = []
        self.end = self.start = 0
        self.may_start = 0
        self.config: dict[str, object] = {}
        for note in notes:
            if note["note"] == "append":
                self.rows += [(key.encode(), value and value.encode()) for key, value in note["rows"]]
            elif note["note"] == "appended":
                self.end = note["end"]
            elif note["note"] == "config":
                self.config = note["config"]
            elif note["note"] in ("cleaning", "cleaned"):
                self.may_start = max(self.may_start, note["start"])
                if note["note"] == "cleaned":
                    self.start = max(self.start, note["start"])

    @property
    def is_compacted(self) -> bool:
        return "compact" in str(self.config.get("cleanup.policy", ""))

    def check(self, found: dict[int, Row], start: int) -> None:
        """What is there is what was appended there; missing is only what may be removed."""
        assert all(row == self.rows[offset] for offset, row in found.items()), "other records than were appended"
        has_retention = "retention.bytes" in self.config
        assert self.start <= start <= (max(self.may_start, start) if has_retention else self.may_start), (
            f"start {start}"
        )
        self.end = end = max([self.end, *(offset + 1 for offset in found)])
        newest = {key: offset for offset, (key, _) in enumerate(self.rows[:end])}
        for key, offset in newest.items():
            is_deleted = self.is_compacted and self.rows[offset][1] is None
            assert offset < start or offset in found or is_deleted, f"{key!r} is lost, its newest was at {offset}"
        if not self.is_compacted:
            assert sorted(found) == list(range(start, end)), f"from {start}: {sorted(found)}"
            if has_retention:
                self._check_size(found)
        table = {self.rows[offset][0]: offset for offset in sorted(found)}
        back = {key: offset for key, offset in table.items() if newest[key] != offset}
        assert not back, f"older values are the newest: {back}, not {newest}"

    def _check_size(self, found: dict[int, Row]) -> None:
        """retention.bytes of records were left: those are smaller than what holds them, by less than a header each."""
        size = sum(len(key) + len(value or b"") for key, value in found.values())
        whole = sum(len(key) + len(value or b"") for key, value in self.rows[: self.end])
        assert size >= min(whole, 3000 - 1024), f"{size} bytes are left"


def _missing(*what: object) -> None:
    raise AssertionError(f"bytes known to be on disk are missing: {what}")


def read_rows(directory: LogDirectory) -> tuple[dict[int, Row], int]:
    """What a reader gets from the beginning, by offset, and where the log starts."""
    source = topic_sources(directory, TOPIC, [0])[0]
    reads = start_reads([source], ALL, follow=False, on_missing=_missing)
    found: dict[int, Row] = {}
    for _, batch in merged(reads, fail):
        for record_found in batch.records():
            assert not found or record_found.offset > max(found), f"{record_found.offset} after {max(found)}"
            assert record_found.key is not None
            found[record_found.offset] = (record_found.key, record_found.value)
    reads[0].cursor.close()
    return found, source.log.start()


def examine(path: Path, notes: list[Line]) -> None:
    """Read it, append to it, clean it to the end; each time all is there that has to be."""
    model = Model(notes)
    directory = LogDirectory(str(path), lock_timeout=LOCK_TIMEOUT)
    if TOPIC not in directory.topics():
        assert model.end == 0
        return
    model.check(*read_rows(directory))
    assert list(Verification(directory, None).findings()) == []
    clock = iter(range(1_800_000_000_000, 1_900_000_000_000)).__next__
    producer = Producer(directory, TOPIC, partition=0, sync=SYNC_BATCH, clock=clock, warn=str)
    base = producer.append(Columns(1, b"after\n", common_key=b"k0"))[0].base_offset
    producer.close()
    assert base >= model.end, f"the next record got offset {base}"
    model.rows[base:] = [(b"k0", b"after")]
    model.end = base + 1
    model.check(*read_rows(directory))
    for _ in range(3):
        assert run(["--dir", str(path), "topics", "clean"]) == 0
        model.check(*read_rows(directory))
    assert list(Verification(directory, None).findings()) == []
    left = leftovers(os.listdir(path / "topics" / TOPIC / "0"))
    assert not left, f"left behind: {left}"


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_cleaning_loses_nothing_in_a_power_cut(scenario: Callable[[Recorder], None], place: Path) -> None:
    root = place / "root"
    root.mkdir()
    disk = Disk(trace := record(root, place / "trace", scenario, boot_id="1" * 36))
    choices = [choice for point in disk.points() for choice in systematic(disk, point)]
    choices = choices[:: max(1, len(choices) // STATES)] + [at_random(disk, seed) for seed in range(STATES)]
    print(f"{scenario.__name__}: {examine_states(trace, disk, choices, place, examine)} states")

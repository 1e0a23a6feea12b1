"""Power cuts while `repair` is at work: nothing but what was damaged is lost, that is kept, and repair can be run again."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from streamcli.engine.consume import merged, start_reads, topic_sources
from streamcli.engine.group_admin import open_group
from streamcli.engine.produce import Producer
from streamcli.engine.repair import Repairs
from streamcli.engine.syncing import SYNC_BATCH, SYNC_EXIT
from streamcli.engine.verify import Verification
from streamcli.record.errors import CorruptData
from streamcli.record.lost import LostRecords
from streamcli.storage import layout
from streamcli.storage.directory import LogDirectory
from streamcli.storage.segment import Segment
from tests.crash.disk_model import Disk
from tests.crash.examined_states import examine_states
from tests.crash.oracle import ALL, LOCK_TIMEOUT
from tests.crash.power_cut_choices import at_random, systematic
from tests.crash.recorded_session import Session, columns
from tests.crash.trace import Line, Recorder, record

TOPIC = "clicks"
BATCHES, RECORDS = 9, 8
STATES = int(os.environ.get("STREAMCLI_POWER_CUT_STATES", "200")) // 2

Damage = Callable[[Path], None]


def partition_of(root: Path) -> Path:
    return root / "log" / "topics" / TOPIC / "0"


def write_over(path: Path, position: int, data: bytes) -> None:
    """Through the interposed functions, so that it is in the trace."""
    fd = os.open(path, os.O_WRONLY)
    os.pwrite(fd, data, position)
    os.close(fd)


def batches(partition: Path) -> list[tuple[Path, int, int]]:
    """The batches as (segment, position, end)."""
    found = []
    for name in layout.segments(str(partition)):
        segment = Segment(str(partition), name)
        found += [(Path(segment.path), header.position, header.end) for header in segment.headers(0, segment.size())]
        segment.close()
    return found


def body_of(number: int) -> Damage:
    """A byte in the body of a batch is altered."""

    def damage(root: Path) -> None:
        path, _, end = batches(partition_of(root))[number]
        write_over(path, end - 3, b"\xff")

    return damage


def header_of(number: int) -> Damage:
    """A byte in the header of a batch is altered."""

    def damage(root: Path) -> None:
        path, position, _ = batches(partition_of(root))[number]
        write_over(path, position + 30, b"\xff")

    return damage


def end_of_log(root: Path) -> None:
    """The last batch, which was acknowledged, is cut in half."""
    path, position, end = batches(partition_of(root))[-1]
    fd = os.open(path, os.O_WRONLY)
    os.ftruncate(fd, (position + end) // 2)
    os.close(fd)


def index(root: Path) -> None:
    """An index leads nowhere."""
    write_over(sorted(partition_of(root).glob("*.index"))[0], 0, b"\xff" * 32)


def commits(root: Path) -> None:
    """The first commit of the group is altered; there is a later one."""
    write_over(root / "log" / "groups" / "billing" / "commits", 25, b"x")


def config(root: Path) -> None:
    """The topic has lost its config."""
    os.unlink(partition_of(root).parent / layout.CONFIG_FILE)


def partition(root: Path) -> None:
    """A partition's directory is gone."""
    shutil.rmtree(partition_of(root))


def segments(root: Path) -> None:
    """A partition has no segment any more."""
    for path in partition_of(root).glob("*.log"):
        os.unlink(path)


def middle_segment(root: Path) -> None:
    """Of the segments in the middle one is gone."""
    os.unlink(sorted(partition_of(root).glob("*.log"))[1])


DAMAGES = {
    "body": body_of(1),
    "header": header_of(1),
    "body at the end of a segment": body_of(-2),
    "last body": body_of(-1),
    "last header": header_of(-1),
    "end": end_of_log,
    "index": index,
    "commits": commits,
    "config": config,
    "partition": partition,
    "segments": segments,
    "middle segment": middle_segment,
}

LAST = range((BATCHES - 1) * RECORDS, BATCHES * RECORDS)
SECOND = range(RECORDS, 2 * RECORDS)
KEPT = {
    "body": SECOND,
    "header": SECOND,
    "last body": LAST,
    "last header": LAST,
    "body at the end of a segment": range(56, 64),
}
"""The offsets that a damage costs, where a copy of their bytes is kept."""

GONE = {
    "end": LAST,
    "partition": range(BATCHES * RECORDS),
    "segments": range(BATCHES * RECORDS),
    "middle segment": range(32, 64),
}
"""The same, where the bytes were gone before."""


def scenario(recorder: Recorder, damage: Damage) -> None:
    """A log with a group is damaged, repaired, and gone on with."""
    session = Session(recorder)
    session.create(TOPIC, segment_bytes=1500)
    producer = session.producer(TOPIC, SYNC_EXIT)
    for _ in range(BATCHES):
        session.append(producer, TOPIC, 0, RECORDS)
        producer.finish()
    session.acknowledge(TOPIC)
    producer.close()
    session.consume("billing", [TOPIC])
    damage(recorder.root)
    os.sync()
    recorder.note("begin")
    assert session.command("repair") == 0
    recorder.note("repaired")
    producer = session.producer(TOPIC, SYNC_BATCH)
    session.append(producer, TOPIC, 0, RECORDS)
    session.acknowledge(TOPIC)
    session.append(session.producer(TOPIC, SYNC_EXIT), TOPIC, 0, 2 * RECORDS)


def read_by_offset(directory: LogDirectory) -> dict[int, bytes | None]:
    """What a reader gets; what was given up it passes by, and meets no other damage."""

    def pass_by(damage: CorruptData) -> None:
        if not isinstance(damage, LostRecords):
            raise damage

    reads = start_reads(topic_sources(directory, TOPIC, [0]), ALL, follow=False, on_missing=lambda *_: None)
    found: dict[int, bytes | None] = {}
    for _, batch in merged(reads, pass_by):
        found |= zip(batch.offsets(), batch.values(), strict=True)
    reads[0].cursor.close()
    return found


def examine(path: Path, name: str, notes: list[Line]) -> None:
    """Repair it, again or for the first time; then all is there but what was damaged, and that is kept beside it."""
    directory = LogDirectory(str(path), lock_timeout=LOCK_TIMEOUT)
    clock = iter(range(1_800_000_000_000, 1_900_000_000_000)).__next__
    if any(note["note"] == "repaired" for note in notes):
        assert list(Verification(directory, None).findings()) == []
    assert all(done.repair.is_mended for done in Repairs(directory, None, clock=clock, warn=str).run())
    assert list(Verification(directory, None).findings()) == []
    values = [value.encode() for note in notes if note["note"] == "append" for value in note["values"]]
    acknowledged = max(note["end"] for note in notes if note["note"] == "appended")
    lost = KEPT.get(name) or GONE.get(name) or range(0)
    found = read_by_offset(directory)
    assert set(found) >= set(range(acknowledged)) - set(lost)
    assert all(offset not in lost and value == values[offset] for offset, value in found.items())
    if name in KEPT:
        kept = b"".join(kept.read_bytes() for kept in (path / "topics" / TOPIC / "0").glob("*.damaged-*"))
        assert values[lost[1]] in kept
    assert open_group(directory, "billing").journal.committed() == {(TOPIC, 0): BATCHES * RECORDS}
    producer = Producer(directory, TOPIC, partition=0, sync=SYNC_BATCH, clock=clock, warn=str)
    base = producer.append(columns(["after"]))[0].base_offset
    producer.close()
    assert base >= BATCHES * RECORDS
    assert read_by_offset(directory) == {**found, base: b"after"}


@pytest.mark.parametrize("name", DAMAGES)
def test_repair_loses_nothing_in_a_power_cut(name: str, place: Path) -> None:
    root = place / "root"
    root.mkdir()
    trace = record(root, place / "trace", lambda recorder: scenario(recorder, DAMAGES[name]), boot_id="1" * 36)
    disk = Disk(trace)
    choices = [choice for point in disk.points() for choice in systematic(disk, point)]
    choices += [at_random(disk, seed) for seed in range(STATES)]
    choices = choices[:: max(1, len(choices) // (8 * STATES))]
    count = examine_states(trace, disk, choices, place, lambda path, notes: examine(path, name, notes))
    print(f"repair of {name}: {count} states")

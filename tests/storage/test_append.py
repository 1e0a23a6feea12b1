"""Appending: appenders side by side, rolls, what an error leaves behind, and the checkpoint."""

from __future__ import annotations

import errno
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamcli.record.batch import Columns
from streamcli.record.errors import NotFound
from streamcli.storage import durable, layout
from streamcli.storage.append import RollPolicy
from streamcli.storage.checkpoint import Checkpoint
from streamcli.storage.config import TopicConfig
from streamcli.storage.directory import LogDirectory
from streamcli.storage.durable import boot_id
from streamcli.storage.log_start import write_log_start
from tests.support.restricted import restricted
from tests.support.waiting import DEADLINE

from .columns import columns
from .partition_log import NO_ROLL, PartitionLog, lines
from .test_format import expected_rows


def records_by_segment(partition: PartitionLog) -> list[int]:
    counts = dict.fromkeys(partition.bases(), 0)
    for path, header in partition.headers():
        counts[int(path.stem)] += header.record_count
    return list(counts.values())


def test_offsets_go_up_by_the_records_appended(partition: PartitionLog):
    assert partition.write(lines("a"), lines("b", "c"), lines("d")) == [0, 1, 3]
    assert partition.write(lines("e")) == [4]
    assert partition.values() == [b"a", b"b", b"c", b"d", b"e"]


def test_the_clock_gives_the_timestamp_unless_the_batch_has_its_own(partition: PartitionLog):
    partition.now = 77
    partition.write(lines("a", "b"), Columns(2, b"c\nd\n", timestamps=[5, -6]))
    assert [record.timestamp for record in partition.read()] == [77, 77, 5, -6]


@given(st.lists(columns(gaps=False, max_records=4), min_size=1, max_size=6), st.integers(1, 600))
@settings(max_examples=50)
def test_what_is_appended_is_read(tmp_path_factory: pytest.TempPathFactory, batches: list[Columns], segment_bytes: int):
    partition = PartitionLog(tmp_path_factory.mktemp("p"), RollPolicy(segment_bytes, 1 << 70))
    offsets = partition.write(*batches)
    wanted = [row for made, base in zip(batches, offsets, strict=True) for row in expected_rows(made, base, 1_000_000)]
    assert [tuple(record) for record in partition.read()] == wanted
    for start in range(len(wanted) + 1):
        assert [tuple(record) for record in partition.read(start)] == wanted[start:]


@pytest.mark.parametrize("segment_bytes", [1 << 30, 300])
def test_appenders_side_by_side(partition: PartitionLog, segment_bytes: int):
    """Each sees what the others appended, and the rolls they made."""
    partition.policy = RollPolicy(segment_bytes, 1 << 60)
    appenders = [partition.appender() for _ in range(4)]
    rng = random.Random(5)
    wanted = []
    for number in range(120):
        values = [f"{number}.{i}".encode() for i in range(rng.randrange(1, 4))]
        appender = rng.choice(appenders)
        assert appender.append(lines(*values)) == len(wanted)
        wanted += values
        if rng.random() < 0.2:
            rng.choice(appenders).sync()
    assert partition.values() == wanted
    assert (len(partition.bases()) > 20) == (segment_bytes == 300)
    assert partition.warnings == []
    assert partition.cut_files() == []


def test_a_segment_is_rolled_before_it_outgrows_its_size(partition: PartitionLog):
    partition.policy = RollPolicy(400, 1 << 60)
    partition.write(*[lines("x" * size) for size in (10, 150, 20, 1000, 5, 90, 90, 90)])
    sizes = [
        Path(layout.segment_path(partition.directory, layout.SegmentName.of(base))).stat().st_size
        for base in partition.bases()
    ]
    assert [size for size in sizes if size > 400] == [88 + 13 + 1001], "only a batch that is too long alone"
    assert partition.bases() == sorted(partition.bases())
    assert len(partition.read()) == 8


def test_a_batch_longer_than_a_segment_makes_no_empty_segment(partition: PartitionLog):
    partition.policy = RollPolicy(50, 1 << 60)
    partition.write(*[lines("x" * 100) for _ in range(3)])
    assert partition.bases() == [0, 1, 2]


def test_a_segment_is_rolled_when_its_first_batch_is_old(partition: PartitionLog):
    partition.policy = RollPolicy(1 << 40, 1000)
    appender, other = partition.appender(), partition.appender()
    for now, who in [(0, appender), (500, other), (999, appender), (1000, other), (1999, appender), (2000, appender)]:
        partition.now = now
        who.append(lines(f"{now}"))
    assert partition.bases() == [0, 3, 5]
    assert records_by_segment(partition) == [3, 2, 1]
    partition.close()
    partition.now = 2999
    partition.write(lines("a new appender knows the age too"))
    assert partition.bases() == [0, 3, 5]
    partition.now = 3000
    partition.write(lines("rolls"))
    assert partition.bases() == [0, 3, 5, 7]


def test_records_with_old_timestamps_do_not_roll_at_every_batch(partition: PartitionLog):
    """As in Kafka: what a replay of old records brings lies in time with the segment's first record."""
    partition.policy = RollPolicy(1 << 40, 1000)
    partition.now = 1_000_000
    partition.write(*[Columns(1, b"old\n", timestamps=[number]) for number in range(10)])
    assert len(partition.bases()) < 3


def test_the_active_segment_is_on_disk_before_the_next_begins(partition: PartitionLog):
    """The checkpoint of a roll says that all before it is on disk."""
    partition.policy = RollPolicy(150, 1 << 60)
    partition.write(lines("a" * 20), lines("b" * 20), sync=False)
    assert partition.bases() == [0, 1]
    assert partition.checkpoint() == Checkpoint(boot_id(), 1, 0, 1, partition.now)


def test_a_sync_is_noted_in_the_checkpoint(partition: PartitionLog):
    appender = partition.appender()
    appender.append(lines("a"))
    size = partition.segment().stat().st_size
    assert partition.checkpoint().position == 0
    ticket = appender.begin_sync()
    appender.append(lines("b"))
    ticket.wait()
    appender.note_sync(ticket)
    assert partition.checkpoint() == Checkpoint(boot_id(), 0, size, 1, partition.now)


def test_the_checkpoint_of_one_boot_never_goes_back(partition: PartitionLog):
    first, second = partition.appender(), partition.appender()
    first.append(lines("a"))
    early = first.begin_sync()
    second.append(lines("b"))
    second.sync()
    known = partition.checkpoint()
    early.wait()
    first.note_sync(early)
    assert partition.checkpoint() == known
    assert known.offset == 2


@pytest.mark.parametrize("index", ["whole", "gone", "scrambled", "astray", "torn tail"])
def test_what_others_appended_is_taken_in_by_the_index(partition: PartitionLog, index: str):
    """From 2 MiB on; where the index leads nowhere, header by header. Timestamps that were ahead are ahead of what comes."""
    first, second = partition.appender(), partition.appender()
    first.append(lines("a"))
    long = Columns(1, b"x" * 700_000 + b"\n")
    second.append(lines("early")._replace(timestamps=[5_000_000]))
    for _ in range(5):
        second.append(long)
    path = partition.segment().with_suffix(".index")
    if index == "gone":
        os.truncate(path, 0)
    elif index == "scrambled":
        path.write_bytes(path.read_bytes()[:-32] + random.Random(1).randbytes(32))
    elif index == "astray":
        path.write_bytes(path.read_bytes() + path.read_bytes()[:32])
    elif index == "torn tail":
        os.truncate(partition.segment(), partition.segment().stat().st_size - 5)
    there = 6 if index == "torn tail" else 7
    assert first.append(lines("b")) == there
    assert first.append(long) == there + 1
    first.sync()
    assert partition.checkpoint().max_timestamp == 5_000_000
    assert [record.offset for record in partition.read()] == list(range(there + 2))


def test_a_sync_before_anything_was_appended_is_nothing(partition: PartitionLog):
    partition.appender().sync()
    assert partition.checkpoint().offset == 0


def test_an_empty_partition_without_a_segment_gets_one(partition: PartitionLog):
    partition.segment().unlink()
    assert partition.log.end().offset == 0
    assert partition.write(lines("a")) == [0]
    assert partition.values() == [b"a"]


@pytest.mark.parametrize("again", [False, True])
def test_a_topic_deleted_under_an_appender(directory: LogDirectory, partition: PartitionLog, again: bool):
    used, unused = partition.appender(), partition.appender()
    used.append(lines("a"))
    directory.delete_topic("t")
    if again:
        directory.create_topic("t", TopicConfig(1, {}))
    for appender in (used, unused):
        for _ in range(2):
            with pytest.raises(NotFound, match="deleted"):
                appender.append(lines("b"))
    with pytest.raises(NotFound, match="deleted"):
        used.sync()  # what it appended went with the topic
    if again:
        assert partition.values() == []
        assert partition.write(lines("new")) == [0]


def test_closing_an_appender_whose_topic_is_gone(directory: LogDirectory, partition: PartitionLog):
    appender = partition.appender()
    directory.delete_topic("t")
    with pytest.raises(NotFound):
        appender.append(lines("a"))
    reader, writer = os.pipe()  # takes the numbers of descriptors that were closed
    appender.close()
    partition._opened.clear()
    os.close(reader)
    os.close(writer)


def test_a_deleted_topic_has_no_appender(directory: LogDirectory, partition: PartitionLog):
    directory.delete_topic("t")
    with pytest.raises(NotFound):
        partition.appender()


def test_an_index_that_cannot_be_opened_leaves_appending_whole_or_not_at_all(partition: PartitionLog):
    partition.index().mkdir()
    appender = partition.appender()
    appended = []
    for number in range(3):
        try:
            appended.append(appender.append(lines(f"{number}")))
        except OSError:
            assert partition.segment().stat().st_size == 0, "an append that failed left its batch"
    assert [record.offset for record in partition.read()] == appended


def test_a_batch_that_cannot_be_encoded_changes_nothing(partition: PartitionLog):
    appender = partition.appender()
    appender.append(lines("a"))
    with pytest.raises(OverflowError):
        appender.append(lines("b")._replace(timestamps=[2**70]))
    assert appender.append(lines("c")) == 1
    assert partition.values() == [b"a", b"c"]


FILL = """
import json, sys
from streamcli.record.batch import Columns
from streamcli.storage.append import Appender, RollPolicy
from streamcli.storage.log_start import write_log_start
from streamcli.storage.log import Log

directory, size = sys.argv[1], int(sys.argv[2])
appender = Appender(directory, RollPolicy(1 << 40, 1 << 60), lock_timeout=30, clock=lambda: 1, warn=print)
done, failed = 0, []
for number in range(6):
    columns = Columns(1, b"%d" % number * (size if number < 5 else 1) + b"\\n")
    try:
        appender.append(columns)
        done += 1
    except OSError as error:
        failed.append((number, error.errno))
appender.sync()
json.dump([done, failed, Log(sys.argv[1]).end().offset], sys.stdout)
"""


SMALL = 88 + 13 + 2


@pytest.mark.parametrize("room", [0, 1, 50, SMALL - 1, SMALL, 5000])
def test_a_full_disk_leaves_the_log_as_it_was(partition: PartitionLog, room: int):
    """A limit on the size of files cuts a write short, as a full disk does; a batch that still fits is taken."""
    partition.write(lines("before"))
    large = 88 + 13 + 10_000 + 1
    limit = partition.segment().stat().st_size + 2 * large + room
    command = [*restricted(f"file-size={limit}"), sys.executable, "-c", FILL, partition.directory, "10000"]
    found = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=DEADLINE).stdout
    done, failed, end = json.loads(found)
    taken = [0, 1, 5] if room >= SMALL else [0, 1]
    assert failed == [[number, errno.EFBIG] for number in range(6) if number not in taken]
    assert (done, end) == (len(taken), len(taken) + 1)
    wanted = [b"before", b"0" * 10_000, b"1" * 10_000, b"5"][:end]
    assert partition.values() == wanted
    assert partition.write(lines("after")) == [len(wanted)]
    assert partition.values() == [*wanted, b"after"]
    assert partition.cut_files() == []
    assert partition.warnings == []


def test_no_room_for_the_checkpoint_is_no_failure(partition: PartitionLog):
    partition.checkpoint_path().unlink()
    partition.checkpoint_path().symlink_to("/dev/full")
    assert partition.write(lines("a"), lines("b")) == [0, 1]
    assert partition.values() == [b"a", b"b"]


@pytest.mark.parametrize("name", ["lock", "checkpoint"])
def test_a_lock_or_checkpoint_that_was_deleted_is_made_again(partition: PartitionLog, name: str):
    appender = partition.appender()
    appender.append(lines("a"))
    Path(partition.directory, name).unlink()
    assert appender.append(lines("b")) == 1
    appender.sync()
    assert partition.write(lines("c")) == [2]
    assert Path(partition.directory, name).exists()
    assert partition.values() == [b"a", b"b", b"c"]


def test_an_appender_goes_on_after_the_segment_was_removed(partition: PartitionLog):
    """Retention may take the segment that an idle appender has open."""
    idle = partition.appender(NO_ROLL)
    idle.append(lines("a"))
    rolling = partition.appender(RollPolicy(100, 1 << 60))
    rolling.append(lines("b"))
    write_log_start(partition.directory, 1)
    Path(layout.segment_path(partition.directory, layout.SegmentName.of(0))).unlink()
    assert idle.append(lines("c")) == 2
    assert partition.values() == [b"b", b"c"]
    assert partition.log.start() == 1


def test_after_a_failed_fsync_nothing_is_said_to_be_durable(partition: PartitionLog, monkeypatch):
    """Also when it failed for a roll: the kernel tells of lost pages once, and the next fsync would succeed."""
    appender = partition.appender(RollPolicy(1, 1 << 60))
    appender.append(lines("a"))
    with monkeypatch.context() as patched:
        patched.setattr(durable, "sync_data", fails_with(errno.EIO))
        with pytest.raises(OSError, match="Input/output error"):
            appender.append(lines("b"))
    for attempt in (appender.sync, lambda: appender.append(lines("c"))):
        with pytest.raises(OSError, match="Input/output error"):
            attempt()
    assert partition.values() == [b"a"]


def fails_with(number: int):
    def fail(_: int) -> None:
        raise OSError(number, os.strerror(number))

    return fail


def test_the_checkpoint_is_on_disk_before_sync_returns(partition: PartitionLog, monkeypatch):
    synced = []
    sync_data = durable.sync_data
    monkeypatch.setattr(
        durable, "sync_data", lambda fd: (synced.append(os.readlink(f"/proc/self/fd/{fd}")), sync_data(fd))
    )
    appender = partition.appender()
    appender.append(lines("a"))
    appender.sync()
    assert [Path(name).name for name in synced] == ["00000000000000000000.log", "checkpoint"]

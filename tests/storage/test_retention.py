"""What retention removes, and what not; the log start offset, and a log that is not where it says."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from streamcli.record.batch import Columns
from streamcli.record.errors import CorruptData
from streamcli.record.lost import LostRecords, RemovedRecords
from streamcli.storage import layout
from streamcli.storage.clean import Cleaner, CleaningPolicy
from streamcli.storage.compact import CompactionPolicy
from streamcli.storage.config import UNLIMITED
from streamcli.storage.format import CODEC_NONE
from streamcli.storage.log_start import write_log_start
from streamcli.storage.repair import repair_partition
from streamcli.storage.retention import Removed, RetentionPolicy, remove_expired
from streamcli.storage.verify import PartitionCheck, Problem

from .partition_log import PartitionLog, flip, lines

NEVER = 1 << 50
KEPT_FOR = 1000


@pytest.fixture
def rolled(partition: PartitionLog) -> PartitionLog:
    """Closed segments of two records each at offsets 0, 2 and 4, of times 0, 100 and 200, and an empty active one."""
    for number in range(3):
        partition.now = 100 * number
        partition.write(lines(str(2 * number), str(2 * number + 1)))
        close_segment(partition)
    return partition


def close_segment(log: PartitionLog) -> None:
    log.appender().roll_if(lambda *_: True)
    log.close()


def cleaner(log: PartitionLog, *, age: int = UNLIMITED, size: int = UNLIMITED, segment_ms: int = NEVER) -> Cleaner:
    return Cleaner(log.directory, CleaningPolicy(RetentionPolicy(age, size), None, segment_ms, 0.5), lock_timeout=30)


def clean(log: PartitionLog, now: int, **policy: int) -> list[Removed]:
    try:
        return [done for done in cleaner(log, **policy).clean(log.appender(), now) if isinstance(done, Removed)]
    finally:
        log.close()


def trim(log: PartitionLog, offset: int) -> None:
    cleaner(log).trim(log.appender(), offset)
    log.close()


def problems(log: PartitionLog) -> list[Problem]:
    return list(PartitionCheck(log.directory).problems())


@pytest.mark.parametrize(("now", "left"), [(1000, 0), (1001, 2), (1100, 2), (1101, 4), (1201, 6)])
@pytest.mark.parametrize("index", ["there", "gone", "damaged"])
def test_a_segment_goes_once_all_its_records_are_too_old(rolled: PartitionLog, now: int, left: int, index: str) -> None:
    for path in Path(rolled.directory).glob("*.index"):
        if index == "gone":
            path.unlink()
        elif path.stat().st_size and index == "damaged":
            flip(path, 3, 1)
    clean(rolled, now, age=KEPT_FOR)
    assert (rolled.log.start(), rolled.bases()[0]) == (left, left)
    assert rolled.values() == [b"%d" % number for number in range(left, 6)]
    assert [problem for problem in problems(rolled) if problem.part != "index"] == []


def test_one_young_record_keeps_its_segment_and_all_after_it(partition: PartitionLog) -> None:
    """However old its neighbours are; and one from the future keeps what is after it no longer than its own time."""
    for times in ([0, 5000, 0], [0, 0, 0]):
        partition.write(Columns(3, [b"x"] * 3, timestamps=times))
        close_segment(partition)
    assert clean(partition, 6000, age=KEPT_FOR) == []
    removed = clean(partition, 6001, age=KEPT_FOR)
    assert [(done.segments, done.start) for done in removed] == [(2, 6)]


def test_a_record_from_the_future_that_compaction_removed_keeps_nothing(partition: PartitionLog) -> None:
    for time in (1 << 40, 0):
        partition.write(Columns(1, [b"x"], common_key=b"k", timestamps=[time]))
        close_segment(partition)
    policy = CleaningPolicy(None, CompactionPolicy(0, 1 << 30, CODEC_NONE), NEVER, 0)
    list(Cleaner(partition.directory, policy, lock_timeout=30).clean(partition.appender(), 10))
    partition.close()
    assert [(done.segments, done.start) for done in clean(partition, 2000, age=KEPT_FOR)] == [(1, 2)]


@pytest.mark.parametrize(("more", "left"), [(-1, 4), (0, 4), (1, 2)])
def test_the_size_below_which_nothing_goes(rolled: PartitionLog, more: int, left: int) -> None:
    """As Kafka has it: the oldest segment goes where at least retention.bytes are left without it."""
    clean(rolled, 0, size=rolled.segment(2).stat().st_size + more)
    assert rolled.log.start() == left
    clean(rolled, 0, size=0)
    assert rolled.log.start() == 6
    assert rolled.bases() == [6]


def test_the_active_segment_is_closed_once_all_its_records_are_too_old(partition: PartitionLog) -> None:
    partition.now = 0
    partition.write(lines("0"))
    assert clean(partition, 1000, age=KEPT_FOR) == []
    assert [done.start for done in clean(partition, 1001, age=KEPT_FOR)] == [1]
    assert clean(partition, 5000, age=KEPT_FOR) == []
    assert partition.values() == []
    assert partition.write(lines("1")) == [1]


@pytest.mark.parametrize("position", [0, 30, 100])
def test_a_damaged_segment_goes_by_size_and_not_by_age(rolled: PartitionLog, position: int) -> None:
    """Of what cannot be read nobody knows how old it is. A body that fails its checksum has its times in the header."""
    rolled.index(1).unlink()
    flip(rolled.segment(1), position, 1)
    if position < 88:
        for _ in range(2):
            with pytest.raises(CorruptData) as caught:
                clean(rolled, 9000, age=KEPT_FOR)
            assert caught.value.path == str(rolled.segment(0))
            assert (rolled.log.start(), rolled.bases()) == (2, [2, 4, 6])
        clean(rolled, 9000, size=0)
    else:
        clean(rolled, 9000, age=KEPT_FOR)
    assert (rolled.log.start(), rolled.bases()) == (6, [6])
    assert problems(rolled) == []


def test_a_segment_that_is_lost_is_told_after_those_before_it_are_gone(rolled: PartitionLog) -> None:
    rolled.segment(1).unlink()
    lost = [(problem.first, problem.next_offset) for problem in problems(rolled)]
    assert lost == [(2, 4)]
    assert [done.start for done in clean(rolled, 1001, age=KEPT_FOR)] == [2]
    assert rolled.bases() == [4, 6]
    assert [(problem.first, problem.next_offset) for problem in problems(rolled)] == lost
    assert [done.start for done in clean(rolled, 9000, age=KEPT_FOR)] == [6]
    assert problems(rolled) == []


def test_what_was_cut_off_or_given_up_goes_with_its_segment(rolled: PartitionLog) -> None:
    names = [
        f"{layout.segments(rolled.directory)[number]}.{kind}" for number in (0, 1) for kind in ("cut-3-1", "index")
    ]
    for name in names:
        Path(rolled.directory, name).touch()
    clean(rolled, 1001, age=KEPT_FOR)
    assert [os.path.exists(os.path.join(rolled.directory, name)) for name in names] == [False, False, True, True]


def test_a_crash_before_the_files_are_gone(rolled: PartitionLog) -> None:
    write_log_start(rolled.directory, 4)
    assert rolled.values() == [b"4", b"5"]
    assert problems(rolled) == []
    removed = remove_expired(rolled.directory, RetentionPolicy(UNLIMITED, 1 << 40), 0)
    assert (removed.segments, removed.start_before, removed.start) == (2, 4, 4)
    assert rolled.bases() == [4, 6]


def test_a_reader_that_retention_passes_is_told_once(rolled: PartitionLog) -> None:
    cursor = rolled.log.cursor(0, None)
    assert cursor.peek() is not None
    trim(rolled, 5)
    given = []
    for _ in range(3):
        while cursor.peek() is not None:
            batch = cursor.take()
            given += [] if batch is None else [record.offset for record in batch.records()]
        rolled.write(lines("more"))
    cursor.close()
    assert given == [0, 1, 5, 6, 7]
    assert [(type(lost), lost.first, lost.next_offset) for lost in cursor.lost] == [(RemovedRecords, 2, 5)]


def test_a_bounded_reader_is_told_of_what_it_was_to_read(rolled: PartitionLog) -> None:
    cursor = rolled.log.cursor(
        0, rolled.log.end()._replace(segment=2, position=rolled.segment(1).stat().st_size, offset=4)
    )
    assert cursor.peek() is not None
    trim(rolled, 6)
    while cursor.peek() is not None:
        cursor.take()
    cursor.close()
    assert [(lost.first, lost.next_offset) for lost in cursor.lost] == [(2, 4)]


def test_a_log_start_offset_that_cannot_be_read_is_told_and_mended(rolled: PartitionLog) -> None:
    trim(rolled, 3)
    flip(Path(rolled.directory, layout.LOG_START), 30, 1)
    found = problems(rolled)
    assert [problem.part for problem in found] == ["log-start", "log"]
    appender = rolled.appender()
    repairs = repair_partition(rolled.directory, found, appender, lock_timeout=30, committed=0)
    rolled.close()
    assert [(repair.problem.part, repair.is_mended) for repair in repairs] == [("log-start", True)]
    assert problems(rolled) == []
    assert rolled.log.start() == 2
    assert rolled.values() == [b"2", b"3", b"4", b"5"]


def test_a_log_that_ends_before_its_log_start_offset_goes_on_there(partition: PartitionLog) -> None:
    """Restored from an older copy, say: else what is appended would lie before the log start offset, and nobody read it."""
    partition.write(lines("0", "1"))
    write_log_start(partition.directory, 10)
    assert partition.read() == []
    assert partition.write(lines("2")) == [10]
    told: list[CorruptData] = []
    assert [record.offset for record in partition.read(on_damage=told.append)] == [10]
    assert not [damage for damage in told if not isinstance(damage, LostRecords)]
    assert problems(partition) == []

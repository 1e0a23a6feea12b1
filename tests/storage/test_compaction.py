"""Compaction of columns of every form, of spans that no batch can say, and beside whatever stands in its way."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamcli.record.batch import Columns, Record
from streamcli.record.errors import CorruptData
from streamcli.record.lost import LostRecords
from streamcli.storage import layout, segment_writer
from streamcli.storage.body import encode_body
from streamcli.storage.compact import Compacted, CompactionPolicy, compact
from streamcli.storage.config import TopicConfig
from streamcli.storage.directory import LogDirectory
from streamcli.storage.format import CODEC_NONE
from streamcli.storage.layout import SegmentName
from streamcli.storage.leftovers import remove_leftovers
from streamcli.storage.locks import ExclusiveLock
from streamcli.storage.repair import repair_partition
from streamcli.storage.verify import PartitionCheck, Problem

from .columns import columns
from .partition_log import PartitionLog, flip

DAY = 86_400_000


def keyed(*rows: tuple[bytes | None, bytes | None]) -> Columns:
    return Columns(len(rows), [value for _, value in rows], [key for key, _ in rows])


def close_segment(log: PartitionLog) -> None:
    log.appender().roll_if(lambda *_: True)
    log.close()


def write_closed(log: PartitionLog, *batches: Columns) -> None:
    """A closed segment with these batches."""
    log.write(*batches)
    close_segment(log)


def compacted(
    log: PartitionLog, *, size: int = 1 << 30, keep: int = DAY, is_stopping: Callable[[], bool] = lambda: False
) -> Compacted | None:
    lock = ExclusiveLock(os.path.join(log.directory, layout.LOCK), 30)
    try:
        policy = CompactionPolicy(keep, size, CODEC_NONE)
        remove_leftovers(log.directory, lock)
        return compact(log.directory, policy, now=log.now, lock=lock, is_stopping=is_stopping)
    finally:
        lock.close()


def names(log: PartitionLog) -> list[str]:
    return [str(name) for name in layout.segments(log.directory)]


def problems(log: PartitionLog) -> list[str]:
    return [problem.reason for problem in PartitionCheck(log.directory).problems()]


def newest(records: list[Record]) -> list[Record]:
    last = {record.key: record.offset for record in records}
    return [record for record in records if record.key is None or last[record.key] == record.offset]


def plain(records: list[Record]) -> list[Record]:
    return [record._replace(headers=[(name, value) for name, value in record.headers]) for record in records]


@settings(max_examples=60)
@given(
    batches=st.lists(columns(gaps=False), min_size=1, max_size=6),
    closed=st.sets(st.integers(0, 5)),
    long=st.sampled_from([1, 60, 1 << 20]),
)
def test_of_each_key_the_newest_record_stays_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, batches: list[Columns], closed: set[int], long: int
) -> None:
    """With batches of any size put together, or copied, and an index entry for each: the times before it are in each."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(segment_writer, "BATCH_BYTES", long)
        patch.setattr("streamcli.storage.compact.COPIED_WHOLE", long)
        patch.setattr(segment_writer, "INTERVAL", 1)
        path = tmp_path_factory.mktemp("log")
        directory = LogDirectory(str(path), lock_timeout=30, create=True)
        directory.create_topic("t", TopicConfig(1, {}))
        log = PartitionLog(Path(directory.partition_directory("t", 0)))
        for number, batch in enumerate(batches):
            log.write(batch, sync=False)
            if number in closed:
                close_segment(log)
        close_segment(log)
        before = plain(log.read())
        done = compacted(log)
        left = plain(log.read())
        assert left == newest(before)
        assert done is None or (done.records_before, done.records) == (len(before), len(left))
        assert problems(log) == []
        assert compacted(log) is None
        shutil.rmtree(path)


def test_a_batch_without_records_before_others_is_no_problem_of_the_index(partition: PartitionLog) -> None:
    large = keyed(*((b"%d" % number, b"x" * 1000) for number in range(100)))
    write_closed(partition, keyed((b"1", b"old")), large)
    assert compacted(partition) is not None
    assert len(partition.read()) == 100
    assert problems(partition) == []


@pytest.mark.parametrize("apart", [2**31 - 1, 2**31, 2**32 - 1])
def test_records_that_are_very_far_apart(partition: PartitionLog, apart: int) -> None:
    """Their batches say so, as a compaction may have left them; when these are put together no offset is lost."""
    base, position, data = 0, 0, b""
    for number in range(5):
        rows = Columns(1, [b"v%d" % number], [b"k%d" % number], offset_deltas=[apart - 1 if number % 2 else 0])
        body = encode_body(rows, CODEC_NONE)._replace(last_offset_delta=apart - 1)
        header, buffers = body.batch(position=position, base_offset=base, timestamp=number)
        data += b"".join(buffers)
        base, position = header.next_offset, header.end
    partition.segment().write_bytes(data)
    partition.checkpoint_path().unlink()
    close_segment(partition)
    write_closed(partition, keyed((b"k2", b"new")))
    before = partition.read()
    assert compacted(partition) is not None
    assert partition.read() == newest(before)
    assert problems(partition) == []
    assert len(names(partition)) == 2


def test_long_headers_count_for_the_size_of_a_batch(partition: PartitionLog) -> None:
    row = Columns(1, [b"v"], common_headers=[("h", b"x" * 30_000)])
    write_closed(partition, *(row._replace(common_key=b"%d" % number) for number in range(100)), keyed((b"0", b"new")))
    compacted(partition)
    sizes = [header.body_length for _, header in headers(partition)]
    assert len(sizes) == 3
    assert max(sizes) < 2 << 20


def headers(log: PartitionLog) -> list[tuple[str, segment_writer.BatchHeader]]:
    found = []
    check = log.log.cursor(0, log.log.end())
    while (header := check.peek()) is not None:
        found.append((str(check.segment), header))
        check.pass_by()
    check.close()
    return found


def test_marks_of_lost_records_stay(partition: PartitionLog) -> None:
    partition.write(keyed((b"a", b"1"), (b"b", b"2")))
    appender = partition.appender()
    appender.go_on_at(10)
    appender.append(keyed((b"a", b"3")))
    partition.close()
    close_segment(partition)
    told: list[CorruptData] = []
    assert compacted(partition) is not None
    assert [record.offset for record in partition.read(on_damage=told.append)] == [1, 10]
    assert [(type(damage), damage.first, damage.next_offset) for damage in told] == [(LostRecords, 2, 10)]


def test_damage_in_a_closed_segment_leaves_all_as_it_was(partition: PartitionLog) -> None:
    for value in (b"1", b"2", b"3"):
        write_closed(partition, keyed((b"a", value), (b"b", value)))
    flip(partition.segment(1), 100, 1)
    before = {path.name: path.read_bytes() for path in Path(partition.directory).glob("0*")}
    with pytest.raises(CorruptData) as caught:
        compacted(partition)
    assert (caught.value.path, caught.value.position, caught.value.first) == (str(partition.segment(1)), 0, 2)
    assert {path.name: path.read_bytes() for path in Path(partition.directory).glob("0*")} == before


def test_a_source_that_changes_ends_the_compaction_there(partition: PartitionLog) -> None:
    """Else the tombstone in a later group would go, and the record that it deletes come back."""
    write_closed(partition, keyed((b"a", b"1"), (b"b", b"x" * 900)))
    write_closed(partition, keyed((b"a", None), (b"c", b"x" * 900)))
    touched = []

    def touch_the_first() -> bool:
        if len(touched) == 2:  # both were read: now they are written
            os.utime(partition.segment(0), ns=(1, 1))
        touched.append(1)
        return False

    before = names(partition)
    assert compacted(partition, size=1024, keep=0, is_stopping=touch_the_first) is None
    assert names(partition) == before
    assert [(record.key, record.value) for record in partition.read() if record.key == b"a"] == [
        (b"a", b"1"),
        (b"a", None),
    ]
    compacted(partition, size=1024, keep=0)
    assert [record.key for record in partition.read()] == [b"b", b"c"]


def test_an_appender_that_slept_goes_on_at_the_end(partition: PartitionLog) -> None:
    """Its segment was closed and compacted, with others after it, and the cleaner died before it removed all."""
    sleeper = partition.appender()
    sleeper.append(keyed((b"a", b"0")))
    other = PartitionLog(Path(partition.directory))
    write_closed(other)
    for value in (b"1", b"2"):
        write_closed(other, keyed((b"a", value)))
    kept = partition.segment(1)
    os.link(kept, kept.with_suffix(".kept"))
    compacted(other)
    os.rename(kept.with_suffix(".kept"), kept)
    assert sleeper.append(keyed((b"b", b"3"))) == 3
    compacted(other)
    assert not kept.exists()
    assert sleeper.append(keyed((b"b", b"4"))) == 4
    assert [record.offset for record in partition.read()] == [2, 3, 4]


def test_small_segments_do_not_have_a_large_one_written_again(partition: PartitionLog) -> None:
    write_closed(partition, keyed(*((b"%d" % number, b"x" * 100) for number in range(1000))))
    compacted(partition)
    large = partition.segment(0)
    inode = large.stat().st_ino
    written = 0
    for number in range(40):
        write_closed(partition, keyed((b"new %d" % number, b"x" * 100)))
        done = compacted(partition)
        written += done.bytes if done else 0
    assert large.stat().st_ino == inode
    assert len(names(partition)) <= 10
    assert written < 40 * 6 * 300
    assert len(partition.read()) == 1040


def test_a_compacted_segment_that_lacks_its_end_is_damage(partition: PartitionLog) -> None:
    write_closed(partition, keyed((b"a", b"1"), (b"b", b"x" * 40_000)), keyed((b"c", b"x" * 40_000)))
    partition.write(keyed((b"d", b"4")))
    compacted(partition)
    last = [header for name, header in headers(partition) if len(name) > 20][-1]
    os.truncate(partition.segment(0), last.position)
    told: list[CorruptData] = []
    assert [record.key for record in partition.read(on_damage=told.append)] == [b"a", b"b", b"d"]
    assert [(damage.first, damage.next_offset) for damage in told] == [(2, 3)]


def test_verify_beside_a_compaction_finds_nothing(partition: PartitionLog) -> None:
    """The segment that it reads gets a successor of the same name, with an index of its own."""
    rows = [keyed((b"%d" % number, b"x" * 40_000)) for number in range(6)]
    write_closed(partition, *rows)
    compacted(partition)
    write_closed(partition, keyed((b"3", b"new")))
    check = PartitionCheck(partition.directory)
    look, name = check._check_index, names(partition)[0]

    def look_after_a_compaction(*args: Any) -> Iterator[Problem]:
        if name in names(partition) and not done:
            done.append(compacted(partition, size=1))
        yield from look(*args)

    done: list[object] = []
    check._check_index = look_after_a_compaction  # type: ignore[method-assign]
    assert list(check.problems()) == []
    assert check.records == 7
    assert name in names(partition)


def test_the_segment_of_the_name_of_another_is_superseded_only_within_it() -> None:
    of = SegmentName.of
    there = [of(0), of(0, 10), of(0, 30), of(5, 10), of(10), of(30), of(30, 40), of(40)]
    assert layout._in_force(sorted(there)) == [of(0, 30), of(30, 40), of(40)]


def test_a_lost_segment_that_was_repaired_is_compacted_with_the_others(partition: PartitionLog) -> None:
    for number in range(6):
        write_closed(partition, keyed((b"%d" % (number % 3), b"%d" % number)))
    compacted(partition, size=1)
    lost = layout.segments(partition.directory)[3]
    partition.segment(3).unlink()
    with pytest.raises(CorruptData):
        compacted(write_more(partition))
    found = list(PartitionCheck(partition.directory).problems())
    repairs = repair_partition(partition.directory, found, partition.appender(), lock_timeout=30, committed=0)
    partition.close()
    assert [repair.is_mended for repair in repairs] == [True]
    told: list[CorruptData] = []
    before = partition.read(on_damage=told.append)
    assert compacted(partition) is not None
    assert partition.read(on_damage=told.append) == newest(before)
    assert [(damage.first, damage.next_offset) for damage in told] == [(lost.base_offset, lost.end_offset)] * 2
    assert problems(partition) == []


def write_more(log: PartitionLog) -> PartitionLog:
    write_closed(log, keyed((b"1", b"more")))
    return log


def test_a_batch_put_together_beyond_a_pinned_end_is_read_up_to_that_end(partition: PartitionLog) -> None:
    """Who goes on from where the cursor is gets the rest."""
    write_closed(partition, keyed((b"z", b"0")))
    partition.write(keyed((b"a", b"1"), (b"b", b"2")))
    end = partition.log.tail().end
    write_closed(partition, keyed((b"c", b"3"), (b"z", b"4")))
    assert compacted(partition) is not None
    cursor = partition.log.cursor(1, end)
    try:
        header = cursor.peek()
        assert header is not None
        assert header.next_offset == 5
        assert [record.offset for record in cursor.take().records()] == [1, 2]
        assert (cursor.offset, cursor.peek()) == (3, None)
    finally:
        cursor.close()


def test_who_goes_on_after_a_pinned_end_gets_the_rest_of_a_batch_put_together(partition: PartitionLog) -> None:
    write_closed(partition, keyed((b"z", b"0")))
    partition.write(keyed((b"a", b"1"), (b"b", b"2")))
    end = partition.log.tail().end
    write_closed(partition, keyed((b"c", b"3"), (b"z", b"4")))
    assert compacted(partition) is not None
    cursor = partition.log.cursor(1, end)
    given = []
    try:
        for _ in range(2):
            while cursor.peek() is not None:
                given.append([record.offset for record in cursor.take().records()])
            cursor.go_on()
    finally:
        cursor.close()
    assert given == [[1, 2], [3, 4]]

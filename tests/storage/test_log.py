"""Asking a log and reading it: backwards, in summary, over rolls, and up to a pinned end."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamcli.record.batch import Columns, Record
from streamcli.record.errors import CorruptData
from streamcli.storage import layout
from streamcli.storage.append import RollPolicy
from streamcli.storage.body import encode_batch
from streamcli.storage.cursor import Cursor
from streamcli.storage.log import LogSummary
from streamcli.storage.log_start import write_log_start

from .partition_log import PartitionLog, add_tail, flip, lines


def take_all(cursor: Cursor) -> list[Record]:
    """What there is to read now."""
    found: list[Record] = []
    while cursor.peek() is not None:
        found += cursor.take().records()
    return found


@pytest.fixture
def rolled(partition: PartitionLog) -> PartitionLog:
    """Ten records in several segments, two in a batch."""
    partition.policy = RollPolicy(250, 1 << 60)
    for number in range(5):
        partition.now += 10
        partition.write(lines(f"{2 * number}", f"{2 * number + 1}"))
    assert len(partition.bases()) == 3
    return partition


@pytest.mark.parametrize("indexes", [True, False])
@pytest.mark.parametrize("start", range(11))
def test_headers_backwards_are_the_headers_reversed(rolled: PartitionLog, start: int, indexes: bool):
    if not indexes:
        for path in Path(rolled.directory).glob("*.index"):
            path.unlink()
    wanted = [header for _, header in rolled.headers() if header.next_offset > start]
    assert list(rolled.log.headers_backwards(start, rolled.log.end())) == wanted[::-1]


def test_headers_backwards_over_many_index_entries(partition: PartitionLog):
    partition.policy = RollPolicy(700_000, 1 << 60)
    partition.write(*[lines("x" * 30_000) for _ in range(50)])
    headers = [header for _, header in partition.headers()]
    end = partition.log.end()
    assert list(partition.log.headers_backwards(0, end)) == headers[::-1]
    walk = partition.log.headers_backwards(0, end)
    assert [next(walk) for _ in range(3)] == headers[:-4:-1]


def test_headers_backwards_from_an_end_pinned_earlier(rolled: PartitionLog):
    headers = [header for _, header in rolled.headers()]
    end = rolled.log.end()
    rolled.write(*[lines("later") for _ in range(6)])
    assert list(rolled.log.headers_backwards(0, end)) == headers[::-1]


def test_a_pinned_end_in_a_segment_that_was_written_on_and_closed(partition: PartitionLog):
    """What is after the end in that segment is not missing."""
    partition.policy = RollPolicy(250, 1 << 60)
    partition.write(lines("0", "1"))
    end = partition.log.end()
    partition.write(*[lines("2", "3") for _ in range(4)])
    assert len(partition.bases()) == 3
    cursor = partition.log.cursor(0, end)
    assert [record.offset for record in take_all(cursor)] == [0, 1]
    cursor.close()


def test_headers_backwards_go_past_damage(rolled: PartitionLog):
    headers = rolled.headers()
    path, hit = headers[2]
    flip(path, hit.position + 30, 1)
    assert list(rolled.log.headers_backwards(0, rolled.log.end())) == [h for _, h in reversed(headers) if h != hit]


def test_summary(rolled: PartitionLog):
    size = sum(path.stat().st_size for path in Path(rolled.directory).glob("*.log"))
    assert rolled.log.summary() == LogSummary(0, 10, size, 3, 1_000_010, 1_000_050)


def test_summary_of_an_empty_log(partition: PartitionLog):
    assert partition.log.summary() == LogSummary(0, 0, 0, 1, None, None)


def test_summary_after_retention_took_a_segment(rolled: PartitionLog):
    first, second = rolled.bases()[:2]
    write_log_start(rolled.directory, rolled.bases()[1])
    Path(layout.segment_path(rolled.directory, layout.SegmentName.of(first))).unlink()
    summary = rolled.log.summary()
    assert (summary.start, summary.end, summary.segments) == (second, 10, 2)
    assert [record.offset for record in rolled.read()] == list(range(second, 10))


def test_a_follower_reads_over_rolls(partition: PartitionLog):
    partition.policy = RollPolicy(250, 1 << 60)
    cursor = partition.log.cursor(0, None)
    appender = partition.appender()
    assert take_all(cursor) == []
    for number in range(30):
        appender.append(lines(f"{number}"))
        assert [(record.offset, record.value) for record in take_all(cursor)] == [(number, b"%d" % number)]
    assert len(partition.bases()) > 5
    cursor.close()


def test_a_follower_that_fell_behind_by_many_segments(partition: PartitionLog):
    partition.policy = RollPolicy(250, 1 << 60)
    cursor = partition.log.cursor(0, None)
    assert take_all(cursor) == []
    partition.write(*[lines(f"{number}") for number in range(30)])
    assert [record.value for record in take_all(cursor)] == [b"%d" % number for number in range(30)]
    cursor.close()


def test_a_follower_of_a_partition_without_a_segment(partition: PartitionLog):
    partition.segment().unlink()
    cursor = partition.log.cursor(0, None)
    assert take_all(cursor) == []
    partition.write(lines("a"))
    assert [record.value for record in take_all(cursor)] == [b"a"]
    cursor.close()


def test_a_follower_waits_for_a_batch_in_flight(partition: PartitionLog):
    """A reader sees a write half done; what it sees is not damage, and it gets the batch when it is whole."""
    partition.write(lines("a"))
    end = partition.log.end()
    _, buffers = encode_batch(lines("b"), position=end.position, base_offset=1, timestamp=partition.now)
    batch = b"".join(buffers)
    cursor = partition.log.cursor(0, None)
    assert [record.value for record in take_all(cursor)] == [b"a"]
    for byte in batch[:-1]:
        add_tail(partition.segment(), bytes([byte]))
        assert cursor.peek() is None
    add_tail(partition.segment(), batch[-1:])
    assert [record.value for record in take_all(cursor)] == [b"b"]
    cursor.close()


def test_a_follower_goes_on_where_recovery_cut(partition: PartitionLog):
    """What it has seen of a torn batch is forgotten when other bytes take its place."""
    partition.write(lines("a"))
    end = partition.log.end()
    _, buffers = encode_batch(lines("torn" * 30), position=end.position, base_offset=1, timestamp=partition.now)
    cursor = partition.log.cursor(0, None)
    assert len(take_all(cursor)) == 1
    add_tail(partition.segment(), b"".join(buffers)[:-3])
    assert cursor.peek() is None
    partition.write(lines("b"), lines("c"))
    assert [record.value for record in take_all(cursor)] == [b"b", b"c"]
    cursor.close()


def test_a_follower_is_told_of_damage(partition: PartitionLog):
    partition.write(lines("a"), lines("b"))
    path, second = partition.headers()[1]
    flip(path, second.end - 1, 1)
    cursor = partition.log.cursor(0, None)
    assert cursor.peek() is not None
    cursor.take()
    with pytest.raises(CorruptData):
        take_all(cursor)
    cursor.close()


@pytest.mark.parametrize("segment_bytes", [1 << 40, 150])
def test_a_pinned_end_leaves_out_what_is_appended_later(partition: PartitionLog, segment_bytes: int):
    partition.policy = RollPolicy(segment_bytes, 1 << 60)
    for number in range(5):
        end = partition.log.end()
        cursor = partition.log.cursor(0, end)
        partition.write(lines(f"{number}"))
        assert [record.offset for record in take_all(cursor)] == list(range(number))
        partition.write_raw(lines("more"))
        assert cursor.peek() is None
        cursor.close()
        partition.close()
        truncate_to_before_more(partition)
    assert [record.offset for record in partition.read()] == list(range(5))


def truncate_to_before_more(partition: PartitionLog) -> None:
    """Take the batch of write_raw back."""
    _, last = partition.headers()[-1]
    with open(partition.segment(), "r+b") as file:
        file.truncate(last.position)


def test_what_was_opened_is_read_to_its_end_after_the_topic_was_deleted(partition: PartitionLog):
    partition.write(lines("a"), lines("b"))
    cursor = partition.log.cursor(0, None)
    assert cursor.peek() is not None
    for path in Path(partition.directory).iterdir():
        path.unlink()
    Path(partition.directory).rmdir()
    assert [record.value for record in take_all(cursor)] == [b"a", b"b"]
    cursor.close()


GAPS = st.lists(st.sets(st.integers(0, 20), min_size=1, max_size=4).map(sorted), min_size=1, max_size=5)


@given(GAPS)
@settings(max_examples=40)
def test_offsets_with_gaps_are_read_from_every_offset(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[int]]
):
    """As compaction leaves them."""
    partition = PartitionLog(tmp_path_factory.mktemp("gaps"), RollPolicy(300, 1 << 60))
    offsets = []
    appender = partition.appender()
    for deltas in batches:
        first = appender.append(Columns(len(deltas), b"x\n" * len(deltas), offset_deltas=deltas))
        offsets += [first + delta for delta in deltas]
    partition.close()
    assert partition.log.end().offset == offsets[-1] + 1
    for start in range(offsets[-1] + 2):
        assert [record.offset for record in partition.read(start)] == [offset for offset in offsets if offset >= start]
        assert [record.offset for record in partition.read(stop=start)] == [
            offset for offset in offsets if offset < start
        ]

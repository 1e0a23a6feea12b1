"""Appending again what a partition has of a producer already; and what is known of producers, through every loss of its file."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from streamcli.record.batch import Columns
from streamcli.storage import layout, producer_state
from streamcli.storage.append import Appended, Appender, RollPolicy
from streamcli.storage.clean import Cleaner, CleaningPolicy
from streamcli.storage.codec import GZIP
from streamcli.storage.compact import CompactionPolicy
from streamcli.storage.config import UNLIMITED
from streamcli.storage.format import CODEC_NONE
from streamcli.storage.producer_state import (
    DUE_AFTER,
    DamagedProducers,
    Known,
    Origin,
    Place,
    ProducerTable,
    decode_producers,
    find_producers,
    producer_id_of,
    read_producers,
)
from streamcli.storage.repair import repair_partition
from streamcli.storage.retention import RetentionPolicy
from streamcli.storage.verify import PartitionCheck

from .partition_log import PartitionLog, cut_to, flip, lines

ANN, BOB = producer_id_of("ann"), producer_id_of("bob")
NEVER = 1 << 50


def again(appender: Appender, numbers: Sequence[int], producer: int = ANN, key: bytes | None = None) -> Appended:
    """Append records that are their own sequences."""
    columns = lines(*map(str, numbers))._replace(common_key=key)
    return appender.append_missing(columns, Origin(producer, numbers, numbers[-1] + 1))


def write(log: PartitionLog, numbers: Sequence[int], producer: int = ANN, sync: bool = True) -> Appended:
    """The same as a process of its own does it."""
    appender = log.appender()
    try:
        return again(appender, numbers, producer)
    finally:
        if sync:
            appender.sync()
        log.close()


def close_segment(log: PartitionLog) -> None:
    log.appender().roll_if(lambda *_: True)
    log.close()


def numbers(log: PartitionLog) -> list[int]:
    return [int(value or b"") for value in log.values()]


def file_of(log: PartitionLog) -> Path:
    return Path(log.directory, layout.PRODUCERS)


def test_what_is_there_already_is_left_out(partition: PartitionLog) -> None:
    appender = partition.appender()
    assert again(appender, range(5)) == Appended(0, 0)
    assert again(appender, range(5)) == Appended(5, None)
    assert again(appender, range(3, 8)) == Appended(2, 5)
    assert write(partition, range(4, 10)) == Appended(4, 8)
    assert numbers(partition) == list(range(10))
    assert [(header.producer_id, header.producer_sequence) for _, header in partition.headers()] == [
        (ANN, 5),
        (ANN, 8),
        (ANN, 10),
    ]


def test_each_producer_and_partition_counts_for_itself(partition: PartitionLog) -> None:
    write(partition, [0, 1, 2])
    assert write(partition, [0, 1], BOB) == Appended(0, 3)
    appender = partition.appender()
    appender.append(lines("7"))
    assert [appender.next_sequence(producer) for producer in (ANN, BOB, 1)] == [3, 2, 0]


def test_sequences_may_have_gaps_and_go_on_beyond_the_last(partition: PartitionLog) -> None:
    """Another partition has the records in between; or a log that was compacted."""
    appender = partition.appender()
    columns = lines("10", "12", "15")
    assert appender.append_missing(columns, Origin(ANN, [10, 12, 15], 20)) == Appended(0, 0)
    assert appender.next_sequence(ANN) == 20
    columns = lines("12", "19", "21")
    assert appender.append_missing(columns, Origin(ANN, [12, 19, 21], 22)) == Appended(2, 3)
    assert numbers(partition) == [10, 12, 15, 21]


def test_what_is_left_of_a_batch_keeps_its_columns(partition: PartitionLog) -> None:
    partition.codec = GZIP
    columns = Columns(
        3, [b"a", None, b"c\n"], [b"k0", b"k1", None], headers=[[], [("n", b"1")], [("n", None)]], timestamps=[5, 6, 7]
    )
    appender = partition.appender()
    appender.append_missing(lines("x"), Origin(ANN, [0], 1))
    appender.append_missing(columns, Origin(ANN, range(3), 3))
    found = [(each.key, each.value, each.headers, each.timestamp) for each in partition.read(1)]
    assert found == [(b"k1", None, [("n", b"1")], 6), (None, b"c\n", [("n", None)], 7)]


def test_two_at_once_append_each_record_once(partition: PartitionLog) -> None:
    first, second = partition.appender(), partition.appender()
    for start in range(0, 40, 4):
        again(first, range(start, start + 4))
        again(second, range(start, start + 6))
    assert numbers(partition) == list(range(42))


def test_an_appender_goes_on_after_others_rolled_and_cleaned(partition: PartitionLog) -> None:
    """It has seen neither the batches nor the segments in which they were."""
    slow = partition.appender()
    again(slow, range(2))
    other = PartitionLog(Path(partition.directory))
    for start in (2, 4, 6):
        write(other, range(start, start + 2))
        write(other, range(start), BOB)
        close_segment(other)
    clean(other, 10_000_000, age=0)
    assert again(slow, range(10)) == Appended(8, 14)
    assert again(slow, range(7), BOB) == Appended(6, 16)


@pytest.mark.parametrize("damage", ["gone", "empty", "garbage", "cut", "flipped"])
def test_the_file_is_made_again_from_the_log(partition: PartitionLog, damage: str) -> None:
    partition.policy = RollPolicy(segment_bytes=300, segment_ms=NEVER)
    for start in range(0, 20, 2):
        write(partition, range(start, start + 2))
    write(partition, range(3), BOB)
    assert len(partition.bases()) > 3
    path = file_of(partition)
    if damage == "gone":
        path.unlink()
    elif damage == "flipped":
        flip(path, 30, 1)
    else:
        path.write_bytes({"empty": b"", "garbage": b"?" * 200, "cut": path.read_bytes()[:-4]}[damage])
    assert write(partition, range(21)) == Appended(20, 23)
    assert write(partition, range(4), BOB) == Appended(3, 24)
    assert read_producers(partition.directory) is not None


def test_every_byte_of_the_file_is_checked() -> None:
    table = ProducerTable(Place(5, 100, 9, 12, 0xABC), {ANN: Known(7, 8), BOB: Known(2**64 - 1, 9)})
    data = table.encode()
    read = decode_producers(data)
    assert read is not None
    assert (read.place, read.producers, list(read.producers)) == (table.place, table.producers, [ANN, BOB])
    for position in range(len(data)):
        assert decode_producers(data[:position]) is None
        assert decode_producers(data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]) is None


def test_the_file_on_disk_is_as_the_format_says(partition: PartitionLog) -> None:
    write(partition, range(3), 0x1234)
    close_segment(partition)
    clean(partition, 0)
    assert file_of(partition).read_bytes() == (
        b"streamcli-producers 1 3 0 3 0 00000000 1\n0000000000001234 3 3\ncf081a61\n"
    )


def test_it_is_there_before_the_first_batch_and_says_what_is_on_disk(partition: PartitionLog) -> None:
    partition.write(lines("x"))
    assert not file_of(partition).exists()
    write(partition, range(5), sync=False)
    found = read_producers(partition.directory)
    assert found is not None
    assert (found.place, found.producers) == (Place(0, 0, 0), {})


def test_a_long_walk_is_made_once(partition: PartitionLog) -> None:
    appender = partition.appender()
    for number in range(DUE_AFTER):
        again(appender, [number])
    appender.sync()
    found = read_producers(partition.directory)
    assert found is not None
    assert (found.place.offset, found.producers) == (DUE_AFTER, {ANN: Known(DUE_AFTER, DUE_AFTER)})


def test_an_fsync_that_began_before_says_nothing_of_what_came_after(partition: PartitionLog) -> None:
    appender = partition.appender()
    for number in range(DUE_AFTER):
        again(appender, [number])
    ticket = appender.begin_sync()
    again(appender, [DUE_AFTER])
    ticket.wait()
    appender.note_sync(ticket)
    found = read_producers(partition.directory)
    assert found is not None
    assert found.place.offset == DUE_AFTER


def test_an_older_table_does_not_replace_a_newer(partition: PartitionLog) -> None:
    """Of a slow process, whose place in the log is gone by then: batches after it would be forgotten."""
    slow = partition.appender()
    for number in range(DUE_AFTER):
        again(slow, [number])
    ticket = slow.begin_sync()
    other = PartitionLog(Path(partition.directory))
    write(other, range(4), BOB)
    close_segment(other)
    clean(other, 10_000_000, age=0)
    ticket.wait()
    slow.note_sync(ticket)
    assert write(other, range(5), BOB) == Appended(4, DUE_AFTER + 4)


def clean(log: PartitionLog, now: int, *, age: int = UNLIMITED, compacts: bool = False) -> None:
    compaction = CompactionPolicy(0, 1 << 30, CODEC_NONE) if compacts else None
    policy = CleaningPolicy(RetentionPolicy(age, UNLIMITED), compaction, NEVER, 0.5)
    list(Cleaner(log.directory, policy, lock_timeout=30).clean(log.appender(), now))
    log.close()


def remove_by_age(log: PartitionLog) -> None:
    clean(log, 10_000_000, age=0)


def compact_all(log: PartitionLog) -> None:
    clean(log, 10_000_000, compacts=True)


def trim_all(log: PartitionLog) -> None:
    policy = CleaningPolicy(None, None, NEVER, 0.5)
    Cleaner(log.directory, policy, lock_timeout=30).trim(log.appender(), log.log.end().offset)
    log.close()


CLEANINGS = pytest.mark.parametrize("cleaning", [remove_by_age, compact_all, trim_all])


@CLEANINGS
@pytest.mark.parametrize("batches", [1, DUE_AFTER + 1])
def test_what_was_removed_is_not_appended_again(
    partition: PartitionLog, cleaning: Callable[[PartitionLog], None], batches: int
) -> None:
    appender = partition.appender()
    for number in range(batches):
        again(appender, [number], key=b"k")
    appender.sync()
    partition.close()
    write(partition, [0, 1], BOB)
    close_segment(partition)
    cleaning(partition)
    assert len(partition.values()) < batches + 2 or cleaning is compact_all
    end = partition.log.end().offset
    assert write(partition, range(batches)) == Appended(batches, None)
    assert write(partition, range(batches + 1)) == Appended(batches, end)
    assert write(partition, range(2), BOB) == Appended(2, None)


@CLEANINGS
def test_cleaning_again_and_again_forgets_nobody(
    partition: PartitionLog, cleaning: Callable[[PartitionLog], None]
) -> None:
    for number in range(6):
        write(partition, [number], number + 1)
        close_segment(partition)
        cleaning(partition)
    assert [write(partition, [number], number + 1).already for number in range(6)] == [1] * 6


def test_a_partition_without_ids_gets_no_file(partition: PartitionLog) -> None:
    partition.write(lines("1"))
    close_segment(partition)
    remove_by_age(partition)
    trim_all(partition)
    assert not file_of(partition).exists()


def test_a_log_that_was_cut_is_not_taken_for_whole(partition: PartitionLog) -> None:
    """Whatever the file says: the records are appended that are not there any more."""
    appender = partition.appender()
    for number in range(DUE_AFTER + 4):
        again(appender, [number])
    appender.sync()
    partition.close()
    headers = [header for _, header in partition.headers()]
    cut_to(partition.segment(), headers[10].position)
    assert write(partition, range(12)).already == 10
    assert numbers(partition) == list(range(12))


@pytest.mark.parametrize("grows", ["alike", "longer"])
def test_a_log_restored_from_an_older_copy_and_grown_since(partition: PartitionLog, grows: str) -> None:
    """At the place that the file names lies another batch by now, or the middle of one."""
    write(partition, [0, 1])
    copy = partition.segment().read_bytes()
    appender = partition.appender()
    for number in range(2, DUE_AFTER + 2):
        again(appender, [number])
    appender.sync()
    partition.close()
    size = partition.segment().stat().st_size
    partition.segment().write_bytes(copy)
    partition.checkpoint_path().unlink()
    if grows == "longer":
        partition.write(lines("9" * 2 * size))
    else:
        other = partition.appender()
        for number in range(2, DUE_AFTER + 2):
            other.append(lines(str(number)))
        other.sync()
        partition.close()
    assert write(partition, range(3)).already == 2


def test_a_restored_log_still_knows_what_had_been_removed_before(partition: PartitionLog) -> None:
    write(partition, range(4))
    close_segment(partition)
    remove_by_age(partition)
    copy = partition.segment().read_bytes()
    appender = partition.appender()
    for number in range(DUE_AFTER):
        again(appender, [number], BOB)
    appender.sync()
    partition.close()
    partition.segment().write_bytes(copy)
    partition.checkpoint_path().unlink()
    assert write(partition, range(5)).already == 4
    assert write(partition, range(5), BOB).already == 0


def test_a_torn_batch_does_not_count(partition: PartitionLog) -> None:
    write(partition, range(3))
    write(partition, range(5))
    cut_to(partition.segment(), partition.segment().stat().st_size - 1)
    partition.checkpoint_path().unlink()
    assert write(partition, range(5)) == Appended(3, 3)
    assert numbers(partition) == list(range(5))


def test_what_a_power_cut_took_is_appended_again(partition: PartitionLog) -> None:
    write(partition, range(3))
    write(partition, range(3, 9), sync=False)
    partition.set_checkpoint("rebooted")
    flip(partition.segment(), partition.segment().stat().st_size - 3, 1)
    assert write(partition, range(9)) == Appended(3, 3)
    assert numbers(partition) == list(range(9))


def test_records_lost_at_the_end_to_damage_come_again(partition: PartitionLog) -> None:
    write(partition, range(3))
    write(partition, range(3, 6))
    flip(partition.segment(), partition.segment().stat().st_size - 3, 1)
    problems = list(PartitionCheck(partition.directory).problems())
    repair_partition(partition.directory, problems, partition.appender(), lock_timeout=30, committed=0)
    partition.close()
    assert write(partition, range(6)).already == 3


def test_a_damaged_file_is_told_and_mended(partition: PartitionLog) -> None:
    write(partition, range(3))
    assert list(PartitionCheck(partition.directory).problems()) == []
    flip(file_of(partition), 30, 1)
    problems = list(PartitionCheck(partition.directory).problems())
    assert [(problem.part, problem.path) for problem in problems] == [("producers", str(file_of(partition)))]
    repairs = repair_partition(partition.directory, problems, partition.appender(), lock_timeout=30, committed=0)
    partition.close()
    kept = file_of(partition).with_name("producers.damaged-1")
    assert [(repair.done, repair.is_mended) for repair in repairs] == [
        (f"made anew from the log; a copy is in {kept}", True)
    ]
    assert kept.exists()
    assert list(PartitionCheck(partition.directory).problems()) == []
    assert write(partition, range(4)) == Appended(3, 3)


def test_nobody_goes_on_where_a_damaged_file_alone_knew_what_was_removed(partition: PartitionLog) -> None:
    write(partition, range(4))
    close_segment(partition)
    remove_by_age(partition)
    content = file_of(partition).read_bytes()
    flip(file_of(partition), 30, 1)
    with pytest.raises(DamagedProducers, match="streamcli repair"):
        write(partition, range(5))
    partition.write(lines("of nobody"))
    close_segment(partition)
    with pytest.raises(DamagedProducers):
        remove_by_age(partition)
    file_of(partition).write_bytes(content)
    assert write(partition, range(5)).already == 4
    flip(file_of(partition), 30, 1)
    problems = list(PartitionCheck(partition.directory).problems())
    repair_partition(partition.directory, problems, partition.appender(), lock_timeout=30, committed=0)
    partition.close()
    assert write(partition, range(6)).already == 5


def test_damage_in_the_middle_hides_nobody(partition: PartitionLog) -> None:
    write(partition, range(3))
    write(partition, range(2), BOB)
    partition.write(lines("9"))
    flip(partition.segment(), 4, 1)
    assert write(partition, range(3), BOB).already == 2


def test_a_compacted_segment_that_was_superseded_misleads_nobody(partition: PartitionLog) -> None:
    """A compaction died before it removed its sources, in one of which the file's place lies."""
    write(partition, range(4))
    partition.write(lines("x"))
    close_segment(partition)
    source = partition.segment(0)
    kept = source.read_bytes()
    compact_all(partition)
    source.write_bytes(kept)
    found = find_producers(partition.directory, ProducerTable(Place(0, 0, 0), {}))
    assert found.next_sequence(ANN) == 4


def test_the_producers_that_appended_last_are_remembered(
    partition: PartitionLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(producer_state, "MOST_PRODUCERS", 3)
    for producer in (1, 2, 3, 4, 2):
        again(partition.appender(), [partition.log.end().offset], producer)
    partition.close()
    close_segment(partition)
    remove_by_age(partition)
    found = read_producers(partition.directory)
    assert found is not None
    assert list(found.producers) == [3, 4, 2]


def test_an_id_is_never_zero_and_does_not_change() -> None:
    assert producer_id_of("access") == 0xA0561FD649CDB6BA
    assert producer_id_of(os.fsdecode(b"\xff")) == producer_id_of("\udcff")

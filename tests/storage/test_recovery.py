"""One scenario, many damages: a tail is broken, is proved broken, is recovered, and the log goes on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from streamcli.record.errors import CorruptData
from streamcli.storage import durable
from streamcli.storage.append import RollPolicy
from streamcli.storage.body import encode_batch
from streamcli.storage.format import HEADER_SIZE
from streamcli.storage.index import ENTRY_SIZE, INTERVAL
from streamcli.storage.layout import SegmentName
from streamcli.storage.repair import repair_partition
from streamcli.storage.segment import Segment
from streamcli.storage.tail import CLEAN, UNKNOWN, UNPROMISED, find_tail
from streamcli.storage.verify import PartitionCheck

from .partition_log import PartitionLog, add_tail, cut_to, flip, lines

CHECKPOINTS = ["present", "absent", "rebooted"]
BEFORE = [b"one", b"two", b"three"]


def tail_kind(partition: PartitionLog) -> str:
    segment = Segment(partition.directory, SegmentName.of(partition.bases()[-1]))
    try:
        return find_tail(partition.directory, segment).kind
    finally:
        segment.close()


def torn_batch(partition: PartitionLog) -> bytes:
    """The bytes of a batch that would fit at the end."""
    end = partition.log.end()
    _, buffers = encode_batch(lines("torn"), position=end.position, base_offset=end.offset, timestamp=partition.now)
    return b"".join(buffers)


def goes_on(partition: PartitionLog, before: list[bytes]) -> None:
    """Append and read, and again with another appender."""
    assert partition.write(lines("after")) == [len(before)]
    assert partition.write(lines("again")) == [len(before) + 1]
    assert partition.values() == [*before, b"after", b"again"]
    assert tail_kind(partition) == CLEAN


@pytest.mark.parametrize("checkpoint", CHECKPOINTS)
def test_truncation_at_every_byte_of_the_last_batch(partition: PartitionLog, checkpoint: str):
    partition.write(lines("one", "two"), lines("three"))
    partition.write(lines("last", "batch"), sync=False)
    _, last = partition.headers()[-1]
    partition.set_checkpoint(checkpoint)
    whole = partition.segment().read_bytes()
    saved = partition.checkpoint_path().read_bytes() if checkpoint != "absent" else None
    assert last.end == len(whole)
    for size in range(last.position, last.end):
        partition.segment().write_bytes(whole[:size])
        partition.checkpoint_path().write_bytes(saved) if saved else partition.checkpoint_path().unlink(missing_ok=True)
        partition.index().unlink(missing_ok=True)
        survives_truncation(partition, whole[last.position : size])


def survives_truncation(partition: PartitionLog, torn: bytes) -> None:
    assert partition.values() == BEFORE
    assert os.path.getsize(partition.segment()) == partition.log.end().position + len(torn), "a reader cuts nothing"
    assert partition.write(lines("after")) == [3]
    assert partition.values() == [*BEFORE, b"after"]
    cut = partition.cut_files()
    assert [path.read_bytes() for path in cut] == ([torn] if torn else [])
    assert len(partition.warnings) == len(cut)
    for path in cut:
        assert str(path) in partition.warnings.pop()
        path.unlink()


@pytest.mark.parametrize("checkpoint", CHECKPOINTS)
@pytest.mark.parametrize("kept", [1, 40, HEADER_SIZE - 1, HEADER_SIZE, HEADER_SIZE + 5])
def test_a_torn_tail_found_by_an_appender_that_was_there_all_along(partition: PartitionLog, checkpoint: str, kept: int):
    appender = partition.appender()
    for value in BEFORE:
        appender.append(lines(value))
    appender.sync()
    torn = torn_batch(partition)[:kept]
    add_tail(partition.segment(), torn)
    partition.set_checkpoint(checkpoint)
    assert appender.append(lines("mine")) == 3
    assert partition.values() == [*BEFORE, b"mine"]
    assert [path.read_bytes() for path in partition.cut_files()] == [torn]


GARBAGE = {
    "zeros": b"\0" * 5000,
    "few zeros": b"\0" * 100,
    "page of zeros": b"\0" * 4096,
    "noise": bytes(range(256)) * 20,
    "magic": b"\xd7SCB" * 50,
}


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE.keys())
def test_after_a_reboot_what_was_never_promised_is_cut_and_kept(partition: PartitionLog, garbage: bytes):
    partition.write(*map(lines, BEFORE))
    partition.set_checkpoint("rebooted")
    add_tail(partition.segment(), garbage)
    assert tail_kind(partition) == UNPROMISED
    assert partition.values() == BEFORE
    goes_on(partition, BEFORE)
    assert [path.read_bytes() for path in partition.cut_files()] == [garbage]
    assert "no batch" in partition.warnings[0]


def test_after_a_reboot_a_batch_with_a_hole_ends_the_log(partition: PartitionLog):
    """A power cut may keep a later page and lose an earlier one: whole batches after a bad one go too."""
    partition.write(*map(lines, BEFORE))
    partition.set_checkpoint("rebooted")
    position = partition.segment().stat().st_size
    holed, _ = partition.write_raw(lines("lost" * 50)), partition.write_raw(lines("out of order"))
    with open(partition.segment(), "r+b") as file:
        file.seek(holed.end - 40)
        file.write(b"\0" * 40)
    tail = partition.segment().read_bytes()[position:]
    assert tail_kind(partition) == UNPROMISED
    assert partition.values() == BEFORE
    goes_on(partition, BEFORE)
    assert [path.read_bytes() for path in partition.cut_files()] == [tail]


def test_after_a_reboot_whole_batches_past_the_checkpoint_are_kept(partition: PartitionLog):
    partition.write(*map(lines, BEFORE))
    partition.set_checkpoint("rebooted")
    partition.write_raw(lines("not synced, and there"))
    goes_on(partition, [*BEFORE, b"not synced, and there"])
    assert partition.cut_files() == []


def test_after_a_reboot_the_checkpoint_is_of_this_boot_once_it_was_checked(partition: PartitionLog):
    partition.write(lines("one"))
    boot_id = partition.checkpoint().boot_id
    partition.set_checkpoint("rebooted")
    assert partition.checkpoint().boot_id != boot_id
    partition.write(lines("two"), sync=False)
    assert partition.checkpoint().boot_id == boot_id


@pytest.mark.parametrize("hole", range(4))
def test_holes_that_a_power_cut_left_in_the_index_are_mended_by_the_first_append(partition: PartitionLog, hole: int):
    partition.write(*(lines(b"%d" % number * INTERVAL) for number in range(4)))
    whole = partition.index().read_bytes()
    assert len(whole) == 4 * ENTRY_SIZE
    partition.index().write_bytes(
        whole[: hole * ENTRY_SIZE] + bytes(ENTRY_SIZE) + whole[hole * ENTRY_SIZE + ENTRY_SIZE :]
    )
    partition.set_checkpoint("rebooted")
    assert list(PartitionCheck(partition.directory).problems()) == []
    partition.write(lines("after"))
    assert partition.index().read_bytes()[: len(whole)] == whole
    assert list(PartitionCheck(partition.directory).problems()) == []


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE.keys())
def test_in_the_same_boot_garbage_is_damage(partition: PartitionLog, garbage: bytes):
    partition.write(*map(lines, BEFORE))
    position = partition.segment().stat().st_size
    add_tail(partition.segment(), garbage)
    before = partition.segment().read_bytes()
    for _ in range(2):
        with pytest.raises(CorruptData) as raised:
            partition.write(lines("after"))
        assert (raised.value.path, raised.value.position) == (str(partition.segment()), position)
        assert "streamcli repair" in str(raised.value)
    with pytest.raises(CorruptData) as raised:
        partition.read()
    assert (raised.value.position, raised.value.length, raised.value.first) == (position, len(garbage), 3)
    assert partition.segment().read_bytes() == before
    os.truncate(partition.segment(), position)
    goes_on(partition, BEFORE)


def test_an_open_appender_refuses_to_go_on_after_garbage(partition: PartitionLog):
    appender = partition.appender()
    appender.append(lines("one"))
    size = partition.segment().stat().st_size
    add_tail(partition.segment(), b"\0" * 200)
    for _ in range(2):
        with pytest.raises(CorruptData):
            appender.append(lines("two"))
    cut_to(partition.segment(), size)
    assert appender.append(lines("two")) == 1
    assert partition.values() == [b"one", b"two"]


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE.keys())
def test_without_a_checkpoint_garbage_is_told_to_readers_and_kept_by_appenders(partition: PartitionLog, garbage: bytes):
    partition.write(*map(lines, BEFORE))
    partition.set_checkpoint("absent")
    add_tail(partition.segment(), garbage)
    assert tail_kind(partition) == UNKNOWN
    with pytest.raises(CorruptData):
        partition.read()
    goes_on(partition, BEFORE)
    assert [path.read_bytes() for path in partition.cut_files()] == [garbage]


@pytest.mark.parametrize("checkpoint", CHECKPOINTS)
@pytest.mark.parametrize("garbage", [b"\0" * HEADER_SIZE, b"x" * 200])
def test_garbage_in_a_segment_that_was_just_begun(partition: PartitionLog, checkpoint: str, garbage: bytes):
    partition.set_checkpoint(checkpoint)
    add_tail(partition.segment(), garbage)
    if checkpoint == "present":
        with pytest.raises(CorruptData):
            partition.write(lines("after"))
        return
    goes_on(partition, [])


def test_two_recoveries_at_one_place_keep_both(partition: PartitionLog):
    partition.write(*map(lines, BEFORE))
    batch = torn_batch(partition)
    for kept in (50, 90):
        add_tail(partition.segment(), batch[:kept])
        partition.appender().recover()
    assert sorted(path.read_bytes() for path in partition.cut_files()) == sorted([batch[:50], batch[:90]])
    goes_on(partition, BEFORE)


def test_acknowledged_bytes_that_are_missing_are_told(partition: PartitionLog):
    partition.write(*map(lines, BEFORE))
    _, last = partition.headers()[-1]
    cut_to(partition.segment(), last.position)
    assert partition.log.tail().missing == last.end - last.position
    assert partition.write(lines("after")) == [3]  # offsets that were given out are not given out again
    assert f"{last.end - last.position} bytes that were known to be on disk are missing" in partition.warnings[0]
    assert partition.values() == [b"one", b"two", b"after"]


@pytest.mark.parametrize("damage", ["junk", "longer", "empty", "cut", "other version"])
def test_a_damaged_checkpoint_is_made_again(partition: PartitionLog, damage: str):
    partition.write(lines("one"))
    path = partition.checkpoint_path()
    good = path.read_bytes()
    path.write_bytes(
        {
            "junk": b"\xff" * len(good),
            "longer": good + b"more\n",
            "empty": b"",
            "cut": good[:-9],
            "other version": good.replace(b" 1 ", b" 2 "),
        }[damage]
    )
    assert partition.checkpoint() is None
    assert partition.values() == [b"one"]
    partition.write(lines("two"))
    assert partition.values() == [b"one", b"two"]
    known = partition.checkpoint()
    assert known is not None
    assert (known.position, known.offset) == (partition.segment().stat().st_size, 2)


def test_a_flipped_bit_before_the_tail_does_not_stop_appending(partition: PartitionLog):
    """It is the reader's to report; the log after it is whole, and its end is known."""
    partition.write(*map(lines, BEFORE))
    _, second = partition.headers()[1]
    flip(partition.segment(), second.position + 5, 1)
    assert partition.write(lines("four")) == [3]
    lost = []
    assert [record.value for record in partition.read(on_damage=lost.append)] == [b"one", b"three", b"four"]
    assert [(damage.first, damage.next_offset) for damage in lost] == [(1, 2)]


def test_a_follower_that_saw_a_torn_batch_reads_what_replaced_it(partition: PartitionLog):
    """The header of a batch that was cut comes along with the batch before it, and must not be taken for what is there now."""
    partition.write(lines("x" * 100_000))  # read whole, with the next header
    end = partition.log.end()
    torn = encode_batch(lines("same"), position=end.position, base_offset=1, timestamp=5)[1]
    add_tail(partition.segment(), b"".join(torn)[:-1])
    cursor = partition.log.cursor(0, None)
    assert cursor.peek() is not None
    assert cursor.take().count == 1
    partition.write(lines("same"), lines("later"))
    seen = []
    while cursor.peek() is not None:
        batch = cursor.take()
        seen += [(record.offset, record.timestamp, record.value) for record in batch.records()]
    cursor.close()
    assert seen == [(1, partition.now, b"same"), (2, partition.now, b"later")]


def test_a_checkpoint_of_a_file_that_was_cut_and_has_grown_is_not_believed(partition: PartitionLog):
    partition.write(*map(lines, ["one", "two", "three", "four"]))
    third = partition.headers()[2][1]
    cut_to(partition.segment(), third.position)
    assert partition.write(lines("a longer record than those"), sync=False) == [4]
    assert partition.write(lines("b")) == [5]
    assert partition.values() == [b"one", b"two", b"a longer record than those", b"b"]
    assert len(partition.warnings) == 1


def test_without_a_boot_id_every_opening_is_the_first_after_a_reboot(partition: PartitionLog, monkeypatch):
    monkeypatch.setattr(durable, "boot_id", lambda: durable.NO_BOOT_ID)
    partition.write(lines("one"))
    end = partition.log.end()
    torn = b"".join(encode_batch(lines("two"), position=end.position, base_offset=1, timestamp=5)[1])
    add_tail(partition.segment(), torn[:88] + bytes(len(torn) - 88))
    assert partition.values() == [b"one"]
    assert partition.write(lines("three")) == [1]
    assert partition.values() == [b"one", b"three"]


def test_a_follower_stops_where_a_power_cut_left_no_batch(partition: PartitionLog):
    partition.write(lines("one"))
    end = partition.log.end()
    torn = b"".join(encode_batch(lines("two"), position=end.position, base_offset=1, timestamp=5)[1])
    add_tail(partition.segment(), torn[:88] + bytes(len(torn) - 88))
    partition.set_checkpoint("rebooted")
    cursor = partition.log.cursor(0, None, partition.log.tail())
    assert cursor.peek() is not None
    assert cursor.take().values() == [b"one"]
    assert cursor.peek() is None
    partition.write(lines("three"))
    batch = None
    while batch is None:  # the header that was there before may be shown once more, and is found to be gone
        assert cursor.peek() is not None
        batch = cursor.take()
    assert batch.values() == [b"three"]
    cursor.close()


def test_many_segments_without_an_index_are_no_deep_recursion(partition: PartitionLog):
    partition.policy = RollPolicy(1, 1 << 60)
    appender = partition.appender()
    for number in range(1200):
        appender.append(lines(str(number)))
    for index in Path(partition.directory).glob("*.index"):
        index.unlink()
    assert partition.write(lines("last")) == [1200]
    assert partition.log.offset_at(partition.now, partition.log.end()) == 0


def test_a_follower_that_went_past_damage_at_the_end_gets_what_is_appended_once_it_is_repaired(
    partition: PartitionLog,
) -> None:
    """Repair cuts the damage off: what is appended then lies where the follower has been."""
    partition.write(lines("a", "b"))
    partition.close()
    with partition.segment().open("ab") as segment:
        segment.write(b"\xff" * 150)
    cursor = partition.log.cursor(0, None, partition.log.tail())
    values: list[bytes | None] = []

    def read() -> None:
        while True:
            try:
                if cursor.peek() is None:
                    return
                values.extend(record.value for record in cursor.take().records())
            except CorruptData as damage:
                cursor.skip_damage(damage)

    try:
        read()
        assert values == [b"a", b"b"]
        found = list(PartitionCheck(partition.directory).problems())
        repair_partition(partition.directory, found, partition.appender(), lock_timeout=30, committed=0)
        for value in ("c", "d" * 200, "e"):
            partition.write(lines(value))
            read()
    finally:
        cursor.close()
    assert values == [b"a", b"b", b"c", b"d" * 200, b"e"]

"""Indexes are disposable: deleted, cut, scrambled or swapped, a seek finds what a full scan finds."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamcli.record.batch import Columns
from streamcli.storage.append import RollPolicy
from streamcli.storage.config import TopicConfig
from streamcli.storage.directory import LogDirectory
from streamcli.storage.index import ENTRY_SIZE, INTERVAL, decode_entry
from tests.support.restricted import restricted
from tests.support.waiting import DEADLINE

from .partition_log import PartitionLog

RECORDS_EACH = 4


class Indexed:
    """A log of several segments with several index entries each, and all that a full scan says of it."""

    def __init__(self, partition: PartitionLog) -> None:
        self.partition = partition
        rng = random.Random(7)
        partition.policy = RollPolicy(400_000, 1 << 60)
        batches = []
        for number in range(70):
            times = [1000 + 10 * number + rng.randrange(-60, 60) for _ in range(RECORDS_EACH)]
            batches.append(Columns(RECORDS_EACH, b"".join([b"%04d" % number * 1250 + b"\n"] * 4), timestamps=times))
        partition.write(*batches)
        self.end = partition.log.end()
        self.headers = [header for _, header in partition.headers()]
        self.times = [(record.offset, record.timestamp) for record in partition.read()]
        self.index_paths = [
            Path(p).with_suffix(".index") for p in sorted({str(path) for path, _ in partition.headers()})
        ]
        self.indexes = [path.read_bytes() for path in self.index_paths]
        assert len(self.indexes) >= 3
        assert all(len(data) >= 3 * ENTRY_SIZE for data in self.indexes[:-1])

    def restore(self) -> None:
        for path, data in zip(self.index_paths, self.indexes, strict=True):
            path.write_bytes(data)

    def first_at(self, timestamp: int) -> int:
        return next((offset for offset, time in self.times if time >= timestamp), self.end.offset)

    def check_offset(self, offset: int) -> None:
        cursor = self.partition.log.cursor(offset, self.end)
        header = cursor.peek()
        cursor.close()
        assert header == next((h for h in self.headers if h.next_offset > offset), None), f"at offset {offset}"

    def check_time(self, timestamp: int) -> None:
        assert self.partition.log.offset_at(timestamp, self.end) == self.first_at(timestamp), f"at time {timestamp}"

    def check_all(self) -> None:
        for offset in range(self.end.offset + 2):
            self.check_offset(offset)
        for timestamp in {time + more for _, time in self.times for more in (0, 1)}:
            self.check_time(timestamp)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Indexed]:
    directory = LogDirectory(str(tmp_path_factory.mktemp("indexed") / "log"), lock_timeout=30, create=True)
    directory.create_topic("t", TopicConfig(1, {}))
    return Indexed(PartitionLog(Path(directory.partition_directory("t", 0))))


@pytest.fixture
def indexed(shared: Indexed) -> Iterator[Indexed]:
    yield shared
    shared.restore()


def entries(data: bytes) -> list:
    return [decode_entry(data[at : at + ENTRY_SIZE]) for at in range(0, len(data), ENTRY_SIZE)]


def test_a_good_index_finds_what_a_scan_finds(indexed: Indexed):
    indexed.check_all()
    assert [path.read_bytes() for path in indexed.index_paths] == indexed.indexes


def test_entries_are_an_interval_apart_and_name_their_batches(indexed: Indexed):
    latest = -(2**63)
    for path, data in zip(indexed.index_paths, indexed.indexes, strict=True):
        wanted, indexed_to = [], -INTERVAL
        segment = Path(path).with_suffix(".log")
        for header in [header for where, header in indexed.partition.headers() if where == segment]:
            if header.position - indexed_to >= INTERVAL:
                wanted.append((header.position, header.base_offset, latest, header.header_crc))
                indexed_to = header.position
            latest = max(latest, header.max_timestamp)
        assert [tuple(entry) for entry in entries(data)] == wanted


def scrambled_entry(data: bytes, number: int) -> bytes:
    at = number * ENTRY_SIZE + 9
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


ONE_INDEX: dict[str, Callable[[bytes], bytes | None]] = {
    "deleted": lambda data: None,
    "empty": lambda data: b"",
    "half an entry": lambda data: data[: ENTRY_SIZE // 2],
    "two and a half": lambda data: data[: 2 * ENTRY_SIZE + 16],
    "first entry bad": lambda data: scrambled_entry(data, 0),
    "middle entry bad": lambda data: scrambled_entry(data, len(data) // ENTRY_SIZE // 2),
    "last entry bad": lambda data: scrambled_entry(data, len(data) // ENTRY_SIZE - 1),
    "zeros": lambda data: bytes(len(data)),
    "noise": lambda data: random.Random(1).randbytes(len(data)),
    "noise longer": lambda data: random.Random(2).randbytes(10 * len(data) + 7),
    "good and noise": lambda data: data + random.Random(3).randbytes(200),
    "reversed": lambda data: b"".join(
        data[at : at + ENTRY_SIZE] for at in range(len(data) - ENTRY_SIZE, -1, -ENTRY_SIZE)
    ),
    "shifted by one byte": lambda data: data[1:],
    "twice": lambda data: data + data,
}


@pytest.mark.parametrize("damage", ONE_INDEX.values(), ids=ONE_INDEX.keys())
def test_every_index_damaged_alike(indexed: Indexed, damage: Callable[[bytes], bytes | None]):
    for path, data in zip(indexed.index_paths, indexed.indexes, strict=True):
        put(path, damage(data))
    indexed.check_all()


def put(path: Path, data: bytes | None) -> None:
    if data is None:
        path.unlink()
    else:
        path.write_bytes(data)


@pytest.mark.parametrize("damage", ["deleted", "empty", "first entry bad", "last entry bad", "noise", "zeros"])
def test_a_closed_segment_has_its_index_made_again(indexed: Indexed, damage: str):
    for path, data in zip(indexed.index_paths, indexed.indexes, strict=True):
        put(path, ONE_INDEX[damage](data))
    indexed.check_all()
    assert [path.read_bytes() for path in indexed.index_paths[:-1]] == indexed.indexes[:-1]


def test_indexes_swapped_between_segments(indexed: Indexed):
    for number, path in enumerate(indexed.index_paths):
        path.write_bytes(indexed.indexes[number - 1])
    indexed.check_all()


@given(data=st.data())
@settings(max_examples=40)
def test_indexes_scrambled_at_random(shared: Indexed, data: st.DataObject):
    for path, good in zip(shared.index_paths, shared.indexes, strict=True):
        scrambled = bytearray(data.draw(st.sampled_from([good, *shared.indexes])))
        for _ in range(data.draw(st.integers(0, 4))):
            scrambled[data.draw(st.integers(0, len(scrambled) - 1))] = data.draw(st.integers(0, 255))
        cut = data.draw(st.one_of(st.none(), st.integers(0, len(scrambled))))
        put(path, bytes(scrambled[:cut]))
    for _ in range(6):
        shared.check_offset(data.draw(st.integers(0, shared.end.offset + 1)))
        shared.check_time(data.draw(st.integers(900, 1800)))
    shared.restore()


@pytest.mark.parametrize("number", [0, 1, -1])
def test_an_index_that_cannot_be_opened_or_made_is_done_without(indexed: Indexed, number: int):
    """A directory in its place is the plainest thing that can be neither read nor replaced."""
    path = indexed.index_paths[number]
    path.unlink()
    path.mkdir()
    (path / "keep").touch()
    try:
        indexed.check_all()
    finally:
        (path / "keep").unlink()
        path.rmdir()


READ_ALL = """
import json, sys
from streamcli.storage.log import Log

log = Log(sys.argv[1])
end = log.end()
try:
    open(sys.argv[1] + "/new", "w")
except PermissionError:
    offsets = [next(log.headers(offset, end)).base_offset for offset in range(end.offset)]
    json.dump([offsets, [log.offset_at(time, end) for time in range(900, 1800)]], sys.stdout)
"""


def test_a_partition_that_may_not_be_written_is_read(indexed: Indexed):
    directory = Path(indexed.partition.directory)
    for path in indexed.index_paths:
        path.unlink()
    directory.chmod(0o555)
    try:
        command = [*restricted("modes"), sys.executable, "-c", READ_ALL, str(directory)]
        found = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=DEADLINE).stdout
    finally:
        directory.chmod(0o755)
    offsets, times = json.loads(found)
    assert offsets == [header.base_offset for header in indexed.headers for _ in range(RECORDS_EACH)]
    assert times == [indexed.first_at(time) for time in range(900, 1800)]
    assert not any(path.exists() for path in indexed.index_paths)


@pytest.mark.parametrize(
    "damage", ["deleted", "empty", "two and a half", "last entry bad", "noise", "zeros", "noise longer"]
)
def test_the_active_index_is_mended_by_the_next_appender(partition: PartitionLog, damage: str):
    indexed = Indexed(partition)
    put(indexed.index_paths[-1], ONE_INDEX[damage](indexed.indexes[-1]))
    partition.write(Columns(1, b"x\n", timestamps=[2000]))
    assert indexed.index_paths[-1].read_bytes()[: len(indexed.indexes[-1])] == indexed.indexes[-1]
    assert partition.log.offset_at(1999, partition.log.end()) == indexed.end.offset


def test_an_index_that_runs_ahead_of_a_log_that_was_cut_is_cut_too(partition: PartitionLog):
    """After a power cut the index may have kept what the log has lost."""
    indexed = Indexed(partition)
    path = partition.segment()
    data = indexed.indexes[-1]
    assert entries(data)[-1].position > 0
    os.truncate(path, entries(data)[-1].position)
    partition.write(Columns(1, b"x\n", timestamps=[2000]))
    kept = entries(indexed.index_paths[-1].read_bytes())
    assert kept[:-1] == entries(data)[:-1]
    mark = partition.headers()[-2][1]
    assert mark.is_lost
    assert kept[-1].header_crc == mark.header_crc


TIMES = st.lists(st.lists(st.integers(0, 30), min_size=1, max_size=4), min_size=1, max_size=8)


@given(TIMES, st.integers(100, 700), st.booleans())
@settings(max_examples=40)
def test_a_time_in_any_order_is_found_as_by_brute_force(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[int]], segment_bytes: int, keep_indexes: bool
):
    directory = tmp_path_factory.mktemp("times")
    (directory / "00000000000000000000.log").touch()
    partition = PartitionLog(directory, RollPolicy(segment_bytes, 1 << 60))
    partition.write(*[Columns(len(times), b"x\n" * len(times), timestamps=times) for times in batches])
    if not keep_indexes:
        for path in directory.glob("*.index"):
            path.unlink()
    flat = [time for times in batches for time in times]
    end = partition.log.end()
    for timestamp in range(-1, 33):
        want = next((offset for offset, time in enumerate(flat) if time >= timestamp), len(flat))
        assert partition.log.offset_at(timestamp, end) == want

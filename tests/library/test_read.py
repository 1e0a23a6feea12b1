"""Reading from Python: where it starts and stops, following, damage, and what stays open."""

from __future__ import annotations

import gc
import os
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import streamcli
from tests.support.command import ok

SECOND = 1000


def numbered(topic: str, count: int, **options: object) -> streamcli.Directory:
    """A topic with the records 0, 1, ..., at 0, 1, ... seconds since the epoch."""
    directory = streamcli.open()
    with directory.producer(topic, linger=60, **options) as producer:  # type: ignore[arg-type]
        for number in range(count):
            producer.append(b"%d" % number, timestamp=number * SECOND)
    return directory


def open_files() -> int:
    """How many are open, of those that are not garbage of earlier tests, and no sockets, which threads of theirs may have."""
    gc.collect()
    found = 0
    for fd in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):  # the listing's own is closed by then
            found += not os.readlink(f"/proc/self/fd/{fd}").startswith("socket:")
    return found


@pytest.mark.parametrize(
    ("bounds", "found"),
    [
        ({}, range(10)),
        ({"start": 7}, range(7, 10)),
        ({"start": 2, "stop": 5}, range(2, 5)),
        ({"stop": 3}, range(3)),
        ({"start": -4}, range(6, 10)),
        ({"start": -40}, range(10)),
        ({"start": "end"}, range(0)),
        ({"start": 10}, range(0)),
        ({"start": datetime.fromtimestamp(3.5, UTC)}, range(4, 10)),
        ({"stop": datetime.fromtimestamp(3)}, range(3)),
        ({"start": 1, "stop": datetime.fromtimestamp(3, UTC)}, range(1, 3)),
    ],
)
def test_bounds(bounds: dict[str, object], found: range) -> None:
    directory = numbered("t", 10)
    records = list(directory.read("t", **bounds))  # type: ignore[arg-type]
    assert [(record.offset, record.value) for record in records] == [(number, b"%d" % number) for number in found]
    assert list(directory.read("t", **bounds).values()) == [b"%d" % number for number in found]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "bounds",
    [
        {"start": 5, "stop": 2},
        {"stop": -1},
        {"stop": "beginning"},
        {"start": "7"},
        {"start": 1.5},
        {"start": True},
        {"start": datetime.now(), "stop": datetime.now() - timedelta(days=1)},
        {"idle": 1.0},
    ],
)
def test_bounds_that_mean_nothing_are_refused(bounds: dict[str, object]) -> None:
    directory = numbered("t", 10)
    with pytest.raises(streamcli.UsageError):
        directory.read("t", **bounds)  # type: ignore[arg-type]


def test_what_is_not_there_is_told_when_it_is_opened(log_directory: Path) -> None:
    with pytest.raises(streamcli.NotFound, match="no such topic: t"):
        streamcli.open().read("t")
    with pytest.raises(streamcli.NotFound, match="no topic matches"):
        streamcli.open().read("t*")
    assert not log_directory.exists()
    directory = numbered("t", 10)
    with pytest.raises(streamcli.OffsetOutOfRange):
        directory.read("t", start=11)
    with pytest.raises(streamcli.NotFound, match="no partition 1"):
        directory.read("t", partitions=[1])
    with pytest.raises(streamcli.UsageError, match="no topic"):
        directory.read([])


def test_the_end_is_that_at_the_opening() -> None:
    directory = numbered("t", 3)
    reader = directory.read("t")
    ok("produce", "t", stdin=b"later\n")
    assert [record.value for record in reader] == [b"0", b"1", b"2"]


def test_several_topics_by_time_and_partitions_chosen() -> None:
    directory = streamcli.open()
    for topic, time in (("b", 1), ("a", 2), ("other", 3)):
        with directory.producer(topic, partitions=2) as producer:
            producer.append(topic.encode(), timestamp=time, partition=1)
    assert [record.topic for record in directory.read(["a", "b"])] == ["b", "a"]
    assert [record.topic for record in directory.read("?")] == ["b", "a"]
    assert [record.partition for record in directory.read("*", partitions=[0])] == []


def test_following_gives_what_comes_and_ends_when_nothing_did() -> None:
    directory = numbered("t", 2)
    with directory.read("t", follow=True) as reader:
        found = [next(reader).value, next(reader).value]
        ok("produce", "t", stdin=b"later\n")
        found.append(next(reader).value)
    assert found == [b"0", b"1", b"later"]
    assert len(list(directory.read("t", follow=True, idle=0.01))) == 3
    with pytest.raises(StopIteration):
        next(reader)


def test_a_reader_leaves_no_file_open() -> None:
    directory = numbered("t", 10, partitions=3)
    before = open_files()
    list(directory.read("t"))
    assert open_files() == before
    with directory.read("t") as reader:
        next(reader)
        assert open_files() > before
    assert open_files() == before
    directory.read("t").close()
    list(directory.read("*", follow=True, idle=0.01))
    assert open_files() == before
    with directory.read("*", follow=True, start="end") as reader:
        ok("produce", "u", stdin=b"new\n")
        assert next(reader).topic == "u"
    assert open_files() == before


def damaged(log_directory: Path) -> streamcli.Directory:
    """A topic with three batches, of which the second has a flipped bit."""
    for number in range(3):
        ok("produce", "t", stdin=b"record %d\n" % number)
    path = log_directory / "topics" / "t" / "0" / f"{0:020d}.log"
    path.write_bytes(path.read_bytes().replace(b"record 1", b"recorb 1"))
    return streamcli.open()


def test_damage_is_raised_with_its_place(log_directory: Path) -> None:
    directory = damaged(log_directory)
    reader = directory.read("t")
    assert next(reader).value == b"record 0"
    with pytest.raises(streamcli.CorruptData) as damage:
        next(reader)
    assert (damage.value.first, damage.value.next_offset) == (1, 2)


def test_damage_may_be_passed_by(log_directory: Path) -> None:
    met: list[streamcli.CorruptData] = []
    found = damaged(log_directory).read("t", on_damage=met.append)
    assert [record.offset for record in found] == [0, 2]
    assert [damage.first for damage in met] == [1]


def test_topics_are_made_described_altered_and_deleted() -> None:
    directory = streamcli.open()
    assert directory.topics() == []
    directory.create_topic("t", 2, {"retention.ms": 5000})
    directory.create_topic("t", exist_ok=True)
    with pytest.raises(streamcli.TopicExists):
        directory.create_topic("t")
    numbered("t", 3)
    directory.alter_topic("t", partitions=3, config={"segment.bytes": 1 << 20}, unset=["retention.ms"])
    found = directory.describe_topic("t")
    assert found.overrides == {"segment.bytes": 1 << 20}
    assert found.config["retention.ms"] == -1
    assert [each.partition for each in found.partitions] == [0, 1, 2]
    assert sum(each.log_end_offset - each.log_start_offset for each in found.partitions) == 3
    assert [
        (each.first_timestamp, each.last_timestamp) for each in found.partitions if each.first_timestamp is not None
    ] == [(0, 2000)]
    with pytest.raises(streamcli.UsageError, match="cannot have fewer"):
        directory.alter_topic("t", partitions=1)
    directory.delete_topic("t")
    for call in (directory.delete_topic, directory.describe_topic, directory.alter_topic):
        with pytest.raises(streamcli.NotFound):
            call("t")


@pytest.mark.parametrize("config", [{"no.such": 1}, {"retention.ms": "7d"}, {"segment.bytes": -5}])
def test_config_that_cannot_be_is_refused(config: dict[str, object], log_directory: Path) -> None:
    directory = streamcli.open()
    with pytest.raises(streamcli.UsageError):
        directory.create_topic("t", config=config)  # type: ignore[arg-type]
    with pytest.raises(streamcli.UsageError, match="no/name"):
        directory.create_topic("no/name")
    assert not log_directory.exists()


def test_a_directory_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(streamcli.StreamcliError, match="not a log directory"):
        streamcli.open(tmp_path)

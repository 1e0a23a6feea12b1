"""Writers that clean once they closed a segment: what goes wrong with that costs no record, and no count of them."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from streamcli.engine.produce import Producer
from streamcli.engine.syncing import SYNC_BATCH, SYNC_EXIT
from streamcli.record.batch import Columns
from streamcli.storage import clean, durable, layout
from streamcli.storage.compact import compact
from streamcli.storage.config import TopicConfig
from streamcli.storage.directory import LogDirectory
from streamcli.storage.locks import ExclusiveLock

from .partition_log import PartitionLog, flip

BATCH = Columns(4, [b"x" * 100] * 4, common_key=b"k")


@pytest.fixture
def compacted(directory: LogDirectory) -> LogDirectory:
    """With a topic of two partitions, of which the newest record of each key is kept."""
    config = {"cleanup.policy": "compact", "segment.bytes": 1024, "min.cleanable.dirty.ratio": 0.0}
    directory.create_topic("t", TopicConfig(2, config))
    return directory


def log_of(directory: LogDirectory, partition: int) -> PartitionLog:
    return PartitionLog(Path(directory.partition_directory("t", partition)))


@contextmanager
def producing(directory: LogDirectory, sync: str) -> Iterator[tuple[Callable[[int], None], Producer, list[str]]]:
    """What appends the batch to a partition, the producer that does, and what it says."""
    warnings: list[str] = []
    producer = Producer(directory, "t", partition=None, sync=sync, clock=lambda: 1_000_000, warn=warnings.append)
    try:
        yield lambda partition: void(producer.append(BATCH, [partition] * 4)), producer, warnings
    finally:
        producer.close()


def void(_: object) -> None:
    return


@pytest.mark.parametrize("sync", [SYNC_BATCH, SYNC_EXIT])
def test_each_partition_is_compacted_as_it_is_written(compacted: LogDirectory, sync: str) -> None:
    with producing(compacted, sync) as (append, producer, warnings):
        for _ in range(6):
            append(0)
            append(1)
        producer.finish()
        assert (producer.appended, producer.durable) == (48, 48)
    assert warnings == []
    for partition in (0, 1):
        log = log_of(compacted, partition)
        assert [record.offset for record in log.read()][-1] == 23
        assert len(log.bases()) == 2
        assert len(log.read()) <= 9


@pytest.mark.parametrize(("ratio", "compactions"), [(0.0, 6), (0.5, 3), (1.0, 1)])
def test_compaction_waits_for_the_dirty_share_that_the_topic_says(
    directory: LogDirectory, monkeypatch: pytest.MonkeyPatch, ratio: float, compactions: int
) -> None:
    """Six times a segment is closed; nothing of the ones before goes meanwhile, so the share falls by each that is compacted."""
    config = {"cleanup.policy": "compact", "segment.bytes": 1024, "min.cleanable.dirty.ratio": ratio}
    directory.create_topic("t", TopicConfig(1, config))
    done = []
    monkeypatch.setattr(clean, "compact", lambda *words, **options: done.append(compact(*words, **options)))
    with producing(directory, SYNC_BATCH) as (_, producer, warnings):
        for number in range(7):
            producer.append(Columns(1, [b"x" * 1000], common_key=b"%d" % number))
    assert warnings == []
    assert len(done) == compactions


def test_no_record_is_durable_while_its_fsync_runs_in_the_background(
    compacted: LogDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of partition 0 it fails; partition 1 is cleaned meanwhile, for which all is made durable first."""
    sync_data = durable.sync_data

    def fail_in_the_background(fd: int) -> None:
        if threading.current_thread() is not threading.main_thread():
            raise OSError(errno.EIO, "no disk")
        sync_data(fd)

    monkeypatch.setattr(durable, "sync_data", fail_in_the_background)
    with producing(compacted, SYNC_EXIT) as (append, producer, _):
        append(0)
        producer._syncing._since = 0.0  # long ago
        producer.tick()
        append(1)
        with pytest.raises(OSError, match="no disk"):
            append(1)  # closes a segment
        assert producer.durable == 0


def test_damage_that_keeps_a_partition_from_being_cleaned_is_told(compacted: LogDirectory) -> None:
    with producing(compacted, SYNC_EXIT) as (append, _, warnings):
        for _ in range(3):
            append(0)
        flip(log_of(compacted, 0).segment(0), 95, 1)
        for _ in range(4):
            append(0)
        producer_told = [warning for warning in warnings if "was not cleaned" in warning]
    assert producer_told
    assert all("checksum" in warning for warning in producer_told)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_a_disk_that_takes_no_compacted_segment_hinders_no_producing(
    compacted: LogDirectory, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def fail(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(durable, "place_file", fail)
    with producing(compacted, SYNC_EXIT) as (append, producer, warnings):
        for _ in range(6):
            append(0)
        producer.finish()
        assert (producer.appended, producer.durable) == (24, 24)
    assert any(os.strerror(code) in warning for warning in warnings)
    log = log_of(compacted, 0)
    assert len(log.read()) == 24
    assert not [name for name in os.listdir(log.directory) if name.startswith(layout.TEMPORARY)]


def test_a_partition_that_somebody_else_cleans_is_left_to_them(compacted: LogDirectory) -> None:
    lock = ExclusiveLock(os.path.join(compacted.partition_directory("t", 0), layout.CLEAN_LOCK), 30)
    with lock, producing(compacted, SYNC_EXIT) as (append, producer, warnings):
        for _ in range(6):
            append(0)
        producer.finish()
        assert producer.durable == 24
    lock.close()
    assert warnings == []
    assert len(log_of(compacted, 0).read()) == 24

"""A topic as a table, and the newest record of a key, against the model that holds everything."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from streamcli.engine.consume import topic_sources
from streamcli.engine.newest_value import newest_records
from streamcli.engine.partitioner import partition_of
from streamcli.engine.table import Table, TableRequest
from streamcli.record.batch import Columns, join_column
from streamcli.record.range import END, TIME, Bound
from streamcli.storage.append import RollPolicy
from streamcli.storage.clean import Cleaner, CleaningPolicy
from streamcli.storage.config import TopicConfig
from streamcli.storage.directory import LogDirectory
from streamcli.storage.layout import segments

from .partition_log import PartitionLog, raise_damage

SMALL_SEGMENTS = RollPolicy(segment_bytes=1000, segment_ms=1 << 60)


class Put(NamedTuple):
    """A record as it is written, in a batch of its own or with those before it."""

    partition: int
    key: bytes | None
    value: bytes | None
    timestamp: int
    begins_batch: bool = False


PUTS = st.builds(
    Put,
    st.integers(0, 2),
    st.sampled_from([None, b"", b"a", b"b", b"c", b"d", b"a\nb", b"k" * 40, b"aa"]),
    st.sampled_from([None, b"", b"1", b"2", b"two\nlines", b"long" * 50]),
    st.integers(1, 6),
    st.booleans(),
)


def put(directory: LogDirectory, puts: list[Put]) -> None:
    for partition in range(3):
        log = PartitionLog(Path(directory.partition_directory("t", partition)), SMALL_SEGMENTS)
        batches: list[list[Put]] = []
        for record in (record for record in puts if record.partition == partition):
            if record.begins_batch or not batches:
                batches.append([])
            batches[-1].append(record)
        for batch in batches:
            keys = [record.key for record in batch]
            log.write(
                Columns(
                    len(batch),
                    join_column([record.value for record in batch]),
                    keys=None if len(set(keys)) == 1 else join_column(keys),
                    common_key=keys[0] if len(set(keys)) == 1 else None,
                    timestamps=[record.timestamp for record in batch],
                ),
                sync=False,
            )


def rank(record: Put) -> tuple[int, bool, int]:
    at_home = bool(record.key) and partition_of(record.key or b"", 3) == record.partition
    return record.timestamp, at_home, record.partition


def rows_of(puts: list[Put], before: int | None, partitions: list[int]) -> dict[bytes, Put]:
    """The newest record of each key: the last of its partition, and of these the one with the greatest time."""
    last: dict[tuple[bytes, int], Put] = {}
    for partition in partitions:
        for record in (record for record in puts if record.partition == partition):
            if before is not None and record.timestamp >= before:
                break
            if record.key is not None:
                last[record.key, partition] = record
    newest: dict[bytes, Put] = {}
    for (key, _), record in sorted(last.items(), key=lambda item: rank(item[1])):
        newest[key] = record
    return newest


@settings(max_examples=60, deadline=None)
@given(
    st.lists(PUTS, max_size=40),
    st.one_of(st.none(), st.integers(1, 6)),
    st.sampled_from([[0, 1, 2], [1]]),
    st.sampled_from([0, 1 << 20]),
)
@example([Put(0, b"a\nb", b"1", 1), Put(0, b"a", b"2", 2), Put(0, b"b", b"3", 2)], None, [0, 1, 2], 0)
def test_rows_and_single_keys_are_the_models(puts: list[Put], before: int | None, partitions: list[int], memory: int):
    with TemporaryDirectory() as path:
        directory = LogDirectory(path, lock_timeout=30, create=True)
        directory.create_topic("t", TopicConfig(3, {}))
        put(directory, puts)
        stop = Bound(END) if before is None else Bound(TIME, before)
        sources = topic_sources(directory, "t", partitions)
        request = TableRequest(sources, 3, stop, raise_damage, lambda source, size: None)
        expected = rows_of(puts, before, partitions)

        with closing(Table(request, memory=memory)) as table:
            rows = [(taken.source.partition, r) for taken in table.rows() for r in taken.batch.records()]
        assert len({record.key for _, record in rows}) == len(rows)
        assert {record.key: (partition, record.value, record.timestamp) for partition, record in rows} == {
            key: (put.partition, put.value, put.timestamp) for key, put in expected.items() if put.value is not None
        }
        for partition in partitions:
            offsets = [record.offset for where, record in rows if where == partition]
            assert offsets == sorted(offsets)

        wanted = [b"", b"a", b"b", b"c", b"d", b"a\nb", b"k" * 40, b"aa", b"absent"]
        for keys in (wanted, *([key] for key in wanted)):
            found = newest_records(request, keys)
            assert {key: taken.batch.values() for key, taken in found.items()} == {
                key: [put.value] for key, put in expected.items() if key in keys
            }


def test_a_key_is_found_in_any_segment_of_a_long_log(partition: PartitionLog):
    partition.policy = RollPolicy(segment_bytes=400_000, segment_ms=1 << 60)
    padding = b"x" * 3000
    appender = partition.appender()
    for number in range(400):
        keys = [b"%d-%d" % (number, index) for index in range(3)]
        appender.append(Columns(3, join_column([padding] * 3), keys=join_column([*keys])))
    assert len(partition.bases()) > 5
    directory = LogDirectory(str(Path(partition.directory).parents[2]), lock_timeout=30)
    request = TableRequest(topic_sources(directory, "t", []), 1, Bound(END), raise_damage, lambda source, size: None)
    offsets = list(partition.log.offsets_backwards(partition.log.end()))
    assert offsets == sorted(set(offsets), reverse=True)
    assert offsets[-1] == 0
    assert 3 <= len(offsets) < len(segments(partition.directory))
    for number in (399, 398, 380, 200, 3, 0):
        found = newest_records(request, [b"%d-1" % number, b"%d" % number])
        assert {key: taken.batch.offsets()[0] for key, taken in found.items()} == {b"%d-1" % number: number * 3 + 1}


def keyed(value: int, *names: bytes) -> Columns:
    return Columns(len(names), join_column([b"%d" % value] * len(names)), keys=join_column([*names]))


def compact_all(log: PartitionLog) -> None:
    """Close the active segment, and compact."""
    policy = CleaningPolicy.of(TopicConfig(1, {"cleanup.policy": "compact"}))
    appender = log.appender()
    assert list(Cleaner(log.directory, policy, lock_timeout=30).clean(appender, log.now))
    log.close()


@pytest.mark.parametrize("when", ["before the keys are read", "before the rows are"])
def test_compaction_and_retention_take_no_key_from_a_table_that_is_being_read(partition: PartitionLog, when: str):
    names = [b"a", b"b", b"c" * 40]
    for value in range(10):
        partition.write(keyed(value, *names))
    directory = LogDirectory(str(Path(partition.directory).parents[2]), lock_timeout=30)
    request = TableRequest(topic_sources(directory, "t", []), 1, Bound(END), raise_damage, lambda source, size: None)
    with closing(Table(request)) as table:
        before = set(partition.log.segments())
        rows = table.rows() if when == "before the rows are" else None
        for value in range(10, 20):
            partition.write(keyed(value, *names))
            compact_all(partition)
        assert not before & set(partition.log.segments())
        found = [record for taken in rows or table.rows() for record in taken.batch.records()]
    assert [(record.offset, record.key, record.value) for record in found] == [
        (27 + number, name, b"9") for number, name in enumerate(names)
    ]

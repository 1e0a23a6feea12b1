"""What the fuzzers found, one test for each: the bytes that broke a decoder, and what becomes of them now."""

from __future__ import annotations

import os
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgpack
import pytest
from crc32c import crc32c

from streamcli.cli import groups
from streamcli.groups.journal import decode_line
from streamcli.groups.member import Generation, GroupDirectory
from streamcli.record.batch import Columns
from streamcli.record.errors import CorruptData, StreamcliError
from streamcli.storage import layout
from streamcli.storage.body import decode_body, encode_batch
from streamcli.storage.checkpoint import decode_checkpoint
from streamcli.storage.config import TopicConfig
from streamcli.storage.directory import LogDirectory
from streamcli.storage.format import HEADER, HEADER_SIZE, MAX_OFFSET, BatchHeader, InvalidBatch, decode_header
from streamcli.storage.index import ENTRY
from streamcli.storage.layout import SegmentName
from streamcli.storage.locks import try_exclusive
from streamcli.storage.segment import Segment
from tests.storage.partition_log import PartitionLog, flip, lines

from .no_hang import no_hang
from .seal import sealed_entries, sealed_line

# {"values": an array of 10000 whose first element is an array of 10000, and so on a thousand times}, in 13 kB.
BOMB = b"\x81\xa6values" + b"\xdc\x27\x10" * 1000 + b"\xc0" * 10_000


def sealed(header: BatchHeader) -> bytes:
    """The bytes of a header, with the checksum that fits."""
    data = HEADER.pack(b"\xd7SCB", 1, *header)[: HEADER_SIZE - 4]
    return data + crc32c(data).to_bytes(4, "little")


def header_of(made: Columns, body: bytes, **fields: int) -> BatchHeader:
    """The header of a batch of `made` whose body is another, but for `fields`."""
    header, _ = encode_batch(made, position=0, base_offset=0, timestamp=0)
    return header._replace(body_length=len(body), raw_length=len(body), body_crc=crc32c(body), **fields)


@contextmanager
def memory_below(size: int) -> Iterator[None]:
    """No more than that is allocated at any moment inside."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < size
    finally:
        tracemalloc.stop()


@pytest.fixture
def directory(tmp_path: Path) -> LogDirectory:
    made = LogDirectory(str(tmp_path / "log"), lock_timeout=30, create=True)
    made.create_topic("t", TopicConfig(1, {}))
    return made


@pytest.fixture
def partition(directory: LogDirectory) -> Iterator[PartitionLog]:
    log = PartitionLog(Path(directory.partition_directory("t", 0)))
    yield log
    log.close()


@pytest.fixture
def group(directory: LogDirectory) -> GroupDirectory:
    return GroupDirectory(directory, "g", create=True)


@pytest.mark.parametrize("fields", [{"columns": 0}, {"columns": 8}, {"columns": 0, "values_length": 2}])
def test_arrays_in_arrays_take_no_more_memory_than_the_body(fields: dict):
    header = header_of(Columns(1, [b"a"]), BOMB, **fields)
    with memory_below(10 * len(BOMB)), pytest.raises(InvalidBatch):
        decode_body(header, BOMB)


def test_values_longer_than_the_body_would_copy_out_the_batch_before():
    header, _ = encode_batch(Columns(1, b"a\n"), position=0, base_offset=0, timestamp=0)
    with pytest.raises(InvalidBatch, match="contradicts"):
        decode_header(sealed(header._replace(values_length=header.body_length + 1)), 0)


def test_values_that_are_not_last_in_the_body():
    """Who copies joined values out takes the body's last bytes: here these are the key's."""
    body = msgpack.packb({"values": b"a\n", "common_key": b"k\n"})
    with pytest.raises(InvalidBatch, match="does not hold the columns"):
        decode_body(header_of(Columns(1, b"a\n", common_key=b"k\n"), body), body)


def test_values_that_are_there_twice():
    """The second stands for both, the first would be copied out."""
    body = b"\x83\xa6values\xc4\x02x\n\xaacommon_key\xc4\x02k\n\xa6values\xc4\x02a\n"
    with pytest.raises(InvalidBatch, match="twice"):
        decode_body(header_of(Columns(1, b"a\n", common_key=b"k\n"), body), body)


def test_timestamps_beyond_those_of_the_header():
    """A search for a time trusted the header's and ended in a traceback when no record had it."""
    body = msgpack.packb({"timestamps": [1, 2], "values": b"a\nb\n"})
    header = header_of(Columns(2, b"a\nb\n", timestamps=[1, 2]), body)
    assert decode_body(header, body).timestamps == [1, 2]
    for wrong in ({"max_timestamp": 3}, {"min_timestamp": 0}):
        with pytest.raises(InvalidBatch, match="timestamps"):
            decode_body(header._replace(**wrong), body)


def test_a_header_whose_least_timestamp_is_the_greater():
    header, _ = encode_batch(Columns(1, b"a\n"), position=0, base_offset=0, timestamp=5)
    with pytest.raises(InvalidBatch, match="contradicts"):
        decode_header(sealed(header._replace(min_timestamp=6)), 0)


@pytest.mark.parametrize("offset", [MAX_OFFSET, 2**63, 2**64 - 1])
def test_an_offset_that_no_offset_can_follow(offset: int):
    header, _ = encode_batch(Columns(1, b"a\n"), position=0, base_offset=0, timestamp=0)
    with pytest.raises(InvalidBatch, match="beyond"):
        decode_header(sealed(header._replace(base_offset=offset)), 0)


def test_a_log_whose_offsets_are_used_up():
    with pytest.raises(StreamcliError, match="the log is full"):
        encode_batch(Columns(1, b"a\n"), position=0, base_offset=MAX_OFFSET - 1, timestamp=0)


def hostile(partition: PartitionLog, **fields: int) -> BatchHeader:
    """Make the segment a batch whose header says that, all checksums right."""
    header, body = encode_batch(Columns(1, b"a\n"), position=0, base_offset=0, timestamp=0)
    header = decode_header(sealed(header._replace(**fields)), 0)
    partition.segment().write_bytes(sealed(header) + b"".join(body[1:]))
    return header


def test_a_body_length_that_the_file_does_not_have_takes_no_memory(partition: PartitionLog):
    header = hostile(partition, body_length=2**32 - 1, raw_length=2**32 - 1)
    segment = Segment(partition.directory, SegmentName.of(0))
    try:
        with memory_below(1 << 20), pytest.raises(InvalidBatch):
            segment.batch_of(header)
    finally:
        segment.close()


def test_a_record_count_that_the_body_does_not_have_takes_no_memory(partition: PartitionLog):
    """The part of a batch from an offset on was made by counting through four thousand million records."""
    header = hostile(partition, record_count=2**32 - 1, last_offset_delta=2**32 - 2)
    segment = Segment(partition.directory, SegmentName.of(0))
    try:
        batch = segment.batch_of(header)
        for ask in (lambda: batch.between(1, None), lambda: batch.take(1, 2), batch.offsets, batch.records):
            with no_hang(), memory_below(1 << 20), pytest.raises(CorruptData):
                ask()
    finally:
        segment.close()


@pytest.mark.parametrize("position", [2**62 + 1, 2**63 - 1, 2**63, 2**64 - 1])
def test_an_index_entry_that_leads_beyond_every_file(partition: PartitionLog, position: int):
    partition.write(lines("one"), lines("two"))
    partition.index().write_bytes(sealed_entries(ENTRY.pack(position, 0, 0, 0, 0)))
    assert partition.values() == [b"one", b"two"]
    assert partition.log.offset_at(0, partition.log.end()) == 0
    partition.write(lines("three"))
    assert partition.values(2) == [b"three"]


CHECKPOINT = b"streamcli-checkpoint 1 00000000-0000-0000-0000-000000000000 %s %s %s %s -"
ZERO = b"0" * 20


@pytest.mark.parametrize(
    "fields",
    [
        (ZERO, b"-0000000000000000005", ZERO, b"+" + ZERO[1:]),
        (ZERO, b"9" * 20, ZERO, b"+" + ZERO[1:]),
        (ZERO, ZERO, b"9" * 20, b"+" + ZERO[1:]),
        (b"0" * 19 + b"1", ZERO, ZERO, b"+" + ZERO[1:]),
        (ZERO, ZERO, ZERO, b"+" + b"9" * 19),
        (ZERO, b"0000000000000000_001", ZERO, b"+" + ZERO[1:]),
        (ZERO, b"1", ZERO, b"+" + ZERO[1:]),
    ],
)
def test_a_checkpoint_that_nobody_wrote(partition: PartitionLog, fields: tuple[bytes, ...]):
    """The first had the file read before its beginning: an I/O error at each command."""
    partition.write(lines("one"))
    line = sealed_line(CHECKPOINT % fields) + b"\n"
    assert decode_checkpoint(line) is None
    partition.checkpoint_path().write_bytes(line)
    assert partition.values() == [b"one"]
    partition.write(lines("two"))
    assert partition.values() == [b"one", b"two"]


def test_a_file_with_the_name_of_a_segment_at_no_offset(partition: PartitionLog):
    partition.write(lines("one"))
    for name in ("9" * 20, f"{2**63}".zfill(20)):
        Path(partition.directory, name + layout.SEGMENT_SUFFIX).write_bytes(b"")
    assert partition.write(lines("two")) == [1]
    assert partition.values() == [b"one", b"two"]


def test_a_damaged_first_batch_of_the_segment_that_is_appended_to(partition: PartitionLog):
    """Appending ended in a traceback: the age of the segment was asked of that batch."""
    partition.write(lines("one"), lines("two"))
    flip(partition.segment(), 20, 1)
    assert partition.write(lines("three")) == [2]
    assert [record.value for record in partition.read(on_damage=[].append)] == [b"two", b"three"]


@pytest.mark.parametrize(
    "line",
    [
        b"1700000000000 commit 1-a t:0=-5 -",
        b"1700000000000 commit 1-a t:0=9223372036854775808 -",
        b"1700000000000 commit 1-a t:-1=5 -",
        b"1700000000000 commit 1-a ../t:0=5 -",
        b"1700000000000 commit 1-a :0=5 -",
        b"99999999999999999999 commit 1-a t:0=5 -",
        b"-1 commit 1-a t:0=5 -",
    ],
)
def test_a_commit_that_nobody_made(line: bytes):
    assert decode_line(sealed_line(line)) is None


@pytest.mark.parametrize("offset", [2**63, 10**30, 10**4000])
def test_an_import_of_an_offset_that_the_journal_cannot_hold(offset: int):
    with pytest.raises(StreamcliError, match="line 1 of standard input"):
        groups._imported(b'{"topic":"t","partition":0,"offset":%s}' % str(offset).encode(), 1)


@pytest.mark.parametrize(
    "data",
    [
        b'{"generation":1e999,"assignment":{}}',
        b'{"generation":-1,"assignment":{}}',
        b'{"generation":%s,"assignment":{}}' % (b"9" * 4300),
        b'{"generation":1,"assignment":{"1-a":[["t",1e999]]}}',
        b'{"generation":1,"assignment":{"1-a":[["../t",0]]}}',
        b'{"generation":1,"assignment":{"1-a":[["",0]]}}',
        b'{"generation":1,"assignment":{"1-a":[["t",-1]]}}',
        b'{"generation":1,"assignment":{"1-a":[["t",10000]]}}',
    ],
    ids=range(8),
)
def test_a_generation_that_nobody_wrote(group: GroupDirectory, data: bytes):
    """The first and the fourth ended every member in a traceback, and those behind them in its next step."""
    Path(group.path, layout.GENERATION_FILE).write_bytes(data)
    assert group.generation() == Generation(0, {})


@pytest.mark.parametrize(
    "data",
    [
        b'{"pid":1e999,"topics":["t"],"assigned":true}',
        b'{"pid":-1,"topics":["t"],"assigned":true}',
        b'{"pid":7,"topics":["t","../x"],"assigned":true}',
        b'{"pid":7,"topics":"t","assigned":true}',
        b'{"pid":7,"topics":[""],"assigned":true}',
        b"[" * 100_000,
    ],
    ids=range(6),
)
def test_a_living_member_whose_file_says_what_cannot_be(group: GroupDirectory, data: bytes):
    path = Path(group.members_path, "7-abcdef")
    path.write_bytes(data)
    fd = os.open(path, os.O_RDONLY)
    try:
        assert try_exclusive(fd)
        info = group.living_members()["7-abcdef"]
        assert (info.pid, info.topics, info.is_assigned) == (0, [], False)
    finally:
        os.close(fd)

"""Make the golden log directory of format version 1: `python -m tests.golden.make_v1 DIRECTORY`.

It was run once; its output is committed as tests/golden/v1 and is never made again. The test runs it only to see
that the same columns still give the same bytes. The clock and the boot id are fixed, so every byte is.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from streamcli.record.batch import Columns
from streamcli.storage import layout
from streamcli.storage.append import Appender, RollPolicy
from streamcli.storage.body import encode_batch
from streamcli.storage.checkpoint import read_checkpoint, write_checkpoint
from streamcli.storage.config import TopicConfig
from streamcli.storage.directory import LogDirectory

START = 1_700_000_000_000
BOOT_ID = "01234567-89ab-cdef-0123-456789abcdef"
KEEP = RollPolicy(1 << 30, 1 << 60)

Append = Callable[[Columns], int]


def write(log: LogDirectory, topic: str, partition: int, policy: RollPolicy, batches: list[Columns]) -> None:
    """Append the batches, one a second."""
    now = START
    directory = log.partition_directory(topic, partition)
    appender = Appender(directory, policy, lock_timeout=30, clock=lambda: now, warn=print)
    for columns in batches:
        appender.append(columns)
        now += 1000
    appender.sync()
    appender.close()
    known = read_checkpoint(directory)
    assert known is not None
    write_checkpoint(directory, known._replace(boot_id=BOOT_ID))


def write_lines(log: LogDirectory) -> None:
    """Joined values, in two partitions of which the second stays empty."""
    log.create_topic("lines", TopicConfig(2, {}))
    batches = [
        Columns(3, b"first\nsecond\r\n\n"),
        Columns(1, b"\x00 NUL and \xff\xfe invalid UTF-8\n"),
        Columns(1, "gr\u00fc\u00dfe\n".encode()),
    ]
    write(log, "lines", 0, KEEP, batches)
    write(log, "lines", 1, KEEP, [Columns(1, b"one\n")])


def write_keyed(log: LogDirectory) -> None:
    """Keys, nulls, newlines within, headers of every kind."""
    log.create_topic("keyed", TopicConfig(1, {"max.message.bytes": 1 << 20}))
    batches = [
        Columns(3, b"1\n2\n3\n", keys=b"a\n\nc\n"),
        Columns(3, [b"two\nlines", None, b""], keys=[b"k", b"tombstone", None]),
        Columns(2, b"x\ny\n", common_key=b"same key"),
        Columns(2, b"x\ny\n", common_headers=[("source", b"cron"), ("source", None)]),
        Columns(2, b"x\ny\n", headers=[[], [("h\u00e4der", b"\x00\n\xff"), ("empty", b"")]]),
        Columns(
            2,
            [None, b"all"],
            keys=[b"k\nk", b""],
            headers=[[("own", b"1")], []],
            common_headers=[("common", b"c")],
            timestamps=[START + 5, START + 6],
        ),
    ]
    write(log, "keyed", 0, KEEP, batches)


def write_timed(log: LogDirectory) -> None:
    """Timestamps of records' own, out of order, and before the epoch."""
    log.create_topic("timed", TopicConfig(1, {}))
    batches = [
        Columns(3, b"a\nb\nc\n", timestamps=[START + 50, START - 50, START]),
        Columns(2, b"before the epoch\nlate\n", timestamps=[-1, 2**62]),
        Columns(1, b"by the clock\n"),
    ]
    write(log, "timed", 0, KEEP, batches)


def write_rolled(log: LogDirectory) -> None:
    """Several segments, and one with more than one index entry."""
    log.create_topic("rolled", TopicConfig(1, {"segment.bytes": 1024, "segment.ms": 3_600_000}))
    small = [Columns(2, b"%d\n" % number + b"-" * 200 + b"\n") for number in range(6)]
    large = [Columns(1, b"L" * 40_000 + b"\n") for _ in range(4)]
    write(log, "rolled", 0, RollPolicy(1024, 3_600_000), small)
    write(log, "rolled", 0, RollPolicy(200_000, 1 << 60), large)
    write(log, "rolled", 0, RollPolicy(1024, 1 << 60), [Columns(1, b"last\n")])


def write_gaps(log: LogDirectory) -> None:
    """Offsets with gaps, and a producer's id, as other writers of the format may leave them: encoded here by hand."""
    log.create_topic("gaps", TopicConfig(1, {}))
    path = layout.segment_path(log.partition_directory("gaps", 0), layout.SegmentName.of(0))
    position = 0
    with open(path, "r+b") as file:
        for base, columns in (
            (0, Columns(3, b"a\nb\nc\n", offset_deltas=[2, 5, 9])),
            (10, Columns(1, b"d\n", keys=[b"k"], offset_deltas=[0])),
            (11, Columns(2, [b"e", None], offset_deltas=[29, 70_000])),
        ):
            producer = (7, base, 3) if base == 10 else (0, 0, 0)
            header, buffers = encode_batch(
                columns, position=position, base_offset=base, timestamp=START + base, producer=producer
            )
            file.write(b"".join(buffers))
            position = header.end
    os.remove(os.path.join(log.partition_directory("gaps", 0), layout.CHECKPOINT))


def make(directory: str) -> None:
    log = LogDirectory(directory, lock_timeout=30, create=True)
    for write_topic in (write_lines, write_keyed, write_timed, write_rolled, write_gaps):
        write_topic(log)


if __name__ == "__main__":
    make(sys.argv[1])

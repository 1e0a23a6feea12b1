#!/usr/bin/env python3
"""A reader of streamcli's files, written from streamcli-format(5) alone: it shares no code with streamcli.

    read_format.py [--json] DIRECTORY TOPIC [PARTITION]

Prints the values of a partition's records, a line each (a null as an empty line), or with --json what
`streamcli consume --json` prints. Takes no lock, writes nothing, and works beside producers. Damage is reported on
standard error with file, position and the offsets lost, and passed by; the exit status is then 6.

Needs Python, and the packages msgpack and crc32c. Of compressed batches it reads those by gzip; at others it stops, and says so.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import struct
import sys
import time
import zlib
from base64 import b64encode
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgpack
from crc32c import crc32c

HEADER = struct.Struct("<4sBBHIIQQIIqqQQIIII")
assert HEADER.size == 88
MAGIC = b"\xd7SCB"
GZIP = 1
OTHER_CODECS = {2: "snappy", 3: "lz4", 4: "zstd"}
KNOWN_COLUMNS = 1 | 2 | 4 | 8 | 16 | 32 | 64
LOST = 0x8000


class Header(NamedTuple):
    magic: bytes
    version: int
    codec: int
    columns: int
    body_length: int
    raw_length: int
    position: int
    base_offset: int
    last_offset_delta: int
    record_count: int
    min_timestamp: int
    max_timestamp: int
    producer_id: int
    producer_sequence: int
    producer_epoch: int
    values_length: int
    body_crc: int
    header_crc: int

    @property
    def end(self) -> int:
        return self.position + HEADER.size + self.body_length

    @property
    def next_offset(self) -> int:
        return self.base_offset + self.last_offset_delta + 1


class Batch(NamedTuple):
    """A batch; its records from offset `first` on count."""

    header: Header
    body: bytes
    first: int = 0


class Unfinished(Exception):
    """The file ends before the batch does."""


class Invalid(Exception):
    """Bytes that are no batch; `header` when it is the body that fails."""

    def __init__(self, reason: str, header: Header | None = None) -> None:
        super().__init__(reason)
        self.header = header


class Partition:
    """Reads one partition; damage is counted and reported."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self.damages = 0

    def batches(self) -> Iterator[Batch]:
        """The batches in the order of the log, each with the offset from which on its records count."""
        offset = self.start()
        segment = self.segment_with(offset)
        while segment is not None:
            base, end, path = segment
            for batch in self.segment_batches(base, end, path):
                if batch.header.next_offset > offset:  # else it was read already, before a compaction
                    yield batch._replace(first=offset)
                    offset = batch.header.next_offset
            offset = max(offset, end or offset, self.start())
            following = self.segment_with(offset)
            if following is not None and following[0] > offset:
                self.report(following[2], Invalid("records are missing"), offset, following[0])
            segment = None if following == segment else following

    def start(self) -> int:
        """The log start offset."""
        try:
            with open(os.path.join(self.directory, "log-start"), "rb") as file:
                text, _, crc = file.read().rstrip(b"\n").rpartition(b" ")
        except FileNotFoundError:
            return 0
        return int(text.split(b" ")[2]) if crc == b"%08x" % crc32c(text) else 0

    def segments(self) -> list[tuple[int, int | None, str]]:
        """The segments in force, ascending: base offset, end of a compacted one, path."""
        names = [re.fullmatch(r"([0-9]{20})(-([0-9]{20}))?\.log", name) for name in os.listdir(self.directory)]
        found = [(int(name[1]), -int(name[3] or 0), name[0]) for name in names if name]
        chosen: list[tuple[int, int | None, str]] = []
        covered = 0
        for base, negative_end, name in sorted(found):  # of the same base offset the longest first
            if base >= covered:
                chosen.append((base, -negative_end or None, os.path.join(self.directory, name)))
                covered = max(base + 1, -negative_end)
        return chosen

    def segment_with(self, offset: int) -> tuple[int, int | None, str] | None:
        """The segment that holds an offset, or the first after it."""
        segments = self.segments()
        before = [found for found in segments if found[0] <= offset and (found[1] is None or found[1] > offset)]
        return before[-1] if before else next((found for found in segments if found[0] > offset), None)

    def successor_of(self, base: int, end: int | None) -> int | None:
        """The base offset of the segment after one, where there is one."""
        return end or next((found[0] for found in self.segments() if found[0] > base), None)

    def segment_batches(self, base: int, end: int | None, path: str) -> Iterator[Batch]:
        position, offset, successor = 0, base, None
        with open(path, "rb", buffering=0) as file:
            while True:
                try:
                    batch = read_patiently(file.fileno(), position)
                except (Unfinished, Invalid) as error:
                    # An append may have come before the next segment did, so with one there, look again.
                    if successor is None and (successor := self.successor_of(base, end)) is not None:
                        continue
                    if self.is_end(file.fileno(), position, base, error, successor):
                        return
                    position, after = self.pass_by(file.fileno(), position, error)
                    lost_to = after if after is not None else successor
                    self.report(path, error, offset, lost_to)
                    if after is None:
                        return
                    offset = after
                    continue
                if batch.header.columns & LOST:
                    count = batch.header.last_offset_delta + 1
                    print(f"read_format: {path}: {count} records were lost before, from {offset} on", file=sys.stderr)
                yield batch
                position, offset = batch.header.end, batch.header.next_offset

    def is_end(self, fd: int, position: int, base: int, error: Exception, successor: int | None) -> bool:
        """Whether the segment ends here, without damage."""
        if os.fstat(fd).st_size == position:
            return True
        if successor is not None:
            return False
        return isinstance(error, Unfinished) or self.is_unpromised(base, position)

    def is_unpromised(self, base: int, position: int) -> bool:
        """Whether what fails in the active segment is what a power cut left: after the checkpoint of an earlier boot."""
        try:
            with open(os.path.join(self.directory, "checkpoint"), "rb") as file:
                line = file.read().rstrip(b"\n")
            with open("/proc/sys/kernel/random/boot_id", "rb") as file:
                boot = file.read().strip()
        except OSError:
            return False
        checked, _, crc = line.rpartition(b" ")
        fields = checked.split(b" ")
        if fields[:2] != [b"streamcli-checkpoint", b"1"] or crc != b"%08x" % crc32c(checked):
            return False
        return fields[2] != boot and (int(fields[3]), int(fields[4])) <= (base, position)

    def pass_by(self, fd: int, position: int, error: Unfinished | Invalid) -> tuple[int, int | None]:
        """Where the next batch after damage is, and its base offset, None where the segment has none."""
        header = error.header if isinstance(error, Invalid) else None
        if header is not None:
            return header.end, header.next_offset
        size = os.fstat(fd).st_size
        data = os.pread(fd, size - position, position)
        found = data.find(MAGIC, 1)
        while 0 <= found <= len(data) - HEADER.size:
            try:
                header = check_header(data[found : found + HEADER.size], position + found)
                if header.end <= size:
                    return header.position, header.base_offset
            except Invalid:
                pass
            found = data.find(MAGIC, found + 1)
        return size, None

    def report(self, path: str, error: Exception, first: int, end: int | None) -> None:
        self.damages += 1
        lost = f"from {first} on" if end is None else f"{first} to {end - 1}"
        print(f"read_format: {path}: {error}: offsets {lost} are lost", file=sys.stderr)


def read_patiently(fd: int, position: int) -> Batch:
    """The batch at a position; what fails is read again: it may be a write in flight."""
    for _ in range(5):
        try:
            return read_batch(fd, position)
        except Invalid:
            time.sleep(0.02)
    return read_batch(fd, position)


def read_batch(fd: int, position: int) -> Batch:
    data = os.pread(fd, HEADER.size, position)
    if len(data) < HEADER.size:
        raise Unfinished(f"position {position}: cut short")
    header = check_header(data, position)
    body = os.pread(fd, header.body_length, position + HEADER.size)
    if len(body) < header.body_length:
        raise Unfinished(f"position {position}: cut short")
    if crc32c(body) != header.body_crc and not header.columns & LOST:
        raise Invalid(f"position {position}: the body fails its checksum", header)
    return Batch(header, body if header.codec == 0 else decompressed(header, body))


def decompressed(header: Header, body: bytes) -> bytes:
    """The body before compression; no more is made of it than the header says."""
    if header.codec != GZIP:
        name = OTHER_CODECS.get(header.codec, f"codec {header.codec}")
        sys.exit(f"read_format: position {header.position}: compressed with {name}, which this reader does not know")
    decompressor = zlib.decompressobj(wbits=31)
    try:
        raw = decompressor.decompress(body, header.raw_length + 1)
    except zlib.error as error:
        raise Invalid(f"position {header.position}: {error}", header) from None
    if len(raw) != header.raw_length or not decompressor.eof or decompressor.unused_data:
        raise Invalid(f"position {header.position}: the body is not as long as its header says", header)
    return raw


def check_header(data: bytes, position: int) -> Header:
    header = Header._make(HEADER.unpack(data))
    if header.magic != MAGIC:
        raise Invalid(f"position {position}: no batch starts here")
    if crc32c(data[:84]) != header.header_crc:
        raise Invalid(f"position {position}: the header fails its checksum")
    if header.position != position or header.last_offset_delta + 1 < header.record_count:
        raise Invalid(f"position {position}: not a batch of this place")
    if header.version != 1 or header.columns & ~(KNOWN_COLUMNS | LOST):
        sys.exit(f"read_format: position {position}: a newer format than this reader knows")
    most = max(16 << 20, 1024 * header.body_length) if header.codec else header.body_length
    if header.raw_length > most:
        raise Invalid(f"position {position}: {header.body_length} bytes cannot hold {header.raw_length}")
    return header


class Record(NamedTuple):
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: list[list[Any]]


def records(batch: Batch) -> Iterator[Record]:
    header, count = batch.header, batch.header.record_count
    columns = msgpack.unpackb(batch.body)
    common_headers = columns.get("common_headers", [])
    rows = zip(
        columns.get("offsets", range(count)),
        columns.get("timestamps", [header.max_timestamp] * count),
        elements(columns["keys"]) if "keys" in columns else [columns.get("common_key")] * count,
        elements(columns["values"]),
        columns.get("headers", [[]] * count),
        strict=True,
    )
    for delta, timestamp, key, value, headers in rows:
        if header.base_offset + delta >= batch.first:
            yield Record(header.base_offset + delta, timestamp, key, value, common_headers + headers)


def elements(column: bytes | list[bytes | None]) -> list[bytes | None]:
    """The elements of a column, joined or not."""
    return column if isinstance(column, list) else list(column.split(b"\n")[:-1])


def value_lines(batch: Batch) -> bytes:
    """The values as lines: joined ones are the end of the body, as it is."""
    if batch.header.values_length and batch.header.base_offset >= batch.first:
        return batch.body[-batch.header.values_length :]
    return b"".join((record.value or b"") + b"\n" for record in records(batch))


def json_lines(batch: Batch, topic: str, partition: int) -> bytes:
    lines = []
    for record in records(batch):
        line = {"topic": topic, "partition": partition, "offset": record.offset, "timestamp": record.timestamp}
        line |= named("key", record.key) | named("value", record.value)
        line["headers"] = [[name, header_value(value)] for name, value in record.headers]
        lines.append(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n")
    return "".join(lines).encode()


def named(name: str, data: bytes | None) -> dict[str, str | None]:
    """Bytes for JSON: as text, or where they are none in base64 under another name."""
    try:
        return {name: None if data is None else data.decode()}
    except UnicodeDecodeError:
        return {f"{name}_b64": b64encode(data or b"").decode()}


def header_value(data: bytes | None) -> str | dict[str, str] | None:
    try:
        return None if data is None else data.decode()
    except UnicodeDecodeError:
        return {"b64": b64encode(data or b"").decode()}


def partition_directory(directory: str, topic: str, partition: int) -> str:
    """The directory of a partition, once format and topic are checked."""
    try:
        with open(os.path.join(directory, "format.json"), "rb") as file:
            version = json.load(file)["version"]
        with open(os.path.join(directory, "topics", topic, "config.json"), "rb") as file:
            partitions = json.load(file)["partitions"]
    except FileNotFoundError as error:
        sys.exit(f"read_format: no such log directory or topic: {error.filename}")
    if version != 1:
        sys.exit(f"read_format: the directory has format {version}, this reads 1")
    if not 0 <= partition < partitions:
        sys.exit(f"read_format: {topic} has {partitions} partitions, from 0 on")
    return os.path.join(directory, "topics", topic, str(partition))


def main() -> int:
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    parser = argparse.ArgumentParser(description="Print the records of a partition from streamcli's files.")
    parser.add_argument("--json", action="store_true", help="as streamcli consume --json does")
    parser.add_argument("directory")
    parser.add_argument("topic")
    parser.add_argument("partition", type=int, nargs="?", default=0)
    arguments = parser.parse_args()
    place = arguments.topic, arguments.partition
    partition = Partition(partition_directory(arguments.directory, *place))
    for batch in partition.batches():
        if batch.header.record_count:
            sys.stdout.buffer.write(json_lines(batch, *place) if arguments.json else value_lines(batch))
    sys.stdout.flush()
    return 6 if partition.damages else 0


if __name__ == "__main__":
    sys.exit(main())

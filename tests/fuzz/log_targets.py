"""What lies in a partition: a batch, a segment, its index, its checkpoint."""

from __future__ import annotations

import os
from functools import cache
from itertools import pairwise

from streamcli.cli.render import render_format, render_json, render_values
from streamcli.engine.consume import PartitionRead, Source, SourceBatch, last_records, merged
from streamcli.record.batch import Record, RecordBatch
from streamcli.record.errors import CorruptData
from streamcli.storage import layout
from streamcli.storage.checkpoint import decode_checkpoint, read_checkpoint
from streamcli.storage.codec import GZIP, NUMBERS, compress
from streamcli.storage.format import HEADER_SIZE, InvalidBatch
from streamcli.storage.index import SparseIndex
from streamcli.storage.layout import SegmentName
from streamcli.storage.lookup import lookup
from streamcli.storage.segment import Segment
from streamcli.storage.tail import find_tail

from .seal import CODEC_AT, LENGTHS, LENGTHS_AT, sealed_entries, sealed_lines, sealed_segment
from .workspace import BATCHES, LONG, NOW, TOPIC, Workspace, clear_error, good_log, workspace

SEGMENT = f"{0:020d}{layout.SEGMENT_SUFFIX}"
INDEX = f"{0:020d}{layout.INDEX_SUFFIX}"
NEXT_SEGMENT = f"{1 << 40:020d}{layout.SEGMENT_SUFFIX}"

RENDERERS = [render_values(b"\n"), render_json(), render_format("%o %T %d %k %h %S %K\\n")]


@cache
def small_log() -> dict[str, bytes]:
    return good_log(*BATCHES)


@cache
def long_log() -> dict[str, bytes]:
    """A log with several index entries."""
    return good_log(*BATCHES, *[LONG] * 6)


def batch_seeds() -> list[bytes]:
    plain = [good_log(columns)[SEGMENT] for columns in BATCHES]
    return plain + [good_log(LONG, codec=codec)[SEGMENT] for codec in NUMBERS.values()]


def batch(mode: int, data: bytes) -> None:
    """One batch, decoded and used in every way; with `mode` 32 its body is what is compressed."""
    if mode & 32:
        data = compressed(data)
    data = (
        sealed_segment(data[:HEADER_SIZE], mode & ~6) + data[HEADER_SIZE:] if mode & 16 else sealed_segment(data, mode)
    )
    place = workspace()
    place.set_partition_files({SEGMENT: data, layout.LOCK: b""})
    segment = Segment(place.partition, SegmentName.of(0))
    try:
        header = segment.header_at(0)
        if header is None:
            assert len(data) < HEADER_SIZE
            return
        found = segment.batch_of(header)
        assert found.extent is None or HEADER_SIZE <= found.extent.position <= header.end - found.extent.length
        with clear_error():
            use(found, data)
        with clear_error():
            found.between(found.base_offset + 1, found.next_offset)
    except InvalidBatch:
        pass
    finally:
        segment.close()


def compressed(data: bytes) -> bytes:
    """A batch with its body compressed, whatever the codec in its header says: what is decoded then is the rest of `data`."""
    if len(data) < HEADER_SIZE:
        return data
    header, body = bytearray(data[:HEADER_SIZE]), data[HEADER_SIZE:]
    stored = compress(GZIP, body)
    header[CODEC_AT] = GZIP
    header[LENGTHS_AT : LENGTHS_AT + 8] = LENGTHS.pack(len(stored), len(body))
    return bytes(header) + stored


def use(found: RecordBatch, data: bytes) -> None:
    """Everything that can be asked of a batch is in agreement with everything else, or the batch is CorruptData."""
    columns = found.columns
    assert columns.record_count == found.count
    records = list(found.records())
    assert len(records) == found.count
    offsets = [record.offset for record in records]
    assert offsets == sorted(set(offsets))
    assert all(found.base_offset <= offset < found.next_offset for offset in offsets)
    assert all(found.min_timestamp <= record.timestamp <= found.max_timestamp for record in records)
    if found.extent is not None:
        at = found.extent.position
        assert data[at : at + found.extent.length] == columns.values, "what is copied out is not what is decoded"
    for render in RENDERERS:
        render(SourceBatch(Source(TOPIC, 0, workspace().log), found))
    assert list(found.listed().records()) == records
    if records:
        middle = len(records) // 2
        assert list(found.listed().slice(middle, len(records)).records()) == records[middle:]
        assert list(found.take(middle, len(records)).records()) == records[middle:]
    part = found.between(found.base_offset + 1, None)
    assert ([] if part is None else list(part.records())) == [r for r in records if r.offset > found.base_offset]


def segment_seeds() -> list[bytes]:
    return [small_log()[SEGMENT], b"", b"\xd7SCB\x01" * 300]


def segment(mode: int, data: bytes) -> None:
    """A whole segment of anything, read, searched and appended to; with `mode` 16 another one follows it."""
    place = workspace()
    sealed = sealed_segment(data, mode)
    files = {SEGMENT: sealed, layout.LOCK: b""}
    if mode & 16:
        files[NEXT_SEGMENT] = b""
    if mode & 32:
        files[layout.CHECKPOINT] = small_log()[layout.CHECKPOINT]
    place.set_partition_files(files)
    scan(place, len(sealed))
    with clear_error():
        found: list[CorruptData] = []
        records = read_log(place, len(sealed), found)
        with clear_error():
            search(place)
        with clear_error():
            place.append(BATCHES[0])
            damages: list[CorruptData] = []
            after = read_log(place, len(sealed), damages)
            # A header whose checksum is right and whose length is not is forged: what is appended may make that batch as long as it says,
            # and what lies within it is its body then.
            is_forged = any("cut short" in str(damage) for damage in found)
            assert is_forged or after[: len(records)] == records, "appending changed what was there"
            assert damages or [record.value for record in after[-2:]] == [b"one", b"two"]


def scan(place: Workspace, size: int) -> None:
    opened = Segment(place.partition, SegmentName.of(0))
    try:
        good = list(opened.headers(0, size))
        every = list(opened.headers_past_damage(0, size))
        assert every[: len(good)] == good
        assert all(before.end <= after.position for before, after in pairwise(every))
        assert all(header.end <= size for header in every)
        first = opened.next_valid(0, size)
        assert first is None or 0 < first.position < first.end <= size
    finally:
        opened.close()


def read_log(place: Workspace, size: int, damages: list[CorruptData] | None = None) -> list[Record]:
    """All records that can be read, past all damage, which is added to `damages`, and is no more than there is room for."""
    damages = [] if damages is None else damages

    def tell(damage: CorruptData) -> None:
        damages.append(damage)
        assert len(damages) <= 2 * (size // HEADER_SIZE) + 3, f"told of damage without end: {damage}"
        str(damage)

    records: list[Record] = []
    opened = place.log.cursor(place.log.start(), place.log.end())
    try:
        for taken in merged([PartitionRead(Source(TOPIC, 0, place.log), opened, None)], tell):
            try:
                records += taken.batch.records()
            except CorruptData as damage:
                damages.append(damage)
    finally:
        opened.close()
    offsets = [record.offset for record in records]
    assert offsets == sorted(set(offsets)), "read out of order, or twice"
    return records


def search(place: Workspace) -> None:
    """Offsets and times, forwards and backwards, and the summary."""
    log = place.log
    end = log.end()
    for time in (-(2**63), -1, 0, NOW, NOW + 5, 2**63 - 1):
        with clear_error():
            assert log.offset_at(time, end) >= 0
    with clear_error():
        last_records([Source(TOPIC, 0, log)], [end], 3)
    with clear_error():
        log.summary()
    for start in (1, 3, 2**31, 2**62):
        opened = log.cursor(start, end)
        try:
            with clear_error():
                if opened.peek() is not None:
                    opened.take()
        finally:
            opened.close()
    following = log.cursor(log.start(), None)
    try:
        with clear_error():
            while following.peek() is not None:
                following.pass_by()
    finally:
        following.close()


def index_seeds() -> list[bytes]:
    return [long_log()[INDEX], long_log()[INDEX][:32], b""]


@cache
def long_records() -> list[Record]:
    place = workspace()
    place.set_partition_files(long_log())
    return read_log(place, len(long_log()[SEGMENT]))


def index(mode: int, data: bytes) -> None:
    """An index that says anything, beside a good segment: whatever is asked by offset, the log's own bytes answer."""
    place, records = workspace(), long_records()
    data = sealed_entries(data) if mode & 1 else data
    files = {**long_log(), INDEX: data}
    if mode & 2:
        del files[layout.CHECKPOINT]
    if mode & 4:
        files[f"{records[-1].offset + 1:020d}{layout.SEGMENT_SUFFIX}"] = b""
    place.set_partition_files(files)
    look_up(place)
    for start in (0, 3, records[-1].offset - 5):
        opened = place.log.cursor(start, place.log.end())
        try:
            header = opened.peek()
            assert header is not None
            assert header.base_offset <= start < header.next_offset
        finally:
            opened.close()
    assert read_log(place, 0) == records
    with clear_error():
        search(place)
    place.set_partition_files(files)
    place.append(BATCHES[0])
    assert read_log(place, 0)[:-2] == records


def look_up(place: Workspace) -> None:
    found = SparseIndex(os.path.join(place.partition, INDEX))
    opened = Segment(place.partition, SegmentName.of(0))
    try:
        for number in range(-1, found.count + 1):
            found.entry(number)
        for wanted in (lambda entry: entry.position < 20_000, lambda entry: entry.max_timestamp_before < NOW):
            found.last_where(wanted)
            lookup(place.partition, opened, wanted, closed=False)
    finally:
        opened.close()
        found.close()


def checkpoint_seeds() -> list[bytes]:
    return [small_log()[layout.CHECKPOINT], long_log()[layout.CHECKPOINT]]


def checkpoint(mode: int, data: bytes) -> None:
    """A checkpoint that says anything, beside a good segment. One without the right checksum is as good as none."""
    place = workspace()
    whole = small_log()
    data = sealed_lines(data) if mode & 1 else data
    place.set_partition_files({**whole, layout.CHECKPOINT: data})
    found = read_checkpoint(place.partition)
    assert found == decode_checkpoint(data[:4096])
    assert found is None or decode_checkpoint(found.encode()) == found
    opened = Segment(place.partition, SegmentName.of(0))
    try:
        end = find_tail(place.partition, opened).end
    finally:
        opened.close()
    assert found is not None or end.offset == 13
    with clear_error():
        read_log(place, 100 * HEADER_SIZE)
        search(place)
        place.append(BATCHES[0])
    kept = workspace().partition_files()[SEGMENT]
    assert found is not None or kept.startswith(whole[SEGMENT])

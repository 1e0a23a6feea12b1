"""Consuming without a group: from where to where, and in which order."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Set
from typing import TYPE_CHECKING, NamedTuple

from streamcli.record.batch import RecordBatch
from streamcli.record.errors import CorruptData, NotFound, OffsetOutOfRange, did_you_mean
from streamcli.record.range import BEGINNING, END, LAST, OFFSET, TIME, Bound, Range
from streamcli.storage import layout
from streamcli.storage.cursor import Cursor
from streamcli.storage.directory import LogDirectory
from streamcli.storage.format import BatchHeader
from streamcli.storage.log import Log
from streamcli.storage.tail import Mark

if TYPE_CHECKING:
    from streamcli.engine.interface import Origin, Reads


class Source(NamedTuple):
    """A partition of a log directory to read."""

    topic: str
    partition: int
    log: Log


class SourceBatch(NamedTuple):
    """A batch and the partition it comes from."""

    source: Origin
    batch: RecordBatch


class PartitionRead:
    """The reading of one partition: from offset `start`, up to offset `stop` (None: no bound) and the cursor's end."""

    __slots__ = ("cursor", "source", "start", "stop")

    def __init__(self, source: Source, cursor: Cursor, stop: int | None) -> None:
        self.source = source
        self.cursor = cursor
        self.start = cursor.offset
        self.stop = stop

    def peek(self, on_damage: Callable[[CorruptData], None]) -> BatchHeader | None:
        """The next batch's header, None when there is none (now). `on_damage` gets damage and raises, or returns to go past it."""
        while True:
            try:
                header = self.cursor.peek()
            except CorruptData as damage:
                on_damage(damage)
                self.cursor.skip_damage(damage)
                continue
            while self.cursor.lost:
                on_damage(self.cursor.lost.pop(0))
            return None if header is None or self._is_past(header.base_offset) else header

    def take(self, on_damage: Callable[[CorruptData], None]) -> SourceBatch | None:
        """The batch that `peek` showed, cut at `stop`; None when it is damaged and gone past, or gone: `peek` again."""
        try:
            batch = self.cursor.take()
            part = batch if batch is None or self.stop is None else batch.between(0, self.stop)
        except CorruptData as damage:
            on_damage(damage)
            self.cursor.skip_damage(damage)
            return None
        return None if part is None else SourceBatch(self.source, part)

    def is_finished(self) -> bool:
        return self._is_past(self.cursor.offset)

    @property
    def offset(self) -> int:
        """The next to be read."""
        return self.cursor.offset

    def is_drained(self) -> bool:
        """Whether all that was there at the last look was read."""
        return self.cursor.is_drained()

    def is_in(self, directories: Set[str]) -> bool:
        """Whether it reads one of these directories of partitions."""
        return self.source.log.directory in directories

    def unread(self, first: int, _: RecordBatch) -> None:
        """Go back to offset `first`."""
        cursor, self.cursor = self.cursor, self.source.log.cursor(first, self.cursor.end)
        cursor.close()

    def _is_past(self, offset: int) -> bool:
        return self.stop is not None and offset >= self.stop


def find_sources(directory: LogDirectory, patterns: list[str], partitions: list[int], *, wait: bool) -> list[Source]:
    """The partitions of the topics named or matched. NotFound when a name, or a glob, has none (a glob with `wait`: none yet)."""
    topics = matching_topics(directory, patterns, wait=wait)
    return [source for topic in topics for source in topic_sources(directory, topic, partitions)]


def matching_topics(directory: LogDirectory, patterns: list[str], *, wait: bool = False) -> list[str]:
    """The topics named, there or not, and those that globs match. NotFound when a glob has none and may not `wait`."""
    topics: dict[str, None] = {}
    for pattern in patterns:
        if not is_glob(pattern):
            topics[layout.check_topic_name(pattern)] = None
            continue
        found = directory.topics(pattern)
        if not found and not wait:
            remedy = did_you_mean(pattern.strip("*?"), directory.topics(), "see `streamcli topics list`")
            raise NotFound(f"no topic matches {pattern!r} (in {directory.path}): {remedy}")
        topics.update(dict.fromkeys(found))
    return list(topics)


def topic_sources(directory: LogDirectory, topic: str, partitions: list[int]) -> list[Source]:
    """The partitions of a topic, or those chosen of it."""
    chosen = dict.fromkeys(partitions) or range(directory.config(topic).partitions)
    return [Source(topic, number, Log(directory.partition_directory(topic, number))) for number in chosen]


def is_glob(pattern: str) -> bool:
    return any(character in pattern for character in "*?[")


def start_reads(
    sources: list[Source], wanted: Range, *, follow: bool, on_missing: Callable[[Source, int], None]
) -> list[PartitionRead]:
    """Resolve `wanted` on every partition, each end pinned now. OffsetOutOfRange when an offset is not there.

    on_missing: told of a partition that has lost bytes known to have been on disk, and how many.
    """
    tails = [source.log.tail() for source in sources]
    for source, tail in zip(sources, tails, strict=True):
        if tail.missing:
            on_missing(source, tail.missing)
    ends = [tail.end for tail in tails]
    if wanted.start.kind == LAST:
        starts = last_records(sources, ends, wanted.start.number)
    else:
        starts = [resolve(source, end, wanted.start) for source, end in zip(sources, ends, strict=True)]
    reads = []
    for source, tail, start in zip(sources, tails, starts, strict=True):
        stop = stop_offset(source, tail.end, wanted.stop)
        cursor = source.log.cursor(start, None, tail) if follow else source.log.cursor(start, tail.end)
        reads.append(PartitionRead(source, cursor, stop))
    return reads


def last_records(sources: list[Source], ends: list[Mark], count: int) -> list[int]:
    """Where each partition's part of the last `count` records begins, in the order that a merged read has."""
    firsts = [source.log.start() for source in sources]
    walks = [source.log.headers_backwards(first, end) for source, first, end in zip(sources, firsts, ends, strict=True)]
    starts = [end.offset for end in ends]
    heap: list[tuple[int, int, BatchHeader]] = []
    for number, walk in enumerate(walks):
        _push_header(heap, walk, number)
    missing = count
    while heap and missing > 0:
        _, negative, header = heapq.heappop(heap)
        number = -negative
        span = range(max(header.base_offset, firsts[number]), min(header.next_offset, starts[number]))
        starts[number], count = _last_of_batch(sources[number], ends[number], header, span, missing)
        missing -= count
        _push_header(heap, walks[number], number)
    return starts


def merged(
    reads: Iterable[Reads],
    on_damage: Callable[[CorruptData], None],
    on_drained: Callable[[], object] | None = None,
) -> Iterator[SourceBatch]:
    """The batches that are there, by time over all partitions; within a partition in its order.

    on_drained: called when all that was there at the last look was given, before the next look, which may find more.
    """
    heap: list[tuple[int, int, Reads]] = []
    for number, read in enumerate(reads):
        _push_read(heap, read, number, on_damage)
    while heap:
        _, number, read = heap[0]
        taken = read.take(on_damage)
        if taken is not None:
            yield taken
        heapq.heappop(heap)
        if on_drained is not None and not heap and read.is_drained():
            on_drained()
        _push_read(heap, read, number, on_damage)


def _push_header(heap: list[tuple[int, int, BatchHeader]], walk: Iterator[BatchHeader], number: int) -> None:
    header = next(walk, None)
    if header is not None:
        heapq.heappush(heap, (-header.max_timestamp, -number, header))


def _push_read(
    heap: list[tuple[int, int, Reads]],
    read: Reads,
    number: int,
    on_damage: Callable[[CorruptData], None],
) -> None:
    header = read.peek(on_damage)
    if header is not None:
        heapq.heappush(heap, (header.max_timestamp, number, read))


def _last_of_batch(source: Source, end: Mark, header: BatchHeader, span: range, count: int) -> tuple[int, int]:
    """Where the last `count` records of a batch begin, or all it has, and how many these are. span: the offsets of it that
    count: of a batch at the log start offset, or put together by a compaction meanwhile, not all do."""
    if len(span) == header.last_offset_delta + 1:
        if header.record_count <= count:
            return span.start, header.record_count
        if header.record_count == len(span):
            return span.stop - count, count
    cursor = source.log.cursor(span.start, end)
    try:
        batch = cursor.take() if cursor.peek() else None
        offsets = [offset for offset in batch.offsets() if offset in span][-count:] if batch else []
        return (offsets[0], len(offsets)) if offsets else (span.start, 0)
    finally:
        cursor.close()


def resolve(source: Source, end: Mark, bound: Bound) -> int:
    """The offset that a bound other than LAST means in a partition; OffsetOutOfRange for one that is not there."""
    start = source.log.start()
    if bound.kind == BEGINNING:
        return start
    if bound.kind == END:
        return end.offset
    if bound.kind == TIME:
        return source.log.offset_at(bound.number, end)
    if not start <= bound.number <= end.offset:
        holds = f"offsets {start} to {end.offset - 1}" if end.offset > start else "no records yet"
        raise OffsetOutOfRange(
            f"offset {bound.number} is out of range ({source.topic}, partition {source.partition} has {holds}): "
            "use -o beginning, or choose a partition with -p"
        )
    return bound.number


def stop_offset(source: Source, end: Mark, bound: Bound) -> int | None:
    """The offset at which a read stops, None where that is the end."""
    if bound.kind == END:
        return None
    return bound.number if bound.kind == OFFSET else source.log.offset_at(bound.number, end)

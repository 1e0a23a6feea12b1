"""What lies in the segments of a topic's partitions, or in a segment file wherever it lies, batch by batch."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import NamedTuple

from streamcli.engine.consume import Source, start_reads
from streamcli.record.batch import RecordBatch
from streamcli.record.range import Range
from streamcli.storage import layout
from streamcli.storage.dump import UNFINISHED, Piece, segment_pieces
from streamcli.storage.format import BatchHeader, InvalidBatch
from streamcli.storage.index import SparseIndex
from streamcli.storage.layout import SegmentName
from streamcli.storage.segment import Segment
from streamcli.storage.tail import Tail

_TORN = "an append that goes on now, or that the next one cuts off"


class Dumped(NamedTuple):
    """A piece of a segment. source: the partition, None of a file that was named; start, stop: the offsets that are wanted."""

    source: Source | None
    segment: Segment
    piece: Piece
    start: int = 0
    stop: int | None = None

    def records(self) -> RecordBatch | None:
        """The wanted records of a batch that is right; None where there are none. CorruptData where they cannot be read."""
        header = self.piece.header
        if header is None or not header.record_count:
            return None
        return self.segment.batch_of(header).between(self.start, self.stop)


def dump_segment(path: str) -> Iterator[Dumped]:
    """All of a segment file, up to its end as it is now."""
    segment = Segment.at(path)
    try:
        for piece in segment_pieces(segment, 0, segment.size()):
            yield Dumped(None, segment, piece)
    finally:
        segment.close()


def dump_partitions(
    sources: list[Source], wanted: Range | None, on_missing: Callable[[Source, int], None]
) -> Iterator[Dumped]:
    """The segments of the partitions, one after the other: all that lies in them, or what holds `wanted` offsets.

    on_missing: told of a partition that has lost bytes known to have been on disk, and how many.
    """
    ranges: list[tuple[int, int | None]] = [(0, None)] * len(sources)
    if wanted is not None:
        reads = start_reads(sources, wanted, follow=False, on_missing=lambda source, missing: None)
        ranges = [(read.start, read.stop) for read in reads]
        for read in reads:
            read.cursor.close()
    for source, (start, stop) in zip(sources, ranges, strict=True):
        tail = source.log.tail()
        if tail.missing:
            on_missing(source, tail.missing)
        yield from _dump_partition(source, tail, start, stop)


def _dump_partition(source: Source, tail: Tail, start: int, stop: int | None) -> Iterator[Dumped]:
    names = layout.segments(source.log.directory)
    offset: int | None = start
    while names and offset is not None and (stop is None or offset < stop):
        number = max(bisect_right(names, offset, key=attrgetter("base_offset")) - 1, 0)
        if names[number].base_offset > tail.end.segment:
            return
        try:
            segment = Segment(source.log.directory, names[number])
        except FileNotFoundError:  # removed, or compacted, since the names were listed
            names = layout.segments(source.log.directory)
            continue
        try:
            for piece in _pieces(source, segment, tail, start):
                if piece.header is not None and stop is not None and piece.header.base_offset >= stop:
                    return
                yield Dumped(source, segment, piece, start, stop)
        finally:
            segment.close()
        offset = names[number + 1].base_offset if number + 1 < len(names) else None


def _pieces(source: Source, segment: Segment, tail: Tail, start: int) -> Iterator[Piece]:
    is_active = segment.name == SegmentName.of(tail.end.segment)
    end = tail.end.position if is_active else segment.size()
    first = _seek(source.log.directory, segment, start)
    position, expected = (first.position, first.base_offset) if first else (0, segment.base_offset)
    for piece in segment_pieces(segment, position, end, expected):
        if piece.header is None or piece.header.next_offset > start:
            yield piece
    if is_active and tail.size > end:
        yield Piece(end, tail.size - end, None, UNFINISHED, _TORN, None)


def _seek(directory: str, segment: Segment, start: int) -> BatchHeader | None:
    """A batch at or before offset `start`, by the index; None: from the segment's beginning. Nothing is mended."""
    if start <= segment.base_offset:
        return None
    index = SparseIndex(layout.index_path(directory, segment.name))
    try:
        found = index.last_where(lambda entry: entry.base_offset <= start)
        header = None if found is None else segment.header_at(found[1].position)
        return header if found is not None and header is not None and found[1].leads_to(header) else None
    except InvalidBatch:
        return None
    finally:
        index.close()

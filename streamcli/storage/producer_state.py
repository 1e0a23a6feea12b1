"""What a partition already has of each producer with an id, so that what is appended again is not there twice.

A batch header names its producer and the sequence at which that producer goes on: the log is the truth. This file, one
for each partition, spares the walk over all its headers, and knows what retention and compaction have removed since:

    streamcli-producers 1 SEGMENT POSITION OFFSET BATCH CHECKSUM COUNT\\n
    ID SEQUENCE OFFSET\\n                 COUNT times, the producer that appended last being the last
    CRC\\n

It holds for the log before POSITION of the segment with base offset SEGMENT, where the next offset is OFFSET. The batch that
ends there begins at BATCH, and CHECKSUM is that in its header, in 8 hexadecimal digits; at the beginning of a segment
POSITION, BATCH and CHECKSUM are 0. Of each producer: its ID in 16 hexadecimal digits, the SEQUENCE at which it goes on, and
the OFFSET after its last batch. CRC is the CRC-32C of the lines before, in 8 hexadecimal digits.

Replaced atomically under the append lock, and never to say what is not on disk: first before the first batch with an id is
appended, then now and then after an fsync, and always before segments are removed or compacted. So where there is no such
file, no batch that is gone had an id.

A file whose place is not in the log (which was cut then, or restored from a copy) does not count: the headers of the whole log
are walked, and of what it says only that remains which they cannot tell any more, because it was removed or compacted on
purpose. What is not in the log is never taken for being there. One that is damaged does not count either, where nothing was
removed; else what it alone knew is not known any more, and nobody goes on before `repair` was told to do without it.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Sequence
from contextlib import AbstractContextManager, closing
from itertools import pairwise
from typing import NamedTuple

from crc32c import crc32c

from streamcli.record.errors import CorruptData, StreamcliError
from streamcli.storage import durable, layout
from streamcli.storage.format import MAX_OFFSET, BatchHeader, InvalidBatch
from streamcli.storage.index import MAX_POSITION
from streamcli.storage.layout import SegmentName
from streamcli.storage.log_start import read_log_start
from streamcli.storage.opening import read_file
from streamcli.storage.segment import Segment

MOST_PRODUCERS = 100_000
"""That the file remembers: those that appended last. It has some 5 MB then."""

DUE_AFTER = 256
"""Batches that a file may be behind: walking so many headers takes about as long as writing it."""

MAX_SEQUENCE = 2**64 - 1

_WORDS = "streamcli-producers 1"


def producer_id_of(name: str) -> int:
    """The id of a producer's name: the first 8 bytes of its SHA-256, big-endian; never 0."""
    import hashlib  # 3 ms, for who uses no id

    return int.from_bytes(hashlib.sha256(os.fsencode(name)).digest()[:8]) or 1


class DamagedProducers(StreamcliError):
    """What producers have in a partition cannot be told: a part of it was removed, and the file that knew of it is damaged."""

    status = CorruptData.status

    def __init__(self, path: str) -> None:
        super().__init__(
            f"the file of producers is damaged ({path}): what was removed of their records could be appended again; "
            "`streamcli repair` goes on with what is still in the log, keeping a copy"
        )


class Origin(NamedTuple):
    """Where records to be appended come from. producer_id: not 0; sequences: of each record, ascending; next_sequence: at which
    the producer goes on after them, greater than all of these."""

    producer_id: int
    sequences: Sequence[int]
    next_sequence: int

    def known(self, next_sequence: int) -> int:
        """How many of the records are there already, where the producer's next is `next_sequence`."""
        return bisect_left(self.sequences, next_sequence)

    def after(self, count: int) -> Origin:
        """That of the records after the first ones."""
        return self._replace(sequences=self.sequences[count:])


class Place(NamedTuple):
    """Where a batch ends: `position` in the segment with base offset `segment`, `offset` the next one. `batch`, `checksum`: where
    it begins, and its header's checksum; all 0 but the offset at the beginning of a segment."""

    segment: int
    position: int
    offset: int
    batch: int = 0
    checksum: int = 0

    @classmethod
    def start_of(cls, name: SegmentName) -> Place:
        return cls(name.base_offset, 0, name.base_offset)

    @classmethod
    def after(cls, segment: int, header: BatchHeader) -> Place:
        """That after a batch of the segment with this base offset."""
        return cls(segment, header.end, header.next_offset, header.position, header.header_crc)

    def is_in(self, directory: str, names: Sequence[SegmentName]) -> bool:
        """Whether the partition there, of these segments, has it: that batch, in a segment that was not compacted."""
        name = SegmentName.of(self.segment)
        if name not in names:
            return False
        if self.position == 0:
            return True
        try:
            with closing(Segment(directory, name)) as segment:
                header = segment.header_at(self.batch) if segment.size() >= self.position else None
        except (FileNotFoundError, InvalidBatch):
            return False
        return header is not None and Place.after(self.segment, header) == self


class Known(NamedTuple):
    """What is known of a producer: the sequence at which it goes on, and the offset after its last batch."""

    sequence: int
    offset: int


class ProducerTable:
    """What the log before `place` has of each producer. behind: how many batches and segments were
    taken in since it was read or kept."""

    def __init__(self, place: Place, producers: dict[int, Known], behind: int = 0) -> None:
        self.place = place
        self.producers = producers
        self.behind = behind

    @property
    def is_due(self) -> bool:
        """Whether the file is so far behind that it is to be written."""
        return self.behind >= DUE_AFTER

    def next_sequence(self, producer_id: int) -> int:
        """The sequence at which a producer goes on: 0 for one that has nothing there."""
        known = self.producers.get(producer_id)
        return 0 if known is None else known.sequence

    def take(self, segment: int, header: BatchHeader) -> None:
        """Take in the batch that comes next, in the segment with that base offset."""
        self.place = Place.after(segment, header)
        self.behind += 1
        if header.producer_id and header.producer_sequence >= self.next_sequence(header.producer_id):
            self.producers.pop(header.producer_id, None)  # the last one comes last
            self.producers[header.producer_id] = Known(header.producer_sequence, header.next_offset)

    def walk(self, segment: Segment, end: int) -> None:
        """Take in the batches of the segment in which the place lies, up to position `end`."""
        for header in segment.headers_past_damage(self.place.position, end):
            if header.base_offset >= self.place.offset:  # else it was written elsewhere, and came here by a copy
                self.take(segment.base_offset, header)

    def walk_closed(self, directory: str, names: Sequence[SegmentName]) -> None:
        """Take in the batches up to the beginning of the last of these segments, which are those from that on in which the
        place lies. FileNotFoundError where one is removed meanwhile."""
        for name, following in pairwise(names):
            with closing(Segment(directory, name)) as segment:
                self.walk(segment, segment.size())
            self.place = Place.start_of(following)
            self.behind += 1  # the place in the file may be gone soon

    def copy(self) -> ProducerTable:
        """The same, to be kept as it is now; this one then counts as kept."""
        copied = ProducerTable(self.place, dict(self.producers), self.behind)
        self.behind = 0
        return copied

    def encode(self) -> bytes:
        """The file, of at most MOST_PRODUCERS producers."""
        kept = list(self.producers.items())[-MOST_PRODUCERS:]
        segment, position, offset, batch, checksum = self.place
        lines = [f"{_WORDS} {segment} {position} {offset} {batch} {checksum:08x} {len(kept)}\n"]
        lines += [f"{number:016x} {known.sequence} {known.offset}\n" for number, known in kept]
        text = "".join(lines).encode()
        return text + b"%08x\n" % crc32c(text)


def decode_producers(data: bytes) -> ProducerTable | None:
    """The table in `data`, or None when it is damaged or of another version."""
    text, crc = data[:-9], data[-9:]
    if crc != b"%08x\n" % crc32c(text):
        return None
    first, *lines = text.decode("ascii", "replace").splitlines()
    words = first.removeprefix(_WORDS + " ").split(" ")
    try:
        segment, position, offset, batch, checksum, count = (int(w, 16 if i == 4 else 10) for i, w in enumerate(words))
        place = Place(segment, position, offset, batch, checksum)
        rows = (line.split(" ") for line in lines)
        producers = {int(number, 16): Known(int(sequence), int(after)) for number, sequence, after in rows}
    except ValueError:
        return None
    table = ProducerTable(place, producers)
    is_possible = 0 <= segment <= offset <= MAX_OFFSET and 0 <= batch <= position <= MAX_POSITION
    return table if is_possible and count == len(producers) and table.encode() == data else None


def read_producers(partition_directory: str) -> ProducerTable | None:
    """The table in the file there, or None when it is missing, damaged or unreadable."""
    try:
        return decode_producers(read_file(_path(partition_directory)))
    except OSError:
        return None


def find_producers(
    partition_directory: str, own: ProducerTable | None = None, *, by_log_alone: bool = False
) -> ProducerTable:
    """What the partition has of each producer, up to the beginning of its active segment or a place in there. own: what was
    known before, to go on from; it may be changed. by_log_alone: where the file is damaged, what the log tells will do.

    DamagedProducers where it does not do; FileNotFoundError where, without the append lock, a segment is removed meanwhile.
    """
    names = layout.segments(partition_directory)
    claimed = read_producers(partition_directory)
    standing = [
        table for table in (own, claimed) if table is not None and table.place.is_in(partition_directory, names)
    ]
    if standing:
        table = max(standing, key=lambda table: table.place.offset)
    else:
        table = _begin_anew(partition_directory, names, claimed, by_log_alone=by_log_alone)
    table.walk_closed(partition_directory, [name for name in names if name.base_offset >= table.place.segment])
    return table


def find_next_sequence(partition_directory: str, producer_id: int) -> int:
    """The sequence at which a producer goes on, without the append lock: 0 for one that has nothing there."""
    while True:
        try:
            table = find_producers(partition_directory)
            with closing(Segment(partition_directory, SegmentName.of(table.place.segment))) as segment:
                table.walk(segment, segment.size())
        except FileNotFoundError:  # a segment was removed, or compacted, meanwhile
            continue
        return table.next_sequence(producer_id)


def _begin_anew(
    directory: str, names: Sequence[SegmentName], claimed: ProducerTable | None, *, by_log_alone: bool
) -> ProducerTable:
    """A table at the beginning of the log, with what a walk over it will not tell: of batches that are gone on purpose."""
    gone = max(read_log_start(directory) or 0, *(name.end_offset or 0 for name in names))
    if claimed is None and gone and has_producers(directory) and not by_log_alone:
        raise DamagedProducers(_path(directory))
    said = claimed.producers.items() if claimed is not None else ()
    return ProducerTable(Place.start_of(names[0]), {number: it for number, it in said if it.offset <= gone}, DUE_AFTER)


def write_producers(partition_directory: str, table: ProducerTable) -> None:
    """Have the table on disk, unless its place is gone, or the file there says more. Under the append lock, and only what is
    on disk."""
    found = read_producers(partition_directory)
    names = layout.segments(partition_directory)
    if not table.place.is_in(partition_directory, names):
        return  # who has removed or compacted it has written more before
    if found is not None and found.place.offset > table.place.offset and found.place.is_in(partition_directory, names):
        return
    durable.remove_temporaries(partition_directory, layout.PRODUCERS)  # whoever made them died
    durable.replace_file(_path(partition_directory), table.encode())


def keep_producers(partition_directory: str, lock: AbstractContextManager[object]) -> None:
    """Have on disk what the closed segments say of producers, which are about to be removed or written anew. lock: the append
    lock, taken only to write; where it is held already, nullcontext(). Nothing is done where no producer had an id."""
    if has_producers(partition_directory):
        table = find_producers(partition_directory)
        if table.behind:
            with lock:
                write_producers(partition_directory, table)


def has_producers(partition_directory: str) -> bool:
    """Whether a producer with an id has appended there."""
    return os.path.lexists(_path(partition_directory))


def size_of_producers(partition_directory: str) -> int:
    """Bytes of the file, 0 without one."""
    try:
        return os.lstat(_path(partition_directory)).st_size
    except FileNotFoundError:
        return 0


def _path(partition_directory: str) -> str:
    return os.path.join(partition_directory, layout.PRODUCERS)

"""What lies in one file of a partition, read by itself and wherever it lies: the batches of a segment, the entries of an
index, a checkpoint, a log start offset. Goes on past damage, and changes nothing."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import NamedTuple

from streamcli.storage import layout
from streamcli.storage.checkpoint import Checkpoint, decode_checkpoint
from streamcli.storage.format import BatchHeader, InvalidBatch
from streamcli.storage.index import ENTRY_SIZE, IndexEntry, decode_entry
from streamcli.storage.layout import INDEX_SUFFIX, SEGMENT_SUFFIX
from streamcli.storage.log_start import decode_log_start
from streamcli.storage.opening import open_file, read_file
from streamcli.storage.segment import Segment

SEGMENT, INDEX, CHECKPOINT, LOG_START = "segment", "index", "checkpoint", "log-start"
OK, LOST, UNFINISHED, DAMAGED, UNCHECKED = "ok", "lost", "unfinished", "damaged", "unchecked"

_LOOKS = 5
_PAUSE = 0.02
"""How often, and how many seconds apart, a batch at the very end of a file is looked at before it counts as cut short."""


class Piece(NamedTuple):
    """`length` bytes of a segment from `position` on: a batch, or with `header` None what is none.

    state: OK, LOST (a mark of lost records), UNFINISHED (the beginning of a batch) or DAMAGED, for a `reason`; body_right:
    whether the body is what its checksum says, None where none is checked.
    """

    position: int
    length: int
    header: BatchHeader | None
    state: str
    reason: str | None
    body_right: bool | None


class Entry(NamedTuple):
    """An entry of an index, None where it fails its checksum. state: OK, DAMAGED for a `reason`, or UNCHECKED where there
    is no segment beside the index."""

    number: int
    entry: IndexEntry | None
    state: str
    reason: str | None


def kind_of(path: str) -> str:
    """What is in a file, by its first bytes, whatever its name; SEGMENT where they say nothing."""
    begin, name = read_file(path, ENTRY_SIZE), os.path.basename(path)
    for kind, of_layout in ((CHECKPOINT, layout.CHECKPOINT), (LOG_START, layout.LOG_START)):
        if begin.startswith(f"streamcli-{kind} ".encode()) or name == of_layout:
            return kind
    return INDEX if decode_entry(begin) is not None or name.endswith(INDEX_SUFFIX) else SEGMENT


def segment_pieces(segment: Segment, position: int, end: int, expected: int | None = None) -> Iterator[Piece]:
    """What lies from `position`, a batch's start, up to `end`. expected: the offset that is to come there, if it is known."""
    while position < end:
        piece = _piece_at(segment, position, end, expected)
        yield piece
        position += piece.length
        expected = piece.header.next_offset if piece.header else None


def _piece_at(segment: Segment, position: int, end: int, expected: int | None) -> Piece:
    try:
        header = _header_at(segment, position)
        reason = "the batch is cut short"
    except InvalidBatch as error:
        header, reason = None, str(error)
    if header is None or header.end > segment.size():
        after = segment.next_valid(position, end)
        length = (end if after is None else after.position) - position
        return Piece(position, length, None, DAMAGED, reason, None)
    length = header.end - position
    try:
        segment.body_of(header)
    except InvalidBatch as error:
        return Piece(position, length, header, DAMAGED, str(error), body_right=False)
    if expected not in (None, header.base_offset):
        return Piece(position, length, header, DAMAGED, f"offset {expected} was to come here", body_right=True)
    if header.is_lost:
        return Piece(position, length, header, LOST, None, None)
    return Piece(position, length, header, OK, None, body_right=True)


def _header_at(segment: Segment, position: int) -> BatchHeader | None:
    """The header there. A batch that reaches beyond the end of the file may be an append in flight: look again."""
    for look in range(_LOOKS):
        if look:
            time.sleep(_PAUSE)
            segment.forget()
        header = segment.header_at(position)
        if header is not None and header.end <= segment.size():
            break
    return header


def index_entries(path: str) -> Iterator[Entry]:
    """The entries of an index, each followed to its batch in the segment beside it, if there is one."""
    segment = _segment_beside(path)
    fd = open_file(path)
    try:
        number = 0
        while data := os.pread(fd, ENTRY_SIZE, number * ENTRY_SIZE):
            yield _entry(number, decode_entry(data), segment)
            number += 1
    finally:
        os.close(fd)
        if segment is not None:
            segment.close()


def _segment_beside(index: str) -> Segment | None:
    try:
        return Segment.at(index.removesuffix(INDEX_SUFFIX) + SEGMENT_SUFFIX) if index.endswith(INDEX_SUFFIX) else None
    except FileNotFoundError:
        return None


def _entry(number: int, entry: IndexEntry | None, segment: Segment | None) -> Entry:
    if entry is None:
        return Entry(number, None, DAMAGED, "the entry fails its checksum")
    if segment is None:
        return Entry(number, entry, UNCHECKED, None)
    try:
        header = segment.header_at(entry.position)
    except InvalidBatch:
        header = None
    if header is None or not entry.leads_to(header):
        return Entry(number, entry, DAMAGED, "the entry leads to no batch")
    return Entry(number, entry, OK, None)


def checkpoint_in(path: str) -> Checkpoint | None:
    """The checkpoint in a file; None when it is damaged."""
    return decode_checkpoint(read_file(path, 4096))


def log_start_in(path: str) -> int | None:
    """The log start offset noted in a file; None when it is damaged."""
    return decode_log_start(read_file(path, 4096))

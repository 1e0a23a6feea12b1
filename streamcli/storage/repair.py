"""Repairing a partition beside its producers and consumers: what is damaged is kept aside, and marked as lost in its place.

Nothing is moved: over the beginning of the damaged bytes one header is written that says which offsets are lost and
how many bytes to pass by. So every other batch stays at its position, for the readers that have it open too, and no
reader has ever given out the bytes written over, since they failed. Before that they are copied, on disk, to a file
beside the segment whose name says the position and the offsets. A crash between the two leaves the damage, and a copy.

Offsets that were given out are not given out again: where acknowledged records are missing at the end of the log, the
mark there stands for all that the checkpoint, or a group's commit, says there were.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import NamedTuple

from streamcli.record.errors import CorruptData
from streamcli.storage import durable, layout
from streamcli.storage.append import Appender
from streamcli.storage.checkpoint import read_checkpoint
from streamcli.storage.format import HEADER_SIZE, InvalidBatch, encode_lost
from streamcli.storage.index import ENTRY_SIZE, SparseIndex
from streamcli.storage.layout import SegmentName
from streamcli.storage.locks import ExclusiveLock
from streamcli.storage.log_start import read_log_start, write_log_start
from streamcli.storage.lookup import rebuild_index
from streamcli.storage.opening import read_file
from streamcli.storage.producer_state import find_producers, has_producers, read_producers, write_producers
from streamcli.storage.segment import Segment
from streamcli.storage.verify import INDEX, LOG, LOG_START, PRODUCERS, PartitionCheck, Problem


class Repair(NamedTuple):
    """What became of a problem. done: in words; is_mended: False where it is left as it is; kept: the file with a copy of
    what was given up."""

    problem: Problem
    done: str
    is_mended: bool = True
    kept: str | None = None


def repair_partition(
    partition_directory: str, problems: list[Problem], appender: Appender, *, lock_timeout: float, committed: int
) -> list[Repair]:
    """Mend what `PartitionCheck` found there. committed: the greatest offset that a group committed.

    Each problem is looked at again under the append lock, held for that moment: what somebody else has repaired meanwhile is
    passed by. What cannot be mended, no room for a copy say, is left, and hinders nothing else.
    """
    lock = ExclusiveLock(os.path.join(partition_directory, layout.LOCK), lock_timeout)
    repairs = []
    try:
        for problem in problems:
            with lock:
                try:
                    repair = _mend(partition_directory, problem, committed)
                except OSError as error:
                    repair = Repair(problem, f"left as it is: {error.strerror}", is_mended=False)
            if repair is not None:
                repairs.append(repair)
    finally:
        lock.close()
    try:
        appender.recover()
        appender.go_on_at(committed)  # where a group has it, the records before are lost with all trace of them
    except (CorruptData, OSError) as error:
        repairs.append(Repair(problems[-1], f"the log cannot be written: {error}", is_mended=False))
    return repairs


def _mend(directory: str, problem: Problem, committed: int) -> Repair | None:
    """None when the problem is gone."""
    if problem.part == INDEX:
        with suppress(FileNotFoundError):  # the segment was compacted or removed meanwhile, and its index with it
            return _mend_index(directory, problem)
        return None
    if problem.part == LOG_START:
        return _mend_log_start(directory, problem)
    if problem.part == PRODUCERS:
        return _mend_producers(directory, problem)
    if problem.part != LOG:
        durable.remove_file(problem.path)
        durable.sync_directory(directory)
        return Repair(problem, "written anew")
    if problem.position is None:
        return _make_segment(directory, problem, committed)
    found = _look_again(directory, problem)
    if found is None:
        return None
    if _is_missing_segment(directory, found):
        return _stand_in(directory, found)
    segment = Segment(directory, layout.segment_name(found.path), writable=True)
    try:
        return _give_up(directory, segment, found, committed)
    finally:
        segment.close()


def _mend_log_start(directory: str, problem: Problem) -> Repair | None:
    """Let the log start where its first segment does: whether some before that was lost is not known any more."""
    names = layout.segments(directory)
    if read_log_start(directory) is not None or not names:
        return None
    write_log_start(directory, names[0].base_offset)
    return Repair(problem, f"written anew: the log starts at offset {names[0].base_offset}, with its first segment")


def _mend_producers(directory: str, problem: Problem) -> Repair | None:
    """Make the file of producers again, by a walk over the log; what was there is kept."""
    if not has_producers(directory) or read_producers(directory) is not None:
        return None
    kept = layout.free_name(f"{problem.path}.damaged")
    durable.replace_file(kept, read_file(problem.path))
    write_producers(directory, find_producers(directory, by_log_alone=True))
    return Repair(problem, f"made anew from the log; a copy is in {kept}")


def _make_segment(directory: str, problem: Problem, committed: int) -> Repair:
    """Begin a log of which no segment is left, after the offsets that were given out."""
    checkpoint = read_checkpoint(directory)
    base = max(committed, checkpoint.offset if checkpoint else 0, read_log_start(directory) or 0)
    if base:
        write_log_start(directory, base)
    durable.create_file(layout.segment_path(directory, SegmentName.of(base)))
    durable.sync_directory(directory)
    return Repair(problem, f"the log begins anew at offset {base}: all before it is lost")


def _is_missing_segment(directory: str, problem: Problem) -> bool:
    """Whether it is between two segments, or before the first, that records are missing."""
    if problem.length != 0 or problem.first is None or problem.next_offset is None:
        return False
    bases = [name.base_offset for name in layout.segments(directory)]
    return problem.next_offset in bases and not any(problem.first <= base < problem.next_offset for base in bases)


def _stand_in(directory: str, problem: Problem) -> Repair:
    """Put a segment in the place of one that is gone, which says that its records are lost."""
    first, next_offset = problem.first, problem.next_offset
    assert first is not None
    assert next_offset is not None
    try:
        mark = encode_lost(position=0, base_offset=first, next_offset=next_offset, length=HEADER_SIZE)
    except InvalidBatch as error:
        return Repair(problem, f"left as it is: {error}; readers pass it by with --skip-corrupt", is_mended=False)
    durable.replace_file(layout.segment_path(directory, SegmentName.of(first, next_offset)), mark)
    lost = CorruptData("", "", 0, first=first, next_offset=next_offset).offsets()
    return Repair(problem, f"{lost} given up")


def _look_again(directory: str, problem: Problem) -> Problem | None:
    """The problem as it is now, under the append lock; None when it is gone."""
    name = layout.segment_name(problem.path)
    first = problem.first or 0
    before = min(first, max(name.base_offset, first - 1))  # a reader of `first` may begin after it
    until = (name, problem.position or 0)
    check = PartitionCheck(directory)
    try:
        for found in check.problems_from(before, until):
            if found.part == LOG and (found.path, found.position) == (problem.path, problem.position):
                return found
        return None
    finally:
        check.close()


def _give_up(directory: str, segment: Segment, problem: Problem, committed: int) -> Repair:
    """Mark the damaged bytes as lost, once a copy of them is on disk."""
    position, first = problem.position, problem.first
    assert position is not None
    assert first is not None
    size = segment.size()
    end = size if problem.length is None else min(position + problem.length, size)
    next_offset = problem.next_offset
    if _is_last(directory, segment) and end == size:
        checkpoint = read_checkpoint(directory)
        next_offset = max(next_offset or 0, committed, checkpoint.offset if checkpoint else 0, first)
    assert next_offset is not None
    length = end - position
    is_tail = end == size
    try:
        mark = _mark(position, length, first, next_offset, is_tail=is_tail)
    except InvalidBatch as error:
        return Repair(problem, f"left as it is: {error}; readers pass it by with --skip-corrupt", is_mended=False)
    kept = None
    if length:
        kept = layout.damaged_path(segment.path, position, first, next_offset)
        durable.keep_bytes(kept, segment.fd, position, end)
    if not mark or length < HEADER_SIZE:
        durable.remove_file(os.path.join(directory, layout.SIZES))
    if not mark:
        durable.truncate(segment.fd, position)
    durable.write_all(segment.fd, mark, position)
    durable.sync_data(segment.fd)
    _renew_index(directory, segment, position)
    if is_tail and _is_last(directory, segment):
        durable.remove_file(os.path.join(directory, layout.CHECKPOINT))  # it speaks of what is lost
        durable.sync_directory(directory)
    if not mark:
        return Repair(problem, f"{length} bytes after the last batch cut off", kept=kept)
    lost = CorruptData("", "", 0, first=first, next_offset=next_offset).offsets()
    return Repair(problem._replace(next_offset=next_offset), f"{lost} given up", kept=kept)


def _mark(position: int, length: int, first: int, next_offset: int, *, is_tail: bool) -> bytes:
    """What to write over the damaged bytes: a mark, or nothing where no offset is lost at the end of a segment.

    InvalidBatch where a mark does not fit.
    """
    if is_tail and next_offset <= first:
        return b""
    if length < HEADER_SIZE and not is_tail:
        raise InvalidBatch(f"{length} bytes hold no mark")
    length = max(length, HEADER_SIZE)
    return encode_lost(position=position, base_offset=first, next_offset=next_offset, length=length)


def _mend_index(directory: str, problem: Problem) -> Repair:
    segment = Segment(directory, layout.segment_name(problem.path))
    try:
        if _renew_index(directory, segment, problem.position or 0, of_index=True):
            return Repair(problem, "made anew from the log")
        return Repair(problem, "left as it is: it cannot be written", is_mended=False)
    finally:
        segment.close()


def _renew_index(directory: str, segment: Segment, position: int, *, of_index: bool = False) -> bool:
    """Make the index right again from `position` on, in the segment or with `of_index` in the index.

    That of the active segment is only cut: its appenders have it open, and fill it in. False where it cannot be written.
    """
    if not _is_last(directory, segment):
        return rebuild_index(directory, segment)
    index = SparseIndex(layout.index_path(directory, segment.name), writable=True)
    try:
        before = index.last_where(lambda entry: entry.position < position)
        index.keep(position // ENTRY_SIZE if of_index else before[0] + 1 if before else 0)
        return True
    finally:
        index.close()


def _is_last(directory: str, segment: Segment) -> bool:
    return layout.segments(directory)[-1] == segment.name

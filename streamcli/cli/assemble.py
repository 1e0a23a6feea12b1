"""Whole columns to bytes: what is printed of each record, a few thousand records at a time.

What is printed of a record is a row of *pieces*. A piece is constant for the batch (`bytes`), `Joined`, `Numbers`, or `Parts`.
One `bytes.join` over the interleaved pieces prints a part: 68 ns a record of six pieces, where `%` with a tuple took 136 to
190 and a loop over records 1,500. So the fewer pieces, the better: what stands around a number is one with its digits, and
a newline with the line that it ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from io import BytesIO
from itertools import islice
from typing import NamedTuple, TypeVar

from streamcli.record.batch import Column

PART = 2048
"""Records that are printed at once. More no longer fit the processor's cache (8,192 took 1.3 times as long), and short ones
take a hundred times their size meanwhile."""

_CUT = 256 << 10
_FEW = 200
_SEPARATOR = 2
"""Bytes of the longest constant that goes along with the digits before it. A longer one may be another for each batch."""

T = TypeVar("T")


class Joined(NamedTuple):
    """A piece for each record, a newline after each."""

    data: bytes


class Numbers(NamedTuple):
    """Consecutive numbers from 0 on: `start` of the first record, and so on up to `stop`."""

    start: int
    stop: int


Parts = Iterator[list[bytes]]
"""A piece for each record, in lists of PART; the last one may be shorter."""

Piece = bytes | Joined | Numbers | Parts


def assemble(pieces: Sequence[Piece], count: int) -> Iterator[bytes]:
    """What is printed of `count` records, PART or so at a time."""
    gaps, varying = _divided(pieces)
    if len(varying) == 1 and isinstance(varying[0], Joined):
        return _between(gaps[0], varying[0].data, gaps[1])
    return _interleaved([piece for piece in _row(gaps, varying) if piece != b""], count)


def each(elements: Sequence[T], encode: Callable[[T], bytes]) -> Parts:
    """A piece for each element."""
    return (list(map(encode, elements[first : first + PART])) for first in range(0, len(elements), PART))


def each_distinct(elements: Sequence[T], encode: Callable[[T], bytes]) -> Parts:
    """The same, where elements can be hashed and many are equal: each of a part is encoded once."""
    for first in range(0, len(elements), PART):
        part = elements[first : first + PART]
        encoded = {element: encode(element) for element in set(part)}
        yield [encoded[element] for element in part]


def numbers(values: Sequence[int]) -> Piece:
    """Offsets in decimal."""
    if isinstance(values, range) and len(values) > _FEW and values.step == 1 and values.start >= 0:
        return Numbers(values.start, values.stop)
    return each(values, b"%d".__mod__)


def text(column: Column) -> Piece:
    """A column as it is, null like empty."""
    if isinstance(column, list):
        return each(column, lambda element: element or b"")
    return Joined(bytes(column))


def parts_of(joined: bytes) -> Iterator[list[bytes]]:
    """The elements of a joined column, in lists of PART; the last one may be shorter."""
    while joined:
        part = joined.split(b"\n", PART)
        joined = part.pop()
        yield part


def show_piece(piece: Piece, show: Callable[[bytes], bytes]) -> Piece:
    """The piece of each record gone through `show`."""
    if isinstance(piece, bytes):
        return show(piece)
    return (list(map(show, part)) for part in _parts(piece))


def _parts(piece: Joined | Numbers | Parts) -> Parts:
    if isinstance(piece, Joined):
        return parts_of(piece.data)
    return each(range(*piece), b"%d".__mod__) if isinstance(piece, Numbers) else piece


def _divided(pieces: Sequence[Piece]) -> tuple[list[bytes], list[Joined | Numbers | Parts]]:
    """The pieces that vary, and what stands before each of them and after the last."""
    gaps, varying = [b""], []
    for piece in pieces:
        if isinstance(piece, bytes):
            gaps[-1] += piece
        else:
            varying.append(piece)
            gaps.append(b"")
    return gaps, varying


def _row(gaps: list[bytes], varying: Sequence[Joined | Numbers | Parts]) -> Iterator[bytes | Parts]:
    """The pieces in order, gaps taken into those that can have them."""
    for number, piece in enumerate(varying):
        before, after = gaps[number : number + 2]
        if isinstance(piece, Numbers):
            separator = after if len(after) <= _SEPARATOR else b""
            yield _thousands(*piece, before)
            yield _last_digits(*piece, separator)
            gaps[number + 1] = after[len(separator) :]
            continue
        yield before
        if isinstance(piece, Joined) and after.startswith(b"\n"):
            yield _lines(piece.data)
            gaps[number + 1] = after[1:]
        else:
            yield _parts(piece)
    yield gaps[-1]


def _interleaved(row: Sequence[bytes | Parts], count: int) -> Iterator[bytes]:
    blank = [piece if isinstance(piece, bytes) else b"" for piece in row]
    varying = [(place, piece) for place, piece in enumerate(row) if not isinstance(piece, bytes)]
    for first in range(0, count, PART):
        out = blank * min(PART, count - first)
        for place, parts in varying:
            out[place :: len(row)] = next(parts)
        yield b"".join(out)


def _between(before: bytes, data: bytes, after: bytes) -> Iterator[bytes]:
    """Joined lines with constants around each: no piece is made of its own."""
    at, between = 0, after + before
    while at < len(data):
        end = data.find(b"\n", at + _CUT) + 1 or len(data)
        yield b"".join((before, data[at : end - 1].replace(b"\n", between), after))
        at = end


def _lines(data: bytes) -> Parts:
    """The elements of a joined column, each with its newline: 36 ns each, where `split` takes 70 as it goes byte by byte."""
    file = BytesIO(data)
    while part := list(islice(file, PART)):
        yield part


def _thousands(start: int, stop: int, before: bytes) -> Parts:
    """Of numbers in decimal all but the last three digits, with a constant before them.

    In two pieces a number takes 35 ns: both are there already for all but one in a thousand. Made whole it took 80.
    """
    for first in range(start, stop, PART):
        part: list[bytes] = []
        for run in _runs_of_thousand(first, min(first + PART, stop)):
            part += [before + b"%d" % (run.start // 1000) if run.start >= 1000 else before] * len(run)
        yield part


def _last_digits(start: int, stop: int, after: bytes) -> Parts:
    """What `_thousands` leaves out, with a constant after it."""
    for first in range(start, stop, PART):
        part: list[bytes] = []
        for run in _runs_of_thousand(first, min(first + PART, stop)):
            last = run.start % 1000
            part += _thousand_endings(b"%03d" if run.start >= 1000 else b"%d", after)[last : last + len(run)]
        yield part


def _runs_of_thousand(start: int, stop: int) -> Iterator[range]:
    """start <= i < stop in runs that differ in their last three digits alone."""
    while start < stop:
        end = min(start - start % 1000 + 1000, stop)
        yield range(start, end)
        start = end


@lru_cache(maxsize=8)
def _thousand_endings(form: bytes, after: bytes) -> list[bytes]:
    """0 to 999 in a format, with a constant after it: 100 us."""
    return [form % number + after for number in range(1000)]

"""The records whose value a regular expression matches, without trying it on each.

What every match has to hold, its *needles*, is looked for in a whole column, or in a batch before it is decoded: a batch
without any costs 40 ns a record, where a search of each value takes 460 to 3,400. The expression then decides about the
values with a needle, each on its own, so it means what it means there. (The expression itself over the whole column, made
not to reach over a newline, takes 840 to 2,100 ns where it has no needle: not worth the second meaning.)
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Iterator, Sequence

from streamcli.cli.assemble import parts_of
from streamcli.cli.memmem import find
from streamcli.cli.needles import Needles, literal_of, needles_of
from streamcli.record.batch import Column
from streamcli.record.errors import UsageError

_SAMPLE = 16 << 10
_DENSE = 8
"""Where more than one value in so many has a needle, by a sample, each value is tried: finding one by its needle takes longer."""

_RARE = 64
"""Where more than that have, other needles are counted in the sample: one may be rarer."""

_TRIES = 64
"""Places of its rarest byte where a needle is tried before it is looked for as a whole: 10 us at most."""


class Grep:
    """A regular expression over values."""

    def __init__(self, pattern: re.Pattern[bytes]) -> None:
        self._search = pattern.search
        self._folds = bool(pattern.flags & re.IGNORECASE)
        self._choices = needles_of(pattern)
        self._needles: Needles = self._choices[0] if self._choices else ()
        literal = literal_of(pattern)
        self._literal = None if literal is None or b"\n" in literal else literal

    def may_match(self, data: bytes) -> bool:
        """False only where no value that stands in `data` matches."""
        if not self._needles:
            return True
        if self._folds:
            data = data.lower()
        return any(_holds(data, needle) for needle in self._needles)

    def matches(self, values: Column, count: int) -> tuple[list[int], list[bytes | None]]:
        """The numbers of the values that match, of `count`, and these values."""
        if isinstance(values, list):
            return self._one_by_one([values])
        data = bytes(values)
        haystack = data.lower() if self._folds else data
        if not self._needles or self._is_dense(haystack, count):
            return self._one_by_one(parts_of(data))
        return _numbered(data, self._found(data, _lines_with(haystack, self._needles)))

    def _is_dense(self, haystack: bytes, count: int) -> bool:
        """Whether many values have a needle; others that are rarer are taken from here on, where there are any."""

        def in_sample(needles: Needles) -> int:
            return sum(haystack.count(needle, 0, _SAMPLE) for needle in needles)

        found = in_sample(self._needles)
        lines = count * min(_SAMPLE, len(haystack)) / len(haystack)
        if len(self._choices) > 1 and found * _RARE > lines:
            self._needles = min(self._choices, key=in_sample)
            found = in_sample(self._needles)
        return found * _DENSE > lines

    def _one_by_one(self, parts: Iterable[Sequence[bytes | None]]) -> tuple[list[int], list[bytes | None]]:
        indexes: list[int] = []
        values: list[bytes | None] = []
        first = 0
        for part in parts:
            chosen = self._chosen(part)
            indexes += [first + index for index in chosen]
            values += [part[index] for index in chosen]
            first += len(part)
        return indexes, values

    def _chosen(self, values: Sequence[bytes | None]) -> list[int]:
        literal = self._literal
        if literal is not None:
            return [index for index, value in enumerate(values) if value is not None and literal in value]
        search = self._search
        return [index for index, value in enumerate(values) if value is not None and search(value)]

    def _found(self, data: bytes, starts: Iterable[int]) -> Iterator[tuple[int, bytes]]:
        """Of the lines that start there those that match, each as (its start, itself)."""
        for start in starts:
            value = data[start : data.index(b"\n", start)]
            if self._literal is not None or self._search(value):
                yield start, value


def make_grep(text: str) -> Grep:
    """UsageError for what is no regular expression."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of what a later Python may read differently
            return Grep(re.compile(text.encode(errors="surrogateescape")))
    except (re.error, RecursionError, OverflowError) as error:
        raise UsageError(
            f"--grep: bad regular expression {text!r}: {error}: write it as in Python (pydoc re)"
        ) from None


def _holds(data: bytes, needle: bytes) -> bool:
    """Whether `needle` is in `data`.

    One byte is looked for twenty times as fast as a longer needle. The one that is met last is the rarest, as far as that is
    known: the needle is tried where it stands, until it proves to be common.
    """
    at = place = -1
    for index, byte in enumerate(needle):
        first = data.find(byte)
        if first < 0:
            return False
        if first > at:
            at, place = first, index
    for _ in range(_TRIES):
        if at >= place and data.startswith(needle, at - place):
            return True
        at = data.find(needle[place], at + 1)
        if at < 0:
            return False
    return find(data, needle, max(at - place, 0)) >= 0


def _lines_with(data: bytes, needles: Iterable[bytes]) -> list[int]:
    """Where the lines start that hold one of `needles`, or in which one begins."""
    starts = set()
    for needle in needles:
        at = find(data, needle)
        while at >= 0:
            starts.add(data.rfind(b"\n", 0, at) + 1)
            at = find(data, needle, data.index(b"\n", at) + 1)
    return sorted(starts)


def _numbered(data: bytes, lines: Iterable[tuple[int, bytes]]) -> tuple[list[int], list[bytes | None]]:
    """Lines given by their starts, ascending, as (their numbers, themselves)."""
    numbers: list[int] = []
    values: list[bytes | None] = []
    number = counted = 0
    for start, value in lines:
        number += data.count(b"\n", counted, start)
        counted = start
        numbers.append(number)
        values.append(value)
    return numbers, values

"""JSON envelopes to columns, a column at a time: what is usual takes a few calls for all, and not several for each record.

What a line may hold is said by cli.envelope; here nothing is taken that it refuses, and nothing is said about why.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import chain, repeat
from operator import itemgetter
from typing import Any, NamedTuple, TypeVar

from streamcli.cli import envelope
from streamcli.cli.envelope import BadEnvelope, take_bytes, take_headers, take_number
from streamcli.record.batch import Column, Header, join_column, split_column

_PIECE = 64 << 10
"""Bytes of lines whose objects are made at once: those of a whole chunk do not fit the processor's cache, which takes a fifth
of the time more."""

_BETWEEN = 2**53 + 1
"""Stands between lines that are read as one JSON array. It is written in one way only, and no float is equal to it: so where
these digits are in no line, each of it in the array is between two lines, and with one object between two of it each line
holds one object and no part of another. A comma alone would let `{},{}` make up for an object that goes over two lines."""

_DIGITS = b"%d" % _BETWEEN

_MOST_NAMES = 32
"""Names of an object up to which all of them are looked at: an envelope has seven."""

Objects = list[dict[str, Any]]
Element = TypeVar("Element")


class Fields(NamedTuple):
    """What envelopes say: keys and values as columns, None for one that is null in all; lists with None for what a record
    does not say, None where none says it."""

    records: int
    keys: Column | None
    values: Column | None
    headers: list[list[Header]] | None
    timestamps: list[int | None] | None
    partitions: list[int | None] | None


def read_fields(lines: bytes, loads: Callable[[bytes], Any]) -> Fields:
    """The fields of lines, each with its newline. BadEnvelope where one is bad. `loads` reads JSON in UTF-8, ValueError when it
    is none; it may read less than the json module does, and not more."""
    pieces = [_fields(read_objects(piece, loads)) for piece in _pieces(lines)]
    return pieces[0] if len(pieces) == 1 else _concatenated(pieces)


def _pieces(lines: bytes) -> Iterator[bytes]:
    start = 0
    while start < len(lines):
        end = lines.rfind(b"\n", start, start + _PIECE) + 1 or lines.index(b"\n", start) + 1
        yield lines[start:end]
        start = end


def read_objects(lines: bytes, loads: Callable[[bytes], Any]) -> Objects:
    """The object in each line; BadEnvelope unless each has just one."""
    joined = lines[:-1].replace(b"\n", b",%b," % _DIGITS)
    breaks = (len(joined) - len(lines) + 1) // (len(_DIGITS) + 1)
    try:
        found = loads(b"[%b]" % joined)
    except (ValueError, RecursionError):
        raise BadEnvelope("not JSON") from None
    objects: Objects = found[::2]
    if (
        _DIGITS in lines
        or len(found) != 2 * breaks + 1
        or found[1::2].count(_BETWEEN) != breaks
        or set(map(type, objects)) != {dict}
    ):
        raise BadEnvelope("not one object a line")
    return objects


class _Found:
    """The objects in a piece of lines, and what each of them has under a name."""

    def __init__(self, objects: Objects) -> None:
        self.objects = objects
        self._alike = _by_name(objects)

    def any_has(self, name: str) -> bool:
        if self._alike is not None:
            return name in self._alike
        return any(map(dict.__contains__, self.objects, repeat(name)))

    def all_have(self, name: str) -> bool:
        if self._alike is not None:
            return name in self._alike
        return all(map(dict.__contains__, self.objects, repeat(name)))

    def under(self, name: str) -> Sequence[Any] | None:
        """What each has, None for one that has nothing; None where none has anything."""
        if self._alike is not None:
            return self._alike.get(name)
        return list(map(dict.get, self.objects, repeat(name)))


def _by_name(objects: Objects) -> dict[str, tuple[Any, ...]] | None:
    """What the objects have under each name, where all have the same names: as many as the first, and each of its. None where
    that is not so. All columns at once take half the time of one after the other."""
    names = tuple(objects[0])
    if not 2 <= len(names) <= _MOST_NAMES or set(map(len, objects)) != {len(names)}:
        return None
    try:
        columns = zip(*map(itemgetter(*names), objects), strict=True)
    except KeyError:
        return None
    return dict(zip(names, columns, strict=True))


def _fields(objects: Objects) -> Fields:
    found = _Found(objects)
    if not found.all_have("value"):
        for each in objects:
            if "value" not in each and "value_b64" not in each:
                raise BadEnvelope("no value")
    return Fields(
        len(objects),
        _bytes_column(found, "key"),
        _bytes_column(found, "value"),
        _headers_column(found.under("headers")),
        _numbers(found, "timestamp", envelope.TIMESTAMPS),
        _numbers(found, "partition", envelope.PARTITIONS),
    )


def _bytes_column(found: _Found, name: str) -> Column | None:
    if found.any_has(name + "_b64"):
        return join_column([take_bytes(each, name) for each in found.objects])
    texts = found.under(name)
    if texts is None or texts.count(None) == len(texts):
        return None
    try:
        if "\n" in "".join(texts):
            return [text.encode() for text in texts]
        return ("\n".join(texts) + "\n").encode()
    except TypeError:
        return join_column([take_bytes(each, name) for each in found.objects])
    except UnicodeEncodeError:
        raise BadEnvelope("half a surrogate pair") from None


def _numbers(found: _Found, name: str, allowed: range) -> list[int | None] | None:
    numbers = found.under(name)
    if numbers is None or (types := set(map(type, numbers))) == {type(None)}:
        return None
    if types == {int}:
        distinct = set(numbers)
        if min(distinct) in allowed and max(distinct) in allowed:
            return list(numbers)
    return [take_number(each, name, allowed) for each in found.objects]


def _headers_column(found: Sequence[Any] | None) -> list[list[Header]] | None:
    types = set() if found is None else set(map(type, found))
    if found is None or (types <= {list, type(None)} and not any(found)):
        return None
    if types == {list} and set(map(type, chain.from_iterable(found))) == {list}:
        with suppress(AttributeError, TypeError, ValueError):  # where one is not two texts that bytes can be
            headers: list[list[Header]] = [[(name, value.encode()) for name, value in own] for own in found]
            "".join([name for own in headers for name, _ in own]).encode()
            return headers
    return [take_headers(headers) for headers in found]


def _concatenated(pieces: list[Fields]) -> Fields:
    counts, keys, values, headers, timestamps, partitions = zip(*pieces, strict=True)
    return Fields(
        sum(counts),
        _one_column(counts, keys),
        _one_column(counts, values),
        _one_list(counts, headers, []),
        _one_list(counts, timestamps, None),
        _one_list(counts, partitions, None),
    )


def _one_column(counts: tuple[int, ...], columns: tuple[Column | None, ...]) -> Column | None:
    if all(isinstance(column, bytes) for column in columns):
        return b"".join(columns)  # type: ignore[arg-type]  # as checked
    return _one_list(counts, tuple(split_column(column) if column else None for column in columns), None)


def _one_list(
    counts: tuple[int, ...], lists: tuple[list[Element] | None, ...], absent: Element
) -> list[Element] | None:
    if not any(lists):
        return None
    filled = ([absent] * count if own is None else own for count, own in zip(counts, lists, strict=True))
    return list(chain.from_iterable(filled))

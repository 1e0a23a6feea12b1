"""Batches to bytes: plain values, keys and values, a format, JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from streamcli.cli.assemble import Piece, assemble, each, each_distinct, numbers, show_piece, text
from streamcli.cli.values import format_time, parse_escapes
from streamcli.engine.consume import SourceBatch
from streamcli.record.batch import Header
from streamcli.record.errors import UsageError, did_you_mean

Renderer = Callable[[SourceBatch], bytes | memoryview]
Field = Callable[[SourceBatch], list[Piece]]


class Shape(NamedTuple):
    """How records are printed: the flags -F, --json, -D, -0 and -K."""

    format: str | None
    json: bool
    delimiter: bytes | None
    null: bool
    key_delimiter: bytes | None

    def renderer(self) -> Template:
        """UsageError when they contradict each other."""
        shapes = [self.format is not None, self.json, self.key_delimiter is not None]
        if sum(shapes) > 1:
            raise UsageError("-F, --json and -K each say how a record is printed: leave out all but one")
        if (self.format is not None or self.json) and (self.delimiter is not None or self.null):
            raise UsageError("-F and --json print whole records: leave out -D and -0")
        if self.delimiter is not None and self.null:
            raise UsageError("-D and -0 each say what ends a record: leave out one")
        if self.format is not None:
            return render_format(self.format)
        if self.json:
            return render_json()
        delimiter = b"\0" if self.null else b"\n" if self.delimiter is None else self.delimiter
        if self.key_delimiter is not None:
            return render_keyed(self.key_delimiter, delimiter)
        return render_values(delimiter)


class Template:
    """How a record is printed: bytes that are the same for each, and fields.

    Called with a batch it gives all that is printed of it; `pieces` gives the same a part at a time.
    """

    def __init__(self, *fields: bytes | Field) -> None:
        self._fields = [field for field in fields if field != b""]
        self.prints_lines = self._fields == [_values, b"\n"]

    def __call__(self, taken: SourceBatch) -> bytes | memoryview:
        pieces = list(self.pieces(taken))
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def pieces(self, taken: SourceBatch) -> Iterator[bytes | memoryview]:
        lines = taken.batch.lines() if self.prints_lines else None
        if lines is not None:
            return iter([lines])
        row: list[Piece] = []
        for field in self._fields:
            row += [field] if isinstance(field, bytes) else field(taken)
        return assemble(row, taken.batch.count)


def render_values(delimiter: bytes) -> Template:
    """Each value and the delimiter. Joined lines are given as they are."""
    return Template(_values, delimiter)


def render_keyed(key_delimiter: bytes, delimiter: bytes) -> Template:
    """Key, key delimiter, value, delimiter."""
    return Template(_keys, key_delimiter, _values, delimiter)


def render_json() -> Template:
    """The JSON envelope of each record, a line each."""
    from streamcli.cli.json_lines import json_line

    return Template(json_line)


def render_format(template: str, *, show: Callable[[bytes], bytes] | None = None) -> Template:
    """A format: %s %k %t %p %o %T %d %h %S %K %%, and escapes. show: what each field goes through."""
    fields = _parse_format(template)
    if show is not None:
        fields = [field if isinstance(field, bytes) else _shown(field, show) for field in fields]
    return Template(*fields)


def _values(taken: SourceBatch) -> list[Piece]:
    return [text(taken.batch.value_column())]


def _keys(taken: SourceBatch) -> list[Piece]:
    keys, common = taken.batch.key_column()
    return [(common or b"") if keys is None else text(keys)]


def _times(encode: Callable[[int], bytes]) -> Field:
    def field(taken: SourceBatch) -> list[Piece]:
        batch = taken.batch
        times = batch.time_column()
        return [encode(batch.max_timestamp) if times is None else each_distinct(times, encode)]

    return field


def _headers(taken: SourceBatch) -> list[Piece]:
    columns = taken.batch.columns
    if columns.headers is None:
        return [_shown_headers(columns.common_headers or [])]
    return [each(taken.batch.headers(), _shown_headers)]


def _shown_headers(headers: list[Header]) -> bytes:
    return b",".join([name.encode() + b"=" + (value or b"") for name, value in headers])


def _lengths(elements: list[bytes | None]) -> list[Piece]:
    return [each_distinct([-1 if element is None else len(element) for element in elements], b"%d".__mod__)]


_FIELDS: dict[str, Field] = {
    "s": _values,
    "k": _keys,
    "t": lambda taken: [taken.source.topic.encode()],
    "p": lambda taken: [b"%d" % taken.source.partition],
    "o": lambda taken: [numbers(taken.batch.offsets())],
    "T": _times(b"%d".__mod__),
    "d": _times(lambda time: format_time(time).encode()),
    "h": _headers,
    "S": lambda taken: _lengths(taken.batch.values()),
    "K": lambda taken: _lengths(taken.batch.keys()),
}


def _shown(field: Field, show: Callable[[bytes], bytes]) -> Field:
    def shown(taken: SourceBatch) -> list[Piece]:
        return [show_piece(piece, show) for piece in field(taken)]

    return shown


def _parse_format(template: str) -> list[bytes | Field]:
    fields: list[bytes | Field] = []
    while template:
        literal, percent, rest = template.partition("%")
        fields.append(parse_escapes(literal))
        letter, template = rest[:1], rest[1:]
        if letter in _FIELDS:
            fields.append(_FIELDS[letter])
        elif letter == "%":
            fields.append(b"%")
        elif percent:
            known = ["%" + name for name in _FIELDS]
            remedy = did_you_mean("%" + letter, known, f"there is {' '.join(known)} and %%")
            raise UsageError(f"-F: no such field %{letter}: {remedy}")
    return fields

"""Batches to bytes: plain values, keys and values, a format, JSON. And which records are wanted."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from typing import NamedTuple

from streamcli.cli import envelope
from streamcli.cli.values import format_time, parse_escapes
from streamcli.engine.consume import Source, SourceBatch
from streamcli.record.batch import Header, Record, RecordBatch
from streamcli.record.errors import UsageError

Renderer = Callable[[SourceBatch], bytes | memoryview]


class Shape(NamedTuple):
    """How records are printed: the flags -F, --json, -D, -0 and -K."""

    format: str | None
    json: bool
    delimiter: bytes | None
    null: bool
    key_delimiter: bytes | None

    def renderer(self) -> Renderer:
        """UsageError when they contradict each other."""
        shapes = [self.format is not None, self.json, self.key_delimiter is not None]
        if sum(shapes) > 1:
            raise UsageError("-F, --json and -K each say how a record is printed: leave out all but one")
        if (self.format is not None or self.json) and (self.delimiter is not None or self.null):
            raise UsageError("-F and --json print whole records: leave out -D and -0")
        if self.format is not None:
            return render_format(self.format)
        if self.json:
            return render_json
        delimiter = b"\0" if self.null else b"\n" if self.delimiter is None else self.delimiter
        if self.key_delimiter is not None:
            return render_keyed(self.key_delimiter, delimiter)
        return render_values(delimiter)


class Filter(NamedTuple):
    """Which records are wanted: all that is given must hold."""

    grep: re.Pattern[bytes] | None = None
    key: bytes | None = None
    headers: tuple[Header, ...] = ()

    def select(self, batch: RecordBatch) -> RecordBatch | None:
        """The wanted records of a batch, None when there are none."""
        if self == Filter():
            return batch
        chosen: range | list[int] = range(batch.count)
        if self.key is not None:
            keys = batch.keys()
            chosen = [index for index in chosen if keys[index] == self.key]
        if self.headers:
            headers = batch.headers()
            chosen = [index for index in chosen if all(wanted in headers[index] for wanted in self.headers)]
        if self.grep is not None and chosen:
            values, search = batch.values(), self.grep.search
            chosen = [index for index in chosen if (value := values[index]) is not None and search(value)]
        return batch.select(chosen) if chosen else None


def make_filter(grep: str | None, key: str | None, headers: list[tuple[str, bytes]]) -> Filter:
    """The filter of --grep, --key and --header."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of what a later Python may read differently
            pattern = None if grep is None else re.compile(grep.encode(errors="surrogateescape"))
    except (re.error, RecursionError, OverflowError) as error:
        raise UsageError(f"--grep: bad regular expression {grep!r}: {error}") from None
    return Filter(pattern, None if key is None else parse_escapes(key), tuple(headers))


def render_values(delimiter: bytes) -> Renderer:
    """Each value and the delimiter. Joined lines are given as they are."""

    def render(taken: SourceBatch) -> bytes | memoryview:
        values = taken.batch.columns.values
        if delimiter == b"\n" and not isinstance(values, list):
            return values
        return b"".join([part for value in taken.batch.values() for part in (value or b"", delimiter)])

    return render


def render_keyed(key_delimiter: bytes, delimiter: bytes) -> Renderer:
    """Key, key delimiter, value, delimiter."""

    def render(taken: SourceBatch) -> bytes:
        pairs = zip(taken.batch.keys(), taken.batch.values(), strict=True)
        return b"".join([part for key, value in pairs for part in (key or b"", key_delimiter, value or b"", delimiter)])

    return render


def render_json(taken: SourceBatch) -> bytes:
    """The JSON envelope of each record, a line each."""
    source = envelope.encode_source(taken.source.topic, taken.source.partition)
    return "".join([envelope.encode(source, record) for record in taken.batch.records()]).encode()


Piece = Callable[[Source, Record], bytes]

_PIECES: dict[str, Piece] = {
    "s": lambda source, record: record.value or b"",
    "k": lambda source, record: record.key or b"",
    "t": lambda source, record: source.topic.encode(),
    "p": lambda source, record: b"%d" % source.partition,
    "o": lambda source, record: b"%d" % record.offset,
    "T": lambda source, record: b"%d" % record.timestamp,
    "d": lambda source, record: format_time(record.timestamp).encode(),
    "h": lambda source, record: b",".join([name.encode() + b"=" + (value or b"") for name, value in record.headers]),
    "S": lambda source, record: b"%d" % (-1 if record.value is None else len(record.value)),
    "K": lambda source, record: b"%d" % (-1 if record.key is None else len(record.key)),
}


def render_format(template: str, *, show: Callable[[bytes], bytes] | None = None) -> Renderer:
    """A format: %s %k %t %p %o %T %d %h %S %K %%, and escapes. show: what each field goes through."""
    pieces = _parse_format(template)
    if show is not None:
        pieces = [piece if isinstance(piece, bytes) else _shown(piece, show) for piece in pieces]

    def render(taken: SourceBatch) -> bytes:
        source, batch = taken
        out: list[bytes] = []
        for record in batch.records():
            out += [piece if isinstance(piece, bytes) else piece(source, record) for piece in pieces]
        return b"".join(out)

    return render


def _shown(piece: Piece, show: Callable[[bytes], bytes]) -> Piece:
    return lambda source, record: show(piece(source, record))


def _parse_format(template: str) -> list[bytes | Piece]:
    pieces: list[bytes | Piece] = []
    while template:
        literal, percent, rest = template.partition("%")
        pieces.append(parse_escapes(literal))
        letter, template = rest[:1], rest[1:]
        if letter in _PIECES:
            pieces.append(_PIECES[letter])
        elif letter == "%":
            pieces.append(b"%")
        elif percent:
            known = " ".join("%" + name for name in _PIECES)
            raise UsageError(f"-F: no such field %{letter}: there is {known} and %%")
    return [piece for piece in pieces if piece != b""]

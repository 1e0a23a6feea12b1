"""Batches as JSON envelopes, a line each: what `envelope.encode` makes of each record, a column at once.

A joined column is escaped as a whole, and is UTF-8 where each of its elements is: no cut at a newline can fall into a
character. So most elements are never looked at on their own.
"""

from __future__ import annotations

from streamcli.cli.assemble import Joined, Piece, each, each_distinct, numbers
from streamcli.cli.envelope import encode_field, encode_headers, encode_source
from streamcli.engine.consume import SourceBatch
from streamcli.record.batch import Column

_ESCAPES = [(b"\\", b"\\\\"), (b'"', b'\\"'), (b"\b", b"\\b"), (b"\f", b"\\f"), (b"\r", b"\\r"), (b"\t", b"\\t")]
_ESCAPES += [(bytes([code]), b"\\u%04x" % code) for code in range(32) if code not in b"\b\f\n\r\t"]

_LEAST_ESCAPED = 1 << 10
"""Bytes from which on a column is escaped at once: looking for each character takes 2 us however short it is."""


def json_line(taken: SourceBatch) -> list[Piece]:
    """The pieces of each record's line, with its newline."""
    source, batch = taken
    columns = batch.columns
    head = f'{{{encode_source(source.topic, source.partition)},"offset":'.encode()
    pieces: list[Piece] = [head, numbers(batch.offsets()), b',"timestamp":']
    if columns.timestamps is None:
        pieces.append(b"%d" % batch.max_timestamp)
    else:
        pieces.append(each_distinct(columns.timestamps, b"%d".__mod__))
    if columns.keys is None:
        pieces += [b",", encode_field("key", columns.common_key).encode()]
    else:
        pieces += [b",", *_field("key", columns.keys)]
    pieces += [b",", *_field("value", columns.values), b',"headers":']
    if columns.headers is None:
        pieces.append(encode_headers(columns.common_headers or []).encode())
    else:
        pieces.append(each(batch.headers(), lambda headers: encode_headers(headers).encode()))
    return [*pieces, b"}\n"]


def _field(name: str, column: Column) -> list[Piece]:
    """A column's elements with its name in front of each."""
    if not isinstance(column, list):
        data = bytes(column)
        if len(data) >= _LEAST_ESCAPED and _is_utf8(data):
            return [f'"{name}":"'.encode(), Joined(_escaped(data)), b'"']
        column = data.split(b"\n")[:-1]  # type: ignore[assignment]  # list is invariant
    return [each(column, lambda element: encode_field(name, element).encode())]  # type: ignore[arg-type]


def _is_utf8(data: bytes) -> bool:
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _escaped(data: bytes) -> bytes:
    """What stands between a JSON string's quotes, for each line. A character that is not there costs 2 ns a record."""
    for character, escape in _ESCAPES:
        data = data.replace(character, escape)
    return data

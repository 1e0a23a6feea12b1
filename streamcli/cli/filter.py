"""Which records are wanted: --grep, --key and --header."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from streamcli.cli.values import parse_escapes
from streamcli.record.batch import Column, Header, RecordBatch

if TYPE_CHECKING:
    from streamcli.cli.grep import Grep

_NEIGHBOURS = 4 << 10


class Filter(NamedTuple):
    """Which records are wanted: all that is given must hold."""

    grep: Grep | None = None
    key: bytes | None = None
    headers: tuple[Header, ...] = ()

    def select(self, batch: RecordBatch) -> RecordBatch | None:
        """The wanted records of a batch, None when there are none. A batch that has none at first sight is not decoded."""
        if self.grep is None and self.key is None and not self.headers:
            return batch
        if batch.body is not None and not self._may_want(_with_neighbours(batch.body)):
            return None
        chosen = self._with_key_and_headers(batch)
        if self.grep is None:
            return _selected(batch, chosen)
        if len(chosen) < batch.count:
            values = batch.values()
            found, _ = self.grep.matches([values[index] for index in chosen], len(chosen))
            return _selected(batch, [chosen[index] for index in found])
        return _selected(batch, *self.grep.matches(_values_of(batch), batch.count))

    def _may_want(self, body: bytes) -> bool:
        """False only where a batch with this body, not compressed, has no wanted record: its parts stand there as they are."""
        if self.key is not None and self.key not in body:
            return False
        if any(name.encode() not in body or (value or b"") not in body for name, value in self.headers):
            return False
        return self.grep is None or self.grep.may_match(body)

    def _with_key_and_headers(self, batch: RecordBatch) -> range | list[int]:
        chosen: range | list[int] = range(batch.count)
        if self.key is not None:
            keys = batch.keys()
            chosen = [index for index in chosen if keys[index] == self.key]
        if self.headers:
            headers = batch.headers()
            chosen = [index for index in chosen if all(wanted in headers[index] for wanted in self.headers)]
        return chosen


def _values_of(batch: RecordBatch) -> Column:
    """The values, undecoded where they can be had so. What holds no lines is left to the decoder, which says that it is damaged."""
    lines = batch.lines()
    return batch.columns.values if lines is None or lines[-1:] != b"\n" else lines


def _with_neighbours(body: memoryview) -> bytes:
    """Bytes that hold the body: what was read along with it where that is little, as a copy takes a tenth of the time."""
    whole = body.obj
    return whole if isinstance(whole, bytes) and len(whole) <= len(body) + _NEIGHBOURS else bytes(body)


def _selected(
    batch: RecordBatch, indexes: range | list[int], values: list[bytes | None] | None = None
) -> RecordBatch | None:
    if len(indexes) == batch.count:
        return batch
    return batch.select(indexes, values) if indexes else None


def make_filter(grep: str | None, key: str | None, headers: list[tuple[str, bytes]]) -> Filter:
    """The filter of --grep, --key and --header; UsageError for a bad regular expression."""
    found = None
    if grep is not None:
        from streamcli.cli.grep import make_grep

        found = make_grep(grep)
    return Filter(found, None if key is None else parse_escapes(key), tuple(headers))

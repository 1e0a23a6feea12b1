"""The newest record of single keys, found backwards from the end of the log: one row of a table, without the table.

What counts is said in engine.table. The partition in which a key belongs is searched first, back to the key's last
record there; of the others, where a record may have been put by hand, what is newer than that.
"""

from __future__ import annotations

from collections.abc import Iterable

from streamcli.engine.consume import SourceBatch
from streamcli.engine.partitioner import partition_of
from streamcli.engine.table import DecodingRead, OnDamage, Span, TableRequest, ToldOnce, batches, rank_of
from streamcli.record.batch import RecordBatch
from streamcli.record.errors import CorruptData

_MOST_SEARCHED = 16
"""Keys up to which looking for each one's bytes beats a dict of all keys in a batch."""


def newest_records(request: TableRequest, keys: Iterable[bytes]) -> dict[bytes, SourceBatch]:
    """The newest record of each of these keys that has one; it may be a tombstone."""
    told = ToldOnce(request.on_damage)
    logs = [source.log for source in request.sources]
    while True:
        before = [set(log.segments()) for log in logs]
        found = _Search(request.partitions, told).all(
            [request.span(source) for source in request.sources], dict.fromkeys(keys)
        )
        # Compaction may have removed a key's last record in favour of one after the end that was pinned.
        if all(was <= set(log.segments()) for was, log in zip(before, logs, strict=True)):
            return found


class _Search:
    """What was found: key -> (rank, the record), the greatest rank so far."""

    def __init__(self, partitions: int, on_damage: OnDamage) -> None:
        self._partitions = partitions
        self._on_damage = on_damage
        self._found: dict[bytes, tuple[int, SourceBatch]] = {}

    def all(self, spans: list[Span], keys: Iterable[bytes]) -> dict[bytes, SourceBatch]:
        keys = list(keys)
        for span in spans:
            self._search(span, {key: span.start for key in keys if self._belongs(key, span)})
        for span in spans:
            self._search(span, {key: self._floor(key, span) for key in keys if not self._belongs(key, span)})
        return {key: taken for key, (_, taken) in self._found.items()}

    def _belongs(self, key: bytes, span: Span) -> bool:
        return key != b"" and partition_of(key, self._partitions) == span.source.partition

    def _floor(self, key: bytes, span: Span) -> int:
        """The offset before which nothing is newer than what was found."""
        if key not in self._found:
            return span.start
        timestamp = self._found[key][1].batch.max_timestamp
        return span.source.log.offset_at(timestamp, span.end)

    def _search(self, span: Span, floors: dict[bytes, int]) -> None:
        """Look for the last record of each key, backwards to its floor."""
        stop = span.end.offset if span.stop is None else span.stop
        for offset in span.source.log.offsets_backwards(span.end):
            floors = {key: floor for key, floor in floors.items() if floor < stop}
            if not floors:
                return
            if offset < stop:
                for key, taken in self._last_of(
                    span._replace(start=max(offset, span.start), stop=stop), floors
                ).items():
                    del floors[key]
                    self._keep(key, taken)
                stop = offset

    def _last_of(self, span: Span, keys: Iterable[bytes]) -> dict[bytes, SourceBatch]:
        keys = list(keys)
        last: dict[bytes, SourceBatch] = {}
        met: list[CorruptData] = []
        for batch in batches(_SearchRead(span, keys), met.append):
            for key, index in last_indexes(batch, keys).items():
                last[key] = SourceBatch(span.source, batch.select([index]))
        # What is damaged before the last record of every key can hide none that is newer.
        known = min((last[key].batch.base_offset if key in last else 0 for key in keys), default=0)
        for damage in met:
            if damage.next_offset is None or damage.next_offset > known:
                self._on_damage(damage)
        return last

    def _keep(self, key: bytes, taken: SourceBatch) -> None:
        rank = rank_of(key, taken.batch.max_timestamp, taken.source.partition, self._partitions)
        if key not in self._found or self._found[key][0] < rank:
            self._found[key] = (rank, taken)


class _SearchRead(DecodingRead):
    """Reads the batches that may hold records with one of some keys."""

    __slots__ = ("_keys",)

    def __init__(self, span: Span, keys: list[bytes]) -> None:
        super().__init__(span.source, span.source.log.cursor(span.start, span.end), span.stop)
        self._keys = keys

    def is_wanted(self, batch: RecordBatch) -> bool:
        if batch.body is None or len(self._keys) > _MOST_SEARCHED:
            return True
        body = bytes(batch.body)
        return any(key in body for key in self._keys)


def last_indexes(batch: RecordBatch, wanted: Iterable[bytes]) -> dict[bytes, int]:
    """For each wanted key that is in the batch, the number of its last record there."""
    columns = batch.columns
    wanted = list(wanted)
    if columns.keys is None:
        return {key: batch.count - 1 for key in wanted if key == columns.common_key}
    if isinstance(columns.keys, list) or len(wanted) > _MOST_SEARCHED:
        last = dict(zip(batch.keys(), range(batch.count), strict=True))
        return {key: last[key] for key in wanted if key in last}
    lines = b"\n" + bytes(columns.keys)
    found = {}
    for key in wanted:
        at = -1 if b"\n" in key else lines.rfind(b"\n" + key + b"\n")
        if at >= 0:
            found[key] = lines.count(b"\n", 0, at)
    return found

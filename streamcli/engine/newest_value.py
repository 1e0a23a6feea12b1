"""The newest record of single keys, found backwards from the end of the log: one row of a table, without the table.

What counts is said in engine.table. The partition in which a key belongs is searched first, back to the key's last
record there; of the others, where a record may have been put by hand, what is newer than that. That finds it wherever it
is: on a cluster another client may have placed keys in another way, which only makes the first look one in vain.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from streamcli.engine.consume import SourceBatch
from streamcli.engine.partitioner import partition_of
from streamcli.engine.table import DecodingRead, OnDamage, Span, TableRequest, ToldOnce, batches, rank_of
from streamcli.record.batch import RecordBatch, split_column
from streamcli.record.errors import CorruptData

if TYPE_CHECKING:
    from streamcli.engine.interface import Origin

_MOST_SEARCHED = 16
"""Keys up to which looking for each one's bytes beats a dict of all keys in a batch."""


def newest_records(request: TableRequest, keys: Iterable[bytes]) -> dict[bytes, SourceBatch]:
    """The newest record of each of these keys that has one; it may be a tombstone."""
    told = ToldOnce(request.on_damage)
    logs = [source.log for source in request.sources]
    while True:
        before = [set(log.segments()) for log in logs]
        stretches = [_LogStretch(request.span(source)) for source in request.sources]
        found = Search(request.partitions, told).all(stretches, dict.fromkeys(keys))
        # Compaction may have removed a key's last record in favour of one after the end that was pinned.
        if all(was <= set(log.segments()) for was, log in zip(before, logs, strict=True)):
            return found


class Stretch(Protocol):
    """Records of a partition from offset `start` on, before offset `stop`."""

    @property
    def source(self) -> Origin: ...

    @property
    def start(self) -> int: ...

    @property
    def stop(self) -> int: ...

    def floors(self, times: Mapping[bytes, int]) -> dict[bytes, int]:
        """For each key an offset before which all is older than its time, in ms since the epoch."""

    def offsets_backwards(self) -> Iterator[int]:
        """Where to begin to read, ever farther back, the last of them not after `start`."""

    def read(self, first: int, stop: int, keys: list[bytes], on_damage: OnDamage) -> Iterator[RecordBatch]:
        """The records between these offsets; batches with none of the keys may be left out."""


class _LogStretch:
    """A stretch of a log directory's partition."""

    def __init__(self, span: Span) -> None:
        self._span = span
        self.source = span.source
        self.start = span.start
        self.stop = span.end.offset if span.stop is None else span.stop

    def floors(self, times: Mapping[bytes, int]) -> dict[bytes, int]:
        return {key: self.source.log.offset_at(time, self._span.end) for key, time in times.items()}

    def offsets_backwards(self) -> Iterator[int]:
        return self.source.log.offsets_backwards(self._span.end)

    def read(self, first: int, stop: int, keys: list[bytes], on_damage: OnDamage) -> Iterator[RecordBatch]:
        return batches(_SearchRead(self._span._replace(start=first, stop=stop), keys), on_damage)


class Search:
    """What was found: key -> (rank, the record), the greatest rank so far. partitions: how many the topic has."""

    def __init__(self, partitions: int, on_damage: OnDamage) -> None:
        self._partitions = partitions
        self._on_damage = on_damage
        self._found: dict[bytes, tuple[int, SourceBatch]] = {}
        self._places: set[tuple[bytes, int]] = set()

    def all(self, stretches: Sequence[Stretch], keys: Iterable[bytes]) -> dict[bytes, SourceBatch]:
        """The newest record of each of these keys that has one. What is found in a partition stays its last record of the key when more
        stretches are searched."""
        keys = list(keys)
        for stretch in stretches:
            self._search(stretch, {key: stretch.start for key in keys if self._belongs(key, stretch)})
        for stretch in stretches:
            self._search(stretch, self._floors(stretch, [key for key in keys if not self._belongs(key, stretch)]))
        return {key: taken for key, (_, taken) in self._found.items()}

    def _belongs(self, key: bytes, stretch: Stretch) -> bool:
        return key != b"" and partition_of(key, self._partitions) == stretch.source.partition

    def _floors(self, stretch: Stretch, keys: list[bytes]) -> dict[bytes, int]:
        """The offsets before which nothing is newer than what was found."""
        times = {key: self._found[key][1].batch.max_timestamp for key in keys if key in self._found}
        return dict.fromkeys(keys, stretch.start) | (stretch.floors(times) if times else {})

    def _search(self, stretch: Stretch, floors: dict[bytes, int]) -> None:
        """Look for the last record of each key, backwards to its floor."""
        stop, partition = stretch.stop, stretch.source.partition
        floors = {key: floor for key, floor in floors.items() if (key, partition) not in self._places}
        for offset in stretch.offsets_backwards():
            floors = {key: floor for key, floor in floors.items() if floor < stop}
            if not floors:
                return
            if offset < stop:
                for key, taken in self._last_of(stretch, max(offset, stretch.start), stop, list(floors)).items():
                    del floors[key]
                    self._keep(key, taken)
                stop = offset

    def _last_of(self, stretch: Stretch, first: int, stop: int, keys: list[bytes]) -> dict[bytes, SourceBatch]:
        last: dict[bytes, SourceBatch] = {}
        met: list[CorruptData] = []
        for batch in stretch.read(first, stop, keys, met.append):
            for key, index in last_indexes(batch, keys).items():
                last[key] = SourceBatch(stretch.source, batch.select([index]))
        # What is damaged before the last record of every key can hide none that is newer.
        known = min((last[key].batch.base_offset if key in last else 0 for key in keys), default=0)
        for damage in met:
            if damage.next_offset is None or damage.next_offset > known:
                self._on_damage(damage)
        return last

    def _keep(self, key: bytes, taken: SourceBatch) -> None:
        self._places.add((key, taken.source.partition))
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
    keys, common_key = batch.key_column()
    wanted = list(wanted)
    if keys is None:
        return {key: batch.count - 1 for key in wanted if key == common_key}
    if isinstance(keys, list) or len(wanted) > _MOST_SEARCHED:
        last = dict(zip(split_column(keys), range(batch.count), strict=True))
        return {key: last[key] for key in wanted if key in last}
    lines = b"\n" + bytes(keys)
    found = {}
    for key in wanted:
        at = -1 if b"\n" in key else lines.rfind(b"\n" + key + b"\n")
        if at >= 0:
            found[key] = lines.count(b"\n", 0, at)
    return found

"""The input of a producer with a name: each record has its place in every run, so that a run after another adds what is missing.

A record's sequence is its index in the input. Where it goes depends on nothing else that another run might see otherwise: on
its own partition or its key, and without these on its index, RUN records to a partition and then RUN to the next. With other
partitions it would go elsewhere. So over several partitions the producer's id is that of its name and their number: where
the topic has got more since, the batches tell how many there were, and up to where. The records before go where they went.
So that all runs find the same place, whoever is at work while partitions are added: a batch that goes beyond what is known
is appended only while their number, looked at under the append lock, is the one it was placed by.

That an input is another one than before cannot be seen in general. What is looked at is the last record that each partition
has of it: it has to come again at its index, with its key and its value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from functools import partial
from itertools import repeat
from typing import NamedTuple, cast

from streamcli.engine.partitioner import Placement, indexes_by_partition, partition_of
from streamcli.record.batch import Columns, Joinable, pick, split_column
from streamcli.record.errors import OtherInput, StreamcliError
from streamcli.storage.append import Appender
from streamcli.storage.log import Log
from streamcli.storage.producer_state import Known, Origin, producer_id_of

RUN = 10_000
"""Records without a key that go to one partition, before as many go to the next."""

_END = 2**63


class _Part(NamedTuple):
    """Records of a chunk, by their indexes in it, that go to a partition under a producer id."""

    partition: int
    producer_id: int
    indexes: range | list[int]


class _Span(NamedTuple):
    """Records of the input before index `until`, and after those of the span before: placed by so many partitions."""

    until: int
    partitions: int
    producer_id: int


class _Last(NamedTuple):
    """The record that is the input's last in a partition, so far: its number, from 0, and at which offset it lies, the one before
    `known.offset`."""

    number: int
    partition: int
    producer_id: int
    known: Known


def input_id(name: str, partitions: int) -> int:
    """The producer id of a name whose records are placed by so many partitions."""
    return producer_id_of(name if partitions == 1 else f"{name}\0{partitions}")


class _MorePartitions(Exception):
    """The topic has got more partitions than records were placed by."""


class NamedInput:
    """Where the records of one input go. name: the producer's; fixed: the partition of all, None to go by key; partitions: how
    many the topic has at that moment; appender: that of a partition; directory: its directory."""

    def __init__(
        self,
        name: str,
        *,
        fixed: int | None,
        partitions: Callable[[], int],
        appender: Callable[[int], Appender],
        directory: Callable[[int], str],
    ) -> None:
        self._name = name
        self._fixed = fixed
        self._count_partitions = partitions
        self._appender = appender
        self._directory = directory
        self._begin(0)

    def _begin(self, first: int) -> None:
        """Find out where the records from this index on go, by how many partitions there are now, and by what is in them."""
        self._partitions = self._count_partitions()
        numbers = range(self._partitions) if self._fixed is None else [self._fixed]
        known = {number: self._appender(number).known_producers() for number in numbers}
        self._spans = self._spans_of(known, 1 if self._fixed is not None else self._partitions)
        self._lasts = sorted(last for last in self._lasts_of(known) if last.number >= first)

    def check_end(self, count: int) -> None:
        """OtherInput where the input, which has so many records, had more of them in an earlier run."""
        if self._lasts and count <= self._lasts[-1].number:
            raise OtherInput(
                f"the input ends after {count} records, and {self._name} had {self._lasts[-1].number + 1} before"
            )

    def append(self, first: int, columns: Columns, own: list[int | None] | None) -> Iterator[Placement]:
        """Append those records that are not there yet, of a chunk that begins at index `first` of the input.

        own: the partitions that they say themselves. OtherInput, and nothing is appended, where a record is not the one that was
        there in an earlier run.
        """
        self._check(first, columns)
        placed: list[Placement] = []
        while True:
            before = {index for placement in placed for index in placement.indexes}
            try:
                for placement in self._append(first, columns, own):
                    if before:
                        indexes = [index for index in placement.indexes if index not in before]
                        placement = placement._replace(indexes=indexes)
                    if placement.indexes:
                        placed.append(placement)
                        yield placement
            except _MorePartitions:
                self._begin(first)
                self._check(first, columns)
            else:
                return

    def _append(self, first: int, columns: Columns, own: list[int | None] | None) -> Iterator[Placement]:
        """The same, by the partitions that were there when it was looked last: _MorePartitions where that does not do."""
        parts = list(self._parts(first, columns, own))
        if len(parts) > 1:
            columns = _taken_apart(columns)
        for partition, producer_id, indexes in parts:
            appender, origin = self._appender(partition), _origin(producer_id, first, indexes)
            already = appender.count_known(origin)
            if already < len(indexes):
                rest = indexes[already:]
                chosen = columns if len(rest) == columns.record_count else pick(columns, rest)
                more, base_offset = appender.append_missing(
                    chosen, origin.after(already), partial(self._check_place, producer_id)
                )
                already += more
                if base_offset is not None:
                    yield Placement(partition, base_offset, indexes[already:])
            if already:
                yield Placement(partition, None, indexes[:already])

    def _check_place(self, producer_id: int) -> None:
        """_MorePartitions where records beyond those known would go elsewhere by now."""
        is_beyond = self._fixed is None and producer_id == self._spans[-1].producer_id
        if is_beyond and self._count_partitions() != self._partitions:
            raise _MorePartitions

    def _check(self, first: int, columns: Columns) -> None:
        while self._lasts and self._lasts[0].number < first + columns.record_count:
            last = self._lasts[0]
            there = _record_at(self._directory(last.partition), last)
            if there is not None and there != _key_and_value(pick(columns, [last.number - first])):
                raise OtherInput(f"record {last.number + 1} is not the one that {self._name} had there before")
            del self._lasts[0]

    def _parts(self, first: int, columns: Columns, own: list[int | None] | None) -> Iterator[_Part]:
        start, end = 0, columns.record_count
        for span in self._spans:
            stop = min(end, span.until - first)
            if start < stop:
                for partition, indexes in self._placed(first, range(start, stop), columns, own, span.partitions):
                    yield _Part(partition, span.producer_id, indexes)
                start = stop

    def _placed(
        self, first: int, indexes: range, columns: Columns, own: list[int | None] | None, partitions: int
    ) -> Iterable[tuple[int, range | list[int]]]:
        if self._fixed is not None:
            return [(self._fixed, indexes)]
        if own is None and partitions == 1:
            return [(0, indexes)]
        if own is None and columns.keys is None:
            if columns.common_key:
                return [(partition_of(columns.common_key, partitions), indexes)]
            return self._in_runs(first, indexes, partitions)
        keys = [columns.common_key] * columns.record_count if columns.keys is None else split_column(columns.keys)
        said = own or repeat(None)
        found = [
            self._partition(mine, key, first + index, partitions)
            for index, mine, key in zip(range(columns.record_count), said, keys, strict=False)
        ]
        if indexes.start == 0:
            return indexes_by_partition(found[: indexes.stop]).items()
        parts = indexes_by_partition(found[indexes.start : indexes.stop])
        return [(partition, [indexes.start + index for index in part]) for partition, part in parts.items()]

    def _partition(self, own: int | None, key: bytes | None, index: int, partitions: int) -> int:
        if own is not None:
            return own
        return partition_of(key, partitions) if key else self._partition_of_run(index // RUN, partitions)

    def _in_runs(self, first: int, indexes: range, partitions: int) -> Iterator[tuple[int, range]]:
        start = indexes.start
        while start < indexes.stop:
            run = (first + start) // RUN
            stop = min(indexes.stop, (run + 1) * RUN - first)
            yield self._partition_of_run(run, partitions), range(start, stop)
            start = stop

    def _partition_of_run(self, run: int, partitions: int) -> int:
        """Begins anywhere, so that many inputs spread."""
        return (producer_id_of(self._name) + run) % partitions

    def _spans_of(self, known: dict[int, dict[int, Known]], partitions: int) -> list[_Span]:
        """What earlier numbers of partitions have placed, up to the last record that one of them has; then the present one."""
        spans: list[_Span] = []
        for count in range(1, partitions):
            producer = input_id(self._name, count)
            found = [known[number][producer].sequence for number in range(count) if producer in known[number]]
            if found and max(found) > (spans[-1].until if spans else 0):
                spans.append(_Span(max(found), count, producer))
        return [*spans, _Span(_END, partitions, input_id(self._name, partitions))]

    def _lasts_of(self, known: dict[int, dict[int, Known]]) -> Iterator[_Last]:
        for partition, producers in known.items():
            for span in self._spans:
                if span.producer_id in producers:
                    it = producers[span.producer_id]
                    yield _Last(it.sequence - 1, partition, span.producer_id, it)


def _origin(producer_id: int, first: int, indexes: range | list[int]) -> Origin:
    """Whence records come, of a chunk that begins at index `first` of the input."""
    if isinstance(indexes, range):
        sequences: Sequence[int] = range(first + indexes.start, first + indexes.stop)
    else:
        sequences = [first + index for index in indexes]
    return Origin(producer_id, sequences, sequences[-1] + 1)


def _taken_apart(columns: Columns) -> Columns:
    """The same, of which several parts are picked without taking all of it apart for each."""
    values, keys = columns.values, columns.keys
    return columns._replace(
        values=values if isinstance(values, list) else Joinable(split_column(values)),
        keys=keys if keys is None or isinstance(keys, list) else Joinable(split_column(keys)),
    )


def _record_at(directory: str, last: _Last) -> tuple[bytes | None, bytes | None] | None:
    """The key and the value of that record; None where it is not there any more, or cannot be read."""
    log = Log(directory)
    try:
        with closing(log.cursor(last.known.offset - 1, log.end())) as cursor:
            header = cursor.peek()
            is_it = header is not None and (header.producer_id, header.next_offset) == (
                last.producer_id,
                last.known.offset,
            )
            batch = cursor.take() if is_it else None
            return None if batch is None else _key_and_value(pick(batch.columns, [batch.count - 1]))
    except (StreamcliError, OSError):
        return None


def _key_and_value(columns: Columns) -> tuple[bytes | None, bytes | None]:
    """Of the only record."""
    key = columns.common_key if columns.keys is None else cast("bytes", split_column(columns.keys)[0])
    return key, split_column(columns.values)[0]

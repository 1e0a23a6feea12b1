"""Which partition a record goes to, and where it went."""

from __future__ import annotations

import os
from collections import defaultdict, deque
from collections.abc import Collection, Iterable
from itertools import count, repeat
from typing import NamedTuple, cast
from zlib import crc32

from streamcli.record.batch import Columns, split_column


class Placement(NamedTuple):
    """Where records of an appended chunk went: `indexes` of the chunk, at `base_offset` and on; None for those that an earlier
    run has appended."""

    partition: int
    base_offset: int | None
    indexes: Collection[int]


def partition_of(key: bytes, partitions: int) -> int:
    """The partition of a non-empty key: its CRC-32 (zlib's) modulo the number of partitions.

    The same as librdkafka's default partitioner, consistent_random, so that a record lands where kcat and
    confluent-kafka would put it; like there, a null or empty key says nothing.
    """
    return crc32(key) % partitions


def partitions_of(keys: list[bytes], partitions: int) -> list[int]:
    """`partition_of` each of the keys."""
    return [crc % partitions for crc in map(crc32, keys)]


def indexes_by_partition(partitions: Iterable[int]) -> dict[int, list[int]]:
    """The indexes of each number in `partitions`, ascending."""
    found: dict[int, list[int]] = defaultdict(list)
    deque(map(list.append, map(found.__getitem__, partitions), count()), maxlen=0)
    return found


class StickyPartitioner:
    """Where records without a key go: a batch to one partition, the next batch to the next.

    Starts anywhere, so that many short-lived producers spread.
    """

    __slots__ = ("_next",)

    def __init__(self) -> None:
        self._next = int.from_bytes(os.urandom(4))

    def next(self, partitions: int) -> int:
        """One of so many partitions."""
        self._next += 1
        return self._next % partitions


Split = tuple[int, range | list[int]]
"""A partition, and the indexes of its records in a chunk; a range stands for the whole chunk."""


class Partitioner:
    """Splits chunks among the partitions of a topic. fixed: the one that all records go to; None: by their keys."""

    def __init__(self, fixed: int | None) -> None:
        self.sticky = StickyPartitioner()
        self._fixed = fixed

    def split(self, columns: Columns, own: list[int | None] | None, partitions: int) -> list[Split]:
        """Each partition once. own: of each record the partition that it is to have; partitions: how many there are."""
        whole = range(columns.record_count)
        if self._fixed is not None:
            return [(self._fixed, whole)]
        if own is None and partitions == 1:
            return [(0, whole)]
        if own and own[0] is not None and own.count(own[0]) == len(own):
            return [(own[0], whole)]
        if own is None and columns.keys is None:
            key = columns.common_key
            return [(partition_of(key, partitions) if key else self.sticky.next(partitions), whole)]
        found = indexes_by_partition(self._of_each(columns, own, partitions))
        return [(partition, whole) for partition in found] if len(found) == 1 else list(found.items())

    def _of_each(self, columns: Columns, own: list[int | None] | None, partitions: int) -> Iterable[int]:
        """The partition of each record: its own, that of its key, or the same for all others of the chunk."""
        if own is not None and None not in own:
            return cast("list[int]", own)
        keys = [columns.common_key] * columns.record_count if columns.keys is None else split_column(columns.keys)
        if own is None and all(keys):
            return partitions_of(cast("list[bytes]", keys), partitions)
        found = [
            number if number is not None else partition_of(key, partitions) if key else None
            for number, key in zip(own or repeat(None), keys, strict=False)
        ]
        if None not in found:
            return cast("list[int]", found)
        sticky = self.sticky.next(partitions)
        return [sticky if partition is None else partition for partition in found]


def runs_in_order(split: list[Split], record_count: int) -> list[Split]:
    """The same records as runs in the order of the input, each of one partition."""
    partition_by_index = {index: partition for partition, indexes in split for index in indexes}
    runs: list[tuple[int, list[int]]] = []
    for index in range(record_count):
        if not runs or runs[-1][0] != partition_by_index[index]:
            runs.append((partition_by_index[index], []))
        runs[-1][1].append(index)
    return [(partition, indexes) for partition, indexes in runs]


def say_where(columns: Columns, own: list[int | None] | None) -> bool:
    """Whether each record has a partition or a key, which it goes by wherever others go."""
    if own is not None and None not in own:
        return True
    return own is None and columns.keys is not None and all(split_column(columns.keys))

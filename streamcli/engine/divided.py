"""Records with keys, divided among partitions while they are taken apart.

The keys and values of a whole chunk are more objects than fit the processor's cache: to pick each partition's from there took
three times as long as to divide, and to join, those of 64 KiB of lines at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from operator import itemgetter
from typing import NamedTuple

from streamcli.engine.partitioner import indexes_by_partition, partitions_of
from streamcli.record.batch import Columns, Header, split_column


class Indexes:
    """The indexes of records in a chunk, ascending: of each piece of it those in the piece, made when they are asked for."""

    __slots__ = ("_pieces",)

    def __init__(self) -> None:
        self._pieces: list[tuple[int, list[int]]] = []

    def add(self, first: int, indexes: list[int]) -> None:
        """Those in the piece that begins at index `first`."""
        self._pieces.append((first, indexes))

    def __len__(self) -> int:
        return sum(len(indexes) for _, indexes in self._pieces)

    def __contains__(self, index: object) -> bool:
        return any(index == own for own in self)

    def __iter__(self) -> Iterator[int]:
        return (first + index for first, indexes in self._pieces for index in indexes)


class Share(NamedTuple):
    """The records of a chunk that go to one partition."""

    partition: int
    indexes: Indexes
    columns: Columns


class _Gathered:
    """Joined keys and values of one partition, piece by piece, each without its last newline."""

    __slots__ = ("indexes", "keys", "values")

    def __init__(self) -> None:
        self.indexes = Indexes()
        self.keys: list[bytes] = []
        self.values: list[bytes] = []


class Divided:
    """Records of a chunk, to be divided among so many partitions by their keys."""

    def __init__(self, partitions: int, common_headers: list[Header] | None = None) -> None:
        self.partitions = partitions
        self._common_headers = common_headers
        self._gathered: dict[int, _Gathered] = {}
        self._has_empty = False
        self.record_count = 0

    def add(self, keys: list[bytes], values: list[bytes]) -> None:
        """The next records. No value has a newline."""
        self._has_empty = self._has_empty or b"" in keys
        for partition, indexes in indexes_by_partition(partitions_of(keys, self.partitions)).items():
            gathered = self._gathered.get(partition)
            if gathered is None:
                gathered = self._gathered[partition] = _Gathered()
            gathered.indexes.add(self.record_count, indexes)
            if len(indexes) == 1:
                gathered.keys.append(keys[indexes[0]])
                gathered.values.append(values[indexes[0]])
            else:
                chosen = itemgetter(*indexes)
                gathered.keys.append(b"\n".join(chosen(keys)))
                gathered.values.append(b"\n".join(chosen(values)))
        self.record_count += len(keys)

    def is_sound(self) -> bool:
        """Whether each key says which partition, and is joined in one line: none is empty, and none has a newline."""
        pieces = [piece for gathered in self._gathered.values() for piece in gathered.keys]
        newlines = sum(piece.count(b"\n") for piece in pieces)
        return not self._has_empty and newlines + len(pieces) == self.record_count

    def shares(self) -> Iterator[Share]:
        """Each partition's, once."""
        for partition, gathered in self._gathered.items():
            columns = Columns(
                len(gathered.indexes),
                b"\n".join([*gathered.values, b""]),
                b"\n".join([*gathered.keys, b""]),
                common_headers=self._common_headers,
            )
            yield Share(partition, gathered.indexes, columns)

    def whole(self) -> Columns:
        """All of them, in order."""
        keys: list[bytes | None] = [None] * self.record_count
        values = keys.copy()
        for share in self.shares():
            assert share.columns.keys is not None
            rows = zip(share.indexes, split_column(share.columns.keys), split_column(share.columns.values), strict=True)
            for index, key, value in rows:
                keys[index], values[index] = key, value
        return Columns(self.record_count, values, keys, common_headers=self._common_headers)

"""A chunk of the input as the record batches that it becomes, encoded by one process and appended by another."""

from __future__ import annotations

from array import array
from collections.abc import Collection
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

from streamcli.storage.body import Body, EncodedBody


class Encoding(NamedTuple):
    """What of a topic's config records are encoded by: what was encoded by another cannot be appended."""

    partitions: int
    codec: int
    is_log_append_time: bool
    needs_keys: bool


class EncodedShare(NamedTuple):
    """The records of a chunk that go to one partition; `indexes`: which of the chunk, ascending."""

    partition: int
    indexes: Collection[int]
    body: EncodedBody


class EncodedChunk(NamedTuple):
    """All records of a chunk."""

    encoding: Encoding
    record_count: int
    shares: list[EncodedShare]

    def pack(self) -> tuple[list[Any], Body]:
        """Numbers, for msgpack, and the buffers, from which `unpack` makes it again."""
        rows: list[Any] = []
        buffers: Body = []
        for share in self.shares:
            indexes = [] if isinstance(share.indexes, range) else [array("I", share.indexes).tobytes()]
            rows.append([share.partition, len(indexes), len(share.body.buffers), share.body._replace(buffers=[])])
            buffers += [*indexes, *share.body.buffers]
        return [self.encoding, self.record_count, rows, list(map(len, buffers))], buffers

    @classmethod
    def unpack(cls, packed: list[Any], data: memoryview) -> EncodedChunk:
        """What was packed, its buffers one after the other in `data`, where they stay."""
        encoding, count, rows, lengths = packed
        buffers = iter([data[start:end] for start, end in pairwise(accumulate(lengths, initial=0))])
        shares = []
        for partition, has_indexes, pieces, fields in rows:
            body = EncodedBody(*fields)
            indexes = next(buffers).cast("I") if has_indexes else range(body.record_count)
            own: Body = [next(buffers) for _ in range(pieces)]
            times = None if body.times is None else (body.times[0], body.times[1])
            shares.append(EncodedShare(partition, indexes, body._replace(buffers=own, times=times)))
        return cls(Encoding(*encoding), count, shares)

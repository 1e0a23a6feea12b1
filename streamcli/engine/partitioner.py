"""Which partition a record goes to."""

from __future__ import annotations

import os
from zlib import crc32


def partition_of(key: bytes, partitions: int) -> int:
    """The partition of a non-empty key: its CRC-32 (zlib's) modulo the number of partitions.

    The same as librdkafka's default partitioner, consistent_random, so that a record lands where kcat and
    confluent-kafka would put it; like there, a null or empty key says nothing.
    """
    return crc32(key) % partitions


class StickyPartitioner:
    """Where records without a key go: a batch to one partition, the next batch to the next.

    Starts anywhere, so that many short-lived producers spread.
    """

    __slots__ = ("_next", "_partitions")

    def __init__(self, partitions: int) -> None:
        self._partitions = partitions
        self._next = int.from_bytes(os.urandom(4)) % partitions

    def next(self) -> int:
        chosen = self._next
        self._next = (chosen + 1) % self._partitions
        return chosen

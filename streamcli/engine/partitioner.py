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

    __slots__ = ("_next",)

    def __init__(self) -> None:
        self._next = int.from_bytes(os.urandom(4))

    def next(self, partitions: int) -> int:
        """One of so many partitions."""
        self._next += 1
        return self._next % partitions

"""A record as a reader or consumer gives it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import repeat
from typing import NamedTuple

from streamcli.engine.consume import SourceBatch
from streamcli.record.batch import Header


class ConsumerRecord(NamedTuple):
    """One record, and where it is.

    `timestamp` is in ms since the epoch. `key` and `value`: None is null, b"" is empty. `headers`: (name, value) in their
    order, names may come twice; records may share the list, so it is not to be changed.
    """

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: list[Header]


def records_of(taken: SourceBatch) -> Iterator[ConsumerRecord]:
    """The records of a batch, in order."""
    source, batch = taken
    columns = (batch.offsets(), batch.timestamps(), batch.keys(), batch.values(), batch.headers())
    return map(ConsumerRecord._make, zip(repeat(source.topic), repeat(source.partition), *columns, strict=False))

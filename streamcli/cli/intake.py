"""From a partition's batches to deliveries: the wanted records, cut to what one run of a command gets."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from streamcli.cli.filter import Filter
from streamcli.cli.render import Renderer
from streamcli.engine.consume import SourceBatch
from streamcli.record.batch import RecordBatch
from streamcli.record.errors import CorruptData

if TYPE_CHECKING:
    from streamcli.engine.interface import Origin, Reads

MAX_BYTES = 8 << 20
"""Bytes that one run gets, unless a record is longer."""

_LARGE = 64 << 10

_BATCHES_A_TURN = 32
"""Batches read for one partition before signals, running commands and the other partitions get their turn."""


class Delivery:
    """Records of one partition on their way through the command.

    end: the offset to commit after them; is_full: no more fit, or none come; since: when it was begun.
    """

    def __init__(self, source: Origin) -> None:
        self.source = source
        self.batches: list[SourceBatch] = []
        self.records = 0
        self.size = 0
        self.end = 0
        self.is_full = False
        self.since = time.monotonic()
        self._data: list[bytes | memoryview] = []

    def add(self, batch: RecordBatch, data: bytes | memoryview) -> None:
        self.batches.append(SourceBatch(self.source, batch))
        self.records += batch.count
        self.size += len(data)
        self._data.append(data)

    def data(self) -> list[bytes | memoryview]:
        """What the command gets to read, in few pieces: small ones are put together, large ones are not copied."""
        if self.size < len(self._data) * _LARGE:
            self._data = [b"".join(self._data)]
        return self._data

    @property
    def first_offset(self) -> int:
        return self.batches[0].batch.first_offset

    @property
    def last_offset(self) -> int:
        return self.batches[-1].batch.last_offset


class Intake:
    """The wanted records of one partition: what was read and does not fit a run waits for the next."""

    def __init__(self, read: Reads, wanted: Filter, render: Renderer, on_damage: Callable[[CorruptData], None]) -> None:
        self.read = read
        self._wanted = wanted
        self._render = render
        self._on_damage = on_damage
        self._rest: RecordBatch | None = None
        self._first = 0
        self._passed = 0
        self._fits: int | None = None

    @property
    def is_holding(self) -> bool:
        """Whether a part of a batch waits for the next run."""
        return self._rest is not None

    def begin(self) -> Delivery:
        return Delivery(self.read.source)

    def fill(self, delivery: Delivery, most: int | None) -> bool:
        """Add what is there, until it has `most` records (None: any number); False when all was read that is there now.

        `delivery.end` follows what was read, also where nothing of that was wanted. Damage is raised once what lies
        before it is delivered.
        """
        for _ in range(_BATCHES_A_TURN):
            if delivery.is_full:
                return True
            try:
                if not self._have_batch():
                    return False
            except CorruptData:
                if not delivery.records:
                    raise
                delivery.is_full = True
                return True
            self._add_portion(delivery, None if most is None else most - delivery.records)
            delivery.is_full = delivery.is_full or delivery.records == most
        return True

    def let_go(self) -> None:
        """Forget what waits for the next run: it will be read again."""
        if self._rest is not None:
            rest = self._rest.listed().slice(self._first, self._rest.count)
            self.read.unread(rest.first_offset, rest)
            self._rest = None

    def _have_batch(self) -> bool:
        """Read a batch, unless there is one; False when there is none to read now."""
        while self._rest is None:
            if self.read.peek(self._on_damage) is None:
                return False
            taken = self.read.take(self._on_damage)
            if taken is not None:
                self._rest = self._wanted.select(taken.batch)
                self._first, self._fits = 0, None
                self._passed = taken.batch.next_offset
                break
        return True

    def _add_portion(self, delivery: Delivery, room: int | None) -> None:
        """Add what fits of the batch in hand; is_full when that is not all of it."""
        if self._rest is None:
            delivery.end = self._passed
            return
        limits = [limit for limit in (room, self._fits, self._rest.count - self._first) if limit is not None]
        portion, data = self._rendered(min(limits))
        if delivery.records and delivery.size + len(data) > MAX_BYTES:
            delivery.is_full = True
            return
        delivery.add(portion, data)
        self._first += portion.count
        if self._first == self._rest.count:
            self._rest = None
            delivery.end = self._passed
        else:
            delivery.end = portion.next_offset
            delivery.is_full = True

    def _rendered(self, count: int) -> tuple[RecordBatch, bytes | memoryview]:
        """At most `count` records of the batch in hand, and their output, which is no longer than a run gets."""
        assert self._rest is not None
        while True:
            if count < self._rest.count:
                self._rest = self._rest.listed()
            portion = self._rest.slice(self._first, self._first + count)
            data = self._render(SourceBatch(self.read.source, portion))
            if len(data) <= MAX_BYTES or count == 1:
                return portion, data
            self._fits = count = max(1, min(count - 1, count * MAX_BYTES // len(data)))

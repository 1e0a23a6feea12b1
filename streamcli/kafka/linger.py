"""How long records wait for more that go in the same request."""

from __future__ import annotations

import time

FULL_RECORDS = 10_000
FULL_BYTES = 1_000_000
"""What a request holds at most: librdkafka's batch.num.messages and batch.size."""

_LINGER = 0.005
_LONGEST = 0.1
"""Seconds that records wait for more, and at most between two attempts to send them, while others are on their way."""

LIBRDKAFKAS = 1000
"""Its linger.ms where this is used. With its default of 5 its thread does not sleep while records wait longer than that for those on
their way, and these are one request for a partition with enable.idempotence, whatever max.in.flight says: 0.25 s of processor time
of 1.15 for 1,000,000 lines.
"""


class Linger:
    """Tells when to send what is not a full request, in place of librdkafka's linger.ms."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._records = self._bytes = 0
        self._pause = _LINGER

    def add(self, records: int, size: int) -> None:
        """So many records, bytes, were handed over: a full request goes by itself, and what is left of it waits from now on."""
        self._records += records
        self._bytes += size
        is_full = self._records >= FULL_RECORDS or self._bytes >= FULL_BYTES
        if self._since is None or is_full:
            self._since, self._pause = time.monotonic(), _LINGER
        if is_full:
            self._records = self._bytes = 0

    def due_in(self) -> float | None:
        """Seconds until it is time to send; None when there is nothing."""
        return None if self._since is None else max(0.0, self._since + self._pause - time.monotonic())

    def sent(self, *, is_all: bool) -> None:
        """It was tried; is_all: all is acknowledged."""
        self._records = self._bytes = 0
        self._since = None if is_all else time.monotonic()
        self._pause = min(2 * self._pause, _LONGEST)

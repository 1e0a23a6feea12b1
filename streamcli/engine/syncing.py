"""When what a producer appends becomes durable, and how much of its input is."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from streamcli.record.errors import NotFound

if TYPE_CHECKING:  # else read by who appends for more than a moment
    from streamcli.engine.background_sync import BackgroundSync
    from streamcli.storage.append import Appender

SYNC_EXIT, SYNC_BATCH, SYNC_NONE = "exit", "batch", "none"
SYNC_INTERVAL = 1.0
"""Seconds that a record waits for its fsync, at most, while a producer with SYNC_EXIT runs."""

SYNC_BYTES = 32 << 20
"""Bytes that are appended from the start of one fsync to that of the next, about, where more come than that in SYNC_INTERVAL:
so the disk writes while more is appended, and little is left for the end. 830 MB of lines from a FILE took 1.22 s so, 1.66
with an fsync a second; with 16 MiB 1.5, with 64 MiB 1.28."""


class Syncing:
    """The fsyncs of one producer, by its policy: SYNC_BATCH, all at once after each chunk; SYNC_EXIT, now and then in the
    background, and at the end; SYNC_NONE, never.

    appenders: by partition, shared with the producer, which adds to them. durable: records of the input, from its beginning, that
    are on disk. After a failed fsync nothing more is done: the kernel marks the lost pages clean, so another would seem to succeed.
    """

    def __init__(self, policy: str, appenders: dict[int, Appender]) -> None:
        self._policy = policy
        self.durable = 0
        self._appenders = appenders
        self._dirty: set[int] = set()
        self._background: BackgroundSync | None = None
        self._since: float | None = None
        self._bytes = 0
        self._has_failed = False

    def wrote_to(self, partition: int) -> None:
        """Something was appended there."""
        self._dirty.add(partition)

    def took_chunk(self, size: int, appended: int) -> None:
        """A chunk was appended whole, of `size` bytes: `appended` records of the input by now. OSError when its fsync failed."""
        self._bytes += size
        if self._since is None:
            self._since = time.monotonic()
        if self._policy == SYNC_BATCH:
            self._sync_all(appended)

    def due_in(self) -> float | None:
        """Seconds until `tick` has something to do; None while it has not."""
        if self._background is not None:
            return 0.05
        if self._policy != SYNC_EXIT or self._since is None:
            return None
        if self._bytes >= SYNC_BYTES:
            return 0.0
        return max(0.0, self._since + SYNC_INTERVAL - time.monotonic())

    def tick(self, appended: int) -> None:
        """Start the fsync that is due, beside the appending, or take note of one that is done. OSError when it failed."""
        if self._background is not None and self._background.proceed():
            self._end_background()
        if self._background is None and self.due_in() == 0.0:
            from streamcli.engine.background_sync import BackgroundSync

            tickets = [
                (self._appenders[partition], self._appenders[partition].begin_sync()) for partition in self._dirty
            ]
            self._background = BackgroundSync(tickets, appended)
            self._dirty.clear()
            self._since, self._bytes = None, 0

    def catch_up(self, appended: int) -> None:
        """Have all that was appended on disk before something that takes long: only where it would be there soon anyway."""
        if self._policy == SYNC_EXIT:
            if self._background is not None:
                self._end_background()
            self._sync_all(appended)

    def finish(self, appended: int) -> None:
        """Make all that was appended durable, as the policy says. OSError when that failed."""
        if self._background is not None:
            self._end_background()
        if self._has_failed:
            return
        if self._policy == SYNC_NONE:
            for appender in self._appenders.values():
                appender.check_there()
            self.durable = appended
        else:
            self._sync_all(appended)

    def lose_all(self) -> None:
        """The topic was deleted, with all that was durable in it."""
        self._has_failed = True
        self.durable = 0

    def _sync_all(self, appended: int) -> None:
        if self._has_failed:
            return
        dirty, self._dirty = self._dirty, set()
        with self._failing_for_good():
            for partition in dirty:
                self._appenders[partition].sync()
        self.durable = appended
        self._since, self._bytes = None, 0

    def _end_background(self) -> None:
        background, self._background = self._background, None
        assert background is not None
        with self._failing_for_good():
            self.durable = background.result()

    @contextmanager
    def _failing_for_good(self) -> Iterator[None]:
        try:
            yield
        except NotFound:
            self.lose_all()
            raise
        except BaseException:
            self._has_failed = True
            raise

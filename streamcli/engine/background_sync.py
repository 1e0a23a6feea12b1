"""fsyncs beside the appending."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from streamcli.storage.append import Appender, SyncTicket

if TYPE_CHECKING:
    import threading


class BackgroundSync:
    """fsyncs of several partitions in a thread; what they make durable is `appended` records of the input."""

    def __init__(self, tickets: list[tuple[Appender, SyncTicket]], appended: int) -> None:
        import threading

        self._tickets = tickets
        self._appended = appended
        self._error: OSError | None = None
        self._is_finished = False
        self._thread: threading.Thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def is_done(self) -> bool:
        return not self._thread.is_alive()

    def result(self) -> int:
        """Wait, note the checkpoints, and return the durable count; OSError when an fsync failed."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        if not self._is_finished:
            raise OSError(errno.EIO, "the fsync did not come to its end")
        for appender, ticket in self._tickets:
            appender.end_sync(ticket)
        return self._appended

    def _run(self) -> None:
        for _, ticket in self._tickets:
            try:
                ticket.wait()
            except OSError as error:
                self._error = error
        self._is_finished = True

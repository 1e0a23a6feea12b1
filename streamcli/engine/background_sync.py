"""fsyncs beside the appending."""

from __future__ import annotations

import _thread
import errno
from collections.abc import Callable

from streamcli.record.errors import StreamcliError
from streamcli.storage.append import Appender, SyncTicket


class BackgroundSync:
    """fsyncs of several partitions in a thread: of their segments, then of the checkpoints that say so. What they make durable
    is `appended` records of the input.

    Nothing waits for a disk but `result`: a record that came while the checkpoint was fsynced waited for that, 10 ms and more.
    Nor for a thread: threading's would first be waited for until it runs, 2 ms each time where the processors are busy.
    """

    def __init__(self, tickets: list[tuple[Appender, SyncTicket]], appended: int) -> None:
        self._tickets = tickets
        self._appended = appended
        self._error: Exception | None = None
        self._is_finished = False
        self._notes_checkpoints = True
        self._running = _thread.allocate_lock()
        self._start(self._sync_segments)

    def proceed(self) -> bool:
        """Do what can be done at once; True when nothing is left to wait for, and `result` says how it went."""
        if self._running.locked():
            return False
        if self._error is not None or not self._is_finished or not self._notes_checkpoints:
            return True
        self._notes_checkpoints = False
        try:
            for appender, ticket in self._tickets:
                appender.note_sync(ticket)
        except (StreamcliError, OSError) as error:
            self._error = error
            return True
        self._is_finished = False
        self._start(self._sync_checkpoints)
        return False

    def result(self) -> int:
        """Wait, and return the durable count. OSError when an fsync failed; NotFound when the topic was deleted."""
        while not self.proceed():
            with self._running:
                pass
        if self._error is not None:
            raise self._error
        if not self._is_finished:
            raise OSError(errno.EIO, "the fsync did not come to its end")
        return self._appended

    def _start(self, work: Callable[[], None]) -> None:
        self._running.acquire()
        try:
            _thread.start_new_thread(self._run, (work,))
        except RuntimeError:  # no thread to be had: a limit of processes or memory
            self._run(work)

    def _run(self, work: Callable[[], None]) -> None:
        try:
            work()
            self._is_finished = True
        except (StreamcliError, OSError) as error:
            self._error = error
        finally:
            self._running.release()

    def _sync_segments(self) -> None:
        for _, ticket in self._tickets:
            try:
                ticket.wait()
            except OSError as error:
                self._error = error

    def _sync_checkpoints(self) -> None:
        for appender, _ in self._tickets:
            appender.sync_checkpoint()

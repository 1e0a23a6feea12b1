"""Waiting for other processes' writes: the only caller of inotify, with polling where there is none."""

from __future__ import annotations

import os
import select
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import inotify_simple

POLL_INTERVAL = 0.05
"""Seconds between looks where the kernel gives no inotify (another system, or its limits are reached)."""


class Wake(NamedTuple):
    """Why a wait ended: `hangup` when the watched pipe's reader is gone; `directories` written in, None when not known;
    `ready`: which of the other descriptors are."""

    hangup: bool
    directories: set[str] | None
    ready: set[int]


class Watcher:
    """Sleeps until something is written in one of the directories added.

    Add a directory, then look, then wait: what is written after the look ends the wait at once.
    Reading is left to the caller, so a lost or a superfluous event costs a look and nothing else.
    """

    def __init__(self) -> None:
        self._inotify: inotify_simple.INotify | None = None
        self._watched: dict[int, str] = {}
        if os.environ.get("STREAMCLI_NO_INOTIFY") != "1":
            self._open()

    @property
    def polling(self) -> bool:
        return self._inotify is None

    def add(self, directory: str, *, closings: bool = False) -> None:
        """Watch a directory for writes, new names and renames in it; or for `closings` of files that were open for writing,
        which the end of a process brings about too. Twice is once."""
        if self._inotify is None or directory in self._watched.values():
            return
        from inotify_simple import flags

        names = flags.CREATE | flags.MOVED_TO | flags.MOVED_FROM | flags.DELETE
        mask = names | (flags.CLOSE_WRITE if closings else flags.MODIFY)
        try:
            self._watched[self._inotify.add_watch(directory, mask)] = directory
        except OSError:
            self.close()

    def wait(self, timeout: float | None, hangup: int | None = None, others: Iterable[tuple[int, int]] = ()) -> Wake:
        """Sleep until a write, `timeout` seconds (None: no limit), until the reader of the pipe `hangup` is gone, or until
        one of the `others` is ready: pairs of a descriptor and what to poll it for."""
        poll = select.poll()
        for fd, events in others:
            poll.register(fd, events)
        if hangup is not None:
            poll.register(hangup, 0)
        if self._inotify is None:
            pause = POLL_INTERVAL if timeout is None else min(timeout, POLL_INTERVAL)
            ready = {fd for fd, _ in poll.poll(pause * 1000)}
            return Wake(hangup in ready, None, ready)
        inotify = self._inotify.fileno()
        poll.register(inotify, select.POLLIN)
        ready = {fd for fd, _ in poll.poll(None if timeout is None else max(timeout, 0) * 1000)}
        if inotify not in ready:
            return Wake(hangup in ready, set(), ready)
        events = self._inotify.read(timeout=0)
        if any(event.wd not in self._watched for event in events):  # the queue overflowed, or a directory is gone
            return Wake(hangup in ready, None, ready)
        return Wake(hangup in ready, {self._watched[event.wd] for event in events}, ready)

    def close(self) -> None:
        if self._inotify is not None:
            self._inotify.close()
            self._inotify = None

    def _open(self) -> None:
        try:
            import inotify_simple

            self._inotify = inotify_simple.INotify()
        except (ImportError, OSError):
            self._inotify = None

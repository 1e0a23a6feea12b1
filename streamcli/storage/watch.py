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


_LONGEST_WAIT = 1e6
"""Seconds: what poll(2) takes. Who waits longer looks once in between."""


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
        which the end of a process brings about too. Twice is once, unless it was made anew."""
        if self._inotify is None:
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
        timeout = None if timeout is None else min(max(timeout, 0), _LONGEST_WAIT)
        poll = select.poll()
        for fd, events in others:
            poll.register(fd, events)
        if hangup is not None:
            poll.register(hangup, 0)
        if self._inotify is None:
            pause = POLL_INTERVAL if timeout is None else min(timeout, POLL_INTERVAL)
            ready = {fd for fd, _ in poll.poll(pause * 1000)}
            return Wake(hangup in ready, None, ready)
        poll.register(self._inotify.fileno(), select.POLLIN)
        ready = {fd for fd, _ in poll.poll(None if timeout is None else timeout * 1000)}
        if self._inotify.fileno() not in ready:
            return Wake(hangup in ready, set(), ready)
        directories = self._directories_written()
        return Wake(hangup in ready, None if None in directories else set(filter(None, directories)), ready)

    def _directories_written(self) -> set[str | None]:
        """Take the events and return where they happened; None among these when the queue overflowed.

        A directory that is gone is forgotten, so that its number cannot be taken for another's.
        """
        from inotify_simple import flags

        assert self._inotify is not None
        events = self._inotify.read(timeout=0)
        directories = {self._watched.get(event.wd) for event in events}
        for event in events:
            if event.mask & flags.IGNORED:
                self._watched.pop(event.wd, None)
        return directories

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

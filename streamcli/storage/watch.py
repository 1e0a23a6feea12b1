"""Waiting for other processes' writes: the only caller of inotify, with polling where there is none."""

from __future__ import annotations

import os
import select
import struct
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import inotify_simple

POLL_INTERVAL = 0.05
"""Seconds between looks where the kernel gives no inotify (another system, or its limits are reached)."""

_LONGEST_WAIT = 1e6
"""Seconds: what poll(2) takes. Who waits longer looks once in between."""

_EVENT = struct.Struct("@iIII")
"""inotify(7): the watch, what happened, a number that binds renames, the length of the name that follows."""

_IGNORED = 0x8000
_MOST_EVENTS = 64 << 10
"""Bytes of events that are taken at once."""


class Wake(NamedTuple):
    """Why a wait ended: `hangup` when the watched pipe's reader is gone; `directories` written in, None when not known;
    `ready`: which of the other descriptors are."""

    hangup: bool
    directories: set[str] | None
    ready: set[int]


class Watcher:
    """Sleeps until something is written in one of the directories added.

    Add a directory, then look, then wait: what is written after the look ends the wait at once.
    Reading is left to the caller, so a lost or a superfluous event costs a look and nothing else. Without a directory it
    waits for descriptors alone, and never loads inotify.
    """

    def __init__(self) -> None:
        self._inotify: inotify_simple.INotify | None = None
        self._watched: dict[int, str] = {}
        self._polls = False
        self._poll: select.poll | None = None
        self._polled: object = None

    @property
    def is_polling(self) -> bool:
        """Whether it looks every POLL_INTERVAL, for want of inotify."""
        return self._polls

    def add(self, directory: str, *, closings: bool = False) -> None:
        """Watch a directory for writes, new names and renames in it; or for `closings` of files that were open for writing,
        which the end of a process brings about too. Twice is once, unless it was made anew."""
        if self._inotify is None and not self._polls:
            self._open()
        if self._inotify is None:
            return
        from inotify_simple import flags

        names = flags.CREATE | flags.MOVED_TO | flags.MOVED_FROM | flags.DELETE
        mask = names | (flags.CLOSE_WRITE if closings else flags.MODIFY)
        try:
            self._watched[self._inotify.add_watch(directory, mask)] = directory
        except OSError:
            self.close()
            self._polls = True

    def wait(self, timeout: float | None, hangup: int | None = None, others: Iterable[tuple[int, int]] = ()) -> Wake:
        """Sleep until a write, `timeout` seconds (None: no limit), until the reader of the pipe `hangup` is gone, or until
        one of the `others` is ready: pairs of a descriptor and what to poll it for."""
        timeout = None if timeout is None else min(max(timeout, 0), _LONGEST_WAIT)
        poll = self._poller(hangup, tuple(others))
        if self._polls:
            pause = POLL_INTERVAL if timeout is None else min(timeout, POLL_INTERVAL)
            ready = {fd for fd, _ in poll.poll(pause * 1000)}
            return Wake(hangup in ready, None, ready)
        ready = {fd for fd, _ in poll.poll(None if timeout is None else timeout * 1000)}
        if self._inotify is None or self._inotify.fileno() not in ready:
            return Wake(hangup in ready, set(), ready)
        directories = self._directories_written()
        return Wake(hangup in ready, None if None in directories else set(filter(None, directories)), ready)

    def _poller(self, hangup: int | None, others: tuple[tuple[int, int], ...]) -> select.poll:
        """What polls for `wait`: made once as long as it is for the same."""
        inotify = None if self._inotify is None else self._inotify.fileno()
        if self._poll is None or self._polled != (inotify, hangup, others):
            self._poll, self._polled = select.poll(), (inotify, hangup, others)
            for fd, events in others:
                self._poll.register(fd, events)
            if hangup is not None:
                self._poll.register(hangup, 0)
            if inotify is not None:
                self._poll.register(inotify, select.POLLIN)
        return self._poll

    def _directories_written(self) -> set[str | None]:
        """Take the events and return where they happened; None among these when the queue overflowed.

        A directory that is gone is forgotten, so that its number cannot be taken for another's.
        """
        assert self._inotify is not None
        events = os.read(self._inotify.fileno(), _MOST_EVENTS)
        directories: set[str | None] = set()
        at = 0
        while at < len(events):
            # Taken apart here: as objects of inotify_simple they take a third of the time from the wake-up to the record.
            watch, happened, _, length = _EVENT.unpack_from(events, at)
            directories.add(self._watched.get(watch))
            if happened & _IGNORED:
                self._watched.pop(watch, None)
            at += _EVENT.size + length
        return directories

    def close(self) -> None:
        if self._inotify is not None:
            self._inotify.close()
            self._inotify = None

    def _open(self) -> None:
        if os.environ.get("STREAMCLI_NO_INOTIFY") == "1":
            self._polls = True
            return
        try:
            import inotify_simple

            self._inotify = inotify_simple.INotify()
        except (ImportError, OSError):
            self._polls = True

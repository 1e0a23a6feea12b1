"""Real tries of what a log directory needs of its file system, in a scratch directory inside it that is removed again."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from streamcli.record.errors import StreamcliError
from streamcli.storage import durable, layout
from streamcli.storage.locks import try_exclusive, unlock
from streamcli.storage.opening import open_file, read_file
from streamcli.storage.watch import Watcher

_PATIENCE = 2.0
"""Seconds in which the kernel tells of a write, or never does."""

_SIZE = 1 << 20


class Trial(NamedTuple):
    """What was tried, and what is wrong with it (None: it works). `seconds`: how long it took."""

    name: str
    failure: str | None
    seconds: float


def try_all(directory: str) -> Iterator[Trial]:
    """Try locks, rename, fsync and inotify. OSError where not even a directory can be made, or there is no room for the tries."""
    tries: tuple[tuple[str, Callable[[str], str | None]], ...] = (
        ("locks", _try_locks),
        ("rename", _try_rename),
        ("fsync", _try_fsync),
        ("inotify", _try_inotify),
    )
    with _scratch(directory) as scratch:
        for name, attempt in tries:
            started = time.monotonic()
            try:
                failure = attempt(scratch)
            except (OSError, StreamcliError) as error:
                if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
                    raise
                failure = str(error)
            yield Trial(name, failure, time.monotonic() - started)


@contextmanager
def _scratch(directory: str) -> Iterator[str]:
    path = layout.temporary_name(os.path.join(directory, "doctor"))
    os.mkdir(path, 0o700)
    try:
        yield path
    finally:
        durable.remove_tree(path)


def _try_locks(scratch: str) -> str | None:
    """A lock through one descriptor has to keep out the other one of the same file, and to let it in when it is given up."""
    path = os.path.join(scratch, "lock")
    first, second = open_file(path, os.O_RDWR | os.O_CREAT), open_file(path, os.O_RDWR)
    try:
        if not try_exclusive(first):
            return "a lock that nobody holds cannot be had"
        if try_exclusive(second):
            return "a lock that is held was had a second time"
        unlock(first)
        return None if try_exclusive(second) else "a lock that was given up cannot be had"
    finally:
        os.close(first)
        os.close(second)


def _try_rename(scratch: str) -> str | None:
    """A file takes the place of another."""
    path = os.path.join(scratch, "renamed")
    for data in (b"old", b"new"):
        durable.replace_file(path, data)
    return None if read_file(path) == b"new" else "a file that was replaced holds what it held before"


def _try_fsync(scratch: str) -> str | None:
    fd = open_file(os.path.join(scratch, "synced"), os.O_RDWR | os.O_CREAT)
    try:
        durable.write_all(fd, bytes(_SIZE), 0)
        durable.sync_data(fd)
    finally:
        os.close(fd)
    durable.sync_directory(scratch)
    return None


def _try_inotify(scratch: str) -> str | None:
    watcher = Watcher()
    try:
        watcher.add(scratch)
        if watcher.is_polling:
            return "the kernel gives none, or no more of them"
        durable.create_file(os.path.join(scratch, "seen"), b"x")
        woken = watcher.wait(_PATIENCE).directories
        return None if woken else f"a write was not told in {_PATIENCE:g} s"
    finally:
        watcher.close()

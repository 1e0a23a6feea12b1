"""Every system call of this process that changes what is on disk, one by one, given to somebody who may meddle.

streamcli changes files through functions of `os` alone, and looks these up when it calls them: exchanging the attributes
of that module is to stand between it and the kernel. That nothing goes by is checked against strace where there is one.
"""

from __future__ import annotations

import mmap
import os
import stat
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

CHANGING = (
    "open",  # with O_CREAT or O_TRUNC only
    "mkdir",
    "rmdir",
    "unlink",
    "rename",
    "replace",
    "link",
    "symlink",
    "write",
    "writev",
    "pwrite",
    "pwritev",
    "truncate",
    "ftruncate",
    "fchmod",
    "fsync",
    "fdatasync",
    "sync",
)
"""The functions that are interposed."""


class Call(NamedTuple):
    """One call that changes files. number: counted from 0, over this process and those it forks; words and options: its
    arguments."""

    number: int
    name: str
    words: tuple[Any, ...]
    options: dict[str, Any]

    def path(self) -> str:
        """The absolute path of the file or directory that it is about; of a rename the old one."""
        first = self.words[0]
        if isinstance(first, int):
            return os.readlink(f"/proc/self/fd/{first}")
        directory = self.options.get("dir_fd")
        base = os.getcwd() if directory is None else os.readlink(f"/proc/self/fd/{directory}")
        return os.path.join(base, os.fsdecode(first))


Perform = Callable[..., Any]
"""Makes the call that was caught. Given arguments, it makes it with these instead: a shorter write, say."""

Around = Callable[[Call, Perform], Any]
"""Takes each call in the place of the kernel: what it returns, or raises, is what streamcli gets."""


class Interposer:
    """While it is entered, `around` gets each changing call of this process.

    Writes to what is no regular file, a pipe say, change nothing on disk and pass by.
    """

    def __init__(self, around: Around) -> None:
        self._around = around
        self._real = {name: getattr(os, name) for name in CHANGING if hasattr(os, name)}
        self._next_number = memoryview(mmap.mmap(-1, mmap.PAGESIZE)).cast("Q")  # shared with the processes we fork

    def __enter__(self) -> Interposer:
        for name, real in self._real.items():
            setattr(os, name, partial(self._call, name, real))
        return self

    def __exit__(self, *_: object) -> None:
        for name, real in self._real.items():
            setattr(os, name, real)

    def _call(self, name: str, real: Callable[..., Any], *words: Any, **options: Any) -> Any:
        if not self._changes_a_file(name, words):
            return real(*words, **options)
        call = Call(self._next_number[0], name, words, options)
        self._next_number[0] += 1

        def perform(*instead: Any) -> Any:
            return real(*(instead or words), **options)

        return self._around(call, perform)

    def _changes_a_file(self, name: str, words: tuple[Any, ...]) -> bool:
        if name == "open":
            return bool(words[1] & (os.O_CREAT | os.O_TRUNC))
        if name in ("write", "writev"):
            return stat.S_ISREG(os.fstat(words[0]).st_mode)
        return True

"""What can happen at a system call that changes the disk: death before, within and after it, and every way it can fail.

A failure comes once, or from that call on: a full disk stays full, and a broken one broken.

EINTR is not raised where Python does not let it through (PEP 475: open, write, ftruncate, fsync ... run the handler of the
signal and make the call again, unless the handler raises). There a SIGTERM is sent to the process just as it makes the
call, which is what an EINTR comes from: the handler of streamcli runs, and the call is made if that does not raise. Calls
that Python does not repeat (mkdir, rename, unlink ...) get the signal, and then fail with EINTR.
"""

from __future__ import annotations

import errno
import json
import mmap
import os
import signal
from collections.abc import Callable
from os import write as really_write
from pathlib import Path
from typing import Any, NamedTuple

from tests.crash.interposer import Call, Perform

WRITES = ("write", "writev", "pwrite", "pwritev")
ALLOCATING = ("open", "mkdir", "link", "symlink", *WRITES)
"""What needs room on the disk, and fails when there is none. (open: only where it makes a file.)"""

NOT_REPEATED = ("mkdir", "rmdir", "unlink", "rename", "replace", "link", "symlink", "truncate")
"""Calls for which Python passes EINTR on; see os.rename and the others in CPython's posixmodule.c."""

Meddle = Callable[[Call, Perform], Any]


class Fault(NamedTuple):
    """at: does it, in the place of the call; later: in the place of each call after that, None for as usual.

    applies: whether it can happen at this call.
    """

    name: str
    at: Meddle
    applies: Callable[[Call], bool]
    later: Meddle | None = None


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _kill_before(_: Call, __: Perform) -> None:
    _kill()


def _kill_within(call: Call, perform: Perform) -> None:
    perform(*_shortened(call))
    _kill()


def _kill_after(_: Call, perform: Perform) -> None:
    perform()
    _kill()


def _fail(number: int) -> Meddle:
    def fail(call: Call, _: Perform) -> None:
        path = call.words[0] if call.words and isinstance(call.words[0], str) else None
        raise OSError(number, os.strerror(number), path)

    return fail


def _fail_for_room(call: Call, perform: Perform) -> Any:
    return _fail(errno.ENOSPC)(call, perform) if _allocates(call) else perform()


def _interrupt(call: Call, perform: Perform) -> Any:
    os.kill(os.getpid(), signal.SIGTERM)  # its handler runs here, and may raise
    return _fail(errno.EINTR)(call, perform) if call.name in NOT_REPEATED else perform()


def _write_short(call: Call, perform: Perform) -> Any:
    return perform(*_shortened(call))


def _can_fail(call: Call) -> bool:
    return call.name != "sync"


def _allocates(call: Call) -> bool:
    if call.name == "open":
        return not os.path.lexists(call.words[0])
    return call.name in ALLOCATING


def _size(call: Call) -> int:
    data = call.words[1]
    return sum(map(len, data)) if call.name.endswith("v") else len(data)


def _can_be_short(call: Call) -> bool:
    """Whether a write may end, or its process, when a part of it is done: not within a page of bytes that were there
    before, which the kernel copies at once, and needs no room for."""
    if call.name not in WRITES or _size(call) < 2:
        return False
    if call.name in ("write", "writev"):
        return True
    fd, _, begin = call.words
    end = begin + _size(call)
    is_in_place = end <= os.fstat(fd).st_size and begin // mmap.PAGESIZE == (end - 1) // mmap.PAGESIZE
    return not is_in_place


def _shortened(call: Call) -> tuple[Any, ...]:
    """The arguments of the call for two thirds of its bytes."""
    fd, data, *rest = call.words
    room = _size(call) * 2 // 3
    if not call.name.endswith("v"):
        return (fd, data[:room], *rest)
    return (fd, [b"".join(bytes(piece) for piece in data)[:room]], *rest)


FAULTS = (
    Fault("kill before", _kill_before, lambda _: True),
    Fault("kill within", _kill_within, _can_be_short),
    Fault("kill after", _kill_after, lambda _: True),
    Fault("EIO", _fail(errno.EIO), _can_fail),
    Fault("EIO from here on", _fail(errno.EIO), _can_fail, _fail(errno.EIO)),
    Fault("ENOSPC", _fail(errno.ENOSPC), _can_fail),
    Fault("ENOSPC from here on", _fail_for_room, _allocates, _fail_for_room),
    Fault("EINTR", _interrupt, lambda _: True),
    Fault("short write", _write_short, _can_be_short),
    Fault("short write, then ENOSPC", _write_short, _can_be_short, _fail_for_room),
)


class Injector:
    """Meddles with call number `at`: to be given to an Interposer."""

    def __init__(self, fault: Fault, at: int) -> None:
        self._fault = fault
        self._at = at
        self._fired = mmap.mmap(-1, mmap.PAGESIZE)  # shared with the processes we fork

    @property
    def has_fired(self) -> bool:
        """Whether that call was made, in whichever process."""
        return self._fired[0] == 1

    def __call__(self, call: Call, perform: Perform) -> Any:
        if call.number == self._at:
            self._fired[0] = 1
            return self._fault.at(call, perform)
        if call.number > self._at and self._fault.later is not None:
            return self._fault.later(call, perform)
        return perform()


class Noted(NamedTuple):
    """A call of a run without a fault. faults: the names of those that can happen at it."""

    name: str
    path: str
    faults: list[str]

    def encode(self) -> bytes:
        return json.dumps(self).encode() + b"\n"

    @classmethod
    def decode(cls, line: bytes) -> Noted:
        return cls(*json.loads(line))


class Recorder:
    """Notes each call in a file, and makes it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def __call__(self, call: Call, perform: Perform) -> Any:
        path = "" if call.name == "sync" else call.path()
        noted = Noted(call.name, path, [fault.name for fault in FAULTS if fault.applies(call)])
        really_write(self._fd, noted.encode())
        return perform()

    def noted(self) -> list[Noted]:
        """What was noted; nothing more can be."""
        os.close(self._fd)
        return [Noted.decode(line) for line in self._path.read_bytes().splitlines()]

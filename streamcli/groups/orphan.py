"""The command of a member that died: it is ended before anybody else gets its partition.

A command holds no lock, so the lease of a member that is killed is free while its command still works. Therefore the
command's process notes itself in the lease's file before it becomes the command, which is while it still shares the
lock; and who takes a lease first ends the command that is noted there. Nothing is lost by it: its records were not
committed, and are delivered again.

    note := PID " " START " " BOOT "\\n"

What the file says, anybody may have written who may write there. So a process is killed only if its environment shows that
it is a command which was given records of this partition; another one that is noted is waited for, and never harmed.

START is when the process was started, in the kernel's ticks since it booted, and BOOT the id of that boot: a process
that got the same number later is not taken for it. Where there is no /proc, nothing is noted and nothing ended. Where
there are no pidfds, whether the process is gone is looked up there too.
"""

from __future__ import annotations

import os
import select
import signal
import time

from streamcli.groups.assignment import TopicPartition
from streamcli.storage import durable

NOTE_SIZE = 80

_PATIENCE = 100
"""Milliseconds for a process that was killed to be gone; who takes the lease tries again later."""

_LOOK = 0.001
"""Seconds from one look to the next for its end, where the system has no pidfds."""

_ENDED = ("Z", "X")
_UNKNOWN = "-"
_GONE = (*_ENDED, _UNKNOWN)


def own_note() -> bytes:
    """The note of this process."""
    pid = os.getpid()
    return f"{pid} {_state_and_start(pid)[1]} {durable.boot_id()}\n".encode().rjust(NOTE_SIZE)


def end_orphan(note: bytes, place: TopicPartition) -> bool:
    """Kill the process of a note, and its process group; True when it is gone, False when it has to be waited for.

    It has become the command by now, if it ever does: before, it held the lock that the caller has.
    """
    words = note.decode(errors="replace").split()
    if len(words) != 3 or not words[0].isdecimal() or words[1] == _UNKNOWN or words[2] != durable.boot_id():
        return True
    if _state_and_start(words[0])[1] != words[1]:
        return True
    pid, start = int(words[0]), words[1]
    pidfd = open_pidfd(pid)
    try:
        if not _works_for(pid, place):
            return _state_and_start(pid)[0] in _GONE
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        return True
    except PermissionError:  # another user's: it has to come to its own end
        return False
    else:
        return _ends(pid, start, pidfd)
    finally:
        if pidfd is not None:
            os.close(pidfd)


def open_pidfd(pid: int) -> int | None:
    """A descriptor that a poll finds readable once the process has ended; None where the system gives none."""
    if not hasattr(os, "pidfd_open"):
        return None
    try:
        return os.pidfd_open(pid)
    except OSError:  # an older kernel, a filter of system calls, or no such process
        return None


def _ends(pid: int, start: str, pidfd: int | None) -> bool:
    """Whether a process that was killed is gone within _PATIENCE; it is looked at again and again where there are no pidfds."""
    if pidfd is not None:
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        return bool(poll.poll(_PATIENCE))
    deadline = time.monotonic() + _PATIENCE / 1000
    while True:
        state, found = _state_and_start(pid)
        if found != start or state in _ENDED:
            return True
        if time.monotonic() >= deadline:
            return False
        time.sleep(_LOOK)


def _works_for(pid: int, place: TopicPartition) -> bool:
    """Whether the process was given records of this partition; False where that cannot be seen."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            environment = file.read().split(b"\0")
    except OSError:
        return False
    topic, partition = place
    return {b"STREAMCLI_TOPIC=%s" % topic.encode(), b"STREAMCLI_PARTITION=%d" % partition} <= set(environment)


def _state_and_start(pid: int | str) -> tuple[str, str]:
    """Fields 3 and 22 of /proc/PID/stat, counted from the end of the name, which is in parentheses; _UNKNOWN without such a
    process, or /proc."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].decode().split()
            return fields[0], fields[19]
    except (OSError, IndexError):
        return _UNKNOWN, _UNKNOWN

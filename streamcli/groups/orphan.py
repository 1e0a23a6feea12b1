"""The command of a member that died: it is ended before anybody else gets its partition.

A command holds no lock, so the lease of a member that is killed is free while its command still works. Therefore the
command's process notes itself in the lease's file before it becomes the command, which is while it still shares the
lock; and who takes a lease first ends the command that is noted there. Nothing is lost by it: its records were not
committed, and are delivered again.

    note := PID " " START " " BOOT "\\n"

START is when the process was started, in the kernel's ticks since it booted, and BOOT the id of that boot: a process
that got the same number later is not taken for it. Where there is no /proc, nothing is noted and nothing ended.
"""

from __future__ import annotations

import os
import select
import signal

from streamcli.storage.durable import boot_id

NOTE_SIZE = 80

_PATIENCE = 100
"""Milliseconds for a process that was killed to be gone; who takes the lease tries again later."""


def own_note() -> bytes:
    """The note of this process."""
    pid = os.getpid()
    return f"{pid} {_start_time(pid)} {boot_id()}\n".encode().rjust(NOTE_SIZE)


def end_orphan(note: bytes) -> bool:
    """Kill the process of a note, and its process group; True when it is gone, False when it has to be waited for."""
    words = note.decode(errors="replace").split()
    if len(words) != 3 or words[2] != boot_id() or not hasattr(os, "pidfd_open"):
        return True
    pid = int(words[0])
    try:
        pidfd = os.pidfd_open(pid)
    except OSError:
        return True
    try:
        if _start_time(pid) != words[1]:
            return True
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        return True
    except PermissionError:  # another user's: it has to come to its own end
        return False
    else:
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        return bool(poll.poll(_PATIENCE))
    finally:
        os.close(pidfd)


def _start_time(pid: int) -> str:
    """Field 22 of /proc/PID/stat, counted from the state, which follows the name in parentheses; "-" without such a process."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[19].decode()
    except (OSError, IndexError):
        return "-"

"""The right to consume a partition: a lock held by one process at a time, and a file that says by whom.

    lease := MEMBER "\\n" NOTE PROGRESS

NOTE, of fixed width, is the command that the holder runs: see groups.orphan. PROGRESS is how far its commands came: see
groups.progress; it stays when the lease goes over, until the next holder notes its own.
"""

from __future__ import annotations

import os

from streamcli.groups.assignment import TopicPartition
from streamcli.groups.orphan import NOTE_SIZE, end_orphan, own_note
from streamcli.groups.progress import encode_progress
from streamcli.storage import durable, layout
from streamcli.storage.locks import is_at_path, try_exclusive, unlock
from streamcli.storage.opening import NotAPlainFile, open_file, refuse_links

_MOST = 4096
"""Bytes that are read of a lease's file, which is much shorter."""


class Lease:
    """A lease held, until `release` or the end of the process. `progress`: what the holders before noted.

    It is locked through a descriptor for reading, so that a try that fails wakes nobody; a second one, for writing, is
    what inotify reports the closing of to those who wait for the lease.
    """

    def __init__(self, lock_fd: int, fd: int, path: str, member: str) -> None:
        self._lock_fd = lock_fd
        self._fd = fd
        self._path = path
        self.progress = _parts(os.pread(lock_fd, _MOST, 0))[2]
        line = member.encode() + b"\n"
        self._note_at = len(line)
        self._progress_at = len(line) + NOTE_SIZE
        # In one write, then cut: a kill in between leaves the progress, which is not committed yet, where it is read.
        content = line.ljust(self._progress_at) + self.progress
        durable.write_all(fd, content, 0)
        durable.truncate(fd, len(content))

    def is_held(self) -> bool:
        """Whether the file that is locked is still the lease's: one that was removed keeps nobody out."""
        return is_at_path(self._lock_fd, self._path)

    def note_command(self) -> None:
        """To be called by the process that is about to become a command for this partition's records."""
        durable.write_all(self._fd, own_note(), self._note_at)

    def note_progress(self, offset: int, base: str) -> None:
        """Keep, in spite of the end of this process, that everything before `offset` is done."""
        durable.write_all(self._fd, encode_progress(offset, base), self._progress_at)

    def release(self) -> None:
        os.close(self._lock_fd)
        os.close(self._fd)


def take_lease(group_path: str, place: TopicPartition, member: str) -> Lease | None:
    """The lease of a partition, or None while another process holds it, or a command of its last holder will not end."""
    path = layout.lease_path(group_path, *place)
    refuse_links(group_path, layout.LEASES, place[0])
    while True:
        lock_fd = _open(path)
        try:
            if not _lock(lock_fd) or not end_orphan(_parts(os.pread(lock_fd, _MOST, 0))[1], place):
                os.close(lock_fd)
                return None
            fd = open_file(path, os.O_WRONLY)
        except FileNotFoundError:
            os.close(lock_fd)
            continue
        except BaseException:
            os.close(lock_fd)
            raise
        if os.fstat(fd).st_ino == os.fstat(lock_fd).st_ino:
            return Lease(lock_fd, fd, path, member)
        os.close(lock_fd)  # the file was removed, and made anew by somebody else
        os.close(fd)


def lease_holder(group_path: str, place: TopicPartition) -> str | None:
    """The member that holds a partition's lease, None when nobody does, "" when the file does not say who."""
    try:
        fd = open_file(layout.lease_path(group_path, *place))
    except (FileNotFoundError, NotAPlainFile):
        return None
    try:
        if try_exclusive(fd, shared=True):
            return None
        name = _parts(os.read(fd, _MOST))[0].decode(errors="replace")
        return name if layout.is_member_name(name) else ""
    finally:
        os.close(fd)


def _open(path: str) -> int:
    try:
        return open_file(path, os.O_RDONLY | os.O_CREAT)
    except FileNotFoundError:
        durable.make_directories(os.path.dirname(path))
        return open_file(path, os.O_RDONLY | os.O_CREAT)


def _lock(fd: int) -> bool:
    while not try_exclusive(fd):
        if not try_exclusive(fd, shared=True):
            return False
        unlock(fd)  # only a probe was in the way, which is gone in a moment
    return True


def _parts(content: bytes) -> tuple[bytes, bytes, bytes]:
    """(member, note, progress) in a lease's file."""
    member, _, rest = content.partition(b"\n")
    return member, rest[:NOTE_SIZE], rest[NOTE_SIZE:].partition(b"\n")[0] + b"\n" if len(rest) > NOTE_SIZE else b""

"""Locks: the only caller of flock and filelock.

The append lock is taken for every batch, so it is a flock that queues in the kernel: filelock would poll,
50 ms a try, and costs as much to import as Python to start. Topics are created and deleted rarely, under a
filelock. Both are flock(2) on the file, so each would exclude the other, and both end with the process.
fcntl record locks are no choice: they vanish when any descriptor of the file is closed.
"""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from streamcli.record.errors import Busy, NotFound, StreamcliError
from streamcli.storage.opening import open_file

_NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)

# File systems shared between machines, where a lock or an mmap of one is not seen by the other.
_REMOTE = frozenset(
    [
        "nfs",
        "nfs4",
        "cifs",
        "smb3",
        "smbfs",
        "9p",
        "afs",
        "ceph",
        "lustre",
        "gfs2",
        "ocfs2",
        "beegfs",
        "orangefs",
        "fuse.sshfs",
        "fuse.glusterfs",
        "fuse.s3fs",
        "fuse.rclone",
    ]
)


class _Expired(Exception):
    """The lock timeout passed while the kernel kept us waiting."""


_LONGEST_WAIT = 1e8
"""Seconds: what a timer can hold, and more than anyone waits."""

_waiting = False


def is_waiting() -> bool:
    """Whether the main thread is waiting for a lock just now: a signal handler may then raise."""
    return _waiting


class ExclusiveLock:
    """An exclusive lock between processes, queueing in the kernel: the append lock of a partition, the lock of a group.

    `with lock: ...` raises Busy after `timeout` seconds, and NotFound when the directory is gone. Threads of one process
    share it: only one may use it.
    """

    __slots__ = ("_fd", "_opened", "_path", "_timeout")

    def __init__(self, path: str, timeout: float) -> None:
        self._path = path
        self._timeout = timeout
        self._fd = self._open()
        self._opened = os.fstat(self._fd)

    def __enter__(self) -> ExclusiveLock:
        self._acquire()
        while not self._is_at_path():  # the file was removed: whoever comes now locks another
            self.release()
            successor = self._open()
            os.close(self._fd)
            self._fd, self._opened = successor, os.fstat(successor)
            self._acquire()
        return self

    def __exit__(self, *_: object) -> None:
        fcntl.flock(self._fd, fcntl.LOCK_UN)

    def release(self) -> None:
        self.__exit__()

    def _open(self) -> int:
        try:
            return open_file(self._path, os.O_RDWR | os.O_CREAT)
        except FileNotFoundError:
            directory = os.path.dirname(self._path)
            raise NotFound(
                f"the partition's directory is gone ({directory}): was the topic deleted? see `streamcli topics list`"
            ) from None

    def _is_at_path(self) -> bool:
        """As `is_at_path`. Which file is open is asked once: while it is, no other has its number."""
        try:
            return os.path.samestat(os.stat(self._path), self._opened)
        except FileNotFoundError:
            return False

    def _acquire(self) -> None:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._wait()
        except OSError as error:
            raise lock_error(error, self._path) from None

    def _wait(self) -> None:
        if _may_use_alarm():
            acquired = _flock_with_alarm(self._fd, self._timeout)
        else:
            acquired = _flock_by_polling(self._fd, self._timeout)
        if not acquired:
            raise Busy(
                f"partition busy: {self._path} was not had in {self._timeout:g} s: another process holds it; "
                "see who with fuser, or wait longer with --lock-timeout"
            )

    def close(self) -> None:
        os.close(self._fd)


def try_exclusive(fd: int, *, shared: bool = False) -> bool:
    """Lock an open file now, or return False while another holds it. The lock ends with the descriptor.

    shared: excludes an exclusive holder only, for probes that must not take each other for one.
    """
    try:
        fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise lock_error(error, "a lock of the group") from None
    return True


def is_at_path(fd: int, path: str) -> bool:
    """Whether the open file is the one at `path`: a lock on another, or on one that was removed, keeps nobody out."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(fd))
    except FileNotFoundError:
        return False


def unlock(fd: int) -> None:
    """Give up the lock of an open file."""
    fcntl.flock(fd, fcntl.LOCK_UN)


def _may_use_alarm() -> bool:
    """Whether the process's alarm is ours to set: signals come to the main thread, and a program may have one set already."""
    if threading.current_thread() is not threading.main_thread():
        return False
    is_free = signal.getsignal(signal.SIGALRM) in (signal.SIG_DFL, signal.SIG_IGN)
    return is_free and signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def _flock_with_alarm(fd: int, timeout: float) -> bool:
    """Queue for the lock in the kernel, with an alarm to end the wait; only the main thread gets signals."""
    global _waiting

    def expire(*_: object) -> None:
        if _waiting:
            raise _Expired

    previous = signal.signal(signal.SIGALRM, expire)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGALRM,))  # a parent may have left it blocked
    try:
        # Repeats, for the alarm that fires between setitimer and flock.
        signal.setitimer(signal.ITIMER_REAL, min(max(timeout, 0.001), _LONGEST_WAIT), 0.1)
        try:
            _waiting = True
            fcntl.flock(fd, fcntl.LOCK_EX)
        finally:
            _waiting = False
        return True
    except _Expired:
        fcntl.flock(fd, fcntl.LOCK_UN)  # had, if the alarm came at the last moment
        return False
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


def _flock_by_polling(fd: int, timeout: float) -> bool:
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            time.sleep(0.001)
    return False


def lock_error(error: OSError, path: str) -> Exception:
    """What to raise for a failed flock on `path`."""
    if error.errno in _NO_LOCKS:
        return StreamcliError(
            f"locks do not work on this file system ({path}: {error.strerror}): put the log directory on a local disk (--dir)"
        )
    return error


@contextmanager
def topics_lock(path: str, timeout: float) -> Iterator[None]:
    """Held while topics are created or deleted; Busy after `timeout` seconds."""
    import filelock

    lock = filelock.FileLock(path, timeout=timeout, mode=0o666 & ~_umask())
    try:
        lock.acquire(poll_interval=0.01)
    except filelock.Timeout:
        raise Busy(
            f"log directory busy: {path} was not had in {timeout:g} s: wait longer with --lock-timeout"
        ) from None
    except NotImplementedError as error:
        raise lock_error(OSError(errno.ENOLCK, str(error)), path) from None
    except OSError as error:
        raise lock_error(error, path) from None
    try:
        yield
    finally:
        lock.release()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def check_local(directory: str, mounts: str = "/proc/self/mountinfo") -> None:
    """Refuse a file system that other machines share: their locks do not exclude ours.

    STREAMCLI_ALLOW_REMOTE=1 says that only this machine uses it. Where the system does not tell, nothing is refused.
    """
    kind = file_system(directory, mounts)
    if kind in _REMOTE and os.environ.get("STREAMCLI_ALLOW_REMOTE") != "1":
        raise StreamcliError(
            f"{directory} is on a network file system ({kind}), where locks do not hold between machines: "
            "put the log directory on a local disk (--dir), or set STREAMCLI_ALLOW_REMOTE=1 if only this machine uses it"
        )


def is_remote(kind: str) -> bool:
    """Whether a file system of this type is shared between machines."""
    return kind in _REMOTE


def file_system(directory: str, mounts: str) -> str | None:
    """The type of the file system that `directory` is on, as proc_pid_mountinfo(5) names it; None when not told."""
    mount = mount_of(directory, mounts)
    return None if mount is None else mount[0]


def mount_of(directory: str, mounts: str) -> tuple[str, list[str]] | None:
    """The same, and the options that it is mounted with, those of the mount and those of the file system."""
    device = os.stat(directory).st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    try:
        with open(mounts, encoding="utf-8", errors="surrogateescape") as lines:
            for line in lines:
                fields = line.split()
                if fields[2] == number:
                    end = fields.index("-")
                    options = [*fields[5].split(","), *"".join(fields[end + 3 :]).split(",")]
                    return fields[end + 1], list(dict.fromkeys(filter(None, options)))
    except OSError:
        return None
    return None

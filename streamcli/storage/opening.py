"""Opening files of a log directory: the only place that does, so that no flag is forgotten.

Who shares a log directory with us may write in it, and may have planted there, under a name that we are about to open, a
symbolic link to a file of ours, or a FIFO that would keep us waiting for ever. So the last component of a path is
never followed when it is a link (O_NOFOLLOW), an open never waits (O_NONBLOCK), and what was opened has to be a regular
file. The directories on the way are looked at before they are used (refuse_links): between the look and the use, one who
is quick can put a link in the place of a directory. streamcli-sharing(7) says what that comes to.

What an attacker can do with a hard link is the kernel's to prevent (fs.protected_hardlinks): a file with several names
is no mark of one, for backups are made so.
"""

from __future__ import annotations

import errno
import os
import stat

_FLAGS = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY

_LINK = "a symbolic link, and none is followed inside a log directory"
_STRANGE = "not a regular file, and nothing else is opened inside a log directory"


class NotAPlainFile(OSError):
    """A symbolic link, FIFO, device, socket or directory lies where a file of the log directory belongs."""


def open_file(path: str, flags: int = os.O_RDONLY) -> int:
    """A descriptor of the regular file at `path`, not inherited by children; with O_CREAT of mode 0666 less the umask.

    NotAPlainFile where anything else lies there.
    """
    try:
        fd = os.open(path, flags | _FLAGS, 0o666)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EMLINK) and os.path.islink(path):  # EMLINK: FreeBSD's
            raise NotAPlainFile(errno.ELOOP, _LINK, path) from None
        if error.errno in (errno.ENXIO, errno.EISDIR):
            raise NotAPlainFile(errno.EINVAL, _STRANGE, path) from None
        raise
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise NotAPlainFile(errno.EINVAL, _STRANGE, path)
    return fd


def read_file(path: str, limit: int = -1) -> bytes:
    """What the file at `path` holds: the first `limit` bytes of it, or all."""
    with open(open_file(path), "rb") as file:
        return file.read(limit)


def open_directory(path: str) -> int:
    """A descriptor of a directory: for fsync, or to know it again. Nothing is opened through it."""
    return os.open(path or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def refuse_links(root: str, *names: str) -> None:
    """NotAPlainFile if a directory on the way from `root`, which may be a link itself, down `names` is a symbolic link."""
    path = root
    for name in names:
        path = os.path.join(path, name)
        try:
            mode = os.lstat(path).st_mode
        except (FileNotFoundError, NotADirectoryError):
            return
        if stat.S_ISLNK(mode):
            raise NotAPlainFile(errno.ELOOP, _LINK, path)

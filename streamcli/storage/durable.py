"""Durable I/O: the only caller of fsync, rename and truncate.

A failed fsync is never retried: the kernel marks the lost pages clean, so a second call would lie.
"""

from __future__ import annotations

import os
from contextlib import suppress
from functools import cache

from streamcli.storage import layout
from streamcli.storage.opening import open_directory, open_file

NO_BOOT_ID = "-" * 36


def is_this_boot(boot_id_then: str) -> bool:
    """Whether what was written under that boot id was written since the machine started.

    Where the system has no boot id, never: every open of a partition then counts as the first after a reboot, which costs
    a check of what lies after the checkpoint, and is never wrong.
    """
    return boot_id_then == boot_id() != NO_BOOT_ID


@cache
def boot_id() -> str:
    """An id of the running kernel's boot, 36 characters; NO_BOOT_ID where the system has none."""
    try:
        fd = os.open("/proc/sys/kernel/random/boot_id", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return NO_BOOT_ID
    try:
        return os.read(fd, 36).decode("ascii")
    finally:
        os.close(fd)


def sync_data(fd: int) -> None:
    """Return once the file's bytes, and the size needed to read them, are on disk."""
    with naming_file(fd):
        getattr(os, "fdatasync", os.fsync)(fd)  # macOS has fsync alone


def sync_directory(path: str) -> None:
    """Return once the names in `path` are on disk."""
    fd = open_directory(path)
    try:
        with naming_file(fd):
            os.fsync(fd)
    finally:
        os.close(fd)


def write_all(fd: int, data: bytes | memoryview, position: int) -> None:
    """pwrite the whole of `data`; OSError (ENOSPC, say), naming the file, when it does not fit."""
    view = memoryview(data)
    with naming_file(fd):
        while view:
            written = os.pwrite(fd, view, position)
            view = view[written:]
            position += written


class naming_file:
    """An OSError from inside names the file of `fd`, where the system tells its path. (As a generator it took 3 us an append.)"""

    __slots__ = ("_fd",)

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if isinstance(error, OSError):
            with suppress(OSError):
                error.filename = error.filename or os.readlink(f"/proc/self/fd/{self._fd}")


def has_room(directory: str, size: int) -> bool:
    """Whether `size` more bytes fit on the file system of `directory`, as far as it tells, if nobody else writes there.

    What this process may write to one file (RLIMIT_FSIZE) has to hold all of a segment and of these.
    """
    import resource

    status = os.statvfs(directory)
    if status.f_bavail * status.f_frsize < size:
        return False
    most = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    return most == resource.RLIM_INFINITY or _longest_file(directory) + size <= most


def _longest_file(directory: str) -> int:
    """The size of the longest file in the directories beside `directory`, itself among them."""
    parent = os.path.dirname(directory)
    sizes = [
        entry.stat(follow_symlinks=False).st_size
        for name in os.listdir(parent)
        if os.path.isdir(os.path.join(parent, name))
        for entry in os.scandir(os.path.join(parent, name))
    ]
    return max(sizes, default=0)


def create_file(path: str, data: bytes = b"") -> None:
    """Make a new file with `data`; durable after sync_tree, or when empty after sync_directory. FileExistsError if there."""
    fd = open_file(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    try:
        write_all(fd, data, 0)
    finally:
        os.close(fd)


def replace_file(path: str, data: bytes, *, durable: bool = True) -> None:
    """Make `path` hold `data`, atomically: a reader, or a crash, sees the old or the new, never between.

    durable=False skips the fsyncs: for what is rebuilt when lost.
    """
    _replace(path, data, sync=durable)
    if durable:
        sync_directory(os.path.dirname(path))


def replace_one_of_many(path: str, data: bytes) -> None:
    """Like `replace_file`, but until `sync_directory`, once for all of them, a crash may bring the old file back."""
    _replace(path, data, sync=True)


def _replace(path: str, data: bytes, *, sync: bool) -> None:
    temporary = layout.temporary_name(path)
    fd = open_file(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    try:
        try:
            write_all(fd, data, 0)
            if sync:
                with naming_file(fd):
                    os.fsync(fd)
        finally:
            os.close(fd)
        os.rename(temporary, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise


def place_file(temporary: str, path: str) -> None:
    """Put a file that is on disk at `path`, in place of what lies there, and have the name on disk."""
    os.rename(temporary, path)
    sync_directory(os.path.dirname(path))


def rename_file(old: str, new: str) -> None:
    """Rename, not made durable: for what means nothing after a crash."""
    os.rename(old, new)


def remove_file(path: str) -> None:
    """Remove a file; none there is no error."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return


def rename_directory(old: str, new: str) -> None:
    """Rename, then make it durable. OSError ENOTEMPTY or EEXIST when `new` is there."""
    os.rename(old, new)
    sync_directory(os.path.dirname(new))


_MANY_DIRECTORIES = 50


def sync_tree(*paths: str) -> None:
    """Return once all files and names under the `paths` are on disk.

    With many directories it is one sync(2) of everything instead: an fsync each would take seconds.
    """
    found = [place for path in paths for place in os.walk(path, topdown=False)]
    if len(found) > _MANY_DIRECTORIES:
        os.sync()
        return
    for directory, _, names in found:
        for name in names:
            fd = open_file(os.path.join(directory, name))
            try:
                if os.fstat(fd).st_size:
                    os.fsync(fd)
            finally:
                os.close(fd)
        sync_directory(directory)


def remove_tree(path: str) -> None:
    """rm -r, not following symbolic links; what cannot be removed is left."""
    import shutil

    shutil.rmtree(path, ignore_errors=True)


def remove_temporaries(path: str, of: str = "") -> None:
    """Remove what was being made or removed in the directory `path`, while nobody is about it; what cannot be is left.

    of: only what was to become that name.
    """
    for name in _temporaries(path, of):
        doomed = os.path.join(path, name)
        if os.path.isdir(doomed) and not os.path.islink(doomed):
            remove_tree(doomed)
        else:
            with suppress(OSError):
                os.unlink(doomed)


def has_temporaries(path: str, of: str) -> bool:
    """Whether something in the directory `path` is being made that is to become `of`, or was when its process died."""
    return bool(_temporaries(path, of))


def _temporaries(path: str, of: str) -> list[str]:
    with suppress(FileNotFoundError):
        return [name for name in os.listdir(path) if name.startswith(layout.TEMPORARY + of)]
    return []


def make_directories(path: str) -> None:
    """mkdir -p, every new name durable."""
    if os.path.isdir(path):
        return
    parent = os.path.dirname(os.path.abspath(path))
    make_directories(parent)
    try:
        os.mkdir(path)
    except FileExistsError:
        if not os.path.isdir(path):
            raise
    sync_directory(parent)


def truncate(fd: int, size: int) -> None:
    """Cut the file to `size` bytes."""
    os.ftruncate(fd, size)


def keep_bytes(path: str, fd: int, position: int, size: int) -> None:
    """Copy bytes position <= i < size of an open file to the new file `path`, on disk. OSError leaves no part of it."""
    out = open_file(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    try:
        at = position
        while at < size and (piece := os.pread(fd, min(1 << 20, size - at), at)):
            write_all(out, piece, at - position)
            at += len(piece)
        os.fsync(out)
    except OSError:
        os.unlink(path)
        raise
    finally:
        os.close(out)
    sync_directory(os.path.dirname(path))

"""What a log directory and the limits of this machine look like, and what to mend. Changes nothing."""

from __future__ import annotations

import os
import pwd
import resource
import stat
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from streamcli.record.errors import StreamcliError, UnsupportedBatch
from streamcli.storage.codec import NUMBERS, check_installed
from streamcli.storage.directory import LogDirectory
from streamcli.storage.hold import holds
from streamcli.storage.locks import is_remote, mount_of
from streamcli.storage.log import Log
from streamcli.storage.trial import Trial, try_all

OK, WARNING, PROBLEM = "ok", "warning", "problem"

_IN_MEMORY = ("tmpfs", "ramfs")
_UNSAFE = ("nobarrier", "barrier=0")
_LITTLE_SPACE, _LITTLE_SHARE = 256 << 20, 0.02
_SLOW_FSYNC = 0.5
_DESCRIPTORS = 64
"""Files that a command opens besides those of partitions."""

_FILES_OF_A_PARTITION = 4


class Finding(NamedTuple):
    """One thing that was looked at: `state` is OK, WARNING or PROBLEM; `remedy`: what to do, where that is not OK."""

    check: str
    state: str
    found: str
    remedy: str = ""


def examine_directory(path: str, mounts: str = "/proc/self/mountinfo") -> Iterator[Finding]:
    """The log directory at `path`, there or not yet, and its file system; and a real try of what it needs."""
    there = _nearest(path)
    yield from _directory(path, there)
    yield _file_system(there, mounts)
    yield from _room(there)
    if there != path:
        yield Finding("tries", OK, "none: locks, rename, fsync and inotify are tried in a log directory that is there")
    elif not os.access(path, os.W_OK | os.X_OK):
        yield Finding("tries", OK, "none: locks, rename, fsync and inotify are tried where one may write")
    else:
        yield from _tried(path)


def examine_limits(directory: str) -> Iterator[Finding]:
    """What this process, and this user, may have of the kernel, against what the topics in `directory` need."""
    partitions = _count_partitions(directory)
    files, needed = resource.getrlimit(resource.RLIMIT_NOFILE)[1], _DESCRIPTORS + _FILES_OF_A_PARTITION * partitions
    found = "open files: " + ("unlimited" if files == resource.RLIM_INFINITY else f"{files}")
    if files != resource.RLIM_INFINITY and files < needed:
        state = PROBLEM if files < _DESCRIPTORS else WARNING
        yield Finding(
            "limits", state, f"{found}; all {partitions} partitions at once need {needed}", "raise it with ulimit -Hn"
        )
    else:
        yield Finding("limits", OK, found)
    longest = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    if longest != resource.RLIM_INFINITY:
        found = f"no file may grow past {longest} bytes"
        yield Finding("limits", WARNING, found, "raise it with ulimit -f, or give topics a smaller segment.bytes")
    yield from _kernel_limit("fs/inotify/max_user_watches", partitions + _DESCRIPTORS, "a follower of all topics")
    yield from _kernel_limit("fs/inotify/max_user_instances", 16, "sixteen followers")
    yield from _kernel_limit("fs/pipe-max-size", 1 << 20, "the pipes that are fastest")


def examine_topics(directory: str) -> Iterator[Finding]:
    """Whether each topic's config can be read, and what it is compressed with is installed."""
    for topic, needed in _codecs(directory):
        if isinstance(needed, StreamcliError | OSError):
            yield Finding("topics", PROBLEM, f"{topic}: {needed}", "look with streamcli verify")
            continue
        try:
            check_installed(NUMBERS[needed])
        except UnsupportedBatch as error:
            yield Finding("topics", PROBLEM, f"{topic} is compressed, and {error.reason}", error.remedy)


def examine_holds(directory: str) -> Iterator[Finding]:
    """The mirrors that retention waits for."""
    held: dict[str, list[str]] = {}
    with suppress(StreamcliError, OSError):
        found = LogDirectory(directory, lock_timeout=0)
        for topic in found.topics():
            for partition in range(found.config(topic).partitions):
                path = found.partition_directory(topic, partition)
                for mirror, offset in holds(path):
                    waiting = Log(path).end().offset - max(offset, Log(path).start())
                    held.setdefault(mirror, []).extend([f"{topic} {partition}, {waiting} to go"] * (waiting > 0))
    for mirror, waiting_for in held.items():
        if not waiting_for:
            yield Finding("holds", OK, f"mirror {mirror} has come to the end of what it holds")
            continue
        more = f" and {len(waiting_for) - 1} more partitions" if len(waiting_for) > 1 else ""
        remedy = "see that it runs, or the disk fills up; to have them removed unmirrored: streamcli mirror --release"
        yield Finding("holds", WARNING, f"retention waits for mirror {mirror} ({waiting_for[0]}{more})", remedy)


def _directory(path: str, there: str) -> Iterator[Finding]:
    if there != path:
        state, remedy = OK, ""
        if not os.path.isdir(there) or not os.access(there, os.W_OK | os.X_OK):
            state, remedy = (
                PROBLEM,
                f"{there} cannot be written: choose another log directory with --dir or STREAMCLI_DIR",
            )
        yield Finding("log directory", state, f"{path}, not there yet: the first produce makes it", remedy)
        return
    try:
        LogDirectory(path, lock_timeout=0)
        status = os.stat(path)
        os.listdir(path)
    except (StreamcliError, OSError) as error:
        reason = f"{path}: {error.strerror}" if isinstance(error, OSError) else str(error)
        yield Finding(
            "log directory", PROBLEM, reason, "choose another one with --dir or STREAMCLI_DIR, or ask its owner"
        )
        return
    found = f"{path}, of {_user(status.st_uid)}, mode {stat.S_IMODE(status.st_mode):04o}"
    if status.st_mode & stat.S_IWOTH:
        remedy = "everyone may change and delete records: chmod o-w, and see streamcli-sharing(7)"
        yield Finding("log directory", WARNING, found, remedy)
    elif not os.access(path, os.W_OK | os.X_OK):
        yield Finding("log directory", WARNING, f"{found}: it can be read, not written", "ask its owner, to produce")
    else:
        yield Finding("log directory", OK, found)


def _nearest(path: str) -> str:
    """The path, or what is there of the way to it."""
    there = os.path.abspath(path)
    if os.path.lexists(there):
        return path
    while not os.path.lexists(there):
        there = os.path.dirname(there)
    return there


def _file_system(path: str, mounts: str) -> Finding:
    mount = mount_of(path, mounts)
    if mount is None:
        return Finding("file system", OK, "the system does not tell which")
    kind, options = mount
    if is_remote(kind):
        found = f"{kind}, of the network: locks do not hold between machines"
        if os.environ.get("STREAMCLI_ALLOW_REMOTE") == "1":
            return Finding(
                "file system", WARNING, found, "see that no other machine uses it (STREAMCLI_ALLOW_REMOTE=1 is set)"
            )
        return Finding("file system", PROBLEM, found, "put the log directory on a local disk (--dir)")
    found = f"{kind}, local, {','.join(options)}"
    if "ro" in options:
        return Finding("file system", WARNING, f"{found}: it can be read, not written", "mount it rw, to produce")
    if kind in _IN_MEMORY:
        return Finding(
            "file system", WARNING, f"{found}: in memory, gone after a restart", "put what is to stay on a disk"
        )
    unsafe = [option for option in options if option in _UNSAFE]
    if unsafe:
        return Finding(
            "file system", WARNING, found, f"mount it without {unsafe[0]}: a power cut may lose what was fsynced"
        )
    return Finding("file system", OK, found)


def _room(path: str) -> Iterator[Finding]:
    try:
        room = os.statvfs(path)
    except OSError as error:
        yield Finding("free space", PROBLEM, str(error), "ask the owner of the directory")
        return
    free, size = room.f_bavail * room.f_frsize, room.f_blocks * room.f_frsize
    found = f"{_show_size(free)} of {_show_size(size)}"
    if free < _LITTLE_SPACE or free < size * _LITTLE_SHARE:
        state = WARNING if free >= 1 << 20 else PROBLEM
        yield Finding("free space", state, found, "make room on the disk, or set --retention for topics")
    else:
        yield Finding("free space", OK, found)
    if room.f_files:  # a file system without a table of inodes says 0
        found = f"{room.f_favail:,} of {room.f_files:,} inodes"
        few = room.f_favail < 1000
        yield Finding(
            "free space", WARNING if few else OK, found, "remove files: new segments need inodes" if few else ""
        )


def _tried(path: str) -> Iterator[Finding]:
    remedies = {
        "locks": "put the log directory on a local disk (--dir)",
        "rename": "put the log directory on a local disk (--dir)",
        "fsync": "look at the disk and the kernel's log (dmesg): what is produced may not be kept",
        "inotify": "raise fs.inotify.max_user_instances with sysctl; until then followers look every 50 ms",
    }
    try:
        for trial in try_all(path):
            yield _of_trial(trial, remedies[trial.name])
    except OSError as error:
        reason = f"nothing can be written in {path}: {error.strerror}"
        yield Finding("tries", PROBLEM, reason, "see the log directory and free space above")


def _of_trial(trial: Trial, remedy: str) -> Finding:
    if trial.failure is not None:
        return Finding(trial.name, WARNING if trial.name == "inotify" else PROBLEM, trial.failure, remedy)
    if trial.name != "fsync":
        works = {"locks": "one holder at a time", "rename": "replaces a file", "inotify": "tells of a write"}
        return Finding(trial.name, OK, works[trial.name])
    found = f"1 MiB and its name in {trial.seconds * 1000:.1f} ms"
    if trial.seconds > _SLOW_FSYNC:
        return Finding("fsync", WARNING, found, "the disk is slow, or busy: every produce waits for one")
    return Finding("fsync", OK, found)


def _kernel_limit(name: str, needed: int, of: str) -> Iterator[Finding]:
    with suppress(OSError, ValueError), open(f"/proc/sys/{name}", encoding="ascii") as file:
        value = int(file.read())
        key = name.replace("/", ".")
        if value < needed:
            yield Finding("limits", WARNING, f"{key}: {value}; {of} need {needed}", f"sysctl -w {key}={needed}")
        else:
            yield Finding("limits", OK, f"{key}: {value}")


def _count_partitions(directory: str) -> int:
    with suppress(StreamcliError, OSError):
        found = LogDirectory(directory, lock_timeout=0)
        return sum(found.config(topic).partitions for topic in found.topics())
    return 0


def _codecs(directory: str) -> Iterator[tuple[str, str | StreamcliError | OSError]]:
    """The topics that are compressed, with what; and those whose config cannot be read, with the error."""
    with suppress(StreamcliError, OSError):
        log_directory = LogDirectory(directory, lock_timeout=0)
        for topic in log_directory.topics():
            try:
                codec = log_directory.config(topic).choice("compression.type")
            except (StreamcliError, OSError) as error:
                yield topic, error
            else:
                if codec in NUMBERS:
                    yield topic, codec


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"user {number}"


def _show_size(size: float) -> str:
    for unit in ("B", "K", "M", "G"):
        if size < 1024:
            return f"{size:.0f}{unit}"
        size /= 1024
    return f"{size:.1f}T"

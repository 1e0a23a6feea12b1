"""A trace: what streamcli's own code did to the disk, call by call, and what was said to its user, in one order.

A scenario runs in a child process that stands, by the Interposer, between streamcli and the kernel, and appends a line to
a file for each call that changed something under one directory. The file is opened with O_APPEND, so that threads and
children of the child write in one order too, and a shell command that streamcli runs can write a note of its own.

    {"op": "root", "inode": INODE}                                       the directory that is watched
    {"op": "make", "parent": INODE, "name": NAME, "inode": INODE, "directory": BOOL}
    {"op": "write", "inode": INODE, "position": BYTES, "data": LATIN-1}
    {"op": "cut", "inode": INODE, "size": BYTES}
    {"op": "move", "parent": INODE, "name": OLD, "new_parent": INODE, "new_name": NEW}
    {"op": "remove", "parent": INODE, "name": NAME}
    {"op": "sync", "inode": INODE or null for all, "token": NUMBER}     fsync is called ...
    {"op": "synced", "token": NUMBER}                                    ... and returned: what was done before it was called
    {"note": ..., ...}                                                   what the scenario wants to be known here

A write is noted when it is done, an fsync when it begins and when it ends: it vouches for what was done before it began.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.crash.interposer import Call, Interposer, Perform

Line = dict[str, Any]

_KILLED = 77

_write, _stat, _fstat = os.write, os.stat, os.fstat  # not the interposed ones


class Recorder:
    """Writes the trace of what happens under `root` to the file at `path`."""

    def __init__(self, root: Path, path: Path) -> None:
        self.root = root
        self.path = path
        self._root = str(root)
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        self._tokens = itertools.count()
        self._mine = {_stat(root).st_ino}
        self._dies_at: str | None = None
        self._has_written = False
        self.on_print: Callable[[bytes], None] | None = None

    def note(self, what: str, **fields: Any) -> None:
        """Say something to the oracle: it holds from here on."""
        self._line({"note": what, **fields})

    def describe_tree(self) -> None:
        """Record what is there already, all of it on disk."""
        self._line({"op": "root", "inode": _stat(self.root).st_ino})
        for directory, names, files in os.walk(self.root):
            for name in sorted(names) + sorted(files):
                path = os.path.join(directory, name)
                self._made(path, None, directory=name in names)
                if name in files:
                    data = Path(path).read_bytes()
                    self._line(
                        {"op": "write", "inode": _stat(path).st_ino, "position": 0, "data": data.decode("latin-1")}
                    )
        self._line({"op": "sync", "inode": None, "token": -1})
        self._line({"op": "synced", "token": -1})

    def die(self, at: str, action: Callable[[], object]) -> None:
        """Have a child do something. It dies where it calls a function, once it has written; at "short NAME", having written
        half."""
        pid = os.fork()
        if pid == 0:
            self._dies_at, self._has_written = at, False
            try:
                action()
            finally:
                os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == _KILLED, f"{at} was not called"

    def around(self, call: Call, perform: Perform) -> Any:
        """What the Interposer calls."""
        if self._dies_at == call.name and self._has_written:
            os._exit(_KILLED)
        return perform() if call.name == "fchmod" else getattr(self, f"_{call.name}")(call, perform)

    def _open(self, call: Call, perform: Perform) -> Any:
        path, flags = call.words[0], call.words[1]
        dir_fd = call.options.get("dir_fd")
        there = _exists(path, dir_fd)
        fd = perform()
        if self._is_mine(path, dir_fd):
            if not there:
                self._made(path, dir_fd, directory=False)
            elif flags & os.O_TRUNC and there.st_size:
                self._line({"op": "cut", "inode": _fstat(fd).st_ino, "size": 0})
        return fd

    def _mkdir(self, call: Call, perform: Perform) -> Any:
        perform()
        if self._is_mine(call.words[0], call.options.get("dir_fd")):
            self._made(call.words[0], call.options.get("dir_fd"), directory=True)

    def _unlink(self, call: Call, perform: Perform) -> Any:
        path, dir_fd = call.words[0], call.options.get("dir_fd")
        parent = _parent(path, dir_fd)
        perform()
        if parent in self._mine:
            self._line({"op": "remove", "parent": parent, "name": os.path.basename(path)})

    _rmdir = _unlink

    def _rename(self, call: Call, perform: Perform) -> Any:
        assert not call.options, "a rename by directory descriptors is not modelled"
        old, new = call.words
        perform()
        names = {"name": os.path.basename(old), "new_name": os.path.basename(new)}
        if self._is_mine(new, None):
            self._line({"op": "move", "parent": _parent(old, None), "new_parent": _parent(new, None), **names})

    _replace = _rename

    def _link(self, call: Call, _: Perform) -> Any:
        raise AssertionError(f"{call.name} is not modelled")

    _symlink = _truncate = _link

    def _pwrite(self, call: Call, perform: Perform) -> Any:
        fd, data, position = call.words
        if self._dies_at == "short pwrite":
            data = bytes(data)[: len(data) // 2]
        count = perform(fd, data, position)
        self._wrote(fd, position, bytes(data)[:count])
        if self._dies_at == "short pwrite":
            os._exit(_KILLED)
        return count

    def _pwritev(self, call: Call, perform: Perform) -> Any:
        fd, buffers, position = call.words
        data = b"".join(buffers)
        if self._dies_at == "short pwritev":
            data = data[: len(data) // 2]
        count = perform(fd, [data], position)
        self._wrote(fd, position, data[:count])
        if self._dies_at == "short pwritev":
            os._exit(_KILLED)
        return count

    def _ftruncate(self, call: Call, perform: Perform) -> Any:
        fd, size = call.words
        changes = _fstat(fd).st_size != size
        perform()
        if changes and _fstat(fd).st_ino in self._mine:
            self._line({"op": "cut", "inode": _fstat(fd).st_ino, "size": size})

    def _write(self, call: Call, perform: Perform) -> Any:
        """Standard output is a file outside `root`; what is printed there is what the user was told."""
        fd, data = call.words
        count = perform()
        if fd == 1 and self.on_print is not None:
            self.on_print(bytes(data)[:count])
        elif _fstat(fd).st_ino in self._mine:  # filelock's and Python's own files
            self._wrote(fd, os.lseek(fd, 0, os.SEEK_CUR) - count, bytes(data)[:count])
        return count

    def _writev(self, *_: object) -> Any:
        raise AssertionError("writev to a file is not modelled")

    def _fsync(self, call: Call, perform: Perform) -> Any:
        inode = _fstat(call.words[0]).st_ino
        token = next(self._tokens)
        self._line({"op": "sync", "inode": inode, "token": token})
        perform()
        self._line({"op": "synced", "token": token})

    _fdatasync = _fsync

    def _sync(self, call: Call, perform: Perform) -> Any:  # noqa: ARG002  # of one shape; a real sync(2) would wait for all disks
        token = next(self._tokens)
        self._line({"op": "sync", "inode": None, "token": token})
        self._line({"op": "synced", "token": token})

    def _wrote(self, fd: int, position: int, data: bytes) -> None:
        self._has_written = True
        inode = _fstat(fd).st_ino
        if data and inode in self._mine:
            self._line({"op": "write", "inode": inode, "position": position, "data": data.decode("latin-1")})

    def _made(self, path: str, dir_fd: int | None, *, directory: bool) -> None:
        inode = _stat(path, dir_fd=dir_fd, follow_symlinks=False).st_ino
        self._mine.add(inode)
        name = {"parent": _parent(path, dir_fd), "name": os.path.basename(path)}
        self._line({"op": "make", **name, "inode": inode, "directory": directory})

    def _is_mine(self, path: str, dir_fd: int | None) -> bool:
        return _parent(path, dir_fd) in self._mine

    def _line(self, line: Line) -> None:
        _write(self._fd, json.dumps(line).encode() + b"\n")


def _exists(path: str, dir_fd: int | None) -> os.stat_result | None:
    try:
        return _stat(path, dir_fd=dir_fd)
    except FileNotFoundError:
        return None


def _parent(path: str, dir_fd: int | None) -> int:
    if dir_fd is not None and not os.path.isabs(path):
        assert os.path.dirname(path) == "", "a path below a directory descriptor is not modelled"
        return _fstat(dir_fd).st_ino
    return _stat(os.path.dirname(path) or ".").st_ino


def record(root: Path, path: Path, scenario: Callable[[Recorder], None], *, boot_id: str) -> list[Line]:
    """Run a scenario in a forked child, in another boot of the machine, and return its trace, whose first lines are what
    was there before. AssertionError, with what the child said, when it failed."""
    said = path.with_suffix(".err")
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            _be_child(said)
            _boot(boot_id)
            recorder = Recorder(root, path)
            recorder.describe_tree()
            recorder.note("begin")
            with Interposer(recorder.around):
                scenario(recorder)
            status = 0
        except BaseException:  # noqa: BLE001  # a child that is about to end: its parent shows it
            traceback.print_exc()
            sys.stderr.flush()
        finally:
            os._exit(status)
    _, status = os.waitpid(pid, 0)
    assert status == 0, f"the scenario failed:\n{said.read_text()}"
    with open(path, "rb") as lines:
        return [json.loads(line) for line in lines]


def _be_child(said: Path) -> None:
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM):
        signal.signal(signum, signal.SIG_DFL)
    out = os.open(said.with_suffix(".out"), os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o666)
    err = os.open(said, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o666)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(out, 1)
    os.dup2(err, 2)
    sys.stdout = os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", closefd=False)


def _boot(boot_id: str) -> None:
    """Be in another boot of the machine than the processes that will look at what is left."""
    from streamcli.groups import orphan
    from streamcli.storage import durable

    durable.boot_id = orphan.boot_id = lambda: boot_id  # type: ignore[assignment]

"""streamcli's real command in a forked process: as real to kill as any other, without the time that Python takes to start.

`run_forked` is for the command that meets a fault; `Commands` for whoever looks at what it left, with many commands in one
process of its own.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import NamedTuple, NoReturn

import streamcli.cli.main
from streamcli.cli.commands import COMMANDS
from tests.support.command import Result
from tests.support.waiting import DEADLINE

HUNG = 124
"""The status of what had to be killed because it did not end."""


_NEEDED_LATER = ("filelock", "inotify_simple", "json", "resource", "shutil", "streamcli.cli.consume_group")


def warm_up() -> None:
    """Import what commands import when they need it, so that not each forked process has to."""
    for name in (*_NEEDED_LATER, *(command.run.partition(":")[0] for command in COMMANDS.values())):
        import_module(name)
    gc.freeze()


class Ended(NamedTuple):
    """What a process left. status: as Result has it."""

    status: int
    out: bytes
    err: str

    @property
    def is_killed(self) -> bool:
        return self.status == -signal.SIGKILL


def run_forked(action: Callable[[], None], stdin: bytes, cwd: Path) -> Ended:
    """Run `action` in a forked process with these bytes as standard input; its status is 70 if it returns, 1 if it raises."""
    given = tempfile.TemporaryFile()  # noqa: SIM115  # for the child too
    given.write(stdin)
    given.seek(0)
    out, err = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        _become(action, (given.fileno(), out[1], err[1]), cwd)
    given.close()
    os.close(out[1])
    os.close(err[1])
    try:
        data, is_hung = _read_until_end(pid, (out[0], err[0]))
    finally:
        os.close(out[0])
        os.close(err[0])
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return Ended(HUNG if is_hung else status, data[0], data[1].decode(errors="replace"))


def command(words: list[str]) -> NoReturn:
    """The `streamcli` command, as its entry point runs it: this ends the process."""
    sys.argv = ["streamcli", *words]
    streamcli.cli.main.main()


def _become(action: Callable[[], None], streams: tuple[int, int, int], cwd: Path) -> NoReturn:
    status = 70
    gc.disable()  # which would copy every page it looks at
    try:
        for fd, stream in enumerate(streams):
            os.dup2(stream, fd)
        sys.stdin, sys.stdout = open(0, closefd=False), open(1, "w", closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.chdir(cwd)
        os.environ["STREAMCLI_DIR"] = str(cwd.parent / "log")
        action()
    except BaseException:  # noqa: BLE001  # what Python does at the end of a process
        traceback.print_exc()
        status = 1
    finally:
        sys.stdout.flush()
        os._exit(status)


def _read_until_end(pid: int, streams: tuple[int, int]) -> tuple[list[bytes], bool]:
    """What the process wrote until it ended, or was killed for not ending. Its own children may keep the pipes open."""
    pidfd = os.pidfd_open(pid)
    data = dict.fromkeys(streams, b"")
    deadline = time.monotonic() + DEADLINE
    is_hung = False
    poll = select.poll()
    for fd in (pidfd, *streams):
        poll.register(fd, select.POLLIN)
    while True:
        ready = {fd for fd, _ in poll.poll(max(0.0, deadline - time.monotonic()) * 1000)}
        if not ready:
            os.kill(pid, signal.SIGKILL)
            deadline, is_hung = time.monotonic() + DEADLINE, True
        for fd in ready - {pidfd}:
            piece = os.read(fd, 1 << 16)
            data[fd] += piece
            if not piece:
                poll.unregister(fd)
        if ready == {pidfd}:  # ended, and nothing left to read
            os.close(pidfd)
            return list(data.values()), is_hung


class Commands:
    """streamcli commands, one after the other, in this process: its standard streams are theirs."""

    def __init__(self) -> None:
        self._streams = [tempfile.TemporaryFile() for _ in range(3)]  # noqa: SIM115  # for the life of this process

    def run(self, *words: str, stdin: bytes = b"") -> Result:
        for fd, stream in enumerate(self._streams):
            stream.seek(0)
            stream.truncate()
            os.dup2(stream.fileno(), fd)
        self._streams[0].write(stdin)
        self._streams[0].seek(0)
        status = streamcli.cli.main.run(list(words))
        sys.stderr.flush()
        out, err = (self._whole(stream.fileno()) for stream in self._streams[1:])
        return Result(status, out, err.decode(errors="replace"))

    def ok(self, *words: str, stdin: bytes = b"") -> bytes:
        """The output of a command that has to leave with status 0."""
        result = self.run(*words, stdin=stdin)
        assert result.status == 0, f"{' '.join(words)}: {result}"
        return result.out

    def _whole(self, fd: int) -> bytes:
        return os.pread(fd, os.fstat(fd).st_size, 0)

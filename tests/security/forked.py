"""streamcli in a forked process: as another user if need be, and without the time that starting Python takes."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Sequence
from typing import NamedTuple

from streamcli.cli import main as cli
from streamcli.cli.commands import COMMANDS
from tests.support.command import Result
from tests.support.waiting import DEADLINE

for _command in COMMANDS.values():  # another user need not be able to read our modules
    __import__(_command.run.partition(":")[0])
for _module in ("streamcli.cli.consume_group", "filelock", "inotify_simple", "json", "fnmatch", "resource", "shutil"):
    __import__(_module)

_PATIENCE = int(DEADLINE)
"""Seconds after which a command counts as hanging: the kernel then ends it."""


class User(NamedTuple):
    """Who runs a command: ids, supplementary groups and the umask."""

    uid: int
    gid: int
    groups: tuple[int, ...]
    umask: int


def run(*words: str, stdin: bytes = b"", user: User | None = None) -> Result:
    """Run a command line to its end. A status of minus SIGALRM: it was waiting for something."""
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        given.write(stdin)
        given.flush()
        child = start(words, (given.fileno(), out.fileno(), err.fileno()), user=user, patience=_PATIENCE)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        contents = [(file.seek(0), file.read())[1] for file in (out, err)]
    return Result(status, contents[0], contents[1].decode(errors="replace"))


def ok(*words: str, stdin: bytes = b"", user: User | None = None) -> bytes:
    """Like `run`, for what has to leave with status 0 and nothing on standard error."""
    result = run(*words, stdin=stdin, user=user)
    assert (result.status, result.err) == (0, ""), result
    return result.out


def start(words: Sequence[str], streams: tuple[int, int, int], *, user: User | None = None, patience: int = 0) -> int:
    """Start a command line with these descriptors as its standard streams, the first a file to be read from its beginning,
    and return its pid. patience: seconds after which the kernel ends it, 0 for never."""
    child = os.fork()
    if child == 0:
        _become_command(words, streams, user, patience)
    return child


def _become_command(words: Sequence[str], streams: tuple[int, int, int], user: User | None, patience: int) -> None:
    status = 99
    try:
        for target, fd in enumerate(streams):
            os.dup2(fd, target)
        os.lseek(0, 0, os.SEEK_SET)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.alarm(patience)
        if user is not None:
            os.umask(user.umask)
            os.setgroups(user.groups)
            os.setresgid(user.gid, user.gid, user.gid)
            os.setresuid(user.uid, user.uid, user.uid)
        sys.stdin, sys.stdout, sys.stderr = (os.fdopen(fd, mode, closefd=False) for fd, mode in enumerate("rww"))
        status = cli.run(list(words))
        sys.stdout.flush()
    except cli.Stopped as stopped:  # a signal that came when all was done
        status = stopped.status
    except BaseException:  # noqa: BLE001  # the test gets to read it
        os.write(2, traceback.format_exc().encode())
    finally:
        os._exit(status)

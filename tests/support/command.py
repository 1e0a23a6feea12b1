"""Running streamcli as its users do: a process, with bytes in and out."""

from __future__ import annotations

import fcntl
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, NamedTuple

from tests.support.waiting import DEADLINE

STREAMCLI = [sys.executable, "-m", "streamcli"]
LONGEST_PIPE = 1 << 20
"""Bytes: what Linux lets anybody ask for, until too many have."""


class Result(NamedTuple):
    """What a finished process left: its status (negative: the signal that killed it) and its two streams."""

    status: int
    out: bytes
    err: str

    def lines(self) -> list[bytes]:
        return self.out.split(b"\n")[:-1]


def run(*words: str, stdin: bytes = b"", under: Sequence[str] = (), **options: Any) -> Result:
    """Run streamcli to its end and return what it left. `under`: a command line to put in front.

    Where a pipe holds the input, all of it is there before the process: it is read at once, into one batch. subprocess would
    write it in pieces of 512 bytes, and how many of these are read at once would be up to the scheduler.
    """
    with ExitStack() as pipe:
        given: dict[str, Any] = {"input": stdin}
        whole = filled_pipe(stdin)
        if whole is not None:
            pipe.callback(os.close, whole)
            given = {"stdin": whole}
        done = subprocess.run(
            [*under, *STREAMCLI, *words], **given, capture_output=True, timeout=DEADLINE, check=False, **options
        )
    return Result(done.returncode, done.stdout, done.stderr.decode(errors="replace"))


def filled_pipe(data: bytes) -> int | None:
    """A pipe to read `data` and then the end from; None where no pipe holds as much."""
    if len(data) > LONGEST_PIPE or not hasattr(fcntl, "F_GETPIPE_SZ"):
        return None
    readable, writable = os.pipe()
    with suppress(OSError):  # of pipes a user may have so much memory and no more
        if len(data) > fcntl.fcntl(writable, fcntl.F_GETPIPE_SZ):
            fcntl.fcntl(writable, fcntl.F_SETPIPE_SZ, len(data))
    is_whole = len(data) <= fcntl.fcntl(writable, fcntl.F_GETPIPE_SZ)
    if is_whole:
        os.write(writable, data)
    os.close(writable)
    if is_whole:
        return readable
    os.close(readable)
    return None


def ok(*words: str, stdin: bytes = b"", **options: Any) -> bytes:
    """Run streamcli, which has to leave with status 0 and nothing on standard error, and return its output."""
    result = run(*words, stdin=stdin, **options)
    assert (result.status, result.err) == (0, ""), result
    return result.out


def refused(status: int, *words: str, stdin: bytes = b"", **options: Any) -> str:
    """Run streamcli, which has to leave with `status`, a line on standard error and no output; return the line."""
    result = run(*words, stdin=stdin, **options)
    assert result.status == status, result
    assert result.out == b"", result
    lines = result.err.splitlines()
    assert len(lines) == 1, result.err
    assert lines[0].startswith("streamcli: "), result.err
    return lines[0]


def durable(err: str) -> int:
    """The count that a line on standard error says is durable, or with --sync none appended."""
    found = re.search(r"(\d+) records? (?:is|are) (?:durable|appended, and not fsynced,)", err)
    assert found, err
    return int(found[1])


@contextmanager
def started(*words: str, under: Sequence[str] = (), **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A running streamcli with all three streams as pipes, unless `options` say otherwise; killed at the end."""
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen([*under, *STREAMCLI, *words], bufsize=0, **{**pipes, **options})
    try:
        yield process
    finally:
        process.kill()
        process.wait(DEADLINE)
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def finish(process: subprocess.Popen[bytes]) -> Result:
    """Close a started process's input, read what it says, and wait for its end."""
    out, err = process.communicate(timeout=DEADLINE)
    return Result(process.returncode, out or b"", (err or b"").decode(errors="replace"))

"""Running commands for the benchmark: timed, counted, and measured for memory."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import NamedTuple

PYTHON = [sys.executable, "-c", "pass"]


class CommandFailed(Exception):
    """A measured command did not do what it is measured for."""


class Finished(NamedTuple):
    """seconds: from start to end; peak: bytes of memory at most; output: its standard output; processor: seconds of it that it
    took, with what it started."""

    seconds: float
    peak: int
    output: bytes
    processor: float


def streamcli() -> list[str]:
    """The installed command of this interpreter's environment, else the module."""
    installed = os.path.join(os.path.dirname(sys.executable), "streamcli")
    return [installed] if os.access(installed, os.X_OK) else [sys.executable, "-m", "streamcli"]


def start_python_as_installed(directory: str) -> None:
    """What we start finds its modules compiled, as pip install leaves them, also in a source tree; Python itself too."""
    for name in [name for name in os.environ if name.startswith("PYTHON")]:
        del os.environ[name]
    os.environ["PYTHONPYCACHEPREFIX"] = os.path.join(directory, "compiled")


def settle() -> None:
    """Write out what earlier commands left dirty, so that it does not burden the next."""
    os.sync()


def run(
    words: list[str], *, line: bytes = b"", cwd: str | None = None, env: Mapping[str, str] | None = None
) -> Finished:
    """Run a command with `line` (little enough for a pipe) as its input, and wait for it."""
    readable, writable = os.pipe()
    os.write(writable, line)
    os.close(writable)
    started = time.perf_counter()
    with subprocess.Popen(words, stdin=readable, stdout=subprocess.PIPE, cwd=cwd, env=env) as process:
        os.close(readable)
        assert process.stdout is not None
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise CommandFailed(f"status {process.returncode}: {shlex.join(words)}")
    return Finished(seconds, _peak(usage.ru_maxrss), output, usage.ru_utime + usage.ru_stime)


def shell(command: str) -> Finished:
    """Run a line of shell."""
    return run(["sh", "-c", command])


def peak_of(command: str) -> int:
    """Bytes of memory that the largest process of a line of shell took.

    What a process shows is at least what its parent had when it made it: this module's callers keep nothing large.
    """
    return shell(command).peak


def _peak(ru_maxrss: int) -> int:
    return ru_maxrss if sys.platform == "darwin" else ru_maxrss * 1024

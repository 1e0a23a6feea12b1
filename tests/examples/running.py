"""Running an example as a user does: with `streamcli` on PATH."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support.command import Result
from tests.support.waiting import DEADLINE

EXAMPLES = Path(__file__).parents[2] / "examples"

_STREAMCLI = f'exec {sys.executable} -m streamcli "$@"\n'


def run_example(name: str, *words: str, wrapper: str = _STREAMCLI, stdin: bytes = b"") -> Result:
    """Run an example to its end, in the working directory. `wrapper`: shell lines that stand for `streamcli`."""
    tools = Path("tools").absolute()
    tools.mkdir(exist_ok=True)
    command = tools / "streamcli"
    command.write_text(f'#!/bin/sh\nreal() {{ {sys.executable} -m streamcli "$@"; }}\n{wrapper}')
    command.chmod(0o755)
    start = [sys.executable] if name.endswith(".py") else ["sh"]
    done = subprocess.run(
        [*start, str(EXAMPLES / name), *words],
        input=stdin,
        env={**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"},
        capture_output=True,
        timeout=DEADLINE,
        check=False,
    )
    return Result(done.returncode, done.stdout, done.stderr.decode())

"""Running an example as a user does: with `streamcli` on PATH."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.support.command import Result
from tests.support.waiting import DEADLINE

EXAMPLES = Path(__file__).parents[2] / "examples"

_REAL = {"streamcli": f'{sys.executable} -m streamcli "$@"'}


def run_example(name: str, *words: str, tools: dict[str, str] | None = None, stdin: bytes = b"") -> Result:
    """Run an example to its end, in the working directory.

    `tools`: shell lines that stand for a command; they call the command itself as `real`.
    """
    directory = Path("tools").absolute()
    directory.mkdir(exist_ok=True)
    for tool, lines in ({"streamcli": 'real "$@"'} | (tools or {})).items():
        real = _REAL.get(tool, f'PATH=${{PATH#*:}} {tool} "$@"')
        (directory / tool).write_text(f"#!/bin/sh\nreal() {{ {real}; }}\n{lines}\n")
        (directory / tool).chmod(0o755)
    start = [sys.executable] if name.endswith(".py") else ["sh"]
    try:
        done = subprocess.run(
            [*start, str(EXAMPLES / name), *words],
            input=stdin,
            env={**os.environ, "PATH": f"{directory}:{os.environ['PATH']}"},
            capture_output=True,
            timeout=DEADLINE,
            check=False,
        )
    finally:
        shutil.rmtree(directory)
    return Result(done.returncode, done.stdout, done.stderr.decode())

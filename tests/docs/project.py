"""Where the documents are, and a shell in which `streamcli` is the one under test."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.support.waiting import DEADLINE

ROOT = Path(__file__).parents[2]
MAN = ROOT / "man"
README = (ROOT / "README.md").read_text()


def shell_environment() -> dict[str, str]:
    """The environment, with this interpreter's scripts in front of PATH."""
    scripts = os.path.dirname(sys.executable)
    return {**os.environ, "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"}


def shell(command: str, *, program: str = "sh") -> str:
    """What a command line prints, standard error included."""
    done = subprocess.run(
        [program, "-c", command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=DEADLINE,
        check=False,
        env=shell_environment(),
    )
    return done.stdout.decode()


def section(title: str) -> str:
    """README's text under `## title`."""
    return README.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def code_blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)

"""A program that uses the library, as a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.waiting import DEADLINE


@contextmanager
def python(code: str) -> Iterator[subprocess.Popen[bytes]]:
    """A running program that has imported streamcli, with all three streams as pipes; killed at the end."""
    program = subprocess.Popen(
        [sys.executable, "-c", f"import os, sys, streamcli\n{code}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
    )
    try:
        with program:
            yield program
    finally:
        program.kill()
        program.wait(DEADLINE)

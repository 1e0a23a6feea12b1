"""What the rigs share."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def place() -> Iterator[Path]:
    """Where the states after a crash are made: in memory where that can be had, since thousands of them are fsynced."""
    memory = Path("/dev/shm")
    path = Path(tempfile.mkdtemp(prefix="streamcli-power-cut.", dir=memory if os.access(memory, os.W_OK) else None))
    yield path
    shutil.rmtree(path)

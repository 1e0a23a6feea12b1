"""A log directory in memory: thousands of commands run here, and none of it is about what fsync does."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def memory() -> Iterator[Path]:
    """A directory that any user can pass through, in memory where the machine has a file system for that."""
    parent = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    directory = tempfile.mkdtemp(prefix="streamcli-", dir=parent)
    os.chmod(directory, 0o755)
    yield Path(directory)
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(autouse=True)
def log_directory(memory: Path, log_directory: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """STREAMCLI_DIR, not made yet, in place of the usual one."""
    place = Path(tempfile.mkdtemp(dir=memory))
    place.chmod(0o755)
    ours = place / log_directory.name
    monkeypatch.setenv("STREAMCLI_DIR", str(ours))
    return ours

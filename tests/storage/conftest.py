from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from streamcli.storage.config import TopicConfig
from streamcli.storage.directory import LogDirectory

from .partition_log import PartitionLog


@pytest.fixture
def directory(tmp_path: Path) -> LogDirectory:
    return LogDirectory(str(tmp_path / "log"), lock_timeout=30, create=True)


@pytest.fixture
def partition(directory: LogDirectory) -> Iterator[PartitionLog]:
    """Partition 0 of a new topic."""
    directory.create_topic("t", TopicConfig(1, {}))
    log = PartitionLog(Path(directory.partition_directory("t", 0)))
    yield log
    log.close()

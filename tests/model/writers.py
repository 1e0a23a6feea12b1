"""Writers that die: killed in the middle of their work, or with the last of it torn."""

from __future__ import annotations

import os
import signal

from streamcli.record.batch import Columns
from streamcli.storage.append import Appender, RollPolicy
from tests.support.waiting import DEADLINE, is_ready


def killed_writer(directory: str, policy: RollPolicy, batches: list[Columns], acknowledged: int, now: int) -> int:
    """Append batches in a child, each synced before it is acknowledged, and SIGKILL it once so many were, wherever it is by
    then. Returns how many it acknowledged."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        _write(directory, policy, batches, writer, now)
    os.close(writer)
    try:
        count = 0
        while count < acknowledged:
            assert is_ready(reader, DEADLINE), "the writer hangs"
            count += len(os.read(reader, acknowledged - count))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        while data := os.read(reader, 100):
            count += len(data)
        return count
    finally:
        os.close(reader)


def _write(directory: str, policy: RollPolicy, batches: list[Columns], acknowledge: int, now: int) -> None:
    """The child's whole life."""
    try:
        appender = Appender(directory, policy, lock_timeout=DEADLINE, clock=lambda: now, warn=lambda line: None)
        for columns in batches:
            appender.append(columns)
            appender.sync()
            os.write(acknowledge, b".")
        signal.pause()
    finally:
        os._exit(1)

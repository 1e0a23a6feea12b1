"""Whoever may write in a lease's file can name any process there: only a command for that partition is ever ended for it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamcli.groups.orphan import NOTE_SIZE
from streamcli.storage.durable import boot_id
from tests.security.forked import ok, run
from tests.support.waiting import DEADLINE

pytestmark = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="notes need pidfd_open(2) and /proc")


@pytest.fixture
def victim(request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[bytes]]:
    """A process of ours, with a process group of its own and the environment of the test's parameter."""
    environment = {**os.environ, **getattr(request, "param", {})}
    with subprocess.Popen(
        [sys.executable, "-c", "print(flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        process_group=0,
        env=environment,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()


def note(log_directory: Path, process: subprocess.Popen[bytes]) -> None:
    """Name the process in the lease of partition 0, as a member would its command."""
    ok("produce", "t", stdin=b"a\n")
    ok("consume", "t", "-g", "g", "-n", "0")
    start = Path(f"/proc/{process.pid}/stat").read_bytes().rpartition(b")")[2].split()[19].decode()
    line = f"{process.pid} {start} {boot_id()}\n".rjust(NOTE_SIZE)
    lease = log_directory / "groups/g/leases/t/0"
    lease.parent.mkdir(parents=True, exist_ok=True)
    lease.write_text(f"1-abcdef\n{line}")


@pytest.mark.parametrize(
    "victim",
    [
        {},
        {"STREAMCLI_TOPIC": "t"},
        {"STREAMCLI_TOPIC": "t", "STREAMCLI_PARTITION": "1"},
        {"STREAMCLI_TOPIC": "u", "STREAMCLI_PARTITION": "0"},
    ],
    indirect=True,
)
def test_another_process_is_not_harmed(victim: subprocess.Popen[bytes], log_directory: Path) -> None:
    note(log_directory, victim)
    assert run("consume", "t", "-g", "g").out == b""  # it is waited for: nobody can know what it does
    assert victim.poll() is None
    victim.kill()
    victim.wait(DEADLINE)
    assert ok("consume", "t", "-g", "g") == b"a\n"


@pytest.mark.parametrize("victim", [{"STREAMCLI_TOPIC": "t", "STREAMCLI_PARTITION": "0"}], indirect=True)
def test_a_command_of_that_partition_is_ended(victim: subprocess.Popen[bytes], log_directory: Path) -> None:
    note(log_directory, victim)
    assert ok("consume", "t", "-g", "g") == b"a\n"
    assert victim.wait(DEADLINE) == -signal.SIGKILL

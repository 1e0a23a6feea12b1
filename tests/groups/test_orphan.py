"""A command that outlives its killed consumer, where the kernel gives no descriptors of processes (pidfds)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from streamcli.groups import orphan
from streamcli.storage import durable
from tests.groups.test_takeover import LASTING, is_running, written
from tests.support.command import ok, started
from tests.support.deliveries import NOTE, committed, extents, numbers
from tests.support.waiting import DEADLINE, wait_until

MISSING = "import os; del os.pidfd_open"
REFUSED = """
import errno, os
def refuse(pid, flags=0):
    raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
os.pidfd_open = refuse
"""


def without_pidfds(how: str, *words: str) -> list[str]:
    return [sys.executable, "-c", f"{how}\nfrom streamcli.cli.main import main; main()", *words]


@pytest.mark.parametrize("how", [MISSING, REFUSED], ids=["missing", "refused"])
def test_commands_run_without_pidfds(how: str) -> None:
    ok("produce", "t", stdin=numbers(0, 6))
    words = without_pidfds(how, "consume", "t", "-g", "g", "--batch", "2", "--", "sh", "-c", NOTE + "cat")
    assert subprocess.run(words, capture_output=True, timeout=DEADLINE, check=True).stdout == numbers(0, 6)
    assert extents() == [(0, 1), (2, 3), (4, 5)]
    assert committed("g") == {0: 6}


@pytest.mark.parametrize("how", [MISSING, REFUSED], ids=["missing", "refused"])
def test_the_next_owner_ends_the_command_first(how: str) -> None:
    leaders, children = Path("leaders"), Path("children")
    leaders.touch()
    children.touch()
    ok("produce", "t", stdin=b"1\n")
    with started("consume", "t", "-g", "g", "--", "sh", "-c", LASTING) as killed:
        wait_until(lambda: written(children), "the command to begin")
        killed.kill()
        killed.wait(DEADLINE)
    assert is_running(written(leaders)[0])
    words = without_pidfds(how, "consume", "t", "-g", "g", "-f", "-n", "1", "--", "sh", "-c", "cat")
    assert subprocess.run(words, capture_output=True, timeout=DEADLINE, check=True).stdout == b"1\n"
    assert not is_running(written(leaders)[0])
    wait_until(lambda: not is_running(written(children)[0]), "what it started to end")


@pytest.mark.parametrize("pidfds", [True, False])
def test_who_is_ended(monkeypatch: pytest.MonkeyPatch, pidfds: bool) -> None:
    """The process that is noted, of this boot and with its time of start; nobody where the note does not say that."""
    if not pidfds:
        monkeypatch.delattr("os.pidfd_open")
    environment = {**os.environ, "STREAMCLI_TOPIC": "t", "STREAMCLI_PARTITION": "0"}
    with subprocess.Popen(["sleep", "1000"], process_group=0, env=environment) as process:
        try:
            start, boot = (
                Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[19],
                durable.boot_id(),
            )
            others = [
                f"{process.pid} {int(start) + 1} {boot}",  # another process had the number
                f"{process.pid} {start} {durable.NO_BOOT_ID}",
                f"{process.pid} - {boot}",  # noted where there is no /proc
                f"{process.pid} {start}",
                f"x{process.pid} {start} {boot}",
                f"{10**40} {start} {boot}",
                "",
            ]
            for note in others:
                assert orphan.end_orphan(note.encode(), ("t", 0)), note
                assert process.poll() is None, note
            note = f"{process.pid} {start} {boot}\n".encode().rjust(orphan.NOTE_SIZE)
            assert not orphan.end_orphan(note, ("t", 1)), "the command of another partition"
            assert process.poll() is None
            wait_until(lambda: orphan.end_orphan(note, ("t", 0)), "it to be gone")
            assert process.wait(DEADLINE) == -9
        finally:
            process.kill()

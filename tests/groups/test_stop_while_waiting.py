"""A first signal to who waits for a lock of the group: it ends with 128+signal, and nothing is lost or done twice."""

from __future__ import annotations

import json
import os
import signal
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.storage.test_locks import KERNEL_LOCKS, is_awaited
from tests.support.command import finish, ok, started
from tests.support.groups import offsets
from tests.support.locks import lock_held
from tests.support.waiting import read_lines, wait_until

SIGNALS = [(signal.SIGTERM, 143), (signal.SIGINT, 130)]
FORMS = {
    "bounded": (),
    "following": ("-f",),
    "command": ("--", "cat"),
    "following command": ("-f", "--", "cat"),
}

pytestmark = pytest.mark.skipif(not KERNEL_LOCKS.exists(), reason="the kernel does not tell who waits for a lock")


@pytest.fixture
def group(log_directory: Path) -> Path:
    ok("produce", "t", stdin=b"a\n")
    ok("consume", "t", "-g", "g")
    ok("produce", "t", stdin=b"b\n")
    return log_directory / "groups" / "g"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("signum", "status"), SIGNALS)
def test_while_it_joins(group: Path, form: str, signum: int, status: int) -> None:
    with lock_held(group / "lock"), started("consume", "t", "-g", "g", *FORMS[form]) as member:
        wait_until(lambda: is_awaited(group / "lock"), "the member to wait for the group's lock")
        member.send_signal(signum)
        assert finish(member) == (status, b"", "")
    assert ok("consume", "t", "-g", "g") == b"b\n"
    assert list((group / "members").iterdir()) == []


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("signum", "status"), SIGNALS)
def test_while_it_commits(group: Path, form: str, signum: int, status: int) -> None:
    """What was printed is committed all the same, once the lock can be had."""
    with ExitStack() as holding:
        holding.enter_context(lock_held(group / "commits.lock"))
        with started("consume", "t", "-g", "g", *FORMS[form]) as member:
            assert read_lines(member.stdout, 1) == [b"b"]
            wait_until(lambda: is_awaited(group / "commits.lock"), "the member to wait for the journal's lock")
            member.send_signal(signum)
            holding.close()
            assert finish(member) == (status, b"", "")
    assert offsets("g") == {("t", 0): 2}
    assert ok("consume", "t", "-g", "g") == b""


def test_a_second_signal_does_not_wait_for_the_commit(group: Path) -> None:
    with lock_held(group / "commits.lock"), started("consume", "t", "-g", "g") as member:
        assert read_lines(member.stdout, 1) == [b"b"]
        wait_until(lambda: is_awaited(group / "commits.lock"), "the member to wait for the journal's lock")
        wait_until(lambda: member.send_signal(signal.SIGTERM) or member.poll() is not None, "its end")
        assert finish(member).status == 143
    assert ok("consume", "t", "-g", "g") == b"b\n"


@pytest.mark.parametrize("form", ["following", "following command"])
def test_while_it_leaves(group: Path, form: str) -> None:
    """Its work is committed by then; who comes next sees that it is gone."""
    with ExitStack() as holding:
        with started("consume", "t", "-g", "g", "-n", "1", *FORMS[form]) as member:
            wait_until(lambda: offsets("g") == {("t", 0): 2} or member.poll() is not None, "the commit")
            holding.enter_context(lock_held(group / "lock"))
            member.send_signal(signal.SIGTERM)
            finish(member)
        assert member.returncode in (0, 143, -signal.SIGTERM)
    assert offsets("g") == {("t", 0): 2}
    assert ok("consume", "t", "-g", "g") == b""
    assert list((group / "members").iterdir()) == []


def test_a_member_keeps_no_lock_open_that_it_gave_back(group: Path) -> None:
    """The death of another member is a new generation that this one writes, under the group's lock."""
    with started("consume", "t", "-g", "g", "-f") as member:
        assert read_lines(member.stdout, 1) == [b"b"]
        for _ in range(3):
            with started("consume", "t", "-g", "g", "-f") as other:
                wait_until(lambda: len(assigned(group)) == 2, "a generation of two")
                other.kill()
            wait_until(lambda: len(assigned(group)) == 1, "a generation of one")
        wait_until(lambda: f"{group}/lock" not in opened_by(member.pid), "the lock to be closed")
        member.terminate()
        assert finish(member) == (143, b"", "")


def opened_by(pid: int) -> list[str]:
    """The files that a process has open; it may open and close some meanwhile."""
    found = []
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with suppress(FileNotFoundError):
            found.append(os.readlink(f"/proc/{pid}/fd/{fd}"))
    return found


def assigned(group: Path) -> dict[str, list[tuple[str, int]]]:
    """The assignment of the newest generation."""
    return json.loads((group / "generation.json").read_bytes())["assignment"]

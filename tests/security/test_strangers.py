"""What is not streamcli's and lies in a log directory: told by the commands that list, passed over by all, never deleted."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from streamcli.storage import strangers
from tests.security.forked import ok, run
from tests.support.command import ok as ok_in_own_process

TOLD_BY = {
    "notes.txt": "topics list",
    "topics/README": "topics list",
    "topics/legal-name": "topics list",
    "topics/.hidden": "topics list",
    "topics/t/backup.tar": "topics describe t",
    "topics/t/00": "topics describe t",
    "topics/t/0/core": "topics describe t",
    "topics/t/0/123.log": "topics describe t",
    "groups/README": "groups list",
    "groups/legal-name": "groups list",
    "groups/g/notes": "groups describe g",
    "groups/g/members/nonsense": "groups describe g",
}


@pytest.fixture
def littered(log_directory: Path) -> dict[Path, int]:
    """Strangers' files everywhere, with their inode numbers."""
    ok("topics", "create", "t", "-p", "2")
    ok("produce", "t", "-p", "0", stdin=b"a\n")
    ok("consume", "t", "-g", "g", "-f", "-n", "1")
    for place in TOLD_BY:
        (log_directory / place).write_bytes(b"mine")
    (log_directory / "topics" / "empty-directory").mkdir()
    return {log_directory / place: (log_directory / place).stat().st_ino for place in TOLD_BY}


def test_they_are_passed_over_and_kept(littered: dict[Path, int]) -> None:
    assert run("topics", "list").out == b"t\n"
    assert run("groups", "list").out == b"g\n"
    assert run("groups", "list", "--json").out == b'{"group":"g","members":[],"lag":0}\n'
    ok("produce", "t", "-p", "0", stdin=b"b\n")
    assert ok("consume", "t", "--since", "1h") == b"a\nb\n"
    assert ok("consume", "*") == b"a\nb\n"
    assert ok("consume", "t", "-g", "g") == b"b\n"
    assert ok("consume", "t", "-g", "g", "-f", "--idle", "1ms") == b""
    assert ok("tail", "-n", "1", "t") == b"b\n"
    ok("groups", "reset", "g", "--to", "beginning")
    ok("topics", "create", "other")
    ok("topics", "delete", "other", "-y")
    for path, inode in littered.items():
        assert path.read_bytes() == b"mine"
        assert path.stat().st_ino == inode


@pytest.mark.parametrize("command", sorted(set(TOLD_BY.values())))
def test_they_are_told_by_what_lists(command: str, littered: dict[Path, int], log_directory: Path) -> None:
    result = run(*command.split(" "))
    assert result.status == 0
    told = {path for path in littered if f"not streamcli's, and left it where it is ({path})" in result.err}
    assert told == {log_directory / place for place, by in TOLD_BY.items() if by == command}
    assert run(*command.split(" "), "-q").err == ""


def test_all_are_told_by_verify(littered: dict[Path, int]) -> None:
    result = run("verify")
    assert result.status == 0
    lines = result.err.splitlines()
    assert len(lines) == 11
    assert f"passed over {len(littered) + 1 - 10} more" in lines[-1]  # one of them is the empty directory
    assert run("repair").status == 0
    assert all(path.read_bytes() == b"mine" for path in littered)


def test_many_are_told_in_few_lines(log_directory: Path) -> None:
    ok("produce", "t", stdin=b"a\n")
    for number in range(30):
        (log_directory / "topics" / f"stranger{number}").write_bytes(b"")
    lines = run("topics", "list").err.splitlines()
    assert len(lines) == 11
    assert "20 more" in lines[-1]


def test_a_tidy_directory_is_told_nothing_of() -> None:
    ok("topics", "create", "t", "-p", "12", "--segment-bytes", "1K")
    for _ in range(3):
        ok("produce", "t", "-p", "0", stdin=b"line\n" * 200)
    ok("consume", "t", "-g", "g", "-f", "-n", "1")
    for words in (
        "topics list",
        "topics describe t",
        "groups list",
        "groups describe g",
        "groups describe --all",
        "verify",
    ):
        ok_in_own_process(*words.split(" "))


def test_what_recovery_keeps_is_no_stranger(log_directory: Path) -> None:
    ok("produce", "t", stdin=b"a\n")
    (segment,) = log_directory.glob("topics/t/0/*.log")
    with segment.open("ab") as file:
        file.write(segment.read_bytes()[:20])
    assert run("produce", "t", stdin=b"b\n").status == 0
    assert len(os.listdir(segment.parent)) == 5
    ok("topics", "describe", "t")


def test_a_topic_that_may_not_be_looked_into_is_no_stranger(
    log_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ok("topics", "create", "t")

    def refuse(path: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)

    monkeypatch.setattr(os, "lstat", refuse)
    assert strangers.in_topics(str(log_directory)) == []

"""Several users of one log directory: what the modes allow each, and that they work together where they may."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from tests.security.forked import User, ok, run
from tests.support.command import ok as ok_in_own_process

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as other users")

GROUP = 54321
ANNA = User(54322, 54322, (GROUP,), 0o002)
BEN = User(54323, 54323, (GROUP,), 0o002)
EVE = User(54324, 54324, (), 0o022)


def everything(directory: Path) -> list[Path]:
    return [directory, *sorted(directory.rglob("*"))]


def use_all() -> None:
    """Make every kind of file that there is."""
    ok("topics", "create", "t", "-p", "2", "--segment-bytes", "1K")
    for _ in range(3):
        ok("produce", "t", "-p", "0", stdin=b"line\n" * 200)
    ok("consume", "t", "-g", "g", "-n", "10")
    ok("consume", "t", "-g", "g", "-f", "--idle", "1ms")


@pytest.mark.parametrize("umask", [0o022, 0o002, 0o077, 0o027])
def test_modes_are_what_the_umask_leaves(umask: int, log_directory: Path) -> None:
    before = os.umask(umask)
    try:
        use_all()
    finally:
        os.umask(before)
    for path in everything(log_directory):
        full = 0o777 if path.is_dir() else 0o666
        assert stat.S_IMODE(path.stat().st_mode) & 0o777 == full & ~umask, path


def test_locks_and_fsyncs_in_a_process_of_its_own_obey_the_umask_too(log_directory: Path) -> None:
    ok_in_own_process("produce", "t", stdin=b"a\n", umask=0o077)
    assert {stat.S_IMODE(path.stat().st_mode) for path in everything(log_directory)} == {0o700, 0o600}


@pytest.fixture
def shared(log_directory: Path) -> Path:
    """A directory of the group, as the manual says to make it."""
    log_directory.mkdir()
    os.chown(log_directory, ANNA.uid, GROUP)
    log_directory.chmod(0o2770)
    return log_directory


@as_root
def test_two_users_of_a_group_share(shared: Path) -> None:
    ok("topics", "create", "t", "-p", "2", user=ANNA)
    for user, word in ((ANNA, b"anna\n"), (BEN, b"ben\n"), (ANNA, b"anna again\n")):
        ok("produce", "t", "-p", "0", stdin=word, user=user)
    assert ok("consume", "t", user=BEN) == b"anna\nben\nanna again\n"
    assert ok("consume", "t", "-g", "g", "-n", "1", user=ANNA) == b"anna\n"
    assert ok("consume", "t", "-g", "g", "-n", "1", user=BEN) == b"ben\n"
    assert ok("consume", "t", "-g", "g", "-f", "-n", "1", user=ANNA) == b"anna again\n"
    ok("groups", "reset", "g", "--to", "beginning", user=BEN)
    assert ok("consume", "t", "-g", "g", "-f", "-n", "1", user=BEN) == b"anna\n"
    ok("produce", "of-ben", stdin=b"x\n", user=BEN)
    ok("topics", "delete", "of-ben", "-y", user=ANNA)
    ok("groups", "delete", "g", user=BEN)
    ok("topics", "delete", "t", "-y", user=BEN)
    for path in everything(shared):
        assert path.stat().st_gid == GROUP, path
        assert not path.is_dir() or path.stat().st_mode & stat.S_ISGID, path


@as_root
def test_one_recovers_what_the_other_left_torn(shared: Path) -> None:
    ok("produce", "t", stdin=b"one\n", user=ANNA)
    (segment,) = shared.glob("topics/t/0/*.log")
    with segment.open("ab") as file:
        file.write(segment.read_bytes()[:20])
    result = run("produce", "t", stdin=b"two\n", user=BEN)
    assert result.status == 0
    assert "recovered the log: cut 20 bytes" in result.err
    assert ok("consume", "t", user=ANNA) == b"one\ntwo\n"


@as_root
@pytest.mark.usefixtures("shared")
def test_a_stranger_to_the_group_sees_nothing() -> None:
    ok("produce", "t", stdin=b"secret\n", user=ANNA)
    for words in (["consume", "t"], ["produce", "t"], ["topics", "list"], ["groups", "list"]):
        result = run(*words, user=EVE)
        assert result.status == 1
        assert result.out == b""
        assert "Permission denied" in result.err
        assert "ask its owner" in result.err


READING = [
    (["consume", "t", "-p", "0"], b"line\n" * 600),
    (["consume", "t", "-p", "0", "-o", "598"], b"line\n" * 2),
    (["consume", "t", "-f", "-n", "600"], b"line\n" * 600),
    (["tail", "-n", "2", "t"], b"line\nline\n"),
    (["topics", "list"], b"t\n"),
    (["topics", "describe", "t"], None),
    (["groups", "list"], b"g\n"),
    (["groups", "list", "--json"], b'{"group":"g","members":[],"lag":0}\n'),
    (["groups", "describe", "g"], None),
    (["groups", "log", "g"], None),
    (["groups", "export", "g"], None),
    (["groups", "wait", "g"], b""),
    (["verify"], None),
    (["groups", "reset", "g", "--to", "end", "--dry-run"], None),
]


@as_root
def test_a_reader_without_write_permission_reads(log_directory: Path) -> None:
    use_all()
    for index in log_directory.glob("topics/t/0/*.index"):
        index.unlink()
    before = [(path, path.stat().st_mtime_ns, path.stat().st_ino) for path in everything(log_directory)]
    for words, expected in READING:
        out = ok(*words, user=EVE)
        assert expected is None or out == expected, words
    assert [(path, path.stat().st_mtime_ns, path.stat().st_ino) for path in everything(log_directory)] == before


@as_root
@pytest.mark.parametrize(
    "words",
    [
        ["produce", "t"],
        ["produce", "new"],
        ["topics", "create", "new"],
        ["topics", "delete", "t", "-y"],
        ["consume", "t", "-g", "g"],
        ["consume", "t", "-g", "new"],
        ["groups", "reset", "g", "--to", "end"],
        ["groups", "delete", "g"],
    ],
)
def test_a_reader_without_write_permission_does_not_write(words: list[str], log_directory: Path) -> None:
    use_all()
    before = [(path, path.stat().st_mtime_ns) for path in everything(log_directory)]
    result = run(*words, stdin=b"x\n", user=EVE)
    assert (result.status, result.out) == (1, b""), result
    assert "Permission denied" in result.err
    assert len(result.err.splitlines()) == 1
    assert [(path, path.stat().st_mtime_ns) for path in everything(log_directory)] == before

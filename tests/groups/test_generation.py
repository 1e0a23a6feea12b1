"""Files in groups/ that were damaged, deleted or altered by hand: an error or a rebuild, never a silent start from the beginning."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.groups.swarm import is_settled
from tests.support.command import finish, ok, refused, run, started
from tests.support.groups import described, offsets, owners
from tests.support.waiting import read_lines, wait_until

BAD_GENERATIONS = [
    b"",
    b"{",
    b"\0" * 100,
    b"[]",
    b"null",
    b"{}",
    b'{"generation":1}',
    b'{"generation":1,"assignment":[]}',
    b'{"generation":1,"assignment":{"x":5}}',
    b'{"generation":1,"assignment":{"x":[["t"]]}}',
    b'{"generation":"x","assignment":{}}',
    b"[" * 100_000,
    b"\xff\xfe",
]


@pytest.fixture
def group(log_directory: Path) -> Path:
    """Topic t with two partitions of three records each, all of them consumed by g; returns g's directory."""
    ok("topics", "create", "t", "-p", "2")
    for partition in "01":
        ok("produce", "t", "-p", partition, stdin=b"a\nb\nc\n")
    ok("consume", "t", "-g", "g")
    return log_directory / "groups" / "g"


@pytest.mark.parametrize("content", BAD_GENERATIONS, ids=range(len(BAD_GENERATIONS)))
def test_a_damaged_generation_is_made_again(group: Path, content: bytes) -> None:
    (group / "generation.json").write_bytes(content)
    assert len(described("g")) == 2
    ok("produce", "t", "-p", "0", stdin=b"d\n")
    assert ok("consume", "t", "-g", "g", "-f", "-n", "1") == b"d\n"
    generation = json.loads((group / "generation.json").read_bytes())
    assert generation["generation"] > 0


@pytest.mark.parametrize("content", [None, b"", b"{", b'{"generation":99,"assignment":{}}'])
def test_a_generation_damaged_while_members_run(group: Path, content: bytes | None) -> None:
    with started("consume", "t", "-g", "g", "-f") as one, started("consume", "t", "-g", "g", "-f") as two:
        wait_until(lambda: len(owners("g")) == 2, "two owners")
        file = group / "generation.json"
        if content is None:
            file.unlink()
        else:
            file.write_bytes(content)
        wait_until(lambda: file.exists() and file.read_bytes() != content and is_settled(2, 2), "two owners once more")
        for partition in "01":
            ok("produce", "t", "-p", partition, stdin=b"d\n")
        assert read_lines(one.stdout, 1) == read_lines(two.stdout, 1) == [b"d"]
        for member in (one, two):
            member.terminate()
            assert finish(member) == (143, b"", "")
    assert offsets("g") == {("t", 0): 4, ("t", 1): 4}


@pytest.mark.parametrize("damage", ["gone", "empty", "byte", "line"])
def test_damaged_commits_stop_every_use(group: Path, damage: str) -> None:
    commits = group / "commits"
    whole = commits.read_bytes()
    damaged = {"empty": b"", "byte": whole.replace(b"t:1=3", b"t:1=1"), "line": whole + b"nonsense\n"}.get(damage)
    commits.unlink()
    if damaged is not None:
        commits.write_bytes(damaged)
    for words in (
        ["consume", "t", "-g", "g"],
        ["consume", "t", "-g", "g", "-f"],
        ["consume", "t", "-g", "g", "-o", "beginning", "--", "cat"],
        ["groups", "describe", "g"],
        ["groups", "log", "g"],
        ["groups", "export", "g"],
        ["groups", "undo", "g"],
        ["groups", "reset", "g", "--to", "end"],
        ["groups", "wait", "g"],
    ):
        line = refused(6, *words)
        assert str(commits) in line
        assert "import its offsets" in line
    assert (commits.read_bytes() if commits.exists() else None) == damaged
    assert list((group / "members").iterdir()) == []
    ok("groups", "delete", "g")
    ok(
        "groups",
        "import",
        "g",
        stdin=b'{"topic":"t","partition":0,"offset":3}\n{"topic":"t","partition":1,"offset":3}\n',
    )
    assert ok("consume", "t", "-g", "g") == b""


def test_the_line_that_is_named_can_be_removed(group: Path) -> None:
    commits = group / "commits"
    commits.write_bytes(commits.read_bytes() + b"1700000000000 commit x t:0=1 00000000\n")
    assert f"{commits}, line 3" in refused(6, "groups", "export", "g")
    commits.write_bytes(b"".join(commits.read_bytes().splitlines(True)[:2]))
    assert ok("consume", "t", "-g", "g") == b""


@pytest.mark.parametrize("name", ["members", "leases", "generation.json", "lock", "commits.lock"])
def test_what_is_rebuilt(group: Path, name: str) -> None:
    """With no member alive, all but the commits may go."""
    path = group / name
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    before = (group / "commits").read_bytes()
    assert ok("consume", "t", "-g", "g") == b""
    ok("produce", "t", "-p", "1", stdin=b"d\n")
    assert ok("consume", "t", "-g", "g", "-f", "-n", "1") == b"d\n"
    assert (group / "commits").read_bytes().startswith(before)


def test_a_members_file_deleted_while_it_runs_takes_no_partition_twice(group: Path) -> None:
    with started("consume", "t", "-g", "g", "-f") as one:
        wait_until(lambda: len(owners("g")) == 1, "an owner")
        (group / "members" / next(iter(owners("g")))).unlink()
        with started("consume", "t", "-g", "g", "-f") as two:
            wait_until(
                lambda: all((state["member"] or "").startswith(f"{two.pid}-") for state in described("g")),
                "the second member to own both",
            )
            for partition in "01":
                ok("produce", "t", "-p", partition, stdin=b"d\n")
            assert read_lines(two.stdout, 2) == [b"d", b"d"]
            two.terminate()
            assert finish(two) == (143, b"", "")
        one.terminate()
        assert finish(one).out == b""
    assert offsets("g") == {("t", 0): 4, ("t", 1): 4}


def test_nonsense_in_a_members_file_is_no_member(group: Path) -> None:
    (group / "members" / "1-abcdef").write_bytes(b"\xff\0{")
    (group / "members" / "2-000000").write_bytes(b"")
    assert b"members 0\n" in ok("groups", "describe", "g")
    assert run("consume", "t", "-g", "g", "-f", "-n", "0").status == 0
    ok("produce", "t", "-p", "1", stdin=b"d\n")
    assert ok("consume", "t", "-g", "g", "-f", "-n", "1") == b"d\n"
    assert list((group / "members").iterdir()) == []

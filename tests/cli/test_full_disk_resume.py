"""Going on after a full disk, as a script does it: by what the message says, and the input is there exactly once."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.security.forked import ok, run
from tests.support.command import durable, started
from tests.support.command import run as run_under
from tests.support.restricted import restricted
from tests.support.small_disk import SmallDisk, can_mount, small_disk
from tests.support.waiting import wait_until

KIB = 1 << 10
SIZE = 2 << 20

pytestmark = pytest.mark.skipif(not can_mount(), reason="mounting a small file system needs to be root, and allowed to")


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallDisk]:
    monkeypatch.setenv("STREAMCLI_DIR", str(tmp_path / "disk" / "log"))
    with small_disk(tmp_path / "disk", SIZE) as disk:
        yield disk


def lines(count: int) -> bytes:
    return b"".join(b"%d %s\n" % (number, b"x" * (number * 37 % 900)) for number in range(count))


def envelopes(count: int) -> bytes:
    rows = (
        {"partition": number % 7 % 3, "key": f"k{number % 5}", "value": "x" * (number % 800)} for number in range(count)
    )
    return b"".join(
        json.dumps({**row, "timestamp": n, "headers": [["n", str(n)]]}).encode() + b"\n" for n, row in enumerate(rows)
    )


def keyed(count: int) -> bytes:
    return b"".join(b"key%d:%d %s\n" % (number % 11, number, b"x" * (number % 700)) for number in range(count))


SHAPES = {
    "lines": (["produce", "t", "-p", "0"], lines(1500), "tail", ["consume", "t"]),
    "null": (["produce", "t", "-0", "-p", "0"], lines(1500).replace(b"\n", b"\n\0"), "tail -z", ["consume", "t", "-0"]),
    "unended": (["produce", "t", "-p", "0"], lines(1500)[:-1], "tail", ["consume", "t"]),
    "batches": (["produce", "t", "-p", "0", "--sync", "batch"], lines(1500), "tail", ["consume", "t"]),
    "slowly": (["produce", "t", "-p", "0", "--rate", "100000"], lines(1500), "tail", ["consume", "t"]),
    "keys": (["produce", "t", "-K", ":"], keyed(1800), "tail", ["consume", "t", "-K", ":"]),
    "json": (["produce", "t", "--json"], envelopes(1500), "tail", ["consume", "t", "--json"]),
}


def canonical(shape: str, data: bytes) -> list[bytes] | bytes:
    """What has to be the same of input and output: all of it, and of several partitions the records, sorted."""
    if shape == "json":
        fields = ("partition", "key", "value", "timestamp", "headers")
        rows = [json.loads(line) for line in data.splitlines()]
        return sorted(json.dumps([row[name] for name in fields]).encode() for row in rows)
    if shape == "unended" and not data.endswith(b"\n"):
        return data + b"\n"
    return sorted(data.splitlines()) if shape == "keys" else data


def part_after(command: str, data: bytes) -> bytes:
    """What the command that the message names makes of the input."""
    assert re.fullmatch(r"tail( -z)? -n \+\d+", command)
    return subprocess.run(command.split(), input=data, capture_output=True, check=True).stdout


@pytest.mark.parametrize("shape", SHAPES)
def test_going_on_gives_the_input_exactly_once(shape: str, disk: SmallDisk) -> None:
    """The disk gets full several times in one input: each time the message says where to go on."""
    produce, data, tail, consume = SHAPES[shape]
    ok("topics", "create", "t", "-p", "3", "--segment-bytes", "100K")
    rest, stops, done = data, 0, 0
    for room in (0, 1, 4, 5, 60, 61, 128, 200, 333, 300, 2000):
        disk.leave(room * KIB)
        result = run(*produce, stdin=rest)
        if result.status == 0:
            break
        assert result.status == 8
        assert "No space left on device (" in result.err
        count = durable(result.err)
        assert "other partitions" not in result.err
        assert f"({tail} -n +{count + 1})" in result.err
        rest = part_after(f"{tail} -n +{count + 1}", rest)
        done += count
        stops += 1
        disk.free()
        there = run(*consume)
        assert there.status == 0
        assert len(canonical("keys", there.out.replace(b"\n\0", b"\n"))) == done
    else:
        disk.free()
        ok(*produce, stdin=rest)
    assert stops >= 5
    disk.free()
    assert canonical(shape, ok(*consume)) == canonical(shape, data)
    assert run("verify").status == 0


def test_topics_are_made_whole_or_not_at_all(disk: SmallDisk) -> None:
    ok("produce", "there", stdin=b"a\n")
    for room in (0, 4, 8, 12, 20, 40, 80):
        disk.leave(room * KIB)
        result = run("topics", "create", "t", "-p", "5")
        names = ok("topics", "list", "-q").split()
        assert (names == [b"t", b"there"]) == (result.status == 0)
        if result.status:
            assert result.status == 1
            assert "No space left on device (" in result.err
            assert "make room" in result.err
            assert not list(Path(os.environ["STREAMCLI_DIR"], "topics").glob("t/*"))
        disk.free()
        ok("topics", "create", "t", "-p", "5", "--if-not-exists")
        ok("produce", "t", stdin=b"b\n")
        ok("topics", "delete", "t", "-y")
        assert ok("consume", "there") == b"a\n"


def test_readers_go_on(disk: SmallDisk) -> None:
    ok("produce", "t", stdin=b"a\nb\n")
    ok("consume", "t", "-g", "g", "-n", "1")
    disk.leave(0)
    assert ok("consume", "t") == b"a\nb\n"
    assert ok("tail", "-n", "1", "t") == b"b\n"
    for words in ("topics describe t", "groups list", "groups describe g", "groups export g"):
        ok(*words.split(" "))
    assert run("verify").status == 0


@pytest.mark.parametrize("follow", [[], ["-f"]])
def test_a_group_goes_on_once_there_is_room(follow: list[str], disk: SmallDisk) -> None:
    """To join takes some bytes: without them a member says so, has taken nothing, and stands in nobody's way."""
    ok("produce", "t", stdin=b"a\nb\nc\n")
    assert ok("consume", "t", "-g", "g", "-n", "1") == b"a\n"
    disk.leave(0)
    for words in (["consume", "t", "-g", "g", "-n", "1", *follow], ["consume", "t", "-g", "new", "-n", "1", *follow]):
        result = run(*words)
        assert (result.status, result.out) == (1, b"")
        assert "No space left on device (" in result.err
    disk.free()
    assert ok("consume", "t", "-g", "g", "-n", "1", *follow) == b"b\n"
    assert ok("consume", "t", "-g", "new", "-n", "1", *follow) == b"a\n"
    assert len(ok("groups", "list").split()) == 2


def test_a_follower_outlives_a_full_disk(disk: SmallDisk, tmp_path: Path) -> None:
    """Nothing is appended while the disk is full, and what comes afterwards reaches who was waiting."""
    out = tmp_path / "out"
    ok("produce", "t", stdin=b"before\n")
    with out.open("wb") as file, started("consume", "t", "-f", stdout=file):
        wait_until(lambda: out.read_bytes() == b"before\n", "the follower")
        disk.leave(0)
        assert run("produce", "t", stdin=b"x" * (64 * KIB) + b"\n").status == 8
        disk.free()
        ok("produce", "t", stdin=b"after\n")
        wait_until(lambda: out.read_bytes() == b"before\nafter\n", "what came afterwards")


def commits_of(group: str) -> Path:
    return Path(os.environ["STREAMCLI_DIR"], "groups", group, "commits")


@pytest.mark.parametrize(
    ("words", "next_records"),
    [
        (["consume", "t", "-g", "g", "-n", "3"], b"10\n11\n12\n"),
        (["consume", "t", "-g", "g", "-f", "-n", "3"], b"10\n11\n12\n"),
        # The command has done its work, which its lease's file says: it is not done again.
        (["consume", "t", "-g", "g", "-n", "3", "--", "cat"], b"13\n14\n15\n"),
        (["groups", "reset", "g", "--to", "beginning"], b"10\n11\n12\n"),
        (["groups", "undo", "g"], b"10\n11\n12\n"),
        (["groups", "import", "g"], b"10\n11\n12\n"),
    ],
)
@pytest.mark.usefixtures("disk")
def test_a_commit_that_finds_no_room(words: list[str], next_records: bytes) -> None:
    """It is an error, the offsets stay as they were, and what was given out without a commit is given out again."""
    ok("produce", "t", stdin=b"".join(b"%d\n" % number for number in range(20)))
    for _ in range(10):
        ok("consume", "t", "-g", "g", "-n", "1")
    before, exported = commits_of("g").read_bytes(), ok("groups", "export", "g")
    stdin = b'{"topic":"t","partition":0,"offset":1}\n'
    result = run_under(*words, stdin=stdin, under=restricted(f"file-size={len(before) + 5}"))
    assert result.status == 1
    assert f"File too large ({commits_of('g')})" in result.err
    assert commits_of("g").read_bytes() == before
    assert ok("groups", "export", "g") == exported
    assert ok("consume", "t", "-g", "g", "-n", "3") == next_records

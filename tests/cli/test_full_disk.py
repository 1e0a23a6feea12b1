"""A disk that is full: an exact count, a log that is whole, and a way to go on."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.command import durable, ok, run
from tests.support.restricted import restricted
from tests.support.small_disk import can_mount

KIB, MIB = 1 << 10, 1 << 20


@pytest.fixture(params=["file-size", "tmpfs"] if can_mount() else ["file-size"])
def room(request: pytest.FixtureRequest, log_directory: Path) -> Iterator[tuple[list[str], object]]:
    """Room for some 3 MiB: what to put in front of a command, and what to call to make more room."""
    with ExitStack() as stack:
        if request.param == "file-size":
            yield restricted(f"file-size={3 * MIB}"), lambda: None
            return
        log_directory.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", log_directory], check=True)
        stack.callback(subprocess.run, ["umount", log_directory], check=True)
        remount = ["mount", "-o", "remount,size=64m", str(log_directory)]
        yield [], lambda: subprocess.run(remount, check=True)


def lines(count: int, size: int) -> bytes:
    return b"".join(b"%0*d\n" % (size, number) for number in range(count))


@pytest.mark.parametrize("sync", ["exit", "batch"])
@pytest.mark.parametrize("size", [20, 5000, 1_500_000])
def test_the_count_says_where_to_go_on(room, sync: str, size: int) -> None:
    under, make_room = room
    data = lines(6 * MIB // size, size)
    result = run("produce", "t", "--sync", sync, stdin=data, under=under)
    assert (result.status, result.out) == (8, b"")
    assert len(result.err.splitlines()) == 1
    count = durable(result.err)
    written = b"".join(line + b"\n" for line in data.splitlines()[:count])
    assert 0 < count < data.count(b"\n")
    assert ok("consume", "t") == written
    make_room()
    rest = subprocess.run(["tail", "-n", f"+{count + 1}"], input=data, capture_output=True, check=True).stdout
    ok("produce", "t", stdin=rest)
    assert ok("consume", "t") == data


def test_keys_on_several_partitions(room) -> None:
    """Where the next chunk may not fit, it is written in the order of the input: so going on repeats nothing."""
    under, make_room = room
    ok("topics", "create", "t", "-p", "3")
    rows = [b"%d:%0900d" % (number % 50, number) for number in range(14_000)]
    data = b"".join(row + b"\n" for row in rows)
    result = run("produce", "t", "-K", ":", stdin=data, under=under)
    assert result.status == 8
    count = durable(result.err)
    assert "other partitions" not in result.err
    assert sorted(ok("consume", "t", "-K", ":").splitlines()) == sorted(rows[:count])
    make_room()
    ok("produce", "t", "-K", ":", stdin=b"".join(row + b"\n" for row in rows[count:]))
    assert sorted(ok("consume", "t", "-K", ":").splitlines()) == sorted(rows)
    for partition in range(3):  # in the order of the input, each
        there = ok("consume", "t", "-p", str(partition), "-K", ":").splitlines()
        assert there == [row for row in rows if row in set(there)]


def test_offsets_name_only_what_is_there(room) -> None:
    under, _ = room
    data = lines(1000, 8000)
    result = run("produce", "t", "--offsets", stdin=data, under=under)
    assert result.status == 8
    count = durable(result.err)
    assert result.out == b"".join(b"0 %d\n" % number for number in range(count))
    assert ok("consume", "t").count(b"\n") == count


def test_reading_and_shorter_records_go_on_when_it_is_full(room) -> None:
    under, make_room = room
    full = run("produce", "t", stdin=lines(1000, 8000), under=under)
    before = ok("consume", "t")
    assert durable(full.err) == before.count(b"\n")
    again = run("produce", "t", stdin=b"x" * (2 * MIB) + b"\n", under=under)
    assert again.status == 8
    assert durable(again.err) == 0
    assert ok("consume", "t") == before
    assert ok("tail", "t", "-n", "1") == before.splitlines()[-1] + b"\n"
    make_room()
    ok("produce", "t", stdin=b"next\n")
    assert ok("consume", "t") == before + b"next\n"


def test_no_room_for_a_topic_makes_none(log_directory: Path) -> None:
    ok("produce", "other", stdin=b"x\n")
    result = run("topics", "create", "t", "-p", "3", under=restricted("file-size=0"))
    assert result.status == 1
    assert result.err.startswith("streamcli: ")
    assert ok("topics", "list") == b"other\n"
    assert sorted(path.name for path in (log_directory / "topics").iterdir()) == ["other"]
    ok("topics", "create", "t", "-p", "3")


def test_no_room_for_the_log_directory_itself(log_directory: Path) -> None:
    result = run("produce", "t", stdin=b"x\n", under=restricted("file-size=0"))
    assert result.status == 1
    assert result.err.startswith("streamcli: ")
    ok("produce", "t", stdin=b"x\n")
    assert ok("consume", "t") == b"x\n"
    assert log_directory.is_dir()

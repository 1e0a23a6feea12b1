"""Cleaners that meet one another, repair, delete, a full disk, damage and a directory they may not change; and whom they clean
under: writers, readers, groups."""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.security.forked import ok, run
from tests.support.command import Result, finish, started
from tests.support.command import run as run_under
from tests.support.deliveries import numbers
from tests.support.locks import lock_held
from tests.support.restricted import restricted
from tests.support.segments import leftovers
from tests.support.small_disk import SmallDisk, can_mount, small_disk
from tests.support.tree import contents
from tests.support.waiting import read_until

KEYS = 7
SEGMENTS = ["--segment-bytes", "4K"]
COMPACT = ["-c", "cleanup.policy=compact"]
EAGER = [*COMPACT, "-c", "min.cleanable.dirty.ratio=0"]


def table_lines(first: int, end: int, size: int = 60) -> bytes:
    """key:number lines, some of the keys written once."""
    return b"".join(
        b"%s:%0*d\n" % (b"once%d" % number if number % 50 == 0 else b"k%d" % (number % KEYS), size, number)
        for number in range(first, end)
    )


def produce_batches(topic: str, lines: bytes, *words: str, each: int = 25) -> None:
    """Append the lines, so many in a batch: produce makes a batch of each file."""
    rows = lines.splitlines(keepends=True)
    files = [Path(f"batch{first}") for first in range(0, len(rows), each)]
    for number, file in enumerate(files):
        file.write_bytes(b"".join(rows[number * each : (number + 1) * each]))
    ok("produce", topic, *words, *map(str, files))


def table(topic: str = "t") -> dict[bytes, bytes]:
    """Newest value by key."""
    rows = (line.split(b":", 1) for line in ok("consume", topic, "-K", ":").splitlines())
    return {row[0]: row[1] for row in rows}


def rows(topic: str = "t") -> list[bytes]:
    return ok("consume", topic, "-F", "%p %o %k %s\\n").splitlines()


def made_table(topic: str = "t", count: int = 500) -> dict[bytes, bytes]:
    """A topic to compact: some eleven segments of it; what it is as a table."""
    ok("topics", "create", topic, *SEGMENTS)
    produce_batches(topic, table_lines(0, count), "-K", ":")
    ok("topics", "alter", topic, *COMPACT)
    return table(topic)


def segments(directory: Path, topic: str = "t") -> list[Path]:
    return sorted(directory.glob(f"topics/{topic}/0/*.log"))


def is_clean(directory: Path, topic: str = "t") -> bool:
    """Whether there is nothing to do and nothing lies about."""
    return ok("topics", "clean", topic) == b"" and leftovers(os.listdir(directory / "topics" / topic / "0")) == []


# Two at once


def test_two_cleaners_at_once(log_directory: Path) -> None:
    """One after the other: the second waits, and finds nothing more to do."""
    expected = made_table()
    with ExitStack() as stack:
        cleaners = [stack.enter_context(started("topics", "clean", "t")) for _ in range(3)]
        results = [finish(cleaner) for cleaner in cleaners]
    assert [(result.status, result.err) for result in results] == [(0, "")] * 3
    assert sum(bool(result.out) for result in results) == 1
    assert table() == expected
    assert len(rows()) < 150
    assert is_clean(log_directory)


def test_a_cleaner_that_does_not_get_its_turn(log_directory: Path) -> None:
    expected = made_table()
    before = rows()
    with lock_held(log_directory / "topics" / "t" / "0" / "clean.lock"):
        assert "clean.lock" in failed(7, "topics", "clean", "t", "--lock-timeout", "50ms").err
        produce_batches("t", table_lines(500, 900), "-K", ":")
    assert rows()[:500] == before
    ok("topics", "clean", "t")
    assert table().keys() == expected.keys() | {b"once%d" % number for number in range(500, 900, 50)}
    assert is_clean(log_directory)


def test_a_writer_that_finds_a_cleaner_at_work_leaves_it_to_it(log_directory: Path) -> None:
    ok("topics", "create", "t", *SEGMENTS, *EAGER)
    with lock_held(log_directory / "topics" / "t" / "0" / "clean.lock"):
        produce_batches("t", table_lines(0, 500), "-K", ":")
        assert len(rows()) == 500
    produce_batches("t", table_lines(500, 900), "-K", ":")
    assert len(rows()) < 500


# Beside repair and delete


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 0x10
    path.write_bytes(data)


def test_beside_repair(log_directory: Path) -> None:
    """In whichever order they come: what is not damaged is there, and then nothing is left to do for either."""
    for number in range(4):
        topic = f"t{number}"
        expected = made_table(topic)
        damaged = segments(log_directory, topic)[2]
        flip(damaged, damaged.stat().st_size // 2)
        with started("topics", "clean", topic) as cleaner, started("repair", topic) as repair:
            cleaned, repaired = finish(cleaner), finish(repair)
        assert (repaired.status, cleaned.status in (0, 6)) == (0, True), (cleaned, repaired)
        assert "Traceback" not in cleaned.err + repaired.err
        ok("repair", topic)
        run("topics", "clean", topic)
        result = run("consume", topic, "-K", ":", "--skip-corrupt")
        found = dict(line.split(b":", 1) for line in result.lines())
        lost = {key for key in expected if key.startswith(b"once") and key not in found}
        assert len(lost) <= 2
        assert {key: value for key, value in expected.items() if key not in lost} == found
        assert run("verify", topic).status == 0


def test_beside_delete(log_directory: Path) -> None:
    for _ in range(4):
        made_table()
        with started("topics", "clean") as cleaner, started("topics", "delete", "-y", "t") as deleter:
            cleaned, deleted = finish(cleaner), finish(deleter)
        assert (deleted.status, deleted.err) == (0, "")
        assert cleaned.status in (0, 4), cleaned
        assert "Traceback" not in cleaned.err
        assert ok("topics", "list") == b""
        assert os.listdir(log_directory / "topics") == []


# What stops them


SIZE = 2 << 20


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallDisk]:
    if not can_mount():
        pytest.skip("mounting a small file system needs to be root, and allowed to")
    monkeypatch.setenv("STREAMCLI_DIR", str(tmp_path / "disk" / "log"))
    with small_disk(tmp_path / "disk", SIZE) as disk:
        yield disk


def log_path() -> Path:
    return Path(os.environ["STREAMCLI_DIR"])


def failed(status: int, *words: str, under: Sequence[str] = ()) -> Result:
    """A command that has to leave with that status, and a word about it."""
    result = run_under(*words, under=under) if under else run(*words)
    assert result.status == status, result
    assert result.err.startswith("streamcli: "), result
    assert "Traceback" not in result.err
    return result


def test_compaction_on_a_full_disk(disk: SmallDisk) -> None:
    """It says so, and all is as it was; with room it is done."""
    ok("topics", "create", "t", "--segment-bytes", "64K")
    unique = b"".join(b"key%d:%0400d\n" % (number, number) for number in range(1000))
    produce_batches("t", unique + table_lines(0, 1000, 200), "-K", ":")
    ok("topics", "alter", "t", *COMPACT)
    expected, before = table(), rows()
    for room in (0, 4 << 10, 20 << 10, 40 << 10):
        disk.leave(room)
        result = failed(1, "topics", "clean")
        assert "No space left on device" in result.err
        assert table() == expected
        assert set(before) >= set(rows())
        assert run("verify").status == 0
        assert leftovers(os.listdir(log_path() / "topics" / "t" / "0")) == []
    disk.free()
    ok("topics", "clean")
    assert table() == expected
    assert len(rows()) < 1500
    assert is_clean(log_path())


def test_retention_makes_room_on_a_full_disk(disk: SmallDisk) -> None:
    ok("topics", "create", "t", "--segment-bytes", "64K")
    produce_batches("t", numbers(0, 100_000), each=5000)
    ok("topics", "alter", "t", "--retention-bytes", "100K")
    disk.leave(0)
    ok("topics", "clean")
    assert 100 << 10 <= json.loads(ok("topics", "describe", "t", "--json"))["partitions"][0]["size"] <= 164 << 10
    ok("produce", "t", stdin=b"more\n")
    assert ok("consume", "t").endswith(b"99999\nmore\n")
    disk.free()
    assert run("verify").status == 0


def test_a_writer_without_room_to_clean_writes_on(disk: SmallDisk) -> None:
    """There is room for its records: that there is none for compaction is no failure of the produce."""
    ok("topics", "create", "t", "--segment-bytes", "16K")
    produce_batches("t", table_lines(0, 5000, 200), "-K", ":")
    ok("topics", "alter", "t", *EAGER)
    unique = b"".join(b"key%d:%0400d\n" % (number, number) for number in range(300))
    disk.leave(300 << 10)
    expected = table() | dict(line.split(b":", 1) for line in unique.splitlines())
    result = run("produce", "t", "-K", ":", stdin=unique)
    assert result.status == 0, result
    assert table() == expected
    disk.free()
    assert run("verify").status == 0


def test_a_writer_that_cannot_clean_writes_on(log_directory: Path) -> None:
    """Whatever is wrong with cleaning is told, and is no failure of the produce."""
    ok("topics", "create", "t", *SEGMENTS, *EAGER)
    partition = log_directory / "topics" / "t" / "0"
    (partition / "clean.lock").unlink(missing_ok=True)
    (partition / "clean.lock").mkdir()
    for first in range(0, 500, 50):
        result = run("produce", "t", "-K", ":", stdin=table_lines(first, first + 50))
        assert result.status == 0, result
        assert "Traceback" not in result.err
    assert len(rows()) == 500
    assert "clean.lock" in result.err


def test_without_permission(log_directory: Path) -> None:
    expected = made_table()
    partition = log_directory / "topics" / "t" / "0"
    before = contents(partition)
    partition.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        result = failed(1, "topics", "clean", under=restricted("modes"))
        assert "Permission denied" in result.err
        assert contents(partition) == before
    finally:
        partition.chmod(stat.S_IRWXU)
    ok("topics", "clean")
    assert table() == expected


def test_damage_is_left_as_it_is_and_told(log_directory: Path) -> None:
    """The other topics are cleaned, and nothing of the damaged one is lost by cleaning it."""
    made_table("a")
    expected = made_table("b")
    made_table("c")
    damaged = segments(log_directory, "b")[2]
    flip(damaged, damaged.stat().st_size // 2)
    kept = damaged.read_bytes()
    readable = run("consume", "b", "-K", ":", "--skip-corrupt")
    result = failed(6, "topics", "clean")
    assert str(damaged) in result.err
    assert damaged.read_bytes() == kept
    assert all(len(rows(topic)) < 150 for topic in "ac")
    after = run("consume", "b", "-K", ":", "--skip-corrupt")
    newest = [dict(line.split(b":", 1) for line in found.lines()) for found in (readable, after)]
    assert newest[0] == newest[1]
    assert run("repair", "b").status == 0
    ok("topics", "clean")
    assert newest[0] == dict(line.split(b":", 1) for line in run("consume", "b", "-K", ":").lines())
    assert newest[0].items() <= expected.items()


# Whom they clean under


def aged(count: int = 3000) -> None:
    """A topic of some 45 segments; retention leaves the last ones."""
    ok("topics", "create", "t", *SEGMENTS)
    produce_batches("t", b"".join(b"%060d\n" % number for number in range(count)), each=50)
    ok("topics", "alter", "t", "--retention-bytes", "8K")


def log_start() -> int:
    return json.loads(ok("topics", "describe", "t", "--json"))["partitions"][0]["log_start_offset"]


@pytest.mark.parametrize("words", [["-f"], ["-o", "5:2990"], []])
def test_a_reader_of_what_is_deleted_reads_on(words: list[str]) -> None:
    """The segment that it has open to its end, and then what is left: no error, no offset twice."""
    aged()
    with started("consume", "t", "-F", "%o %s\\n", *words) as reader:
        assert reader.stdout is not None
        found = read_until(reader.stdout, lambda found: b"\n" in found)
        ok("topics", "clean")
        first_left = log_start()
        if words == ["-f"]:
            found += read_until(reader.stdout, lambda found: b"\n2999 " in found and found.endswith(b"\n"))
        else:
            rest = finish(reader)
            assert rest.status == 0, rest.err
            found += rest.out
    offsets = [int(line.split()[0]) for line in found.splitlines()]
    assert offsets == sorted(set(offsets))
    assert first_left > offsets[0] + 2000
    last = 2989 if "5:2990" in words else 2999
    assert offsets[-1] == last
    assert set(range(first_left, last + 1)) <= set(offsets)


def test_a_group_is_told_how_many_records_are_gone() -> None:
    aged()
    ok("consume", "t", "-g", "g", "-n", "10")
    ok("topics", "clean")
    gone = log_start() - 10
    result = run("consume", "t", "-g", "g", "-F", "%o\\n")
    assert result.status == 0
    assert result.out.split()[0] == b"%d" % log_start()
    assert re.search(rf"\b{gone:,}|{gone} records", result.err), result.err
    assert ok("consume", "t", "-g", "g") == b""


def test_an_offset_before_the_log_start_is_out_of_range() -> None:
    aged()
    ok("topics", "clean")
    start = log_start()
    failed(5, "consume", "t", "-o", str(start - 1))
    assert ok("consume", "t", "-o", str(start), "-F", "%o\\n").split()[0] == b"%d" % start


def test_a_follower_of_a_table_that_is_compacted_sees_all_that_is_new(log_directory: Path) -> None:
    expected = made_table()
    with started("consume", "t", "-f", "-F", "%o %k:%s\\n") as follower:
        assert follower.stdout is not None
        for first in range(500, 2000, 300):
            produce_batches("t", table_lines(first, first + 300), "-K", ":")
            ok("topics", "clean")
        ok("produce", "t", "-k", "last", stdin=b"one\n")
        seen = read_until(follower.stdout, lambda found: found.endswith(b" last:one\n")).splitlines()
    offsets = [int(line.split()[0]) for line in seen]
    assert offsets == sorted(set(offsets))
    found = dict(line.split(b" ", 1)[1].split(b":", 1) for line in seen)
    assert found == table()
    assert found.keys() > expected.keys()
    ok("topics", "clean")
    assert is_clean(log_directory)


# What those leave who die


def test_an_index_without_its_segment_is_swept(log_directory: Path) -> None:
    made_table()
    index = segments(log_directory)[1].with_suffix(".index")
    data = index.read_bytes()
    ok("topics", "clean")
    index.write_bytes(data)
    ok("topics", "clean")
    assert not index.exists()


def test_a_trim_that_died_is_finished(log_directory: Path) -> None:
    """It died once the log start offset was written: the segments before it go when it is done again."""
    ok("topics", "create", "t", *SEGMENTS)
    produce_batches("t", table_lines(0, 500))
    kept = {path: path.read_bytes() for path in segments(log_directory)}
    ok("topics", "trim", "t", "--before", "300")
    left = segments(log_directory)
    for path, data in kept.items():
        path.write_bytes(data)
    ok("topics", "trim", "t", "--before", "300")
    assert segments(log_directory) == left
    assert rows()[0].split()[1] == b"300"

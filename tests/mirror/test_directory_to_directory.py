"""A mirror of a log directory in another one: each record once, whatever happens in between."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path
from subprocess import Popen

import pytest

from streamcli.storage.hold import holds
from tests.mirror.mirroring import TRICKY, produce, rows, status
from tests.support.command import finish, ok, refused, run, started
from tests.support.small_disk import can_mount, small_disk
from tests.support.waiting import read_until, wait_until


@pytest.fixture
def target(tmp_path: Path) -> str:
    return str(tmp_path / "target")


def partition(directory: Path, topic: str, number: int = 0) -> Path:
    return directory / "topics" / topic / str(number)


def test_records_come_with_all_they_have(target: str) -> None:
    ok("topics", "create", "t", "-p", "3", "-c", "max.message.bytes=4M")
    produce("t", TRICKY)
    ok("mirror", "--to", target)
    assert rows("t", "--dir", target) == rows("t")
    assert sum(map(len, rows("t").values())) == len(TRICKY)
    described = ok("topics", "describe", "t", "--dir", target).decode()
    assert "3 partitions" in described
    assert "max.message.bytes=4M" in described


def test_a_second_run_adds_what_is_new_and_nothing_else(target: str) -> None:
    ok("produce", "t", stdin=b"a\nb\n")
    ok("mirror", "--to", target)
    ok("mirror", "--to", target)
    assert ok("consume", "t", "--dir", target) == b"a\nb\n"
    ok("produce", "t", stdin=b"c\n")
    ok("mirror", "--to", target)
    assert ok("consume", "t", "--dir", target) == b"a\nb\nc\n"


def test_topics_are_chosen_by_name_and_glob(target: str) -> None:
    for topic in ("log-a", "log-b", "other"):
        ok("produce", topic, stdin=b"x\n")
    ok("mirror", "log-*", "--to", target)
    assert ok("topics", "list", "--dir", target) == b"log-a\nlog-b\n"
    assert "no such topic: nope" in refused(4, "mirror", "nope", "--to", target)
    assert "no topic matches 'z*'" in refused(4, "mirror", "z*", "--to", target)


def test_a_target_with_fewer_partitions_is_given_more(target: str) -> None:
    ok("topics", "create", "t", "-p", "3")
    ok("topics", "create", "t", "-p", "1", "--dir", target)
    produce("t", [{"value": str(number), "partition": number % 3} for number in range(30)])
    ok("mirror", "--to", target)
    assert rows("t", "--dir", target) == rows("t")


def test_gaps_of_compaction_are_no_matter(target: str) -> None:
    ok("topics", "create", "t", "--compact")
    ok("produce", "t", "-K", ":", stdin=b"".join(b"k%d:%d\n" % (number % 7, number) for number in range(1000)))
    ok("topics", "clean", "t")
    ok("mirror", "--to", target)
    assert rows("t", "--dir", target) == rows("t")
    ok("produce", "t", "-K", ":", stdin=b"k1:new\n")
    ok("mirror", "--to", target)
    assert rows("t", "--dir", target) == rows("t")


def test_following_takes_new_records_topics_and_partitions(target: str) -> None:
    ok("produce", "log-a", stdin=b"1\n")
    with started("mirror", "log-*", "--to", target, "-f") as process:
        wait_until(lambda: run("consume", "log-a", "--dir", target).out == b"1\n", "the first record")
        ok("produce", "log-b", stdin=b"2\n")
        wait_until(lambda: run("consume", "log-b", "--dir", target).out == b"2\n", "a record of a new topic")
        ok("topics", "alter", "log-a", "-p", "2")
        ok("produce", "log-a", "-p", "1", stdin=b"3\n")
        wait_until(lambda: run("consume", "log-a", "-p", "1", "--dir", target).out == b"3\n", "one of a new partition")
        process.send_signal(signal.SIGTERM)
        assert finish(process).status == 128 + signal.SIGTERM
    assert [row["lag"] for row in status("--to", target)] == [0, 0, 0]


def has_gone_on(process: Popen[bytes], bytes_there: Callable[[], int], before: int) -> bool:
    return bytes_there() > before or process.poll() is not None


def test_killed_again_and_again_every_record_is_there_once(target: str) -> None:
    count = 30_000
    ok("topics", "create", "t", "-p", "4", "--segment-bytes", "256K")
    lines = b"".join(b"k%d:%d\n" % (number % 97, number) for number in range(count))
    ok("produce", "t", "-K", ":", stdin=lines)

    def bytes_there() -> int:
        return sum(path.stat().st_size for path in Path(target).glob("topics/t/*/*.log"))

    for _ in range(4):
        before = bytes_there()
        with started("mirror", "--to", target) as process:
            wait_until(partial(has_gone_on, process, bytes_there, before), "an append")
            process.kill()
            process.wait()
    ok("mirror", "--to", target)
    assert rows("t", "--dir", target) == rows("t")


def test_two_at_once_are_one_after_the_other(target: str) -> None:
    ok("produce", "t", stdin=b"a\n")
    with started("mirror", "--to", target, "-f") as process:
        wait_until(lambda: run("consume", "t", "--dir", target).out == b"a\n", "the first record")
        assert "runs already" in refused(7, "mirror", "--to", target, "--lock-timeout", "100ms")
        ok("mirror", "--to", target, "--name", "another")
        process.kill()
    assert ok("consume", "t", "--dir", target) == b"a\na\n"
    ok("mirror", "--to", target)


def test_the_name_stays_though_the_target_is_moved(target: str, tmp_path: Path) -> None:
    ok("produce", "t", stdin=b"a\n")
    ok("mirror", "--to", target)
    name = status("--to", target)[0]["mirror"]
    moved = str(tmp_path / "moved")
    os.rename(target, moved)
    assert status("--to", moved)[0]["mirror"] == name
    ok("mirror", "--to", moved)
    assert ok("consume", "t", "--dir", moved) == b"a\n"


def test_status_says_how_far_it_is(target: str) -> None:
    ok("produce", "t", stdin=b"a\nb\n")
    assert status("--to", target)[0]["mirrored_offset"] is None
    assert not Path(target).exists()
    ok("mirror", "--to", target)
    produce("t", [{"value": "c", "timestamp": 1_700_000_000_000}])
    (row,) = status("--to", target)
    assert row["mirror"]
    del row["mirror"]
    assert row == {
        "topic": "t",
        "partition": 0,
        "log_start_offset": 0,
        "log_end_offset": 3,
        "mirrored_offset": 2,
        "lag": 1,
        "waiting_since": 1_700_000_000_000,
        "lost": 0,
        "held_from": None,
    }
    assert b"SOURCE-END" in ok("mirror", "--to", target, "--status")


def test_what_retention_removed_before_is_counted_and_told(target: str) -> None:
    ok("produce", "t", stdin=b"a\nb\n")
    ok("mirror", "--to", target)
    ok("produce", "t", stdin=b"c\nd\n")
    ok("topics", "trim", "t", "--before", "end")
    ok("produce", "t", stdin=b"e\n")
    assert status("--to", target)[0]["lost"] == 2
    result = run("mirror", "--to", target)
    assert result.status == 8
    assert (
        "2 records were removed by retention or trim before being mirrored (t, partition 0, offsets 2 to 3)"
        in result.err
    )
    assert ok("consume", "t", "--dir", target) == b"a\nb\ne\n"
    ok("mirror", "--to", target)
    assert status("--to", target)[0]["lost"] == 2


def test_what_goes_while_it_follows_is_told_too(target: str) -> None:
    ok("topics", "create", "t", "--segment-bytes", "1K")
    ok("produce", "t", stdin=b"a\n")
    with started("mirror", "--to", target, "-f") as process:
        wait_until(lambda: run("consume", "t", "--dir", target).out == b"a\n", "the first record")
        process.send_signal(signal.SIGSTOP)
        for letter in (b"b", b"c"):
            ok("produce", "t", stdin=letter * 1000 + b"\n")
        ok("topics", "trim", "t", "--before", "2")
        process.send_signal(signal.SIGCONT)
        assert process.stderr is not None
        said = read_until(process.stderr, lambda said: b"\n" in said)
        assert (
            b"1 record was removed by retention or trim before being mirrored (t, partition 0, offsets 1 to 1)" in said
        )
        wait_until(lambda: len(run("consume", "t", "--dir", target).lines()) == 2, "what is left")
    assert status("--to", target)[0]["lost"] == 1


@pytest.mark.skipif(not can_mount(), reason="needs a file system of its own, which only root can mount")
def test_a_full_disk_is_waited_for_or_given_up(tmp_path: Path) -> None:
    ok("topics", "create", "t", "-p", "2")
    lines = [b"%d %s\n" % (number, b"x" * 1000) for number in range(8000)]
    for _ in range(2):
        ok("produce", "t", stdin=b"".join(lines[:4000]))
        lines = lines[4000:]
    with small_disk(tmp_path / "disk", 16 << 20) as disk:
        target = str(tmp_path / "disk" / "target")
        disk.leave(5 << 20)
        result = run("mirror", "--to", target, "--give-up", "100ms")
        assert result.status == 8
        assert "gave up mirroring" in result.err
        assert "No space left on device" in result.err
        count = sum(map(len, rows("t", "--dir", target).values()))
        assert f"; {count} records are mirrored by this run" in result.err
        with started("mirror", "--to", target, "-f") as process:
            assert process.stderr is not None
            assert b"stands still" in read_until(process.stderr, lambda said: b"\n" in said)
            disk.free()
            assert b"goes on" in read_until(process.stderr, lambda said: b"\n" in said)
            process.send_signal(signal.SIGTERM)
            finish(process)
        ok("mirror", "--to", target)
        assert rows("t", "--dir", target) == rows("t")


@pytest.mark.skipif(not can_mount(), reason="needs a file system of its own, which only root can mount")
def test_a_full_spool_is_emptied_and_its_hold_moves_on(tmp_path: Path, target: str) -> None:
    with small_disk(tmp_path / "disk", 8 << 20) as disk:
        spool = ("--dir", str(tmp_path / "disk" / "spool"))
        ok("topics", "create", "t", *spool, "--retention-bytes", "1", "--segment-bytes", "64K")
        ok("topics", "create", "t", "--dir", target)
        ok("produce", "t", *spool, stdin=b"a\n")
        ok("mirror", *spool, "--to", target, "--hold")
        for _ in range(3):
            ok("produce", "t", *spool, stdin=(b"x" * 1000 + b"\n") * 100)
        assert ok("topics", "clean", "t", *spool) == b""
        disk.leave(0)
        ok("mirror", *spool, "--to", target)
        assert len(ok("consume", "t", "--dir", target).splitlines()) == 301
        assert status(*spool, "--to", target)[0]["held_from"] == 301
        assert b"removed" in ok("topics", "clean", "t", *spool)


def test_what_was_gone_before_it_began_is_no_loss(target: str) -> None:
    ok("produce", "t", stdin=b"a\nb\n")
    ok("topics", "trim", "t", "--before", "1")
    ok("mirror", "--to", target)
    assert ok("consume", "t", "--dir", target) == b"b\n"
    assert status("--to", target)[0]["lost"] == 0


def test_a_hold_keeps_what_is_not_mirrored(target: str, log_directory: Path) -> None:
    ok("topics", "create", "t", "--retention", "1ms", "--segment-bytes", "1K")
    ok("topics", "create", "t", "--dir", target)  # one that keeps everything
    ok("produce", "t", stdin=b"first\n")
    ok("mirror", "--to", target, "--hold")
    for _ in range(3):
        ok("produce", "t", stdin=b"x" * 900 + b"\n")
    ok("topics", "clean", "t")
    assert holds(str(partition(log_directory, "t")))[0].offset == 1
    assert "holds what lies from offset 1 on" in refused(1, "topics", "trim", "t", "--before", "end")
    assert "held by mirror" in ok("topics", "describe", "t").decode()
    ok("mirror", "--to", target)
    assert len(ok("consume", "t", "--dir", target).splitlines()) == 4
    assert status("--to", target)[0]["held_from"] == 4
    ok("topics", "clean", "t")
    assert ok("consume", "t") == b""
    ok("mirror", "--to", target, "--release")
    assert status("--to", target)[0]["held_from"] is None


@pytest.mark.parametrize("records", [b"x\n", b"x\ny\nz\n"])
def test_a_topic_made_anew_is_not_taken_for_the_old_one(target: str, records: bytes) -> None:
    produce("t", [{"value": "a", "timestamp": 1}, {"value": "b", "timestamp": 2}])
    ok("mirror", "--to", target)
    ok("topics", "delete", "t", "-y")
    ok("produce", "t", stdin=records)
    assert "made anew" in refused(1, "mirror", "--to", target)
    ok("mirror", "--to", target, "--name", "again")
    assert ok("consume", "t", "--dir", target) == b"a\nb\n" + records


def test_a_target_that_lost_its_topic_is_not_filled_again_unasked(target: str) -> None:
    ok("produce", "t", stdin=b"a\n")
    ok("mirror", "--to", target)
    ok("topics", "delete", "t", "-y", "--dir", target)
    assert "knows no more how far" in refused(1, "mirror", "--to", target)
    ok("mirror", "--to", target, "--name", "again")
    assert ok("consume", "t", "--dir", target) == b"a\n"


def test_damage_stops_it_after_what_comes_before(target: str, log_directory: Path) -> None:
    for value in (b"a\n", b"b\n", b"c\n"):
        ok("produce", "t", stdin=value)
    segment = partition(log_directory, "t") / f"{0:020d}.log"
    data = bytearray(segment.read_bytes())
    at = data.index(b"b\n")
    data[at] ^= 1
    segment.write_bytes(data)
    assert "corrupt data" in refused(6, "mirror", "--to", target)
    assert ok("consume", "t", "--dir", target) == b"a\n"
    result = run("mirror", "--to", target, "--skip-corrupt")
    assert (result.status, "skipped corrupt data" in result.err) == (6, True)
    assert ok("consume", "t", "--dir", target) == b"a\nc\n"


def test_a_name_has_one_source_and_a_damaged_account_is_no_empty_one(target: str, tmp_path: Path) -> None:
    other = str(tmp_path / "other")
    for words in ((), ("--dir", other)):
        ok("produce", "t", *words, stdin=b"a\n")
    ok("mirror", "--to", target, "--name", "x")
    assert "use another --name" in refused(1, "mirror", "--dir", other, "--to", target, "--name", "x")
    Path(target, "mirrors", "x.json").write_text("{")
    assert "account is damaged" in refused(1, "mirror", "--to", target, "--name", "x")
    assert ok("consume", "t", "--dir", target) == b"a\n"


def test_a_topic_that_is_deleted_while_it_is_followed(target: str) -> None:
    ok("produce", "t", stdin=b"a\n")
    with started("mirror", "t", "--to", target, "-f") as process:
        wait_until(lambda: run("consume", "t", "--dir", target).out == b"a\n", "the record")
        ok("topics", "delete", "t", "-y")
        result = finish(process)
    assert (result.status, result.out) == (4, b"")
    assert "topic t was deleted while it was being mirrored" in result.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "needs --to"),
        (["--to", "$STREAMCLI_DIR"], "to itself"),
        (["--to", "x", "--json"], "--json is for --status"),
        (["--to", "x", "--status", "-f"], "mirror nothing"),
        (["--to", "x", "--name", "a/b"], "bad mirror name"),
        (["--to", "x", "--name", "a" * 240], "characters at most"),
        (["--to", "ftp://x"], "bad URL"),
        (["--to", "kafka://a:1", "--url", "kafka://b:1"], "MirrorMaker"),
        (["--to", "x", "-X", "a=b"], "for Apache Kafka"),
        (["--to", "x", "--url", "kafka://b:1", "--hold"], "--hold"),
    ],
)
def test_what_cannot_be_is_refused(words: list[str], said: str) -> None:
    assert said in refused(2, "mirror", *map(os.path.expandvars, words))


def test_what_came_from_the_target_is_not_brought_back(t: str, tmp_path: Path) -> None:
    copy = str(tmp_path / "copy")
    ok("produce", t, stdin=b"1\n")
    ok("mirror", "--to", copy)
    line = refused(1, "mirror", "--dir", copy, "--to", os.environ["STREAMCLI_DIR"])
    assert "round and round" in line
    assert str(Path(copy, "mirrors")) in line
    ok("produce", f"{t}-other", "--dir", copy, stdin=b"2\n")
    ok("mirror", f"{t}-other", "--dir", copy, "--to", os.environ["STREAMCLI_DIR"])
    assert ok("consume", f"{t}-other") == b"2\n"
    assert "round and round" in refused(1, "mirror", "--to", copy)
    assert ok("consume", t) == ok("consume", t, "--dir", copy) == b"1\n"

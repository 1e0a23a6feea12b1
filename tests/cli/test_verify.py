"""verify and repair: what is damaged is named, given up alone, and kept; all else goes on."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from streamcli.storage.format import HEADER_SIZE
from tests.support.command import ok, run, started
from tests.support.waiting import read_lines, wait_until

ROWS = [b"%d\n" % number for number in range(30)]


@pytest.fixture
def partition(log_directory: Path) -> Path:
    """The only partition of topic t: three batches, of offsets 0-9, 10-19 and 20-29; group g has committed 15."""
    for first in (0, 10, 20):
        ok("produce", "t", stdin=b"".join(ROWS[first : first + 10]))
    ok("consume", "t", "-g", "g", "-n", "15")
    return log_directory / "topics" / "t" / "0"


def segment(partition: Path) -> Path:
    return sorted(partition.glob("*.log"))[0]


def batch_starts(path: Path) -> list[int]:
    data = path.read_bytes()
    found, at = [], data.find(b"\xd7SCB")
    while at >= 0:
        found.append(at)
        at = data.find(b"\xd7SCB", at + 1)
    return found


def flip(path: Path, position: int) -> None:
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)


def found_by(command: str, *words: str) -> list[dict[str, Any]]:
    result = run(command, *words, "--json")
    assert result.err == "", result
    return [json.loads(line) for line in result.out.splitlines()]


def values(*words: str) -> list[bytes]:
    result = run("consume", "t", "-q", *words)
    assert (result.status, result.err) == (0, "")
    return result.out.splitlines(keepends=True)


def test_of_what_is_whole_it_says_how_much(partition: Path) -> None:  # noqa: ARG001
    assert ok("verify") == b"1 topic, 1 partition, 30 records, 1 group, 383 B of batches: nothing is damaged\n"
    assert ok("verify", "--json") == b""
    assert ok("repair") == b"nothing to repair\n"


def test_an_empty_directory_and_none_are_whole(log_directory: Path) -> None:
    assert b"0 topics, 0 partitions, 0 records" in ok("verify")
    assert not log_directory.exists()
    assert run("verify", "nope").status == 4
    assert run("repair", "nope").status == 4


@pytest.mark.parametrize("part", ["header", "body"])
@pytest.mark.parametrize("batch", [0, 1, 2])
def test_a_flipped_bit_costs_its_batch_alone(partition: Path, batch: int, part: str) -> None:
    path = segment(partition)
    position = batch_starts(path)[batch]
    before = path.read_bytes()
    flip(path, position + (20 if part == "header" else HEADER_SIZE + 12))
    damaged = path.read_bytes()
    first = batch * 10

    [finding] = found_by("verify")
    assert (finding["topic"], finding["partition"], finding["part"]) == ("t", 0, "log")
    assert (finding["path"], finding["position"], finding["first_offset"]) == (str(path), position, first)
    assert finding["next_offset"] in (first + 10, None)  # the end is not known of a header that was the last
    assert run("verify").status == 6
    assert path.read_bytes() == damaged

    [repaired] = found_by("repair")
    assert repaired["mended"]
    kept = Path(repaired["kept"])
    assert kept.read_bytes() == damaged[position : position + len(kept.read_bytes())]
    assert f"-offsets-{first}-" in kept.name
    assert ok("verify").endswith(b"nothing is damaged; 10 records were lost and given up before\n")
    assert values() == ROWS[:first] + ROWS[first + 10 :]
    after = path.read_bytes()
    assert len(after) == len(before)
    assert [i for i in range(len(before)) if before[i] != after[i] and not position <= i < position + HEADER_SIZE] in (
        [],
        [position + HEADER_SIZE + 12],
    )
    assert ok("produce", "t", "--offsets", stdin=b"new\n") == b"0 30\n"
    assert values("-o", "-1") == [b"new\n"]
    assert run("consume", "t", "-g", "g", "-q").out.splitlines(keepends=True) == [
        row for row in [*ROWS[15:], b"new\n"] if row not in ROWS[first : first + 10]
    ]
    assert b" 0 " in ok("groups", "describe", "g")


def test_readers_say_what_was_lost(partition: Path) -> None:
    flip(segment(partition), batch_starts(segment(partition))[1] + HEADER_SIZE + 12)
    run("repair")
    result = run("consume", "t")
    assert (result.status, result.out) == (0, b"".join(ROWS[:10] + ROWS[20:]))
    assert "10 records were lost to damage here, which was repaired" in result.err
    assert "offsets 10 to 19" in result.err


def test_a_zeroed_block_over_two_batches_costs_both(partition: Path) -> None:
    path = segment(partition)
    starts = batch_starts(path)
    data = bytearray(path.read_bytes())
    data[starts[0] + 50 : starts[1] + 50] = bytes(starts[1] - starts[0])
    path.write_bytes(data)
    assert [(f["first_offset"], f["next_offset"]) for f in found_by("verify")] == [(0, 20)]
    assert [done["mended"] for done in found_by("repair")] == [True]
    assert values() == ROWS[20:]


def test_a_file_that_was_cut_gives_no_offset_out_twice(partition: Path) -> None:
    path = segment(partition)
    os.truncate(path, batch_starts(path)[1] + 5)
    [finding] = [found for found in found_by("verify") if found["part"] == "log"]
    assert (finding["first_offset"], finding["next_offset"]) == (10, 30)
    assert all(done["mended"] for done in found_by("repair"))
    assert b"nothing is damaged" in ok("verify")
    assert values() == ROWS[:10]
    assert ok("produce", "t", "--offsets", stdin=b"new\n") == b"0 30\n"
    assert run("consume", "t", "-g", "g", "-q").out == b"new\n"


def test_an_append_after_a_cut_gives_no_offset_out_twice_either(partition: Path) -> None:
    path = segment(partition)
    os.truncate(path, batch_starts(path)[1])
    result = run("produce", "t", "--offsets", stdin=b"new\n")
    assert (result.status, result.out) == (0, b"0 30\n")
    assert "known to be on disk are missing" in result.err
    assert values() == [*ROWS[:10], b"new\n"]
    assert b"nothing is damaged" in ok("verify")


@pytest.fixture
def rolled(log_directory: Path) -> Path:
    """Partition 0 of topic t with a segment for each batch of ten."""
    ok("topics", "create", "t", "-c", "segment.bytes=1K")
    for first in (0, 10, 20):
        ok("produce", "t", stdin=b"".join(row[:-1] + b" " * 90 + b"\n" for row in ROWS[first : first + 10]))
    partition = log_directory / "topics" / "t" / "0"
    assert len(list(partition.glob("*.log"))) == 3
    return partition


def numbers() -> list[int]:
    return [int(value) for value in values()]


@pytest.mark.parametrize("how", ["removed", "emptied", "cut", "garbage behind"])
def test_a_closed_segment(rolled: Path, how: str) -> None:
    path = sorted(rolled.glob("*.log"))[1]
    if how == "removed":
        path.unlink()
    elif how == "garbage behind":
        with path.open("ab") as file:
            file.write(b"what no batch is")
    else:
        os.truncate(path, 0 if how == "emptied" else path.stat().st_size - 3)
    assert run("verify").status == 6
    assert all(done["mended"] for done in found_by("repair"))
    assert b"nothing is damaged" in ok("verify")
    kept = [] if how != "garbage behind" else range(10, 20)
    assert numbers() == [*range(10), *kept, *range(20, 30)]
    assert ok("produce", "t", "--offsets", stdin=b"30\n") == b"0 30\n"
    assert numbers()[-1] == 30


def test_no_segment_left(partition: Path) -> None:
    for path in [*partition.glob("*.log"), partition / "checkpoint"]:
        path.unlink()
    assert [found["reason"] for found in found_by("verify") if found["part"] == "log"] == [
        "the partition has no segment"
    ]
    assert all(done["mended"] for done in found_by("repair"))
    assert ok("produce", "t", "--offsets", stdin=b"new\n") == b"0 15\n"  # where the group would go on
    assert run("consume", "t", "-g", "g").out == b"new\n"


def test_a_partition_that_is_gone(partition: Path) -> None:
    shutil.rmtree(partition)
    assert [found["reason"] for found in found_by("verify")] == ["the partition's directory is gone"]
    assert all(done["mended"] for done in found_by("repair"))
    assert ok("produce", "t", "--offsets", stdin=b"new\n") == b"0 15\n"
    assert b"nothing is damaged" in ok("verify")


DISPOSABLE: dict[str, Callable[[bytes], bytes]] = {
    "checkpoint": lambda data: data[:-9] + b"xxxxxxxx\n",
    "00000000000000000000.index": lambda data: data[:3] + b"\xff" + data[4:],
}


@pytest.mark.parametrize("name", DISPOSABLE)
def test_what_is_disposable_is_checked_and_made_anew(partition: Path, name: str) -> None:
    path = partition / name
    good = path.read_bytes()
    path.write_bytes(DISPOSABLE[name](good))
    [finding] = found_by("verify")
    assert finding["path"] == str(path)
    [done] = found_by("repair")
    assert done["mended"]
    assert b"nothing is damaged" in ok("verify")
    ok("produce", "t", stdin=b"more\n")
    assert path.stat().st_size >= len(good) - 1
    path.unlink()
    assert b"nothing is damaged" in ok("verify")


@pytest.mark.parametrize("damage", ["garbage", "gone"])
def test_a_config_is_made_anew_for_the_partitions_there(log_directory: Path, damage: str) -> None:
    ok("topics", "create", "many", "-p", "3", "-c", "segment.ms=1h")
    ok("produce", "many", "-K", ":", stdin=b"a:1\nb:2\nc:3\nd:4\n")
    before = sorted(ok("consume", "many").splitlines())
    path = log_directory / "topics" / "many" / "config.json"
    if damage == "gone":
        path.unlink()
    else:
        path.write_text("{")
    [finding] = found_by("verify", "many")
    assert (finding["part"], finding["path"]) == ("config", str(path))
    [done] = found_by("repair", "many")
    assert (done["kept"] is not None) == (damage == "garbage")
    assert b"nothing is damaged" in ok("verify")
    assert sorted(ok("consume", "many").splitlines()) == before
    assert b'"partitions":3' in ok("topics", "list", "--json")


def test_a_commit_journal_goes_on_from_its_whole_lines(partition: Path, log_directory: Path) -> None:  # noqa: ARG001
    ok("consume", "t", "-g", "g", "-n", "5")
    path = log_directory / "groups" / "g" / "commits"
    flip(path, len(path.read_bytes()) - 20)
    assert run("consume", "t", "-g", "g").status == 6
    [finding] = found_by("verify")
    assert (finding["group"], finding["part"], finding["path"]) == ("g", "commits", str(path))
    [done] = found_by("repair")
    assert done["mended"]
    assert "t:0=15" in done["done"]
    assert Path(done["kept"]).read_bytes().count(b"\n") == 3
    assert run("consume", "t", "-g", "g").out == b"".join(ROWS[15:])


def test_a_journal_without_a_whole_line_is_for_a_person_to_decide(partition: Path, log_directory: Path) -> None:  # noqa: ARG001
    path = log_directory / "groups" / "g" / "commits"
    path.write_bytes(b"what is this?\n")
    [done] = found_by("repair")
    assert not done["mended"]
    assert path.read_bytes() == b"what is this?\n"
    assert run("repair").status == 6


def test_offsets_that_a_group_committed_are_not_given_out_again(log_directory: Path) -> None:
    """Nothing but the commit knows of the records that were cut off."""
    ok("produce", "t", stdin=b"1\n2\n")
    ok("produce", "t", stdin=b"3\n4\n")
    ok("consume", "t", "-g", "g")
    partition = log_directory / "topics" / "t" / "0"
    os.truncate(segment(partition), batch_starts(segment(partition))[1])
    (partition / "checkpoint").unlink()
    [finding] = found_by("verify")
    assert (finding["group"], finding["first_offset"], finding["next_offset"]) == ("g", 2, 4)
    assert "streamcli repair" in finding["reason"]
    [done] = found_by("repair")
    assert done["mended"]
    assert ok("produce", "t", "--offsets", stdin=b"new\n") == b"0 4\n"
    assert run("consume", "t", "-g", "g", "-q").out == b"new\n"


def test_a_tail_that_is_cut_short_behind_garbage_is_one_loss(partition: Path) -> None:
    path = segment(partition)
    data = path.read_bytes()
    starts = batch_starts(path)
    path.write_bytes(data[: starts[1]] + bytes(len(data) - starts[1] - 60))
    assert all(done["mended"] for done in found_by("repair"))
    assert b"nothing is damaged" in ok("verify")
    assert values() == ROWS[:10]
    assert ok("produce", "t", "--offsets", stdin=b"new\n") == b"0 30\n"


def test_a_checkpoint_of_another_partition_is_seen(log_directory: Path) -> None:
    ok("topics", "create", "t", "-p", "2")
    ok("produce", "t", "-p", "0", stdin=b"aaa\n")
    ok("produce", "t", "-p", "1", stdin=b"a\nb\n")
    one, other = (log_directory / "topics" / "t" / number / "checkpoint" for number in "01")
    first = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(first)
    assert [found["part"] for found in found_by("verify")] == ["checkpoint", "checkpoint"]
    assert all(done["mended"] for done in found_by("repair"))
    assert ok("produce", "t", "-p", "1", "--offsets", stdin=b"c\n") == b"1 2\n"
    assert ok("produce", "t", "-p", "0", "--offsets", stdin=b"c\n") == b"0 1\n"
    assert b"nothing is damaged" in ok("verify")


def test_an_append_behind_a_copied_segment_is_refused_and_repaired(rolled: Path) -> None:
    first, _, last = sorted(rolled.glob("*.log"))
    last.write_bytes(first.read_bytes())
    assert run("produce", "t", stdin=b"30\n").status == 6
    assert all(done["mended"] for done in found_by("repair"))
    assert b"nothing is damaged" in ok("verify")
    assert ok("produce", "t", "--offsets", stdin=b"30\n") == b"0 30\n"
    assert numbers() == [*range(20), 30]


@pytest.mark.parametrize("how", ["segment", "batch"])
def test_a_batch_in_a_wrong_place_costs_no_other(log_directory: Path, how: str) -> None:
    ok("topics", "create", "t", "-c", "segment.bytes=1K")
    for first in range(0, 30, 2):
        ok("produce", "t", stdin=b"".join(b"%d%s\n" % (number, b" " * 90) for number in (first, first + 1)))
    partition = log_directory / "topics" / "t" / "0"
    one, other = sorted(partition.glob("*.log"))[:2]
    kept = {*range(30)} - {*range(int(other.name[:20]))} if how == "segment" else {*range(2, 30)}
    length = None if how == "segment" else batch_starts(other)[1]
    data = other.read_bytes()[:length]
    one.write_bytes(data + one.read_bytes()[len(data) :])
    assert {int(value) for value in run("consume", "t", "--skip-corrupt").out.split()} == kept
    assert all(found["part"] == "log" for found in found_by("verify"))
    assert all(done["mended"] for done in found_by("repair"))
    assert b"nothing is damaged" in ok("verify")
    assert set(numbers()) == kept


def test_verify_writes_nothing_where_an_index_is_gone(rolled: Path) -> None:
    index = sorted(rolled.glob("*.index"))[0]
    index.write_bytes(b"?" * 32)
    assert [found["part"] for found in found_by("verify")] == ["index"]
    assert index.read_bytes() == b"?" * 32
    index.unlink()
    assert found_by("verify") == []
    assert not index.exists()


def test_a_config_that_knows_too_few_partitions(log_directory: Path) -> None:
    ok("topics", "create", "t", "-p", "4", "-c", "segment.ms=1h")
    ok("produce", "t", "-p", "3", stdin=b"here\n")
    path = log_directory / "topics" / "t" / "config.json"
    path.write_text(path.read_text().replace("4", "2", 1))
    [finding] = found_by("verify")
    assert (finding["part"], "partition 3" in finding["reason"]) == ("config", True)
    assert all(done["mended"] for done in found_by("repair"))
    assert ok("consume", "t") == b"here\n"
    assert b'"segment.ms":3600000' in ok("topics", "list", "--json")


def test_a_strange_number_is_no_partition(log_directory: Path) -> None:
    ok("produce", "t", stdin=b"1\n")
    topic = log_directory / "topics" / "t"
    (topic / "20000").mkdir()
    (topic / "config.json").write_text("x")
    assert [found["part"] for found in found_by("repair")] == ["config"]
    assert b'"partitions":1' in run("topics", "list", "--json").out
    assert ok("consume", "t") == b"1\n"


def test_one_repair_is_enough_where_segment_and_checkpoint_are_gone(partition: Path) -> None:
    segment(partition).unlink()
    (partition / "checkpoint").write_bytes(b"x")
    assert all(done["mended"] for done in found_by("repair"))
    assert b"nothing is damaged" in ok("verify")


def test_many_damaged_batches_take_no_wait_each(log_directory: Path) -> None:
    with started("produce", "t", "--offsets", "--sync", "batch") as producer:
        for number in range(200):
            producer.stdin.write(b"%d\n" % number)
            read_lines(producer.stdout, 1)
    path = segment(log_directory / "topics" / "t" / "0")
    data = bytearray(path.read_bytes())
    for start in batch_starts(path)[:-1]:
        data[start + 20] ^= 1
    path.write_bytes(data)
    assert run("verify").status == 6
    assert all(done["mended"] for done in found_by("repair"))
    assert values() == [b"199\n"]


def test_a_reader_of_repairs_output_that_stalls_holds_up_nobody(partition: Path) -> None:
    flip(segment(partition), batch_starts(segment(partition))[1] + 20)
    readable, writable = os.pipe()
    os.set_blocking(writable, False)
    try:
        while os.write(writable, b"x" * 4096):
            pass
    except BlockingIOError:
        os.set_blocking(writable, True)
    with started("repair", stdout=writable) as repair:
        wait_until(lambda: list(partition.glob("*.damaged-*")), "the damage to be repaired")
        assert ok("produce", "t", "--lock-timeout", "20s", "--offsets", stdin=b"new\n") == b"0 30\n"
        repair.kill()
    os.close(readable)
    os.close(writable)


def test_a_torn_tail_is_no_damage(partition: Path) -> None:
    path = segment(partition)
    with path.open("ab") as file:
        file.write(path.read_bytes()[:60])
    assert b"nothing is damaged" in ok("verify")
    assert b"nothing to repair" in ok("repair")


def test_repair_beside_a_producer_and_a_follower(partition: Path) -> None:
    path = segment(partition)
    with started("produce", "t", "--offsets", "--sync", "batch") as producer:
        producer.stdin.write(b"30\n")
        assert read_lines(producer.stdout, 1) == [b"0 30"]
        with started("consume", "t", "-f", "-o", "25") as follower:
            assert read_lines(follower.stdout, 6) == [row[:-1] for row in [*ROWS[25:], b"30\n"]]
            flip(path, batch_starts(path)[1] + 20)
            assert [done["mended"] for done in found_by("repair")] == [True]
            producer.stdin.write(b"31\n")
            assert read_lines(producer.stdout, 1) == [b"0 31"]
            assert read_lines(follower.stdout, 1) == [b"31"]
    assert values() == [*ROWS[:10], *ROWS[20:], b"30\n", b"31\n"]


def test_a_follower_waits_at_damage_behind_it_that_was_repaired_before_it_came(partition: Path) -> None:
    """Damage at the very end: the mark ends the log, and what is appended later is read."""
    path = segment(partition)
    flip(path, batch_starts(path)[2] + 20)
    assert [done["mended"] for done in found_by("repair")] == [True]
    with started("consume", "t", "-g", "g", "-f", "-q") as follower:
        assert read_lines(follower.stdout, 5) == [row[:-1] for row in ROWS[15:20]]
        wait_until(lambda: json.loads(ok("groups", "describe", "g", "--json"))["lag"] == 0, "no lag behind the mark")
        ok("produce", "t", stdin=b"30\n")
        assert read_lines(follower.stdout, 1) == [b"30"]


def test_verify_needs_no_right_to_write_and_changes_nothing(partition: Path, log_directory: Path) -> None:
    flip(segment(partition), batch_starts(segment(partition))[0] + 20)
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in log_directory.rglob("*") if path.is_file()}
    assert run("verify").status == 6
    assert {
        path: (path.read_bytes(), path.stat().st_mtime_ns) for path in log_directory.rglob("*") if path.is_file()
    } == before


def test_what_cannot_be_looked_at_hides_nothing_else(log_directory: Path) -> None:
    for topic in "tuvw":
        ok("produce", topic, stdin=b"1\n")
    aside = log_directory.parent / "aside"
    (log_directory / "topics" / "t" / "0").rename(aside)
    (log_directory / "topics" / "t" / "0").symlink_to(aside)
    for path in (segment(log_directory / "topics" / "u" / "0"), log_directory / "topics" / "v" / "config.json"):
        path.unlink()
        path.symlink_to("/etc/passwd")
    flip(segment(log_directory / "topics" / "w" / "0"), HEADER_SIZE + 10)
    parts = {found["topic"]: found["part"] for found in found_by("verify")}
    assert parts == {"t": "unreadable", "u": "unreadable", "v": "unreadable", "w": "log"}
    assert {done["topic"]: done["mended"] for done in found_by("repair")} == {**dict.fromkeys("tuv", False), "w": True}
    assert run("verify").status == 6

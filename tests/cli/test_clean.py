"""topics clean and trim: old records go as the topic's config says, and nothing else does, beside whoever reads."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from streamcli.engine.produce import Producer
from streamcli.engine.syncing import SYNC_NONE
from streamcli.record.batch import Columns
from streamcli.storage.directory import LogDirectory
from tests.support.command import ok, refused, run, started
from tests.support.locks import lock_held
from tests.support.waiting import DEADLINE, read_lines, wait_until

HOUR = 3_600_000
PAD = "x" * 330


def now() -> int:
    return time.time_ns() // 1_000_000


def create(name: str, *settings: str) -> None:
    flags = [word for setting in ("segment.bytes=1K", *settings) for word in ("-c", setting)]
    ok("topics", "create", name, *flags)


def produce(topic: str, *rows: dict[str, Any]) -> None:
    """Each record in a batch of its own: two of them fill a segment."""
    directory = LogDirectory(os.environ["STREAMCLI_DIR"], lock_timeout=DEADLINE)
    producer = Producer(directory, topic, partition=0, sync=SYNC_NONE, clock=now, warn=print)
    for row in rows:
        key, value = row.get("key"), row.get("value", PAD)
        columns = Columns(1, [None if value is None else value.encode()], [key.encode()] if key else None)
        producer.append(columns._replace(timestamps=[row.get("timestamp", now())]))
    producer.finish()
    producer.close()


def aged(hours: int) -> dict[str, Any]:
    return {"timestamp": now() - hours * HOUR}


def offsets(topic: str, *words: str) -> list[int]:
    return [int(line) for line in ok("consume", topic, "-F", "%o\n", *words).split()]


def table(topic: str) -> dict[str, str | None]:
    rows = [json.loads(line) for line in ok("consume", topic, "--json").splitlines()]
    assert len({row["key"] for row in rows}) == len(rows), "a key is there twice"
    return {row["key"]: row["value"] for row in rows}


def cleaned(*topics: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in ok("topics", "clean", *topics, "--json").splitlines()]


def log_files(log_directory: Path, topic: str) -> list[str]:
    return sorted(path.name for path in (log_directory / "topics" / topic / "0").glob("*.log"))


def test_segments_of_old_records_go_and_younger_ones_stay():
    create("t")
    produce("t", *(aged(hours) for hours in (9, 8, 7, 6, 2, 1)))
    ok("topics", "alter", "t", "--retention", "5h")
    (removed,) = cleaned("t")
    assert (removed["action"], removed["segments"], removed["log_start_offset"]) == ("removed", 2, 4)
    assert offsets("t") == [4, 5]
    assert cleaned("t") == []
    assert "nothing is damaged" in run("verify", "-v").out.decode()


def test_a_young_record_keeps_its_segment_and_all_after_it():
    create("t", "retention.ms=5h")
    produce("t", aged(9), aged(1), aged(9), aged(9), aged(9), aged(9), aged(9))
    assert cleaned("t") == []
    assert offsets("t") == list(range(7))


def test_the_active_segment_goes_too_once_all_in_it_is_old():
    create("t", "retention.ms=5h")
    produce("t", aged(9))
    (removed,) = cleaned("t")
    assert removed["log_start_offset"] == 1
    assert offsets("t") == []
    produce("t", aged(0))
    assert offsets("t") == [1]


def test_a_partition_that_is_too_large_loses_its_oldest_segments(log_directory: Path):
    create("t")
    produce("t", *({} for _ in range(9)))
    before = log_files(log_directory, "t")
    ok("topics", "alter", "t", "--retention-bytes", "2K")
    (removed,) = cleaned()
    sizes = sum(path.stat().st_size for path in (log_directory / "topics" / "t" / "0").glob("*.log"))
    assert removed["segments"] == len(before) - len(log_files(log_directory, "t")) > 0
    assert 2048 <= sizes < 2048 + 1300
    assert offsets("t") == list(range(removed["log_start_offset"], 9))


def test_writers_clean_when_they_close_a_segment():
    create("t", "retention.bytes=2K")
    produce("t", *({} for _ in range(9)))
    assert offsets("t")[0] > 0
    create("k", "cleanup.policy=compact")
    produce("k", *({"key": "same", "value": f"{number}{PAD}"} for number in range(9)))
    left = offsets("k")
    assert left[-1] == 8
    assert len(left) < 6


def test_a_reader_in_a_segment_that_is_removed_goes_on_undisturbed():
    create("t")
    produce("t", *({} for _ in range(6)))
    with started("consume", "t", "-f", "-F", "%o\n") as follower:
        assert follower.stdout is not None
        assert read_lines(follower.stdout, 6) == [b"%d" % number for number in range(6)]
        ok("topics", "trim", "t", "--before", "end")
        produce("t", {}, {})
        assert read_lines(follower.stdout, 2) == [b"6", b"7"]


def test_a_group_that_was_passed_is_told_how_many_records_are_gone():
    create("t")
    produce("t", *({} for _ in range(6)))
    ok("consume", "t", "-g", "g", "-n", "1")
    ok("topics", "trim", "t", "--before", "4")
    result = run("consume", "t", "-g", "g", "-F", "%o\n")
    assert (result.status, result.out) == (0, b"4\n5\n")
    assert "3 records" in result.err


def test_trim_in_the_middle_of_a_batch():
    create("t")
    ok("produce", "t", stdin=b"".join(b"%d\n" % number for number in range(100)))
    ok("topics", "trim", "t", "--before", "42")
    assert offsets("t") == list(range(42, 100))
    assert offsets("t", "-o", "-60") == list(range(42, 100))
    assert offsets("t", "-o", "-3") == [97, 98, 99]
    assert "42" in refused(5, "consume", "t", "-o", "41")
    (partition,) = json.loads(ok("topics", "describe", "t", "--json"))["partitions"]
    assert (partition["log_start_offset"], partition["log_end_offset"]) == (42, 100)
    assert "nothing is damaged" in run("verify", "-v").out.decode()


def test_trim_by_time_and_of_chosen_partitions():
    ok("topics", "create", "t", "-p", "2")
    for partition in ("0", "1"):
        for hours in (3, 2, 1):
            line = json.dumps({"value": "v", "partition": int(partition), **aged(hours)}).encode() + b"\n"
            ok("produce", "t", "--json", stdin=line)
    assert ok("topics", "trim", "t", "-p", "1", "--before", "@90m").startswith(b"t 1: ")
    assert offsets("t", "-p", "0") == [0, 1, 2]
    assert offsets("t", "-p", "1") == [2]
    assert ok("topics", "trim", "t", "-p", "1", "--before", "1") == b"", "the log start offset never moves back"
    assert offsets("t", "-p", "1") == [2]


@pytest.mark.parametrize("before", ["-3", "1:2", "@1h:@now", "beginning:", "soon", ""])
def test_trim_refuses_what_is_no_offset(before: str):
    create("t")
    refused(2, "topics", "trim", "t", f"--before={before}")


def test_trim_refuses_what_is_not_there():
    refused(4, "topics", "trim", "nothing", "--before", "end")
    create("t")
    produce("t", {})
    refused(5, "topics", "trim", "t", "--before", "2")
    refused(4, "topics", "trim", "t", "-p", "1", "--before", "end")
    refused(4, "topics", "clean", "nothing")
    refused(2, "topics", "trim", "t")


def test_the_newest_record_of_each_key_stays_at_its_offset(log_directory: Path):
    create("t", "cleanup.policy=compact")
    rows = [{"key": f"k{number % 7}", "value": f"{number}"} for number in range(100)]
    ok("produce", "t", "--json", stdin="".join(json.dumps(row) + "\n" for row in rows).encode())
    produce("t", {"key": "k3", "value": "last"})
    (compacted,) = cleaned("t")
    assert (compacted["records_before"], compacted["records"]) == (101, 7)
    assert table("t") == {f"k{number % 7}": f"{number}" for number in range(100)} | {"k3": "last"}
    assert offsets("t") == [93, 95, 96, 97, 98, 99, 100]
    assert offsets("t", "-o", "-2") == [99, 100]
    assert offsets("t", "-o", "94") == [95, 96, 97, 98, 99, 100]
    assert offsets("t", "-o", "10:96") == [93, 95]
    files = log_files(log_directory, "t")
    assert cleaned("t") == [], "there is nothing left to do"
    assert log_files(log_directory, "t") == files
    assert "nothing is damaged" in run("verify", "-v").out.decode()


def test_a_group_reads_a_compacted_topic_with_its_gaps():
    create("t", "cleanup.policy=compact")
    rows = [{"key": f"k{number % 3}", "value": f"{number}"} for number in range(30)]
    ok("produce", "t", "--json", stdin="".join(json.dumps(row) + "\n" for row in rows).encode())
    ok("consume", "t", "-g", "g", "-n", "5")
    cleaned("t")
    assert ok("consume", "t", "-g", "g", "-F", "%o\n").split() == [b"27", b"28", b"29"]
    (state,) = [json.loads(line) for line in ok("groups", "describe", "g", "--json").splitlines()]
    assert state["lag"] == 0


def test_tombstones_go_once_their_time_has_passed():
    create("t", "cleanup.policy=compact", "delete.retention.ms=1h")
    produce("t", {"key": "gone"}, {"key": "stays"}, {"key": "gone", "value": None})
    cleaned("t")
    assert table("t") == {"gone": None, "stays": PAD}
    assert cleaned("t") == []
    ok("topics", "alter", "t", "-c", "delete.retention.ms=1ms")
    produce("t", {"key": "also", "value": "1"}, {"key": "also", "value": None})
    cleaned("t")
    wait_until(lambda: (cleaned("t"), table("t"))[1] == {"gone": None, "stays": PAD}, "the second tombstone goes")


def test_a_record_without_a_key_stays():
    create("t")
    produce("t", {"value": "a"}, {"value": "b"}, {"key": "k", "value": "c"}, {"key": "k", "value": "d"})
    ok("topics", "alter", "t", "--compact")
    cleaned("t")
    assert ok("consume", "t") == b"a\nb\nd\n"


def test_both_policies_at_once():
    create("t", "cleanup.policy=compact,delete", "retention.ms=5h")
    produce("t", {"key": "old", **aged(9)}, {"key": "old2", **aged(9)}, {"key": "a"}, {"key": "a"}, {"key": "b"})
    cleaned("t")
    assert set(table("t")) == {"a", "b"}


def test_damage_is_left_alone_and_told(log_directory: Path):
    create("t", "cleanup.policy=compact", "min.cleanable.dirty.ratio=1")
    create("u", "retention.ms=1h")
    produce("u", aged(9), aged(9), aged(9))
    produce("t", *({"key": "same", "value": f"{number}{PAD}"} for number in range(2)))
    first = sorted((log_directory / "topics" / "t" / "0").glob("*.log"))[0]
    data = bytearray(first.read_bytes())
    data[200] ^= 1
    first.write_bytes(data)
    result = run("topics", "clean")
    assert result.status == 6
    assert "t 0 was not cleaned" in result.err
    assert str(first) in result.err
    assert b"u 0: removed" in result.out, "what is whole is cleaned"
    assert first.read_bytes() == data


def test_a_partition_that_another_process_cleans_is_busy(log_directory: Path):
    create("t", "retention.ms=1h")
    produce("t", aged(9))
    with lock_held(log_directory / "topics" / "t" / "0" / "clean.lock"):
        result = run("topics", "clean", "t", "--lock-timeout", "10ms")
    assert result.status == 7
    assert len(cleaned("t")) == 1


def test_what_is_done_is_a_line_each_and_nothing_where_nothing_was():
    create("t", "retention.ms=1h")
    assert ok("topics", "clean") == b""
    produce("t", aged(9))
    line = ok("topics", "clean").decode()
    assert line.startswith("t 0: removed 1 segment, ")
    assert line.endswith("the log starts at offset 1 now\n")


def test_what_is_left_may_fill_many_batches():
    ok("topics", "create", "t", "--compact")
    rows = "".join(f"key{number}\t{number}\n" for number in (*range(70_000), *range(0, 70_000, 2)))
    ok("produce", "t", "-K", "\t", stdin=rows.encode())
    (compacted,) = cleaned("t")
    assert compacted["records"] == 70_000
    assert offsets("t") == sorted([*range(1, 70_000, 2), *range(70_000, 105_000)])
    assert "nothing is damaged" in run("verify", "-v").out.decode()

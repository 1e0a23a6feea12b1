"""dump: what lies in segments, indexes and checkpoints, past damage, wherever the file lies."""

from __future__ import annotations

import json
import os
import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from crc32c import crc32c

from streamcli.storage.format import HEADER_SIZE
from tests.security.forked import ok, run
from tests.support.command import finish, started
from tests.support.terminal import on_terminal

ROWS = [b"%d\n" % number for number in range(30)]


@pytest.fixture
def segment(log_directory: Path) -> Path:
    """The only segment of topic t: three batches, of offsets 0-9, 10-19 and 20-29."""
    for first in (0, 10, 20):
        ok("produce", "t", stdin=b"".join(ROWS[first : first + 10]))
    return log_directory / "topics" / "t" / "0" / "00000000000000000000.log"


def dumped(*words: str, status: int = 0) -> list[dict[str, Any]]:
    result = run("dump", "--json", "-q", *words)
    assert (result.status, result.err) == (status, ""), result
    return [json.loads(line) for line in result.out.splitlines()]


def refused(status: int, *words: str) -> str:
    result = run("dump", *words)
    assert (result.status, result.out, result.err.count("\n")) == (status, b"", 1), result
    return result.err


def flip(path: Path, position: int) -> None:
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)


def test_batches_of_a_topic_and_of_its_file(segment: Path) -> None:
    batches = dumped("t")
    assert [(batch["base_offset"], batch["next_offset"], batch["records"]) for batch in batches] == [
        (0, 10, 10),
        (10, 20, 10),
        (20, 30, 10),
    ]
    assert [batch["position"] for batch in batches] == [0, *(b["position"] + b["length"] for b in batches[:2])]
    assert batches[2]["position"] + batches[2]["length"] == segment.stat().st_size
    assert all(batch["body_right"] and batch["state"] == "ok" and batch["codec"] == "none" for batch in batches)
    assert all(HEADER_SIZE + batch["body_length"] == batch["length"] for batch in batches)
    assert dumped(str(segment)) == batches
    ok("produce", "t", "-K", ":", "-H", "a=b", stdin=b"k:v\n")
    assert dumped("t", "-o", "30")[0]["columns"] == ["keys", "common_headers"]


def test_a_compressed_batch_is_checked_as_it_is_stored(segment: Path) -> None:
    ok("produce", "t", "-z", "gzip", stdin=b"again and " * 100)
    *_, batch = dumped("t")
    assert batch["codec"] == "gzip"
    assert batch["body_length"] < batch["raw_length"]
    assert ok("dump", str(segment), "--records").endswith(b"again and \n")
    flip(segment, batch["position"] + HEADER_SIZE + 12)
    assert dumped("t", status=6)[-1]["state"] == "damaged"


def test_records_that_cannot_be_taken_apart_here_hide_no_others(segment: Path) -> None:
    data, second = bytearray(segment.read_bytes()), dumped("t")[1]["position"]
    data[second + 7] |= 0x10  # a column of a later format, the header's checksum put right
    data[second + 84 : second + 88] = crc32c(bytes(data[second : second + 84])).to_bytes(4, "little")
    segment.write_bytes(data)
    assert [batch["columns"] for batch in dumped("t")] == [[], ["0x1000"], []]
    result = run("dump", "t", "--records", "--json")
    assert (result.status, result.out.count(b"\n")) == (1, 20)
    assert "upgrade" in result.err


def test_text_has_a_line_for_each_batch_in_columns(segment: Path) -> None:
    title, heads, *rows = ok("dump", "t").decode().splitlines()
    assert title == str(segment)
    assert [row.split()[2:5] for row in rows] == [["0", "10", "10"], ["10", "20", "10"], ["20", "30", "10"]]
    assert {row.index("ok") for row in rows} == {heads.index("STATE")}


@pytest.mark.usefixtures("segment")
def test_a_range_of_offsets_and_a_partition() -> None:
    assert [batch["base_offset"] for batch in dumped("t", "-o", "12:20")] == [10]
    assert [batch["base_offset"] for batch in dumped("t", "-o", "-11")] == [10, 20]
    assert dumped("t", "-o", "end") == []
    assert "out of range" in refused(5, "t", "-o", "31")
    ok("topics", "create", "many", "-p", "3")
    ok("produce", "many", "-p", "2", stdin=b"x\n")
    assert len(dumped("many")) == len(dumped("many", "-p", "2")) == len(dumped("m*", "t", "-p", "0")) - 2 == 1
    assert "no partition 3" in refused(4, "many", "-p", "3")


def test_many_segments_and_a_start_within_one() -> None:
    ok("topics", "create", "t", "-c", "segment.bytes=200K")
    for first in range(0, 30_000, 3000):
        ok("produce", "t", "--sync", "none", stdin=b"".join(b"%015d\n" % n for n in range(first, first + 3000)))
    every = dumped("t")
    assert len({batch["file"] for batch in every}) == 3
    assert dumped("t", "-o", "9500:20500") == every[3:7]
    records = ok("dump", "t", "-o", "9500:20500", "--records", "--json")
    assert records == ok("consume", "t", "-o", "9500:20500", "--json")


@pytest.mark.parametrize("part", ["header", "body"])
@pytest.mark.parametrize("batch", [0, 1, 2])
def test_damage_is_passed_by_and_told(segment: Path, batch: int, part: str, tmp_path: Path) -> None:
    before = dumped("t")
    flip(segment, before[batch]["position"] + (20 if part == "header" else HEADER_SIZE + 12))
    copy = tmp_path / "copied elsewhere"
    shutil.copy(segment, copy)
    for name in ("t", str(segment), str(copy)):
        found = dumped(name, status=6)
        assert [other["base_offset"] for other in found if other["state"] == "ok"] == [
            first * 10 for first in range(3) if first != batch
        ]
        [damage] = [other for other in found if other["state"] == "damaged"]
        assert (damage["position"], damage["length"]) == (before[batch]["position"], before[batch]["length"])
        assert damage["file"] == str(copy if name == str(copy) else segment)
        assert damage["reason"] == f"the batch {part} fails its checksum"
        assert damage.get("body_right") is (None if part == "header" else False)
    result = run("dump", "t")
    assert result.status == 6
    assert result.err.startswith("streamcli: a piece is damaged")
    assert f"damaged: the batch {part} fails its checksum" in result.out.decode()

    kept = run("dump", "t", "--records", "--json", "-q")
    assert kept.status == 6
    assert len(kept.out.splitlines()) == 20
    assert f"position {damage['position']}" in kept.err


def test_a_batch_in_another_place_is_no_batch_there(segment: Path, tmp_path: Path) -> None:
    first, second, third = dumped("t")
    data = segment.read_bytes()
    piece = tmp_path / "piece.log"
    piece.write_bytes(data[second["position"] :])
    [found] = dumped(str(piece), status=6)
    assert found["reason"] == f"the batch belongs at position {second['position']}"
    assert found["length"] == second["length"] + third["length"]
    piece.write_bytes(data[:-1])
    assert [batch["state"] for batch in dumped(str(piece), status=6)] == ["ok", "ok", "damaged"]
    assert first["state"] == "ok"


def test_a_torn_tail_is_an_unfinished_append(segment: Path) -> None:
    whole = segment.read_bytes()
    ok("produce", "t", stdin=b"torn\n")
    with open(segment, "r+b") as file:
        file.truncate(len(whole) + 30)
    (segment.parent / "checkpoint").unlink()
    *batches, torn = dumped("t")
    assert len(batches) == 3
    assert (torn["state"], torn["position"], torn["length"]) == ("unfinished", len(whole), 30)


def test_what_repair_gave_up_is_lost(segment: Path) -> None:
    flip(segment, dumped("t")[1]["position"] + HEADER_SIZE + 12)
    assert run("repair").status == 0
    states = [(batch["state"], batch["base_offset"], batch["next_offset"], batch["records"]) for batch in dumped("t")]
    assert states == [("ok", 0, 10, 10), ("lost", 10, 20, 0), ("ok", 20, 30, 10)]
    assert dumped("t")[1]["min_timestamp"] is None
    assert ok("dump", "t", "--records", "--json").count(b"\n") == 20


def test_an_index_and_a_checkpoint(segment: Path, tmp_path: Path) -> None:
    index = segment.with_suffix(".index")
    [entry] = dumped(str(index))
    assert (entry["position"], entry["base_offset"], entry["state"]) == (0, 0, "ok")
    [checkpoint] = dumped(str(segment.parent / "checkpoint"))
    assert (checkpoint["position"], checkpoint["offset"]) == (segment.stat().st_size, 30)
    assert checkpoint["state"] == "ok"
    assert b"MAX-TIME-BEFORE" in ok("dump", str(index), str(segment.parent / "checkpoint"))
    assert "is none" in refused(2, "--records", str(index))

    copy = tmp_path / "an index"
    shutil.copy(index, copy)
    assert dumped(str(copy))[0]["state"] == "unchecked"
    flip(copy, 3)
    shutil.copy(copy, tmp_path / "00000000000000000000.index")
    assert dumped(str(tmp_path / "00000000000000000000.index"), status=6)[0]["reason"] == "the entry fails its checksum"
    flip(segment, 20)
    assert dumped(str(index), status=6)[0]["reason"] == "the entry leads to no batch"
    flip(segment.parent / "checkpoint", 30)
    assert dumped(str(segment.parent / "checkpoint"), status=6)[0]["state"] == "damaged"


def test_a_log_start_offset(segment: Path) -> None:
    ok("topics", "trim", "t", "--before", "12")
    path = segment.parent / "log-start"
    assert dumped(str(path)) == [{"file": str(path), "log_start_offset": 12, "state": "ok"}]
    assert ok("dump", str(path)).split() == [str(path).encode(), b"LOG-START", b"STATE", b"12", b"ok"]
    flip(path, 25)
    assert dumped(str(path), status=6)[0]["state"] == "damaged"


def test_a_compacted_topic_is_dumped_with_its_gaps(log_directory: Path) -> None:
    ok("topics", "create", "t", "-c", "cleanup.policy=compact", "-c", "segment.bytes=1K")
    rounds = [b"".join(b"%d:%d\n" % (key, number) for key in range(5)) for number in range(16)]
    for lines in rounds[:3]:
        ok("produce", "t", "-K", ":", stdin=lines)
    superseded = log_directory / "topics" / "t" / "0" / "00000000000000000000.log"
    before = superseded.read_bytes()
    for lines in rounds[3:]:
        ok("produce", "t", "-K", ":", stdin=lines)
    ok("topics", "clean")
    batches = dumped("t")
    assert all(one["next_offset"] == other["base_offset"] for one, other in pairwise(batches))
    assert (batches[0]["base_offset"], batches[-1]["next_offset"]) == (0, 80)
    assert 5 <= sum(batch["records"] for batch in batches) < 80
    assert ok("dump", "t", "--records", "--json") == ok("consume", "t", "--json")
    assert ok("dump", "t", "-o", "40", "--records", "--json") == ok("consume", "t", "-o", "40", "--json")

    assert not superseded.exists()
    superseded.write_bytes(before)  # as a crash leaves it
    assert dumped("t") == batches
    assert [batch["base_offset"] for batch in dumped(str(superseded))] == [0, 5, 10]


def test_records_of_a_copied_segment_make_a_topic_again(segment: Path, tmp_path: Path) -> None:
    ok("produce", "t", "-K", ":", "-Z", "-H", "a=b", stdin=b"k:\n\xff:v\n")
    wanted = [json.loads(line) for line in ok("consume", "t", "--json").splitlines()]
    shutil.copy(segment, tmp_path / "saved")
    shutil.rmtree(segment.parents[3])
    ok("produce", "t", "--json", stdin=ok("dump", "--records", "--json", str(tmp_path / "saved")))
    assert [json.loads(line) for line in ok("consume", "t", "--json").splitlines()] == wanted


def test_a_terminal_is_shown_nothing_that_drives_it(tmp_path: Path) -> None:
    ok("produce", "t", "-k", r"\x1b]0;key\x07", stdin=b"\x1b[2J\xff\r\x00\n")
    with on_terminal("dump", "t", "--records", columns=200) as terminal:
        status, shown = terminal.finish()
    assert status == 0
    assert b"\\x1b[2J\\xff" in shown
    assert shown.replace(b"\r\n", b"").decode().isprintable()
    rubbish = tmp_path / "rubbish\x1b[2J"
    rubbish.write_bytes(os.urandom(10_000))
    assert all(line.isprintable() for line in run("dump", str(rubbish)).out.decode().splitlines())


def test_files_and_topics_of_one_name(segment: Path) -> None:
    shutil.copy(segment, "t")
    ok("produce", "t", stdin=b"one more\n")
    assert len(dumped("t")) == 4
    assert len(dumped("./t")) == 3
    os.rename("t", "copied.log")
    assert len(dumped("copied.log")) == 3
    os.symlink("copied.log", "link")
    assert len(dumped("link")) == 3


def test_what_is_not_there_or_cannot_be_had(log_directory: Path, tmp_path: Path) -> None:
    assert "no such topic: nope" in refused(4, "nope")
    assert "no topic matches" in refused(4, "nope*")
    assert "No such file" in refused(1, "./nope")
    assert "not a regular file" in refused(1, str(tmp_path))
    assert "leave them out" in refused(2, "./nope", "-o", "1")
    assert not log_directory.exists()
    ok("topics", "create", "empty", "-p", "2")
    assert ok("dump", "empty") == b""
    Path("void").touch()
    assert ok("dump", "./void") == b""


def test_a_closed_pipe_ends_it_quietly(segment: Path) -> None:
    shutil.copy(segment, "copy")
    with started("dump", "--records", *["./copy"] * 20_000) as process:
        assert process.stdout is not None
        assert process.stdout.read(10)
        process.stdout.close()
        process.stdout = None
        assert finish(process) == (0, b"", "")

"""Compressed batches through produce and consume: every codec, several in a topic, damage, and no package to read them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from streamcli.storage.format import HEADER_SIZE, BatchHeader, decode_header
from tests.support.command import Result, ok, refused, run
from tests.support.tree import contents

NUMBERS = {"gzip": 1, "lz4": 3, "zstd": 4}
LINES = b"".join(b'{"user": %d, "page": "/a/page/of/some/length"}\n' % (number % 70) for number in range(1000))
RECORDS = b"".join(
    json.dumps(record, separators=(",", ":")).encode() + b"\n"
    for record in (
        {"key": "k", "value": "one" * 40, "headers": [["h", "v" * 40], ["n", None]]},
        {"key": None, "value": None, "headers": []},
        {"key": "", "value": "", "headers": []},
        {"key": "k", "value": "two\nlines" * 40, "headers": []},
        {"key_b64": "/w==", "value_b64": "AP8=", "headers": []},
    )
)


def produce(*words: str, data: bytes = LINES) -> None:
    """From a file, whose lines are one batch; of a pipe's it may be more."""
    Path("input").write_bytes(data)
    ok("produce", *words, "input")


def segment(log_directory: Path, topic: str) -> Path:
    (path,) = (log_directory / "topics" / topic / "0").glob("*.log")
    return path


def headers(path: Path) -> list[BatchHeader]:
    data, found, position = path.read_bytes(), [], 0
    while position < len(data):
        found.append(decode_header(data[position : position + HEADER_SIZE], position))
        position = found[-1].end
    return found


def codecs(log_directory: Path, topic: str) -> set[int]:
    return {header.codec for header in headers(segment(log_directory, topic))}


@pytest.mark.parametrize("name", NUMBERS)
def test_what_goes_in_compressed_comes_out(log_directory: Path, name: str):
    produce("t", "-z", name)
    assert codecs(log_directory, "t") == {NUMBERS[name]}
    assert segment(log_directory, "t").stat().st_size < len(LINES) // 5
    assert ok("consume", "t") == LINES
    produce("t", "--json", "--compress", name, data=RECORDS)
    assert codecs(log_directory, "t") == {NUMBERS[name]}
    taken = [json.loads(line) for line in ok("consume", "t", "-o", "1000", "--json").splitlines()]
    given = [json.loads(line) for line in RECORDS.splitlines()]
    assert [{name: found[name] for name in record} for found, record in zip(taken, given, strict=True)] == given


def test_the_topic_says_how_and_the_flag_says_otherwise(log_directory: Path):
    ok("topics", "create", "t", "-c", "compression.type=gzip")
    produce("t")
    produce("t", "-z", "zstd")
    produce("t", "-z", "none")
    assert [header.codec for header in headers(segment(log_directory, "t"))] == [1, 4, 0]
    assert ok("consume", "t") == 3 * LINES
    assert "use none, gzip, zstd, lz4" in refused(2, "produce", "t", "-z", "snappy")


def test_a_topic_of_several_codecs_is_read_as_one(log_directory: Path):
    lines = [b"%s %d of these lines\n" % (name.encode(), number) for name in NUMBERS for number in range(1000)]
    lines += [b"none %d of these lines\n" % number for number in range(1000)]
    whole = b"".join(lines)
    for number, name in enumerate([*NUMBERS, "none"]):
        produce("t", "-z", name, data=b"".join(lines[1000 * number : 1000 * number + 1000]))
    assert codecs(log_directory, "t") == {0, *NUMBERS.values()}
    assert ok("consume", "t") == whole
    assert ok("consume", "t", "-o", "-1500") == b"".join(lines[-1500:])
    assert ok("consume", "t", "-o", "990:2010") == b"".join(lines[990:2010])
    assert ok("consume", "t", "--since", "1h", "--grep", " 77 ") == b"".join(line for line in lines if b" 77 " in line)
    assert ok("tail", "t", "-n", "1001") == b"".join(lines[-1001:])
    parts = [ok("consume", "t", "-g", "g", "-n", str(count)) for count in (999, 1002, 1999)]
    assert b"".join(parts) == whole
    assert b"nothing is damaged" in ok("verify")


def test_damage_in_a_compressed_body_is_told_and_passed_by(log_directory: Path):
    for _ in range(3):
        produce("t", "-z", "zstd")
    path = segment(log_directory, "t")
    header = headers(path)[1]
    data = bytearray(path.read_bytes())
    data[header.end - 5] ^= 16
    path.write_bytes(data)
    read = run("consume", "t")
    assert (read.status, read.out) == (6, LINES)
    where = f"{path}, position {header.position}, {header.end - header.position} bytes, offsets 1000 to 1999"
    assert where in read.err
    passed = run("consume", "t", "--skip-corrupt")
    assert (passed.status, passed.out) == (6, 2 * LINES)
    assert where in passed.err
    assert run("verify").status == 6
    assert b"offsets 1000 to 1999 given up" in ok("repair")
    assert ok("verify", stdin=b"").startswith(b"1 topic, 1 partition, 2,000 records")
    assert run("consume", "t").out == 2 * LINES


def test_a_torn_compressed_batch_is_cut_off(log_directory: Path):
    for _ in range(2):
        produce("t", "-z", "zstd")
    path = segment(log_directory, "t")
    last = headers(path)[1]
    whole = path.read_bytes()
    (path.parent / "checkpoint").unlink()
    path.write_bytes(whole[:-7])
    assert ok("consume", "t") == LINES
    after = run("produce", "t", "-z", "zstd", stdin=b"after\n")
    assert after.status == 0
    assert "an append that did not finish" in after.err
    assert ok("consume", "t") == LINES + b"after\n"
    assert [kept.read_bytes() for kept in path.parent.glob("*.cut-*")] == [whole[last.position : -7]]


# In front of a command: the words "python -m streamcli" then stand among its arguments.
MAIN = "import sys; sys.argv[:4] = ['streamcli']; from streamcli.__main__ import main; main()"
BLOCKED = (
    "import sys; sys.modules.update(dict.fromkeys(('backports.zstd', 'compression.zstd', 'lz4', 'lz4.frame')))\n" + MAIN
)


def without_packages(*words: str, stdin: bytes = b"") -> Result:
    """streamcli where neither zstd nor lz4 can be imported."""
    return run(*words, stdin=stdin, under=[sys.executable, "-c", BLOCKED])


@pytest.mark.parametrize("name", ["zstd", "lz4"])
def test_reading_without_the_package_says_what_to_install(log_directory: Path, name: str):
    produce("t", data=b"first\n")
    produce("t", "-z", name)
    for words in (["-o", "1"], ["--skip-corrupt", "-o", "1"], ["-o", "1", "--json"], ["-g", "g", "-o", "1"]):
        read = without_packages("consume", "t", *words)
        assert (read.status, read.out) == (1, b""), read
        where = f"{segment(log_directory, 't')}, position {headers(segment(log_directory, 't'))[1].position}"
        said = f"cannot read offsets 1 to 1000: {name} is not installed ({where}): pip install 'streamcli[{name}]'"
        assert read.err == f"streamcli: {said}\n"
    assert without_packages("consume", "t", "-o", ":1").out == b"first\n"
    assert without_packages("tail", "t").status == 1
    assert ok("consume", "t", "-g", "g") == LINES, "nothing was passed by"


@pytest.mark.parametrize("name", ["zstd", "lz4"])
def test_without_the_package_nothing_is_taken_for_damaged(log_directory: Path, name: str):
    produce("t", "-z", name)
    produce("t", "-z", "gzip")
    before = contents(log_directory)
    checked = without_packages("verify")
    assert checked.status == 0
    assert checked.out.startswith(b"1 topic, 1 partition, 2,000 records")
    assert checked.err == (
        "streamcli: the body of a batch was checked by checksum alone, and not taken apart: "
        f"{name} is not installed: pip install 'streamcli[{name}]'\n"
    )
    repaired = without_packages("repair")
    assert (repaired.status, repaired.out) == (0, b"nothing to repair\n")
    assert contents(log_directory) == before
    assert ok("consume", "t") == 2 * LINES


@pytest.mark.parametrize("name", ["zstd", "lz4"])
def test_writing_without_the_package_is_refused_before_anything_is_written(log_directory: Path, name: str):
    refusal = f"{name} is not installed: pip install 'streamcli[{name}]'"
    asked = without_packages("produce", "t", "-z", name, stdin=LINES)
    assert (asked.status, asked.err) == (1, f"streamcli: {refusal}\n")
    assert not log_directory.exists()
    ok("topics", "create", "t", "-c", f"compression.type={name}")
    before = contents(log_directory)
    told = without_packages("produce", "t", stdin=LINES)
    assert told.status == 1
    assert refusal in told.err
    assert contents(log_directory) == before
    assert without_packages("produce", "t", "-z", "gzip", stdin=LINES).status == 0


def test_what_is_not_compressed_imports_nothing_for_it():
    importing = [sys.executable, "-X", "importtime", "-c", MAIN]
    for words in (["produce", "t"], ["consume", "t"]):
        done = run(*words, stdin=b"a line\n", under=importing)
        assert done.status == 0
        assert "streamcli.storage.body" in done.err
        for module in ("streamcli.storage.codec", "backports", "lz4"):
            assert module not in done.err


def test_compaction_keeps_the_codec(log_directory: Path):
    ok("topics", "create", "t", "-c", "cleanup.policy=compact", "-c", "compression.type=gzip")
    keyed = b"".join(b"%d:value number %d\n" % (number % 40, number) for number in range(400))
    for _ in range(2):
        produce("t", "-K", ":", data=keyed)
    assert b"compacted" in ok("topics", "clean", "t")
    compacted = next(path for path in segment_paths(log_directory) if "-" in path.name)
    assert [header.codec for header in headers(compacted) if header.record_count] == [1]
    assert sorted(ok("consume", "t", "-K", ":").splitlines()) == sorted(keyed.splitlines()[-40:])


def segment_paths(log_directory: Path) -> list[Path]:
    return sorted((log_directory / "topics/t/0").glob("*.log"))

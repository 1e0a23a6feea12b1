"""The reader written from the man page alone prints what `streamcli consume` prints."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest
from crc32c import crc32c

from streamcli.record.batch import Columns
from streamcli.storage.body import encode_batch
from streamcli.storage.format import HEADER_SIZE, decode_header
from tests.examples.running import EXAMPLES, run_example
from tests.support.command import ok, refused, run

RECORDS = (
    {"key": "k", "value": "one"},
    {"key": None, "value": "no key"},
    {"key": "", "value": ""},
    {"key": "gone", "value": None},
    {"value": "two\nlines", "headers": [["a", "1"], ["a", None], ["b", {"b64": "/w=="}]]},
    {"key_b64": "/w==", "value_b64": "AP8=", "timestamp": 5},
)


def read(directory: Path, *words: str) -> bytes:
    result = run_example("read_format.py", *words[:-1], str(directory), words[-1])
    assert (result.status, result.err) == (0, ""), result
    return result.out


def same(directory: Path, topic: str) -> None:
    assert read(directory, topic) == ok("consume", topic, "-p", "0")
    assert read(directory, "--json", topic) == ok("consume", topic, "-p", "0", "--json")


def test_it_imports_nothing_of_streamcli():
    tree = ast.parse((EXAMPLES / "read_format.py").read_text())
    imported = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    imported |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not [name for name in imported if name.startswith("streamcli")]


def test_lines(log_directory: Path):
    ok("produce", "t", stdin=b"one\r\n\n\xff\0\nlast")
    same(log_directory, "t")


def test_keys_nulls_headers_and_timestamps(log_directory: Path):
    ok("produce", "t", "--json", stdin="".join(json.dumps(record) + "\n" for record in RECORDS).encode())
    ok("produce", "t", "-K", ":", "-H", "all=these", stdin=b"a:1\nb:2\nc:\n")
    ok("produce", "t", "-k", "common", "-H", "all=these", "-Z", stdin=b"x\n\n")
    ok("produce", "t", "--json", "-H", "all=these", stdin=json.dumps(RECORDS[4]).encode())
    same(log_directory, "t")


def test_several_segments(log_directory: Path):
    ok("topics", "create", "t", "--segment-bytes", "64K")
    for number in range(4):
        ok("produce", "t", stdin=b"%060000d\n" % number)
    assert len(list((log_directory / "topics/t/0").glob("*.log"))) > 2
    same(log_directory, "t")


def test_what_gzip_compressed_is_read_too(log_directory: Path):
    ok("produce", "t", "-z", "gzip", stdin=b"a line that is there often\n" * 99)
    ok("produce", "t", "-z", "gzip", "-K", ":", stdin=b"a:1\nb:2\nc:\n" * 99)
    ok("produce", "t", stdin=b"last\n")
    same(log_directory, "t")


@pytest.mark.parametrize("codec", ["zstd", "lz4"])
def test_what_it_cannot_decompress_it_does_not_leave_out(log_directory: Path, codec: str):
    ok("produce", "t", stdin=b"first\n")
    ok("produce", "t", "-z", codec, stdin=b"a line that is there often\n" * 99)
    ok("produce", "t", stdin=b"last\n")
    result = run_example("read_format.py", str(log_directory), "t")
    assert (result.status, result.out) == (1, b"first\n")
    assert f"compressed with {codec}, which this reader does not know" in result.err


def test_an_empty_topic(log_directory: Path):
    ok("topics", "create", "t")
    assert read(log_directory, "t") == b""


def test_gaps_in_the_offsets(log_directory: Path):
    ok("produce", "t", stdin=b"first\n")
    log = log_directory / "topics/t/0/00000000000000000000.log"
    compacted = Columns(2, b"a\nb\n", offset_deltas=[3, 7])
    _, buffers = encode_batch(compacted, position=log.stat().st_size, base_offset=1, timestamp=7)
    with log.open("ab") as file:
        file.writelines(buffers)
    assert [json.loads(line)["offset"] for line in read(log_directory, "--json", "t").splitlines()] == [0, 4, 8]
    same(log_directory, "t")


@pytest.mark.parametrize("cut", [1, 30, 88, 100])
def test_a_torn_tail_is_the_end(log_directory: Path, cut: int):
    ok("produce", "t", stdin=b"first\n")
    log = log_directory / "topics/t/0/00000000000000000000.log"
    whole = log.read_bytes()
    _, buffers = encode_batch(Columns(1, b"second\n"), position=len(whole), base_offset=1, timestamp=7)
    log.write_bytes(whole + b"".join(buffers)[:cut])
    assert read(log_directory, "t") == b"first\n"


def test_what_a_power_cut_left_is_the_end(log_directory: Path):
    ok("produce", "t", stdin=b"first\n")
    partition = log_directory / "topics/t/0"
    name, version, _, *place, _ = (partition / "checkpoint").read_bytes().split()
    line = b" ".join([name, version, b"0" * 36, *place])
    (partition / "checkpoint").write_bytes(line + b" %08x\n" % crc32c(line))
    with (partition / "00000000000000000000.log").open("ab") as file:
        file.write(bytes(4096))
    same(log_directory, "t")


@pytest.mark.parametrize("damaged", [4, HEADER_SIZE + 2], ids=["header", "body"])
def test_damage_is_reported_and_passed_by(log_directory: Path, damaged: int):
    for value in (b"first\n", b"second\n", b"third\n"):
        ok("produce", "t", stdin=value)
    log = log_directory / "topics/t/0/00000000000000000000.log"
    data = bytearray(log.read_bytes())
    data[decode_header(data[:HEADER_SIZE], 0).end + damaged] ^= 1
    log.write_bytes(data)
    result = run_example("read_format.py", str(log_directory), "t")
    assert (result.status, result.out) == (6, b"first\nthird\n")
    assert result.err.count("\n") == 1
    assert result.err.endswith("offsets 1 to 1 are lost\n")
    assert run("consume", "t", "--skip-corrupt").out == result.out


def test_a_stranger_is_refused(tmp_path: Path):
    assert "no such log directory" in run_example("read_format.py", str(tmp_path), "t").err
    assert "no such topic" in refused(4, "consume", "t")


def test_what_was_lost_and_repaired_is_told(log_directory: Path):
    for value in (b"1\n", b"2\n", b"3\n"):
        ok("produce", "t", stdin=value)
    path = log_directory / "topics" / "t" / "0" / "00000000000000000000.log"
    path.write_bytes(path.read_bytes().replace(b"2\n", b"x\n"))
    run("repair")
    result = run_example("read_format.py", str(log_directory), "t")
    assert (result.status, result.out) == (0, b"1\n3\n")
    assert "1 records were lost before, from 1 on" in result.err

"""`consume --json | produce --json` reproduces every record: from one log directory to another, and through other programs."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import streamcli
from tests.support.command import ok
from tests.support.waiting import DEADLINE

MIB = 1 << 20
PYTHON = [sys.executable, "-c", "import json, sys\nfor line in sys.stdin: print(json.dumps(json.loads(line)))"]
JQ = ["jq", "-c", "."]

BYTES = st.one_of(
    st.none(),
    st.just(b""),
    st.binary(max_size=20),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=10).map(str.encode),
    # Bytes that are a lone surrogate in UTF-8's form, which is none; controls; what JSON escapes; the ends of planes.
    st.sampled_from([b"\xed\xa0\x80", b"a\nb\r\n", b"\0\0", b'"\\/\x08\x7f', "\u2028\uffff\U0010ffff".encode(), b"\xf0\x9f"]),
)  # fmt: skip
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6)
HEADERS = st.lists(st.tuples(NAMES, BYTES), max_size=4).map(lambda headers: headers + headers[:1])
RECORDS = st.lists(st.tuples(BYTES, BYTES, HEADERS, st.integers(0, 2**53 - 1)), min_size=1, max_size=30)

Records = list[tuple[bytes | None, bytes | None, list[tuple[str, bytes | None]], int]]

EXTREMES: Records = [
    (None, None, [], 0),
    (b"", b"", [("h", b""), ("h", None), ("h", b"")], 1),
    (b"\xff" * 10, b"\0" * MIB, [("\U0010ffff", b"\xed\xa0\x80")], 2**53 - 1),
    (b"k", b"\n" * MIB, [("\0", b"\0")], 2**45),
    ("é".encode(), "\U0001f600".encode() * (MIB // 4), [], 1795417244239),
]


def write(directory: str, records: Records) -> None:
    """The records into topic t of three partitions, by the library: JSON has no part in it."""
    ok("--dir", directory, "topics", "create", "t", "-p", "3")
    with streamcli.open(directory).producer("t") as producer:
        for number, (key, value, headers, timestamp) in enumerate(records):
            producer.append(value, key=key, headers=headers, timestamp=timestamp, partition=number % 3)


def through(program: Sequence[str], lines: bytes) -> bytes:
    return subprocess.run(program, input=lines, stdout=subprocess.PIPE, timeout=DEADLINE, check=True).stdout


def stored(directory: str) -> list[list[tuple[object, ...]]]:
    """Each partition's records, read by the library."""
    found: list[list[tuple[object, ...]]] = [[], [], []]
    for record in streamcli.open(directory).read("t"):
        found[record.partition].append((record.key, record.value, list(record.headers), record.timestamp))
    return found


def assert_lossless(tmp_path: Path, records: Records, program: Sequence[str] | None) -> None:
    first, second = (str(tmp_path / uuid.uuid4().hex) for _ in range(2))
    write(first, records)
    expected: list[list[tuple[object, ...]]] = [[], [], []]
    for number, (key, value, headers, timestamp) in enumerate(records):
        expected[number % 3].append((key, value, headers, timestamp))
    assert stored(first) == expected
    lines = ok("--dir", first, "consume", "t", "--json")
    assert len([json.loads(line) for line in lines.splitlines()]) == len(records)
    given = lines if program is None else through(program, lines)
    ok("--dir", second, "produce", "t", "--json", "--partitions", "3", stdin=given)
    assert stored(second) == expected
    shutil.rmtree(first)
    shutil.rmtree(second)


@settings(max_examples=8, suppress_health_check=list(HealthCheck))
@given(RECORDS)
@example(EXTREMES)
def test_from_one_directory_to_another(tmp_path: Path, records: Records) -> None:
    assert_lossless(tmp_path, records, None)


@settings(max_examples=4, suppress_health_check=list(HealthCheck))
@given(RECORDS)
@example(EXTREMES)
def test_through_pythons_json(tmp_path: Path, records: Records) -> None:
    assert_lossless(tmp_path, records, PYTHON)


@pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not installed")
@settings(max_examples=4, suppress_health_check=list(HealthCheck))
@given(RECORDS)
@example(EXTREMES)
def test_through_jq(tmp_path: Path, records: Records) -> None:
    assert_lossless(tmp_path, records, JQ)

"""Memory is bounded by the input: processes that may not have much are given what claims to be huge."""

from __future__ import annotations

import os
import subprocess
import sys
import tracemalloc
from contextlib import suppress
from pathlib import Path

import pytest

from streamcli.cli import envelope
from streamcli.record.batch import Columns
from streamcli.storage import layout
from streamcli.storage.body import encode_batch
from streamcli.storage.codec import GZIP, ZSTD, compress
from streamcli.storage.format import BatchHeader
from tests.support.command import STREAMCLI, ok, run
from tests.support.waiting import DEADLINE

from .test_found import BOMB, header_of, sealed

ROOM = 400_000
"""kB of address space: a process of streamcli has about half of it before it begins."""

CLAIMS = {
    "count": {"record_count": 2**32 - 1, "last_offset_delta": 2**32 - 2},
    "span": {"last_offset_delta": 2**32 - 1},
    "length": {"body_length": 2**32 - 1, "raw_length": 2**32 - 1},
    "values": {"values_length": 2**32 - 1},
    "raw length": {"raw_length": 2**32 - 1},
    "raw length, compressed": {"raw_length": 2**32 - 1, "codec": GZIP},
    "as much as it may": {"raw_length": 16 << 20, "codec": ZSTD},
}
BODIES = {"arrays in arrays": BOMB, "as much as it may": compress(ZSTD, bytes(64 << 20))}


def under_limit(*words: str) -> list[str]:
    return ["sh", "-c", f'ulimit -v {ROOM}; exec "$@"', "sh", *words]


def write_segment(log_directory: Path, header: BatchHeader, body: bytes) -> None:
    ok("topics", "create", "t")
    path = layout.segment_path(layout.partition_directory(str(log_directory), "t", 0), layout.SegmentName.of(0))
    Path(path).write_bytes(sealed(header) + body)


READS = [
    ["consume", "t"],
    ["consume", "t", "-o", "1", "--json"],
    ["consume", "t", "-o", "-1"],
    ["consume", "t", "-o", "@1", "--skip-corrupt", "-F", "%o %s\\n"],
    ["consume", "t", "-g", "g", "-n", "1"],
    ["tail", "t", "-n", "5"],
    ["topics", "describe", "t"],
]


@pytest.mark.parametrize("claim", [*CLAIMS, "arrays in arrays"])
def test_reading_what_claims_to_be_huge(log_directory: Path, claim: str):
    made = Columns(1, [b"a"])
    header, buffers = encode_batch(made, position=0, base_offset=0, timestamp=5)
    body = BODIES.get(claim, b"".join(buffers[1:]))
    header = header_of(made, body)._replace(min_timestamp=5, max_timestamp=5)
    write_segment(log_directory, header._replace(**CLAIMS.get(claim, {})), body)
    for words in READS:
        result = run(*words, under=under_limit())
        assert result.status in (0, 5, 6), (words, result)
        assert "Traceback" not in result.err
        assert "Memory" not in result.err
        assert all(line.startswith("streamcli: ") for line in result.err.splitlines()), (words, result)
    again = run("produce", "t", stdin=b"more\n", under=under_limit())
    assert again.status in (0, 6), again
    assert "Traceback" not in again.err


WORST = {
    "empty maps": (b'{"value":null,"headers":[', b"{},", b"{}]}"),
    "empty arrays": (b'{"value":null,"x":[', b"[],", b"[]]}"),
    "headers": (b'{"value":null,"headers":[', b'["",""],', b'["",""]]}'),
    "names": (b'{"value":null', b',"\xf0\x9f\x98\x80":0', b"}"),
    "wide text": (b'{"value":"\xf0\x9f\x98\x80', b"a", b'"}'),
    "escapes": (b'{"value":"', b"\\u0000", b'"}'),
    "base64": (b'{"value_b64":"', b"AAAA", b'"}'),
    "numbers": (b'{"value":null,"x":[', b"1e9,", b"1]}"),
    "deep": (b'{"value":', b"[", b""),
    "digits": (b'{"value":null,"timestamp":', b"9", b"}"),
}


@pytest.mark.parametrize("shape", WORST.values(), ids=WORST.keys())
def test_an_envelope_takes_memory_in_proportion(shape: tuple[bytes, bytes, bytes]):
    """40 bytes for each of its own at the worst, which are empty arrays: that is what Python makes of them."""
    start, middle, end = shape
    line = start + middle * ((1 << 20) // len(middle)) + end
    tracemalloc.start()
    try:
        with suppress(envelope.BadEnvelope):
            envelope.decode(line)
        used = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert used < 40 * len(line)


@pytest.mark.parametrize("words", [[], ["--json"], ["-K", ":"]])
def test_a_line_without_end(log_directory: Path, words: list[str]):
    """Input is read no further than a record may be long."""
    ok("topics", "create", "t")
    reader, writer = os.pipe()
    feeder = subprocess.Popen(
        [sys.executable, "-c", "while True: print('[' * 65536, end='')"], stdout=writer, stderr=-3
    )
    os.close(writer)
    try:
        command = under_limit(*STREAMCLI, "produce", "t", *words)
        done = subprocess.run(command, stdin=reader, capture_output=True, text=True, timeout=DEADLINE, check=False)
    finally:
        os.close(reader)
        feeder.wait(DEADLINE)
    assert done.returncode == 8, done
    assert "longer than" in done.stderr
    assert "Traceback" not in done.stderr
    assert log_directory.exists()

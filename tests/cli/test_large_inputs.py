"""produce of what fills its buffers: lines of any length are counted right, fsyncs begin early, and inputs change under it."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from streamcli.cli.input import CHUNK, Chunk
from streamcli.engine.produce import Producer
from streamcli.engine.syncing import SYNC_BYTES, SYNC_EXIT
from streamcli.record.batch import Columns
from streamcli.storage.config import TopicConfig
from streamcli.storage.directory import LogDirectory
from tests.support.command import STREAMCLI, durable, ok, run, started
from tests.support.waiting import DEADLINE, wait_until

MIB = 1 << 20
METER = Path(__file__).parents[1] / "bench" / "meter.py"


@pytest.mark.parametrize("size", [1, 2, 47, 48, 83, 1024, 70_000, CHUNK])
@pytest.mark.parametrize("length", [CHUNK, CHUNK - 1, 5000, 100])
def test_lines_of_any_length_are_counted(size: int, length: int) -> None:
    """In a buffer that is full up to a last line without its end, or holds older lines after what counts, at any place."""
    text = (b"x" * (size - 1) + b"\n") * (CHUNK // size + 1)
    for buffer in (bytearray(text[:CHUNK]), bytearray((b"y\n" * CHUNK)[:CHUNK])):
        buffer[:length] = text[:length]
        end = buffer.rfind(b"\n", 0, length) + 1
        for start in (0, 1, end // 2):
            if start < end:
                chunk = Chunk(memoryview(buffer)[start:end], start=start)
                assert chunk.lines() == bytes(buffer[start:end]).count(b"\n")


def test_short_and_long_lines_in_turn() -> None:
    random = Random(5)
    data = b"".join(b"x" * random.choice((0, 3, 80, 900, 40_000)) + b"\n" for _ in range(1000))
    ok("produce", "t", stdin=data)
    assert ok("consume", "t") == data
    found = re.search(r"(\d+) records", run("verify", "t").out.decode().replace(",", ""))
    assert found is not None
    assert int(found[1]) == 1000


def test_much_is_fsynced_before_a_second_is_over(log_directory: Path) -> None:
    """An fsync is due, where it would not be for less; what it makes durable is told without another append."""
    directory = LogDirectory(str(log_directory), lock_timeout=DEADLINE, create=True)
    directory.create_topic("t", TopicConfig(1, {}))
    producer = Producer(directory, "t", partition=None, sync=SYNC_EXIT, clock=lambda: 1, warn=print)
    values = b"x" * (MIB - 1) + b"\n"
    for _ in range(SYNC_BYTES // MIB):
        assert producer.durable == 0
        producer.append(Columns(1, values))
    assert producer.due_in() == 0.0
    producer.tick()
    wait_until(lambda: producer.tick() or producer.durable == producer.appended, "the fsync")
    assert producer.due_in() is None
    producer.close()


def test_a_file_that_grows_while_it_is_produced(tmp_path: Path) -> None:
    """What is there when its end is met."""
    path = tmp_path / "grows"
    path.write_bytes(b"first\n" * 1000)
    with started("produce", "t", "--rate", "500", str(path)) as producer:
        wait_until(lambda: run("consume", "t", "-n", "1").out, "the first record")
        with path.open("ab") as more:
            more.write(b"second\n" * 300)
        assert producer.wait(DEADLINE) == 0
    found = ok("consume", "t")
    assert found in (b"first\n" * 1000, b"first\n" * 1000 + b"second\n" * 300)


def test_a_file_that_is_cut_while_it_is_produced(tmp_path: Path) -> None:
    """What was read of it: no error, and no signal for bytes that are gone. Where it was cut a line may have no end."""
    path = tmp_path / "cut"
    line = b"%082d\n" % 7
    path.write_bytes(line * (20 * MIB // len(line)))
    with started("produce", "t", "--rate", "20000", str(path)) as producer:
        wait_until(lambda: run("consume", "t", "-n", "1").out, "the first record")
        os.truncate(path, 0)
        assert producer.wait(DEADLINE) == 0
    found = ok("consume", "t")
    assert 0 < len(found) < 20 * MIB
    assert path.stat().st_size == 0
    assert (line * (20 * MIB // len(line))).startswith(found[:-1])
    assert found.endswith(b"\n")


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_the_middle_of_a_large_file(tmp_path: Path, signum: int) -> None:
    """The count is exact, and going on there gives the file."""
    path = tmp_path / "large"
    path.write_bytes(b"".join(b"%079d\n" % number for number in range(40 * MIB // 80)))
    with started("produce", "t", "--rate", "20000", str(path)) as producer:
        wait_until(lambda: run("consume", "t", "-n", "1").out, "the first record")
        producer.send_signal(signum)
        status = producer.wait(DEADLINE)
        err = producer.stderr.read().decode()
    assert status == 128 + signum
    count = durable(err)
    data = path.read_bytes()
    assert ok("consume", "t") == data[: 80 * count]
    ok("produce", "t", stdin=data[80 * count :])
    assert ok("consume", "t") == data


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "large"
    line = b"%0999d\n" % 7
    path.write_bytes(line * (150 * MIB // len(line)))
    told = tmp_path / "told"
    streamcli = [shutil.which(STREAMCLI[0]) or STREAMCLI[0], *STREAMCLI[1:]]
    subprocess.run([sys.executable, "-I", "-S", METER, told, *streamcli, "produce", "t", path], check=True)
    _, peak, status = json.loads(told.read_text())
    assert status == 0
    assert peak < 60 * MIB


def test_where_no_thread_is_to_be_had_fsyncs_are_done_in_between() -> None:
    """The stack of a thread would take more memory than there may be."""
    limited = ["sh", "-c", 'ulimit -v 1000000; ulimit -s 2000000; exec "$@"', "sh"]
    thread = "import _thread; _thread.start_new_thread(print, ())"
    assert subprocess.run([*limited, sys.executable, "-c", thread], capture_output=True, check=False).returncode == 1
    data = (b"x" * 79 + b"\n") * (2 * SYNC_BYTES // 80)
    done = subprocess.run([*limited, *STREAMCLI, "produce", "t"], input=data, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert ok("consume", "t") == data

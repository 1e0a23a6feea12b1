"""A long input is taken apart by two processes: the log is the same as by one, whatever becomes of the other."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from streamcli.cli.encode_beside import EncodingBeside
from streamcli.cli.input import CHUNK, Chunk
from streamcli.cli.parse_records import RecordShape, parse_lines
from streamcli.cli.second_process import SecondProcess
from streamcli.engine import current_config
from streamcli.engine.produce import Producer
from streamcli.engine.syncing import SYNC_EXIT
from streamcli.storage.config import TopicConfig
from streamcli.storage.directory import LogDirectory
from tests.support.command import durable, finish, ok, refused, run, started
from tests.support.restricted import restricted
from tests.support.small_disk import can_mount, small_disk
from tests.support.waiting import DEADLINE, wait_until

COUNT = 70_000
PAD = b"x" * 90
KEYED = ("t", "-K", ":", "--partitions", "3")

pytestmark = pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="there is one processor")


def keyed(count: int = COUNT) -> bytes:
    return b"".join(b"key%d:%d %s\n" % (number % 997, number, PAD) for number in range(count))


def envelopes(count: int = COUNT) -> bytes:
    pad = PAD.decode()
    rows = (
        {"key": f"k{n % 31}", "value": f"{n} {pad}", "timestamp": n, "headers": [["n", str(n)], ["none", None]]}
        for n in range(count)
    )
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def use_one_processor() -> None:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except FileNotFoundError:
        return False


@contextmanager
def two_at_work(path: Path, data: bytes, *words: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A producer that has taken in all of a long input but its last chunk, and waits for more; and its other process."""
    path.write_bytes(data)
    with started("produce", *words, str(path), "-", stdin=subprocess.PIPE, start_new_session=True) as producer:
        yield producer, wait_until(lambda: children(producer.pid), "a second process")[0]


WAYS: dict[str, tuple[list[str], Callable[[], bytes]]] = {
    "keys": (["-K", ":"], keyed),
    "keys and headers": (["-K", ":", "-H", "a=b"], keyed),
    "some without a key": (["-K", ":"], lambda: keyed(COUNT // 2) + b"no key\n" + keyed(COUNT // 2)),
    "compressed": (["-z", "gzip"], keyed),
    "compressed keys": (["-z", "gzip", "-K", ":"], keyed),
    "json": (["--json"], envelopes),
    "short records": (["-K", ":"], lambda: b"a:b\n" * (7 * CHUNK // 4)),
    "a long record": (["-K", ":"], lambda: keyed() + b"k:" + b"y" * (3 * CHUNK) + b"\n" + keyed(COUNT // 2)),
}


@pytest.mark.parametrize(
    ("way", "partitions"), [*((way, "3") for way in WAYS), ("compressed", "1"), ("json", "1"), ("compressed keys", "1")]
)
def test_the_log_is_the_same_as_by_one_process(way: str, partitions: str, tmp_path: Path) -> None:
    options, made = WAYS[way]
    data = made()
    for topic in ("one", "two"):
        ok("topics", "create", topic, "--partitions", partitions, "-c", f"max.message.bytes={4 * CHUNK}")
    with two_at_work(tmp_path / "input", data, "two", *options) as (producer, _):
        assert finish(producer) == (0, b"", "")
    ok("produce", "one", *options, stdin=data, preexec_fn=use_one_processor)
    if partitions == "3" and way in ("compressed", "some without a key"):  # which go to the partitions in turn
        alone, beside = (sorted(ok("consume", topic, "-F", "%k %s\n").splitlines()) for topic in ("one", "two"))
        assert alone == beside
        return
    shown = "%p %k %s %h\n" if way != "json" else "%p %k %s %T %h\n"
    for partition in map(str, range(int(partitions))):
        one, two = (ok("consume", topic, "-p", partition, "-F", shown) for topic in ("one", "two"))
        assert one == two


def test_records_come_when_the_input_rests(tmp_path: Path) -> None:
    """What the other process has is not kept until more comes."""
    with two_at_work(tmp_path / "input", keyed(), *KEYED) as (producer, _):
        wait_until(lambda: ok("consume", "t").count(b"\n") == COUNT, "all records")
        assert finish(producer)[0] == 0


@pytest.mark.parametrize("bad", [COUNT // 2, COUNT - 1])
def test_a_bad_line_is_counted_exactly(bad: int) -> None:
    rows = envelopes().splitlines(keepends=True)
    rows[bad] = b'{"value": 1}\n'
    line = refused(8, "produce", "t", "--json", stdin=b"".join(rows))
    assert f"record {bad + 1} of standard input" in line
    assert durable(line) == bad
    assert ok("consume", "t", "-F", "%s\n").count(b"\n") == bad


def test_the_other_process_may_be_killed(tmp_path: Path) -> None:
    data = keyed()
    with two_at_work(tmp_path / "input", data, *KEYED) as (producer, other):
        os.kill(other, signal.SIGKILL)
        assert producer.stdin is not None
        producer.stdin.write(data)
        wait_until(lambda: not children(producer.pid), "nothing is left of it")
        assert finish(producer) == (0, b"", "")
    assert sorted(ok("consume", "t", "-K", ":").splitlines()) == sorted(data.splitlines() * 2)


def test_its_end_may_be_nobodys_to_wait_for() -> None:
    """A parent that ignores SIGCHLD hands that down: the kernel reaps it, and waitpid(2) fails."""
    data = keyed()
    ok("produce", *KEYED, stdin=data, preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))
    assert sorted(ok("consume", "t", "-K", ":").splitlines()) == sorted(data.splitlines())


def test_it_ends_with_the_producer_and_holds_nothing(tmp_path: Path) -> None:
    with two_at_work(tmp_path / "input", keyed(), *KEYED) as (producer, other):
        wait_until(lambda: len(list(Path(f"/proc/{other}/fd").iterdir())) == 2, "nothing but its two pipes")
        assert all(os.readlink(entry).startswith("pipe:") for entry in Path(f"/proc/{other}/fd").iterdir())
        producer.kill()
        producer.wait()
        wait_until(lambda: not is_alive(other), "the other process ends")
    ok("produce", "t", "-K", ":", stdin=b"a:b\n")
    assert b"nothing is damaged" in run("verify", "t").out


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_both_stops_with_an_exact_count(signum: signal.Signals, tmp_path: Path) -> None:
    with two_at_work(tmp_path / "input", keyed(), *KEYED) as (producer, _):
        os.killpg(producer.pid, signum)
        status, _, err = finish(producer)
    assert status == 128 + signum
    assert ok("consume", "t").count(b"\n") == durable(err)


def test_where_no_process_is_to_be_had() -> None:
    data = keyed()
    assert run("produce", *KEYED, stdin=data, under=restricted("no-fork")).status == 0
    assert sorted(ok("consume", "t", "-K", ":").splitlines()) == sorted(data.splitlines())


@pytest.mark.skipif(not can_mount(), reason="mounting a small file system needs to be root, and allowed to")
def test_a_full_disk_is_counted_exactly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMCLI_DIR", str(tmp_path / "disk" / "log"))
    data = keyed()
    with small_disk(tmp_path / "disk", 7 << 20) as disk:
        ok("topics", "create", "t", "--partitions", "3")
        done = run("produce", "t", "-K", ":", stdin=data)
        assert done.status == 8
        assert re.search("No space left", done.err)
        found = sorted(ok("consume", "t", "-K", ":").splitlines())
        assert found == sorted(data.splitlines()[: durable(done.err)])
        disk.free()


# Its parts


@pytest.fixture
def producer(log_directory: Path) -> Iterator[Producer]:
    directory = LogDirectory(str(log_directory), lock_timeout=DEADLINE, create=True)
    directory.create_topic("t", TopicConfig(3, {}))
    producer = Producer(directory, "t", partition=None, sync=SYNC_EXIT, clock=lambda: 1, warn=print)
    yield producer
    producer.close()


def test_what_a_changed_topic_would_take_otherwise_is_not_appended(producer: Producer) -> None:
    data = bytearray(keyed(1000))
    parsed = parse_lines(Chunk(memoryview(data)), RecordShape(key_delimiter=b":"), None, is_divided=True, partitions=3)
    encoded = producer.encode(parsed.columns)
    assert encoded is not None
    for other in (
        encoded.encoding._replace(partitions=4),
        encoded.encoding._replace(codec=1),
        encoded.encoding._replace(is_log_append_time=True),
        encoded.encoding._replace(needs_keys=True),
    ):
        assert not producer.append_encoded(encoded._replace(encoding=other))
    assert producer.appended == 0
    assert producer.append_encoded(encoded)
    assert producer.appended == 1000


def test_what_was_divided_among_other_partitions_is_not_encoded(
    producer: Producer, log_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = bytearray(keyed(1000))
    parsed = parse_lines(Chunk(memoryview(data)), RecordShape(key_delimiter=b":"), None, is_divided=True, partitions=3)
    directory = LogDirectory(str(log_directory), lock_timeout=DEADLINE)
    directory.alter_topic("t", lambda config: config._replace(partitions=4))
    monkeypatch.setattr(current_config, "INTERVAL", 0)
    assert producer.encode(parsed.columns) is None


def test_chunks_that_cannot_be_encoded_come_back_and_end_it(producer: Producer) -> None:
    others = children(os.getpid())
    beside = EncodingBeside(producer, lambda _: 1 / 0)  # type: ignore[arg-type, return-value]
    data = memoryview(bytearray(keyed(9000))[:CHUNK])
    taken = [beside.take(Chunk(data)) for _ in range(5)]
    assert taken == [False] * 4 + [True]
    assert beside.answers is not None
    assert not beside.take(Chunk(data))
    for _ in range(3):
        assert beside.append() == 0
        assert bytes(beside.taken().data) == data
        beside.take(Chunk(data))
    assert beside.answers is None
    assert set(children(os.getpid())) <= set(others)
    beside.close()


def test_where_a_process_cannot_be_bound_to_processors(producer: Producer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")  # as on macOS
    beside = EncodingBeside(producer, lambda _: 1 / 0)  # type: ignore[arg-type, return-value]
    data = memoryview(bytearray(CHUNK))
    assert [beside.take(Chunk(data)) for _ in range(5)] == [False] * 4 + [True]
    beside.close()


def test_an_answer_that_has_no_room_is_none() -> None:
    process = SecondProcess(lambda data: (len(data), [bytes(data)] * data[0]))
    for times, answer in ((1, 2), (255, 2), (3, 2)):
        process.ask(memoryview(bytes([times, 7]) if times != 255 else bytes([9]) + bytes(CHUNK - 1)))
        found = process.answer()
        if times == 255:
            assert found is None
        else:
            assert found is not None
            assert (found[0], bytes(found[1][: 2 * times])) == (answer, bytes([times, 7]) * times)
    process.close()

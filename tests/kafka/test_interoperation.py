"""Other clients of the broker read what we write, and we read what they write: confluent-kafka, and kcat where it is."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from base64 import b64encode
from typing import Any, NamedTuple

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from tests.kafka.test_reading import await_markers
from tests.support.command import ok
from tests.support.waiting import DEADLINE

needs_kcat = pytest.mark.skipif(shutil.which("kcat") is None, reason="kcat is not installed")

BINARY = bytes(range(256))


class Theirs(NamedTuple):
    """A record as confluent-kafka has it."""

    partition: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]


RECORDS = [
    Theirs(0, 1_700_000_000_000, b"key", b"value", [("a", b"1"), ("b", b""), ("a", None), ("c", BINARY)]),
    Theirs(0, 1_700_000_000_999, None, None, []),
    Theirs(0, 1_700_000_000_500, b"", b"", []),
    Theirs(1, 1, BINARY, BINARY, []),
    Theirs(1, 1_700_000_000_000, None, b"line\r\nline\n\0", [("é", "é".encode())]),
    Theirs(2, 1_700_000_001_000, b"key", None, []),
    Theirs(2, 1_700_000_002_000, None, b"x" * 500_000, []),
]


def in_base64(name: str, value: bytes | None) -> dict[str, Any]:
    """A key or value in an envelope that needs no UTF-8."""
    return {name: None} if value is None else {f"{name}_b64": b64encode(value).decode()}


def envelope(record: Theirs) -> dict[str, Any]:
    headers = [[name, None if value is None else {"b64": b64encode(value).decode()}] for name, value in record.headers]
    return {
        "partition": record.partition,
        "timestamp": record.timestamp,
        **in_base64("key", record.key),
        **in_base64("value", record.value),
        "headers": headers,
    }


def as_printed(text: str | None, base64: str | None) -> str | None:
    """A value of an envelope in base64, however it was printed."""
    return base64 if text is None else b64encode(text.encode()).decode()


def from_printed(line: bytes) -> dict[str, Any]:
    """What consume --json printed, with all keys and values in base64, and without topic and offset."""
    row = json.loads(line)
    found: dict[str, Any] = {"partition": row["partition"], "timestamp": row["timestamp"]}
    for name in ("key", "value"):
        base64 = as_printed(row.get(name), row.get(f"{name}_b64"))
        found[name if base64 is None else f"{name}_b64"] = base64
    headers = [
        (name, value) if isinstance(value, dict) else (name, as_printed(value, None)) for name, value in row["headers"]
    ]
    found["headers"] = [[name, {"b64": value} if isinstance(value, str) else value] for name, value in headers]
    return found


def read(kafka: str, topic: str, partitions: int) -> list[Theirs]:
    """What confluent-kafka reads from the topic, to its end."""
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": "none", "enable.partition.eof": True})
    consumer.assign([TopicPartition(topic, number, 0) for number in range(partitions)])
    found, ended = [], 0
    while ended < partitions:
        message = consumer.poll(DEADLINE)
        assert message is not None
        if message.error():
            assert message.error().name() == "_PARTITION_EOF", message.error()
            ended += 1
            continue
        key, value, headers = message.key(), message.value(), message.headers() or []
        found.append(Theirs(message.partition(), message.timestamp()[1], key, value, headers))
    consumer.close()
    return sorted(found, key=lambda record: record.partition)


def write(producer: Producer, topic: str, records: list[Theirs]) -> None:
    for partition, timestamp, key, value, headers in records:
        producer.produce(topic, value, key, partition, timestamp=timestamp, headers=headers)


def test_confluent_kafka_reads_what_we_write(kafka: str, t: str) -> None:
    ok("topics", "create", t, "-p", "3")
    lines = "".join(json.dumps(envelope(record)) + "\n" for record in RECORDS)
    ok("produce", t, "--json", stdin=lines.encode())
    assert read(kafka, t, 3) == RECORDS


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_we_read_what_confluent_kafka_writes(kafka: str, t: str, codec: str) -> None:
    ok("topics", "create", t, "-p", "3")
    producer = Producer({"bootstrap.servers": kafka, "compression.type": codec})
    write(producer, t, RECORDS)
    assert producer.flush(DEADLINE) == 0
    found = [from_printed(line) for line in ok("consume", t, "--json").splitlines()]
    assert sorted(found, key=lambda row: row["partition"]) == [envelope(record) for record in RECORDS]


def test_keys_go_where_confluent_kafka_sends_them(kafka: str, t: str) -> None:
    ok("topics", "create", t, f"{t}-theirs", "-p", "7")
    dice = random.Random(1)
    keys = [bytes(dice.choices(range(33, 127), k=dice.randrange(1, 40))).replace(b":", b";") for _ in range(300)]
    ok("produce", t, "-K", ":", stdin=b"".join(key + b":\n" for key in keys))
    producer = Producer({"bootstrap.servers": kafka})
    for key in keys:
        producer.produce(f"{t}-theirs", b"", key)
    assert producer.flush(DEADLINE) == 0
    ours, theirs = read(kafka, t, 7), read(kafka, f"{t}-theirs", 7)
    assert {record.partition for record in ours} == set(range(7))
    assert [(r.partition, r.key) for r in ours] == [(r.partition, r.key) for r in theirs]


def test_only_what_was_committed_of_transactions_is_read_and_reading_ends(kafka: str, t: str, g: str) -> None:
    """The end of the log holds markers that no consumer is given: their offsets are gaps."""
    ok("topics", "create", t)
    producer = Producer({"bootstrap.servers": kafka, "transactional.id": t})
    producer.init_transactions(DEADLINE)
    for number, end in enumerate((producer.commit_transaction, producer.abort_transaction) * 2):
        producer.begin_transaction()
        for _ in range(2):
            producer.produce(t, b"%d" % number)
        producer.flush(DEADLINE)
        end(DEADLINE)
    await_markers(kafka, t)
    assert ok("consume", t) == b"0\n0\n2\n2\n"
    assert ok("consume", t, "-o", "10") == b""
    assert ok("consume", t, "-g", g) == b"0\n0\n2\n2\n"
    assert ok("consume", t, "-g", g) == b""
    assert json.loads(ok("groups", "describe", g, "--json"))["lag"] == 0


def test_a_group_goes_on_where_another_client_committed(kafka: str, t: str, g: str) -> None:
    ok("produce", t, stdin=b"0\n1\n2\n3\n4\n")
    assert ok("consume", t, "-g", g, "-n", "2") == b"0\n1\n"
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": g, "enable.auto.commit": False})
    (committed,) = consumer.committed([TopicPartition(t, 0)], DEADLINE)
    assert committed.offset == 2
    consumer.commit(offsets=[TopicPartition(t, 0, 4)], asynchronous=False)
    consumer.close()
    assert ok("consume", t, "-g", g) == b"4\n"


def kcat(kafka: str, *words: str, stdin: bytes = b"") -> bytes:
    command = ["kcat", "-b", kafka, "-q", *words]
    return subprocess.run(command, input=stdin, stdout=subprocess.PIPE, timeout=DEADLINE, check=True).stdout


@needs_kcat
def test_kcat_reads_what_we_write(kafka: str, t: str) -> None:
    ok("topics", "create", t, "-p", "2")
    ok("produce", t, "-p", "1", "-K", ":", "-Z", "-H", "h=1", "-H", "i=2", stdin=b"k:v:w\nno key\nk:\n")
    shown = kcat(kafka, "-C", "-t", t, "-e", "-f", "%p %o %K %S %k=%s %h\n")
    assert shown == b"1 0 1 3 k=v:w h=1,i=2\n1 1 -1 6 =no key h=1,i=2\n1 2 1 -1 k= h=1,i=2\n"
    times = kcat(kafka, "-C", "-t", t, "-e", "-f", "%T\n")
    assert times == ok("consume", t, "-F", "%T\\n")


@needs_kcat
def test_we_read_what_kcat_writes(kafka: str, t: str) -> None:
    ok("topics", "create", t, "-p", "3")
    kcat(kafka, "-P", "-t", t, "-p", "2", "-K", ":", "-H", "h=1", "-Z", "-z", "snappy", stdin=b"k:v\nk:\n")
    shown = ok("consume", t, "-F", "%p %o %K %S %k=%s %h\\n")
    assert shown == b"2 0 1 1 k=v h=1\n2 1 1 -1 k= h=1\n"
    keyed = b"ann:1\nbob:2\ncy:3\ndan:4\n"
    kcat(kafka, "-P", "-t", t, "-K", ":", stdin=keyed)
    theirs = ok("consume", t, "--grep", "[1-4]", "-F", "%p %k:%s\\n")
    assert len(theirs.splitlines()) == 4
    ok("produce", f"{t}-ours", "--partitions", "3", "-K", ":", stdin=keyed)
    assert sorted(ok("consume", f"{t}-ours", "-F", "%p %k:%s\\n").splitlines()) == sorted(theirs.splitlines())

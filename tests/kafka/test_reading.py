"""Reading what only a cluster has: transactions, gaps in the offsets, many partitions, a topic that goes while it is followed."""

from __future__ import annotations

import json

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from tests.support.command import finish, ok, refused, started
from tests.support.deliveries import committed, numbers
from tests.support.waiting import DEADLINE, read_lines, wait_until


def transactional(kafka: str, topic: str) -> Producer:
    """A producer whose transactions may take as long as a test does."""
    settings = {"bootstrap.servers": kafka, "transactional.id": topic, "transaction.timeout.ms": 300_000}
    producer = Producer(settings)
    producer.init_transactions(DEADLINE)
    return producer


def await_markers(kafka: str, topic: str) -> None:
    """A transaction has ended before its marker is in the log, where readers see it: the next producer has to wait for that."""
    transactional(kafka, topic)


def transactions(kafka: str, topic: str, outcomes: list[tuple[bytes, bool]]) -> None:
    """A transaction for each value, committed where that is said, else aborted."""
    producer = transactional(kafka, topic)
    for value, is_committed in outcomes:
        producer.begin_transaction()
        producer.produce(topic, value, partition=0)
        producer.flush(DEADLINE)
        producer.commit_transaction(DEADLINE) if is_committed else producer.abort_transaction(DEADLINE)
    await_markers(kafka, topic)


def in_transaction(kafka: str, topic: str, value: bytes) -> Producer:
    """A producer that has written a record in a transaction that is open."""
    producer = transactional(kafka, topic)
    producer.begin_transaction()
    producer.produce(topic, value, partition=0)
    producer.flush(DEADLINE)
    return producer


def test_aborted_records_are_never_shown_and_the_end_is_found_behind_a_marker(kafka: str, t: str, g: str) -> None:
    transactions(kafka, t, [(b"a", True), (b"b", False), (b"c", True), (b"d", False)])
    shown = b"0 a\n4 c\n"
    assert ok("consume", t, "-F", r"%o %s\n") == shown
    assert ok("consume", t, "-g", g, "-F", r"%o %s\n") == shown
    assert committed(g) == {0: 8}
    assert ok("consume", t, "-o", "-2") == b"a\nc\n"
    assert ok("tail", t, "-n", "1") == b"c\n"
    assert ok("consume", t, "-o", "1:4") == b""


def test_what_is_not_committed_yet_is_after_the_end(kafka: str, t: str) -> None:
    ok("produce", t, stdin=b"1\n")
    producer = in_transaction(kafka, t, b"2")
    assert ok("consume", t) == b"1\n"
    with started("consume", t, "-f") as follower:
        assert read_lines(follower.stdout, 1) == [b"1"]
        producer.commit_transaction(DEADLINE)
        assert read_lines(follower.stdout, 1) == [b"2"]


def test_what_is_not_committed_yet_is_not_trimmed_nor_the_end_of_a_group(kafka: str, t: str, g: str) -> None:
    """Other members of the group may read it: the offset after it is no reason to say that records were lost."""
    ok("produce", t, stdin=b"1\n")
    producer = in_transaction(kafka, t, b"2")
    assert ok("consume", t, "-g", g, "-X", "isolation.level=read_uncommitted") == b"1\n2\n"
    assert ok("consume", t, "-g", g) == b""
    assert committed(g) == {0: 2}
    ok("topics", "trim", t, "--before", "end")
    producer.commit_transaction(DEADLINE)
    await_markers(kafka, t)
    assert ok("consume", t) == b"2\n"


def compacted(kafka: str, topic: str) -> None:
    """A topic of which compaction left the newest of each key, so that offsets are missing within and before the end. It begins
    when all is there, so that it is over in one go."""
    admin = AdminClient({"bootstrap.servers": kafka})
    config = {
        "segment.ms": "1",
        "min.cleanable.dirty.ratio": "0.001",
        "delete.retention.ms": "0",
    }
    admin.create_topics([NewTopic(topic, 1, 1, config=config)])[topic].result(DEADLINE)
    producer = Producer({"bootstrap.servers": kafka})
    for number in range(30):  # a segment each, or about so
        producer.produce(topic, b"%d" % number, key=b"k%d" % (number % 3))
        producer.flush(DEADLINE)
    ok("topics", "alter", topic, "-c", "cleanup.policy=compact")
    wait_until(lambda: len(ok("consume", topic).split()) < 10, "compaction")


def test_offsets_that_compaction_left_out(kafka: str, t: str, g: str) -> None:
    compacted(kafka, t)
    left = ok("consume", t).split()
    assert left[-1] == b"29"
    assert ok("consume", t, "-o", f"-{len(left)}").split() == left
    assert ok("tail", t, "-n", "2").split() == left[-2:]
    assert ok("consume", t, "-o", "1:28").split() == [value for value in left if 1 <= int(value) < 28]
    assert ok("consume", t, "-g", g).split() == left
    assert committed(g) == {0: 30}


def test_partitions_are_merged_by_time_record_by_record(t: str) -> None:
    ok("topics", "create", t, "-p", "3")
    rows = [
        {"partition": number % 7 % 3, "timestamp": 1_700_000_000_000 + number, "value": str(number)}
        for number in range(5000)
    ]
    for partition in (2, 0, 1):
        mine = [json.dumps(row) for row in rows if row["partition"] == partition]
        ok("produce", t, "--json", stdin="\n".join(mine).encode())
    assert ok("consume", t) == numbers(0, 5000)
    assert ok("consume", t, "-o", "-1234") == numbers(5000 - 1234, 5000)
    assert ok("tail", t, "-n", "3") == numbers(4997, 5000)


def test_more_than_is_held_of_a_partition_whose_turn_comes_late(t: str) -> None:
    """Partition 1 has its turn after all of partition 0, so it is paused meanwhile."""
    ok("topics", "create", t, "-p", "2")
    values = [b"%06d" % number + b"." * 10_000 for number in range(4_000)]
    for partition in (1, 0):
        times = 1_700_000_000_000 + partition * 1_000_000
        lines = b"".join(
            b'{"partition":%d,"timestamp":%d,"value":"%s"}\n' % (partition, times + number, value)
            for number, value in enumerate(values)
        )
        ok("produce", t, "--json", stdin=lines)
    found = ok("consume", t, "-F", r"%p%s\n")
    assert found.split() == [b"%d%s" % (partition, value) for partition in (0, 1) for value in values]


def test_a_partition_without_records_and_a_topic_without_any(t: str, g: str) -> None:
    ok("topics", "create", t, "-p", "3")
    assert ok("consume", t) == ok("tail", t) == ok("consume", t, "-o", "-5") == ok("consume", t, "-g", g) == b""
    refused(3, "consume", t, "--fail-empty")
    ok("produce", t, "-p", "1", stdin=b"1\n")
    assert ok("consume", t) == ok("consume", t, "-g", g) == b"1\n"


def test_a_topic_deleted_while_it_is_followed(kafka: str, t: str, g: str) -> None:
    ok("produce", t, stdin=b"1\n")
    admin = AdminClient({"bootstrap.servers": kafka})
    with started("consume", t, "-f") as follower, started("consume", t, "-g", g, "-f") as member:
        assert read_lines(follower.stdout, 1) == read_lines(member.stdout, 1) == [b"1"]
        admin.delete_topics([t])[t].result(DEADLINE)
        for process in (follower, member):
            result = finish(process)
            assert (result.status, result.out) == (4, b"")
            assert f"topic {t} was deleted while" in result.err


def test_a_topic_deleted_under_a_bounded_read(t: str) -> None:
    """It has more than is fetched ahead."""
    ok("produce", t, stdin=b"".join(b"%01000d\n" % number for number in range(60_000)))
    with started("consume", t) as reader:
        read_lines(reader.stdout, 1)
        ok("topics", "delete", t, "-y")
        result = finish(reader)
        assert result.status == 4
        assert f"topic {t} was deleted while" in result.err


def test_consuming_makes_no_topic(t: str, g: str) -> None:
    for words in (
        ["consume", t],
        ["consume", t, "-f"],
        ["tail", t],
        ["consume", t, "-g", g],
        ["consume", t, "-g", g, "-f"],
    ):
        assert f"no such topic: {t}" in refused(4, *words)
    assert t.encode() not in ok("topics", "list").split()

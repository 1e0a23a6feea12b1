"""table of what only a cluster has: keys placed by other clients, transactions, compaction by brokers while it is read."""

from __future__ import annotations

import itertools
import random
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from streamcli.engine.consume import SourceBatch
from streamcli.engine.read_options import TableOptions
from streamcli.engine.url import KafkaUrl
from streamcli.kafka.connection import Connection, Heard
from streamcli.kafka.offset_set import OffsetSet
from streamcli.kafka.table import KafkaTable
from streamcli.record.errors import CorruptData, StreamcliError
from streamcli.record.range import END, Bound
from tests.support.command import ok, refused, run, started
from tests.support.waiting import DEADLINE, wait_until

T0 = 1_700_000_000_000
EVERY_MS = {"segment.ms": "1", "min.cleanable.dirty.ratio": "0.001", "delete.retention.ms": "0"}
"""A segment for each batch, so that brokers compact all but the last."""


def create(kafka: str, topic: str, partitions: int, config: dict[str, str] | None = None) -> None:
    admin = AdminClient({"bootstrap.servers": kafka})
    admin.create_topics([NewTopic(topic, partitions, 1, config=config or {})])[topic].result(DEADLINE)


def put(producer: Producer, topic: str, key: str, value: str, **more: int) -> None:
    """A record, acknowledged, in a batch of its own."""
    producer.produce(topic, value, key, **more)
    assert producer.flush(DEADLINE) == 0


def raised(damage: Exception) -> None:
    raise damage


def table_of(
    kafka: str,
    topic: str,
    *,
    memory: int = 1 << 20,
    may_compact: Callable[[], bool] = lambda: False,
    on_damage: Callable[[CorruptData], None] = raised,
) -> KafkaTable:
    connection = Connection(KafkaUrl(kafka), {}, DEADLINE, Heard())
    options = TableOptions(topic, [], Bound(END), on_damage, notice=print)
    return KafkaTable(connection, options, may_compact=may_compact, memory=memory)


def pairs(found: Iterator[SourceBatch]) -> list[tuple[bytes | None, bytes | None]]:
    return [(record.key, record.value) for taken in found for record in taken.batch.records()]


def test_keys_that_another_client_placed_otherwise_and_in_several_partitions(kafka: str, t: str) -> None:
    """By the hash of the Java client, and by hand: the last of a partition counts there, over them the latest."""
    create(kafka, t, 4)
    dice = random.Random(5)
    keys = [None, b"", b"\xff\0", b"a\nb", b"k" * 40, *(b"key-%d" % number for number in range(20))]
    by_java = Producer({"bootstrap.servers": kafka, "partitioner": "murmur2_random", "linger.ms": 50})
    last: dict[tuple[bytes, int], tuple[int, bytes | None]] = {}

    def note(error: object, message: object) -> None:
        assert error is None
        if message.key() is not None:
            last[message.key(), message.partition()] = (message.timestamp()[1], message.value())

    for number, time in enumerate(dice.sample(range(10_000), 600)):
        by_hand = {"partition": dice.randrange(4)} if number % 3 == 0 else {}
        value = dice.choice([None, b"", b"%d" % number, b"%d\n" % number])
        by_java.produce(t, value, dice.choice(keys), timestamp=T0 + time, on_delivery=note, **by_hand)
    assert by_java.flush(DEADLINE) == 0
    latest = {key: value for (key, _), (_, value) in sorted(last.items(), key=lambda item: item[1][0])}
    expected = {key: value for key, value in latest.items() if value is not None}

    for memory in (1 << 20, 0):
        rows = pairs(table_of(kafka, t, memory=memory).rows())
        assert len(rows) == len(expected)
        assert dict(rows) == expected
    named = {key.decode(errors="surrogateescape"): value for key, value in expected.items() if b"\0" not in key}
    assert ok("table", t, *named, "-0").split(b"\0")[:-1] == list(named.values())
    found = table_of(kafka, t).newest([key for key in keys if key is not None])
    assert {key: taken.batch.values()[0] for key, taken in found.items()} == latest


def test_transactions_count_once_they_are_committed(kafka: str, t: str) -> None:
    create(kafka, t, 1)
    producer = Producer({"bootstrap.servers": kafka, "transactional.id": t})
    producer.init_transactions(DEADLINE)
    for value, end in (("1", producer.commit_transaction), ("2", producer.abort_transaction), ("3", None)):
        producer.begin_transaction()
        put(producer, t, "k", value)
        put(producer, t, f"only in {value}", value)
        if end:
            end(DEADLINE)
    assert ok("table", t) == b"k\t1\nonly in 1\t1\n"
    assert ok("table", t, "k") == b"1\n"
    refused(3, "table", t, "only in 2")
    assert ok("table", t, "k", "-X", "isolation.level=read_uncommitted") == b"3\n"
    producer.commit_transaction(DEADLINE)
    wait_until(
        lambda: run("table", t, "only in 3").status == 0,
        "the mark of the commit, which is written after it is answered",
    )
    assert ok("table", t, "k", "only in 3") == b"3\n3\n"


def await_compaction(producer: Producer, topic: str, gone: bytes) -> None:
    """Until no value of key a begins so."""

    def is_compacted() -> bool:
        # Brokers look at a segment's age, and leave the last alone, when something is written.
        put(producer, topic, "filler", "")
        return gone not in ok("consume", topic, "--key", "a")

    wait_until(is_compacted, "compaction")


@pytest.mark.parametrize("when", ["before the keys are read", "before the rows are"])
def test_a_key_whose_record_compaction_takes_is_found_or_missed_with_an_error(kafka: str, t: str, when: str) -> None:
    create(kafka, t, 1, {**EVERY_MS, "cleanup.policy": "compact"})
    producer = Producer({"bootstrap.servers": kafka})
    for number in range(3):
        put(producer, t, "a", f"old {number}")
        put(producer, t, "b", f"old {number}")
    table, keyed = (table_of(kafka, t, may_compact=lambda: True) for _ in range(2))
    rows = table.rows() if when == "before the rows are" else None
    put(producer, t, "a", "new")
    put(producer, t, "filler", "")

    await_compaction(producer, t, b"old")
    if rows is not None:
        with pytest.raises(StreamcliError, match=r"removed while the table was read.*run it again"):
            pairs(rows)
        return
    found = dict(pairs(table.rows()))
    assert (found[b"a"], found[b"b"]) == (b"new", b"old 2")
    newest = {key: taken.batch.values() for key, taken in keyed.newest([b"a", b"b", b"none"]).items()}
    assert newest == {b"a": [b"new"], b"b": [b"old 2"]}


def test_a_key_whose_record_goes_for_a_newer_one_again_while_the_table_is_read(kafka: str, t: str) -> None:
    create(kafka, t, 1, {**EVERY_MS, "cleanup.policy": "compact"})
    producer = Producer({"bootstrap.servers": kafka})
    put(producer, t, "a", "0")

    def replace(value: str) -> None:
        """Until all older values of the key are gone."""
        put(producer, t, "a", value)
        await_compaction(producer, t, b"%d" % (int(value) - 1))

    def table(first: str, then: str) -> KafkaTable:
        """One for which compaction takes the newest record twice: after the start, and when it is known how far what was written
        since is read."""
        values = iter([then])

        def replaced_again() -> bool:
            for value in values:
                replace(value)
            return True

        made = table_of(kafka, t, may_compact=replaced_again)
        replace(first)
        return made

    assert dict(pairs(table("1", "2").rows()))[b"a"] == b"2"
    assert table("3", "4").newest([b"a"])[b"a"].batch.values() == [b"4"]


@pytest.mark.parametrize("is_compacted", [False, True])
def test_the_end_is_pinned_at_the_start(kafka: str, t: str, is_compacted: bool) -> None:
    """What was written since counts where a partition has nothing of the key before, and compaction may have taken that."""
    create(kafka, t, 2)
    producer = Producer({"bootstrap.servers": kafka})
    put(producer, t, "a", "old", partition=0)
    put(producer, t, "b", "old", partition=0)
    table, keyed = (table_of(kafka, t, may_compact=lambda: is_compacted) for _ in range(2))
    put(producer, t, "a", "newer", partition=0)
    put(producer, t, "b", "newer", partition=1)
    put(producer, t, "c", "new", partition=1)
    new = {b"b": b"newer", b"c": b"new"} if is_compacted else {}
    expected = {b"a": b"old", b"b": b"old"} | new
    assert dict(pairs(table.rows())) == expected
    found = keyed.newest([b"a", b"b", b"c"])
    assert {key: taken.batch.values()[0] for key, taken in found.items()} == expected


def test_no_key_is_missed_beside_producers_and_compaction(kafka: str, t: str) -> None:
    create(kafka, t, 2, {**EVERY_MS, "cleanup.policy": "compact"})
    keys = [b"key-%d" % number for number in range(12)]
    ok("produce", t, "-K", ":", stdin=b"".join(key + b":0\n" for key in keys))

    def produce(process: subprocess.Popen[bytes]) -> None:
        with suppress(BrokenPipeError):
            for value in itertools.count(1):
                process.stdin.write(b"".join(key + b":%d\n" % value for key in keys))

    with started("produce", t, "-K", ":", "--rate", "1000") as producer:
        feeder = threading.Thread(target=produce, args=[producer])
        feeder.start()
        before = dict.fromkeys(keys, 0)
        try:
            for number in range(4):
                result = run("table", t)
                assert result.status == 0 or (result.status, "run it again" in result.err) == (1, True), result
                rows = [line.split(b"\t") for line in result.out.splitlines()]
                assert sorted(key for key, _ in rows) == sorted(keys) or result.status == 1
                rows.append([keys[number], ok("table", t, keys[number].decode()).strip()])
                for key, value in rows:
                    assert int(value) >= before[key]
                    before[key] = int(value)
        finally:
            producer.kill()
            feeder.join()

    def is_last() -> bool:
        """Whether the table has the last of each key; what the producer sent before it was killed may still come."""
        last = dict(line.split(b"\t") for line in ok("consume", t, "-K", r"\t").splitlines())
        return dict(line.split(b"\t") for line in run("table", t).out.splitlines()) == last

    wait_until(is_last, "the last values")


def test_a_set_of_offsets_far_apart() -> None:
    dice = random.Random(7)
    chosen = {*range(1000, 1100), *(dice.randrange(1 << 62) for _ in range(500))}
    found = OffsetSet()
    for offset in chosen:
        found.add(offset)
    asked = sorted({*range(900, 1200), *chosen, *(offset + 1 for offset in chosen)})
    assert found.count == len(chosen)
    assert [asked[index] for index in found.indexes(asked)] == sorted(chosen)


def test_what_is_trimmed_while_the_table_is_read_is_an_error_unless_it_is_no_row(kafka: str, t: str) -> None:
    ok("produce", t, "-K", ":", "-Z", stdin=b"a:1\na:\nb:2\nc:3\n")
    told: list[str] = []
    table = table_of(kafka, t, on_damage=lambda removed: told.append(str(removed)))
    rows = table.rows()
    ok("topics", "trim", t, "--before", "2")
    assert pairs(rows) == [(b"b", b"2"), (b"c", b"3")]
    assert "offsets 0 to 1 were removed by retention or trim" in "".join(told)
    rows = table.rows()
    ok("topics", "trim", t, "--before", "3")
    with pytest.raises(StreamcliError, match="the newest record of a key was removed"):
        pairs(rows)

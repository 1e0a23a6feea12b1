"""produce on a cluster: what it refuses, how its counts stay exact, and what it never shows."""

from __future__ import annotations

import json
import os
import re
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from tests.kafka.broker import ADDRESS, Broker
from tests.support.command import Result, durable, finish, ok, refused, run, started
from tests.support.deliveries import numbers
from tests.support.waiting import read_lines, wait_until

IMPATIENT = ("-X", "message.timeout.ms=4000", "-X", "reconnect.backoff.max.ms=500")


@pytest.fixture
def broker(own_broker: Broker, monkeypatch: pytest.MonkeyPatch) -> Broker:
    """A broker that may be killed, running; STREAMCLI_URL is its."""
    monkeypatch.setenv("STREAMCLI_URL", f"kafka://{own_broker.address}")
    return own_broker


def records_in(topic: str) -> int:
    described = json.loads(ok("topics", "describe", topic, "--json"))
    return sum(each["log_end_offset"] for each in described["partitions"])


def told(result: Result, status: int) -> str:
    """The one line that a failed command says."""
    assert (result.status, result.out) == (status, b""), result
    assert len(result.err.splitlines()) == 1, result.err
    return result.err


def test_a_broker_killed_under_a_large_input_costs_and_doubles_nothing(broker: Broker, t: str) -> None:
    data = numbers(0, 400_000)
    ok("topics", "create", t)
    with started("produce", t, "-X", "reconnect.backoff.max.ms=500") as producer:
        producer.stdin.write(data[: len(data) // 2])
        wait_until(lambda: records_in(t), "the first records")
        broker.kill()
        broker.start()
        producer.stdin.write(data[len(data) // 2 :])
        result = finish(producer)
    assert result.status == 0, result.err
    assert ok("consume", t) == data


def test_a_large_input_that_is_broken_off_is_counted_exactly(broker: Broker, t: str) -> None:
    data = numbers(0, 400_000)
    ok("topics", "create", t)
    with started("produce", t, *IMPATIENT) as producer:
        producer.stdin.write(data[: len(data) // 2])
        wait_until(lambda: records_in(t), "the first records")
        broker.kill()
        with suppress(BrokenPipeError):  # it has given up by then
            producer.stdin.write(data[len(data) // 2 :])
        result = finish(producer)
    assert result.status == 8, result.err
    broker.start()
    there = ok("consume", t)
    # What a dying broker took without an answer is not counted: it may be more than the count says, and never less.
    assert there == data[: len(there)]
    assert 0 < durable(result.err) <= there.count(b"\n")
    assert f"tail -n +{durable(result.err) + 1}" in result.err


def test_a_signal_does_not_wait_for_a_cluster_that_is_away(broker: Broker, t: str) -> None:
    with started("produce", t, "--offsets") as producer:
        producer.stdin.write(b"1\n")
        assert read_lines(producer.stdout, 1) == [b"0 0"]
        broker.kill()
        producer.stdin.write(b"2\n")
        producer.send_signal(signal.SIGINT)
        result = finish(producer)
    assert durable(result.err) == 1
    assert result.status in (8, 130)


@pytest.mark.parametrize(("signum", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_producer_has_sent_what_it_read(t: str, signum: int, status: int) -> None:
    with started("produce", t, "--offsets") as producer:
        producer.stdin.write(numbers(0, 5))
        read_lines(producer.stdout, 5)
        producer.send_signal(signum)
        result = finish(producer)
    assert result.status == status
    assert f"5 records are durable in {t}, to go on start at record 6 of the input (tail -n +6)" in result.err
    assert ok("consume", t) == numbers(0, 5)


def test_a_topic_deleted_under_a_producer(t: str) -> None:
    with started("produce", t, "--offsets", "-X", "topic.metadata.propagation.max.ms=500") as producer:
        producer.stdin.write(b"1\n")
        read_lines(producer.stdout, 1)
        ok("topics", "delete", t, "-y")
        producer.stdin.write(b"2\n")
        result = finish(producer)
    line = told(result, 8)
    assert f"topic {t} was deleted" in line
    assert durable(line) == 0
    refused(4, "consume", t)  # it is not made again, whatever the brokers do with topics they do not know


def test_a_topic_deleted_and_made_again_under_a_producer(t: str) -> None:
    with started("produce", t, "--offsets") as producer:
        producer.stdin.write(b"1\n")
        read_lines(producer.stdout, 1)
        ok("topics", "delete", t, "-y")
        ok("topics", "create", t)
        result = finish(producer)
    assert durable(told(result, 8)) == 0


@pytest.mark.parametrize(("limit", "before", "behind"), [(5000, 3000, 5), (100_000, 30_000, 200_000)])
def test_a_record_larger_than_the_brokers_take(t: str, limit: int, before: int, behind: int) -> None:
    ok("topics", "create", t, "-c", f"max.message.bytes={limit}")
    result = run("produce", t, stdin=numbers(0, before) + b"x" * (limit - 10) + b"\n" + numbers(0, behind))
    line = told(result, 8)
    assert f"record {before + 1} is not acknowledged: larger than the topic takes" in line
    assert durable(line) == before
    assert ok("consume", t) == numbers(0, before)  # nor what was on its way behind it


def test_a_refused_record_of_several_partitions_leaves_an_exact_count(t: str) -> None:
    ok("topics", "create", t, "-p", "4", "-c", "max.message.bytes=100000")
    lines = b"".join(b"%d\t%d\n" % (n, n) for n in range(100_000))
    result = run("produce", t, "-K", "\t", stdin=lines + b"k\t" + b"x" * 99_990 + b"\n" + lines)
    line = told(result, 8)
    after = re.search(r"; (\d+) records after it are in other partitions already", line)
    assert durable(line) + (int(after[1]) if after else 0) == records_in(t)
    assert durable(line) <= 100_000


def test_headers_that_make_a_record_too_large(t: str) -> None:
    ok("topics", "create", t, "-c", "max.message.bytes=5000")
    line = told(run("produce", t, "-H", f"h={'x' * 8000}", stdin=b"1\n2\n"), 1)
    assert "record 1 is not acknowledged" in line
    assert "0 records are durable" in line


def test_a_time_that_the_topic_does_not_take(t: str) -> None:
    ok("topics", "create", t, "-c", "message.timestamp.before.max.ms=1d")
    line = told(run("produce", t, "--json", stdin=b'{"value":"x","timestamp":1}\n'), 2)
    assert "message.timestamp.before.max.ms" in line


def test_a_compacted_topic_takes_keys_only(t: str) -> None:
    ok("topics", "create", t, "--compact")
    assert "give keys with -K, -k or --json" in told(run("produce", t, stdin=b"x\n"), 2)
    result = run("produce", t, "--json", stdin=b'{"key":"k","value":"1"}\n{"value":"2"}\n')
    assert "record 2 of standard input: it has no key" in told(result, 2)
    assert ok("consume", t) == b"1\n"


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("-X", "no.such.property=1"), 'No such configuration property: "no.such.property"'),
        (("-X", "linger.ms=-5"), "outside allowed range"),
        (("-X", "max.in.flight=50"), "max.in.flight"),
        (("-X", "acks=1"), "produce sets acks itself"),
        (("-X", "enable.idempotence=false"), "produce sets enable.idempotence itself"),
        (("-X", "enable.gapless.guarantee=false"), "produce sets enable.gapless.guarantee itself"),
        (("-X", "transactional.id=x"), "produce sets transactional.id itself"),
        (("--sync", "none"), "leave out --sync"),
    ],
)
def test_what_cannot_be_had(t: str, flags: tuple[str, ...], says: str) -> None:
    assert says in refused(2, "produce", t, *flags, stdin=b"x\n")


def test_a_secret_is_not_shown(t: str, tmp_path: Path) -> None:
    file = tmp_path / "properties"
    file.write_text(
        "# for the test\nsecurity.protocol=sasl_plaintext\nsasl.mechanism=PLAIN\nsasl.username=me\nsasl.password=hunter2\n",
        encoding="utf-8",
    )
    result = run("produce", t, "--properties", str(file), "--lock-timeout", "2s", stdin=b"x\n")
    assert os.environ[ADDRESS] in told(result, 1)
    assert "hunter2" not in result.err
    file.write_text("sasl.password\n", encoding="utf-8")
    assert "line 1" in refused(2, "produce", t, "--properties", str(file), stdin=b"x\n")
    file.write_text("sasl.passwort=hunter2\n", encoding="utf-8")
    line = refused(2, "produce", t, "--properties", str(file), stdin=b"x\n")
    assert "sasl.passwort" in line
    assert "hunter2" not in line


def test_a_batch_is_acknowledged_before_the_next_is_read(t: str) -> None:
    with started("produce", t, "--sync", "batch", "--tee") as producer:
        producer.stdin.write(b"1\n")
        assert read_lines(producer.stdout, 1) == [b"1"]
        assert ok("consume", t) == b"1\n"
        assert finish(producer) == (0, b"", "")


def test_without_confluent_kafka(t: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hook = "import sys\nsys.modules['confluent_kafka'] = None  # as if it were not installed\n"
    (tmp_path / "sitecustomize.py").write_text(hook, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    for words in (["produce", t], ["topics", "list"]):
        assert "install streamcli[kafka]" in refused(1, *words, stdin=b"x\n")


def test_a_topic_of_the_brokers_own_replication(t: str) -> None:
    line = refused(2, "topics", "create", t, "--replication-factor", "40")
    assert "--replication-factor" in line
    ok("topics", "create", t, "--replication-factor", "1")
    described = json.loads(ok("topics", "describe", t, "--json"))
    (partition,) = described["partitions"]
    assert partition["replicas"] == partition["isr"] == [partition["leader"]]
    assert (partition["size"], described["config"]["retention.ms"]) == (None, -1)

"""Mirrors to and from an Apache Kafka cluster: each record once on the other side, with all it has."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient

from streamcli.mirror.name import group_of
from tests.kafka.broker import ADDRESS, WITHOUT_ADDRESS, Broker
from tests.mirror.kill_rig import rig
from tests.mirror.mirroring import TRICKY, produce, rows, status
from tests.support.command import finish, ok, refused, run, started
from tests.support.waiting import read_until, wait_until

_COMMITS = "__consumer_offsets"


@pytest.fixture
def cluster(log_directory: Path) -> str:  # noqa: ARG001
    """The URL of the broker that all tests share; STREAMCLI_DIR stays."""
    if ADDRESS not in os.environ:
        pytest.skip(WITHOUT_ADDRESS)
    return f"kafka://{os.environ[ADDRESS]}"


class Commits:
    """What groups commit from now on, as a broker keeps it in its own topic."""

    def __init__(self, address: str) -> None:
        self._consumer = Consumer({"bootstrap.servers": address, "group.id": "none", "enable.auto.commit": False})
        count = len(self._consumer.list_topics(_COMMITS, timeout=10).topics[_COMMITS].partitions)
        places = [TopicPartition(_COMMITS, partition) for partition in range(count)]
        for place in places:
            place.offset = self._consumer.get_watermark_offsets(place, timeout=10)[1]
        self._consumer.assign(places)
        self._found: set[tuple[str, str]] = set()

    def new(self) -> set[tuple[str, str]]:
        """Groups and topics. A key has a version of 16 bits, then both with their lengths, of 16 bits too, then the partition."""
        for record in self._consumer.consume(1000, 0.5):
            key = record.key() or b""
            if record.error() is None and key[:2] in (b"\0\0", b"\0\1"):
                length = int.from_bytes(key[2:4], "big")
                group, topic = key[4 : 4 + length], key[6 + length : -4]
                self._found.add((group.decode(), topic.decode()))
        return self._found


def test_there_and_back_nothing_is_changed(cluster: str, t: str, tmp_path: Path) -> None:
    ok("topics", "create", t, "-p", "3", "-c", "max.message.bytes=3M")
    produce(t, TRICKY)
    produce(t, [{"value": str(number), "partition": number % 3} for number in range(1000)])
    back = str(tmp_path / "back")
    for _ in range(2):
        ok("mirror", t, "--to", cluster)
        assert rows(t, "--url", cluster) == rows(t)
        ok("mirror", t, "--url", cluster, "--to", back)
        assert rows(t, "--dir", back) == rows(t)
        assert {row["lag"] for row in status(t, "--url", cluster, "--to", back)} == {0}
        produce(t, TRICKY)
    (row,) = [row for row in status(t, "--to", cluster) if row["partition"] == 0]
    assert row["log_end_offset"] >= row["mirrored_offset"] > 0


def test_following_takes_new_records_topics_and_partitions(cluster: str, t: str, tmp_path: Path) -> None:
    back = str(tmp_path / "back")
    ok("produce", f"{t}-a", stdin=b"1\n")
    with (
        started("mirror", f"{t}-*", "--to", cluster, "-f") as there,
        started("mirror", f"{t}-*", "--url", cluster, "--to", back, "-f") as process,
    ):
        wait_until(lambda: run("consume", f"{t}-a", "--dir", back).out == b"1\n", "the first record")
        ok("produce", f"{t}-b", stdin=b"2\n")
        ok("topics", "alter", f"{t}-a", "-p", "2")
        ok("produce", f"{t}-a", "-p", "1", stdin=b"3\n")
        wait_until(lambda: run("consume", f"{t}-b", "--dir", back).out == b"2\n", "a record of a new topic")
        wait_until(lambda: run("consume", f"{t}-a", "-p", "1", "--dir", back).out == b"3\n", "one of a new partition")
        for each in (there, process):
            each.send_signal(signal.SIGTERM)
            assert finish(each).status == 128 + signal.SIGTERM


def test_the_second_of_a_name_shuts_the_first_one_out(
    cluster: str, t: str, log_directory: Path, tmp_path: Path
) -> None:
    """As on another host: with a lock of its own."""
    ok("produce", t, stdin=b"1\n")
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(log_directory, elsewhere)
    words = ("mirror", t, "--to", cluster, "--name", t)
    with started(*words, "-f") as first:
        wait_until(lambda: run("consume", t, "--url", cluster).out == b"1\n", "the first record")
        ok(*words, "--dir", str(elsewhere))
        ok("produce", t, stdin=b"2\n")
        result = finish(first)
    assert result.status == 7
    assert "another mirror named" in result.err
    assert len(result.err.splitlines()) == 1
    ok(*words)
    assert ok("consume", t, "--url", cluster) == b"1\n2\n"


def test_a_record_that_the_cluster_refuses_is_told(cluster: str, t: str) -> None:
    ok("produce", t, stdin=b"1\n")
    ok("mirror", t, "--to", cluster)
    produce(t, [{"value": "far ahead", "timestamp": 4_000_000_000_000}])
    line = refused(1, "mirror", t, "--to", cluster)
    assert f"refuses a record of {t}, partition 0, one of offsets 1 to 1" in line
    assert "timestamp" in line
    assert ok("consume", t, "--url", cluster) == b"1\n"


def test_a_topic_made_anew_is_not_taken_for_the_old_one(cluster: str, t: str) -> None:
    produce(t, [{"value": "a", "timestamp": 1_700_000_000_000}])
    ok("mirror", t, "--to", cluster)
    ok("topics", "delete", t, "-y")
    ok("produce", t, stdin=b"x\ny\n")
    assert "made anew" in refused(1, "mirror", t, "--to", cluster)


def test_progress_is_kept_from_expiring_and_missed_when_it_did(cluster: str, t: str, log_directory: Path) -> None:
    ok("topics", "create", t, "-p", "2")
    ok("produce", t, "-p", "0", stdin=b"1\n")
    words = ("mirror", t, "--to", cluster, "--name", t)
    ok(*words)
    account = log_directory / "mirrors" / f"{t}.json"
    account.write_text(json.dumps({**json.loads(account.read_text()), "kept": 0}))
    before = time.time_ns() // 1_000_000
    ok(*words)
    assert json.loads(account.read_text())["kept"] >= before
    assert [row["mirrored_offset"] for row in status(t, "--to", cluster, "--name", t)] == [1, None]
    admin = AdminClient({"bootstrap.servers": os.environ[ADDRESS]})
    admin.delete_consumer_groups([group_of(t)])[group_of(t)].result()
    assert "knows no more how far" in refused(1, *words)
    assert ok("consume", t, "--url", cluster) == b"1\n"


def test_progress_of_topics_that_this_run_leaves_out_is_kept_too(cluster: str, t: str, log_directory: Path) -> None:
    """Two lines of a crontab, one mirror by its name: the one that comes first each day keeps both from expiring."""
    for topic in (f"{t}-a", f"{t}-b"):
        ok("produce", topic, stdin=b"1\n")
        ok("mirror", topic, "--to", cluster, "--name", t)
    account = log_directory / "mirrors" / f"{t}.json"
    account.write_text(json.dumps({**json.loads(account.read_text()), "kept": 0}))
    commits = Commits(os.environ[ADDRESS])
    ok("mirror", f"{t}-a", "--to", cluster, "--name", t)
    wait_until(lambda: commits.new() >= {(group_of(t), f"{t}-a"), (group_of(t), f"{t}-b")}, "commits of both topics")


def test_what_came_from_the_cluster_is_not_brought_back(cluster: str, t: str) -> None:
    ok("produce", t, stdin=b"1\n")
    ok("mirror", t, "--to", cluster)
    assert "round and round" in refused(1, "mirror", t, "--url", cluster, "--to", os.environ["STREAMCLI_DIR"])
    ok("produce", f"{t}-in", "--url", cluster, stdin=b"2\n")
    ok("mirror", f"{t}-in", "--url", cluster, "--to", os.environ["STREAMCLI_DIR"])
    assert "round and round" in refused(1, "mirror", f"{t}*", "--to", cluster)
    assert ok("consume", f"{t}*", "--url", cluster) == b"1\n2\n"


def test_a_cluster_that_is_not_there_is_given_up(t: str) -> None:
    ok("produce", t, stdin=b"1\n")
    assert "was not reached" in refused(1, "mirror", "--to", "kafka://127.0.0.1:9", "--give-up", "1ms")


def test_a_broker_that_is_gone_is_waited_for(own_broker: Broker, t: str) -> None:
    cluster = f"kafka://{own_broker.address}"
    ok("produce", t, stdin=b"1\n")
    with started("mirror", t, "--to", cluster, "-f") as process:
        wait_until(lambda: run("consume", t, "--url", cluster).out == b"1\n", "the first record")
        own_broker.kill()
        ok("produce", t, stdin=b"2\n")
        assert process.stderr is not None
        told = read_until(process.stderr, lambda said: b"\n" in said)
        assert b"stands still" in told
        own_broker.start()
        assert b"goes on" in read_until(process.stderr, lambda said: b"\n" in said)
        process.send_signal(signal.SIGTERM)
        assert finish(process).err == ""
    assert ok("consume", t, "--url", cluster) == b"1\n2\n"


def test_a_broker_that_is_gone_for_too_long_is_given_up(own_broker: Broker, t: str) -> None:
    cluster = f"kafka://{own_broker.address}"
    ok("produce", f"{t}-first", stdin=b"0\n")
    ok("mirror", f"{t}-first", "--to", cluster)  # a broker that is new takes its time to coordinate transactions
    ok("produce", t, stdin=b"1\n2\n")
    with started("mirror", t, "--to", cluster, "-f", "--give-up", "5s") as process:
        wait_until(lambda: run("consume", t, "--url", cluster).out == b"1\n2\n", "the first records")
        own_broker.kill()
        ok("produce", t, stdin=b"3\n")
        result = finish(process)
    assert result.status == 8
    assert "gave up mirroring" in result.err
    assert "; 2 records are mirrored by this run" in result.err


def test_killed_at_random_moments_all_is_there_once(own_broker: Broker, tmp_path: Path) -> None:
    """A few of what `python -m tests.mirror.kill_rig` does by the hundreds."""
    seed = int.from_bytes(os.urandom(4))
    print(f"kill_rig --seed {seed}")
    outcome = rig(own_broker, tmp_path, kills=6, seed=seed, most=0.5)
    assert outcome.is_exact, (seed, outcome)
    assert outcome.records

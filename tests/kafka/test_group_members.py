"""Members of a Kafka group: nothing is committed that was not processed, and what dies is taken over."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

from confluent_kafka import Consumer

from tests.support.command import finish, ok, refused, started
from tests.support.deliveries import committed, deliver, numbers, placed
from tests.support.groups import described, owners
from tests.support.waiting import DEADLINE, read_lines, wait_until

QUICK = ("-X", "heartbeat.interval.ms=300")
"""A member that hears at once that others came or left."""

MORTAL = ("-X", "session.timeout.ms=2000", *QUICK)
"""One that is missed in two seconds, not ten, when it is killed."""

SLOW = ("-X", "max.poll.interval.ms=3000", "-X", "session.timeout.ms=2500", *QUICK)
"""One that has to poll each three seconds."""


def wait_for_owners(group: str, count: int) -> None:
    wait_until(lambda: len(owners(group)) == count, f"{count} members with a partition each")


def test_what_a_killed_member_was_at_is_done_again_by_the_other(t: str, g: str) -> None:
    placed(t, [5, 5])
    script = "echo $STREAMCLI_PARTITION; cat > /dev/null; [ -e held ] || { touch held; sleep 60; }"
    with started("consume", t, "-g", g, "-f", *MORTAL, "-j", "2", "--", "sh", "-c", script) as one:
        wait_until(Path("held").exists, "a run that hangs")
        with started("consume", t, "-g", g, "-f", *QUICK, "-j", "2", "--", "sh", "-c", script) as two:
            one.kill()
            wait_until(lambda: committed(g) == {0: 5, 1: 5}, "the other member to do it all")
            two.terminate()
            assert finish(two).status == 143


def test_a_partition_changes_hands_after_the_run_that_was_started(t: str, g: str) -> None:
    placed(t, [3, 3])
    script = 'echo "$STREAMCLI_PARTITION" >> seen; while [ ! -e go ]; do sleep 0.05; done; cat'

    def has_seen(count: int) -> bool:
        return Path("seen").exists() and len(Path("seen").read_text().splitlines()) == count

    with started("consume", t, "-g", g, "-f", *QUICK, "-j", "2", "--", "sh", "-c", script) as one:
        wait_until(lambda: has_seen(2), "a run for each partition")
        with started("consume", t, "-g", g, "-f", *QUICK) as two:
            ok("groups", "describe", g)
            Path("go").touch()
            assert sorted(read_lines(one.stdout, 6)) == sorted(numbers(0, 3).split() * 2)
            wait_for_owners(g, 2)
            assert committed(g) == {0: 3, 1: 3}
            ok("produce", t, "-p", "0", stdin=b"new\n")
            ok("produce", t, "-p", "1", stdin=b"new\n")
            assert read_lines(two.stdout, 1) == [b"new"]
            wait_until(lambda: has_seen(3), "the run of the other")


def test_a_command_that_takes_longer_than_a_poll_may(t: str, g: str) -> None:
    """max.poll.interval.ms is for a member that hangs, and waiting for a command is no hanging; a backoff neither."""
    ok("produce", t, stdin=numbers(0, 4))
    script = 'cat; [ "$STREAMCLI_ATTEMPT" = 2 ] || { sleep 4; exit 7; }'
    with started("consume", t, "-g", g, *SLOW, "--backoff", "4s", "--", "sh", "-c", script) as member:
        result = finish(member)
    assert (result.status, result.out) == (0, numbers(0, 4) * 2)
    assert "taken away" not in result.err
    assert committed(g) == {0: 4}


def test_a_member_that_is_held_up_by_its_reader_keeps_its_partitions(t: str, g: str) -> None:
    ok("produce", t, stdin=b"".join(b"%07d\n" % number for number in range(100_000)))
    with started("consume", t, "-g", g, *SLOW) as member:
        first = read_lines(member.stdout, 1)
        wait_for_owners(g, 1)
        with started("consume", t, "-f", "--idle", "4s", "-o", "end") as pause:  # longer than a poll may take
            finish(pause)
        result = finish(member)
    assert (result.status, result.err) == (0, "")
    assert len(first + result.out.split()) == 100_000
    assert committed(g) == {0: 100_000}


def test_a_failure_commits_what_was_done_before_it(t: str, g: str) -> None:
    ok("produce", t, stdin=numbers(0, 6))
    result = deliver(t, "-g", g, "--batch", "2", "--retries", "0", script='[ "$STREAMCLI_OFFSET" != 4 ]')
    assert result.status == 1
    assert committed(g) == {0: 4}


def test_dead_letters_keep_all_and_say_where_from(t: str, g: str) -> None:
    ok("produce", t, "--json", stdin=b'{"key":"k","value":null,"headers":[["a","1"]],"timestamp":1700000000000}\n')
    result = deliver(
        t, "-g", g, "--retries", "1", "--backoff", "10ms", "--dead-letter", f"{t}-dead", script="echo no >&2; exit 3"
    )
    assert result.status == 0
    (letter,) = [json.loads(line) for line in ok("consume", f"{t}-dead", "--json").splitlines()]
    assert (letter["key"], letter["value"], letter["timestamp"]) == ("k", None, 1_700_000_000_000)
    told = dict(letter["headers"])
    assert (told["dead-letter.topic"], told["dead-letter.offset"], told["dead-letter.status"]) == (t, "0", "3")
    assert (told["dead-letter.attempts"], told["dead-letter.stderr"], told["a"]) == ("2", "no\n", "1")
    assert committed(g) == {0: 1}


def test_what_a_command_is_told(kafka: str, t: str, g: str) -> None:
    ok("produce", t, stdin=numbers(0, 5))
    result = deliver(
        t,
        "-g",
        g,
        "--batch",
        "2",
        script='echo "$STREAMCLI_URL $STREAMCLI_DIR $STREAMCLI_OFFSET $STREAMCLI_LAST_OFFSET"',
    )
    assert result.out.decode().splitlines() == [
        f"kafka://{kafka}  {first} {last}" for first, last in ((0, 1), (2, 3), (4, 4))
    ]


def test_a_bounded_run_reads_to_the_end_as_it_was(t: str, g: str) -> None:
    ok("produce", t, stdin=numbers(0, 3))
    script = (
        f'cat; [ -e more ] || {{ touch more; echo later | {sys.executable} -m streamcli produce "$STREAMCLI_TOPIC"; }}'
    )
    result = deliver(t, "-g", g, "-n", "9", script=script)
    assert (result.status, result.out) == (0, numbers(0, 3))
    assert committed(g) == {0: 3}


def test_a_run_beside_members_that_hold_all_ends_with_nothing(t: str, g: str) -> None:
    ok("produce", t, stdin=numbers(0, 2))
    with started("consume", t, "-g", g, "-f", "--commit", "none", *QUICK) as member:
        assert len(read_lines(member.stdout, 2)) == 2
        assert ok("consume", t, "-g", g, *QUICK) == b""
        member.send_signal(signal.SIGINT)
        assert finish(member).status == 130


def test_ours_and_other_clients_share_a_group(kafka: str, t: str, g: str) -> None:
    """What confluent-kafka committed we resume at, and the other way round."""
    ok("produce", t, stdin=numbers(0, 4))
    assert ok("consume", t, "-g", g, "-n", "2") == numbers(0, 2)
    theirs = Consumer({"bootstrap.servers": kafka, "group.id": g, "auto.offset.reset": "earliest"})
    theirs.subscribe([t])
    record = wait_until(lambda: theirs.poll(1.0), "a record")
    assert record.value() == b"2"
    theirs.commit(record, asynchronous=False)
    theirs.close()
    assert ok("consume", t, "-g", g) == b"3\n"


def test_the_consumer_protocol_of_newer_brokers(t: str, g: str) -> None:
    placed(t, [3, 3])
    assert sorted(ok("consume", t, "-g", g, "-X", "group.protocol=consumer").split()) == sorted(
        numbers(0, 3).split() * 2
    )
    assert committed(g) == {0: 3, 1: 3}
    assert ok("consume", t, "-g", g, "-X", "group.protocol=consumer") == b""


def test_an_eager_assignment_strategy(t: str, g: str) -> None:
    placed(t, [3, 3])
    eager = ("-X", "partition.assignment.strategy=range")
    with started("consume", t, "-g", g, "-f", *QUICK, *eager) as one:
        assert len(read_lines(one.stdout, 6)) == 6
        with started("consume", t, "-g", g, "-f", *MORTAL, *eager) as two:
            wait_for_owners(g, 2)
            assert committed(g) == {0: 3, 1: 3}
            two.kill()
            two.wait(DEADLINE)
        wait_until(
            lambda: len([row for row in described(g) if row["member"]]) == 2 and len(owners(g)) == 1, "one for both"
        )
        ok("produce", t, "-p", "0", stdin=b"a\n")
        ok("produce", t, "-p", "1", stdin=b"b\n")
        assert sorted(read_lines(one.stdout, 2)) == [b"a", b"b"]


def test_import_refuses_what_is_not_there(t: str, g: str) -> None:
    ok("produce", t, stdin=numbers(0, 3))
    line = b'{"topic":"%s","partition":%d,"offset":%d}\n'
    assert "out of range" in refused(5, "groups", "import", g, stdin=line % (t.encode(), 0, 4))
    assert "no partition 1" in refused(4, "groups", "import", g, stdin=line % (t.encode(), 1, 0))
    assert "no such topic" in refused(4, "groups", "import", g, stdin=line % (t.encode() + b"-x", 0, 0))
    assert "no such group" in refused(4, "groups", "export", g)

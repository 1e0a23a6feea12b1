"""A broker that dies, stays away, and comes back: nothing acknowledged is lost, nothing is doubled, and the counts are exact."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kafka.broker import Broker
from tests.support.command import durable, finish, ok, refused, started
from tests.support.deliveries import committed, numbers
from tests.support.waiting import read_lines, wait_until

# As the broker of a test is away for seconds, and not for minutes.
IMPATIENT = ("-X", "message.timeout.ms=6000", "-X", "reconnect.backoff.max.ms=500")


@pytest.fixture
def broker(own_broker: Broker, monkeypatch: pytest.MonkeyPatch) -> Broker:
    """A broker that may be killed, running; STREAMCLI_URL is its."""
    monkeypatch.setenv("STREAMCLI_URL", f"kafka://{own_broker.address}")
    return own_broker


def test_a_producer_goes_on_when_the_broker_comes_back(broker: Broker, t: str) -> None:
    with started("produce", t, "--offsets") as producer:
        producer.stdin.write(numbers(0, 3))
        read_lines(producer.stdout, 3)
        broker.kill()
        producer.stdin.write(numbers(3, 1000))
        broker.start()
        result = finish(producer)
    assert result.status == 0, result.err
    assert result.lines()[-1] == b"0 999"
    assert ok("consume", t) == numbers(0, 1000)


def test_a_producer_that_gives_up_says_how_much_is_durable(broker: Broker, t: str) -> None:
    ok("produce", f"{t}-first", stdin=b"0\n")  # a broker that is new takes its time for its first producer
    with started("produce", t, "--offsets", *IMPATIENT) as producer:
        producer.stdin.write(numbers(0, 3))
        read_lines(producer.stdout, 3)
        broker.kill()
        producer.stdin.write(numbers(3, 1000))
        result = finish(producer)
    assert (result.status, result.out) == (8, b"")
    assert durable(result.err) == 3
    assert "start at record 4 of the input" in result.err
    broker.start()
    assert ok("consume", t) == numbers(0, 3)


def test_followers_and_groups_go_on_when_the_broker_comes_back(broker: Broker, t: str, g: str) -> None:
    ok("produce", t, stdin=b"1\n")
    with started("consume", "-f", t) as follower, started("consume", "-f", t, "-g", g) as member:
        assert read_lines(follower.stdout, 1) == read_lines(member.stdout, 1) == [b"1"]
        wait_until(lambda: committed(g) == {0: 1}, "the commit")  # what is not committed may come again
        broker.kill()
        broker.start()
        ok("produce", t, stdin=b"2\n")
        assert read_lines(follower.stdout, 1) == read_lines(member.stdout, 1) == [b"2"]
        for process in (follower, member):
            process.terminate()
            result = finish(process)
            assert (result.status, result.out) == (143, b"")
    assert committed(g) == {0: 2}


def test_a_commit_that_no_broker_takes(broker: Broker, t: str, g: str) -> None:
    ok("produce", t, stdin=b"1\n")
    ok("consume", t, "-g", f"{g}-first")  # a broker that is new takes its time to be the coordinator of groups
    script = "touch at-work; until [ -e go ]; do sleep 0.05; done"
    with started("consume", t, "-g", g, "--lock-timeout", "5s", "--", "sh", "-c", script) as member:
        wait_until(Path("at-work").exists, "the command")
        broker.kill()
        Path("go").touch()
        result = finish(member)
    assert result.status == 1
    assert "cannot commit: " in result.err.splitlines()[-1]
    assert "will be processed again" in result.err.splitlines()[-1]


def test_without_a_broker_commands_say_so_in_time(broker: Broker, t: str) -> None:
    broker.kill()
    for words in (["topics", "list"], ["consume", t], ["produce", t], ["groups", "list"], ["topics", "create", t]):
        line = refused(1, *words, "--lock-timeout", "500ms")
        assert broker.address in line

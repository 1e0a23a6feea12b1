"""top and stats of a cluster: what they leave out, what they ask, and a cluster that goes away meanwhile."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyte
import pytest

from streamcli.engine.url import KafkaUrl
from streamcli.kafka.connection import Connection, Heard
from streamcli.kafka.engine import KafkaEngine
from streamcli.kafka.listed import list_groups
from streamcli.kafka.observer import KafkaObserver
from tests.kafka.broker import Broker
from tests.support.command import ok, refused, run, started
from tests.support.terminal import on_terminal
from tests.support.waiting import DEADLINE, read_lines, wait_until

ONCE = ("top", "--once", "--interval", "100ms")


def test_the_clusters_own_topics_are_shown_where_they_are_named(t: str, g: str) -> None:
    ok("produce", t, stdin=b"1\n")
    ok("consume", t, "-g", g)
    for words in (("stats",), ONCE):
        topics = [json.loads(line).get("topic") for line in run(*words, "--json").out.splitlines()]
        assert t in topics
        assert "__consumer_offsets" not in topics
        assert b"__consumer_offsets" in ok(*words, "__consumer_offsets")


def test_requests_do_not_get_more_with_partitions(t: str) -> None:
    def asked(partitions: int) -> int:
        """How many requests for offsets: librdkafka logs each."""
        ok("topics", "create", f"{t}{partitions}", "-p", str(partitions))
        ok("stats", f"{t}{partitions}")  # a broker that has just heard of a partition may have to be asked again
        result = run("stats", f"{t}{partitions}", "-X", "debug=protocol", "-X", "log_level=7")
        assert result.status == 0
        return result.err.count("Sent ListOffsetsRequest")

    assert 0 < asked(30) < asked(1) + 15


def test_the_times_of_a_look_are_those_of_its_answers(kafka: str, t: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else rates come from seconds that were not: after an answer that was waited for, many times too high."""
    ok("topics", "create", t)
    observer = KafkaEngine(Connection(KafkaUrl(kafka), {}, DEADLINE, Heard())).observer([t])
    assert isinstance(observer, KafkaObserver)
    waited = [0.0]
    clock = SimpleNamespace(monotonic=lambda: waited[0] + time.monotonic())

    def slow(ask: Callable[..., Any], seconds: float) -> Callable[..., Any]:
        def answer(*words: Any) -> Any:
            waited[0] += seconds
            return ask(*words)

        return answer

    monkeypatch.setattr("streamcli.kafka.observer.time", clock)
    monkeypatch.setattr(observer, "_look_up", slow(observer._look_up, 1000))
    monkeypatch.setattr("streamcli.kafka.observer.list_groups", slow(list_groups, 5000))
    look = observer.look(7.0)
    assert 2007 <= look.time < 3000
    assert 7007 <= look.groups_time < 8000


def test_what_asks_may_die_and_another_is_begun(t: str) -> None:
    ok("produce", t, stdin=b"1\n")
    with started("top", t, "--json", "--interval", "200ms") as top:
        asker = wait_until(lambda: children(top.pid), "the process that asks")[0]
        assert json.loads(read_lines(top.stdout, 1)[0])["topic"] == t
        os.kill(asker, signal.SIGABRT)
        assert json.loads(wait_until(lambda: after_death(top, asker), "another line"))["topic"] == t
        (other,) = children(top.pid)
        top.send_signal(signal.SIGTERM)
        assert top.wait(DEADLINE) == 143
        wait_until(lambda: not os.path.exists(f"/proc/{other}"), "its end")
        assert "the process that asked has died" in top.stderr.read().decode()


def after_death(top: subprocess.Popen[bytes], asker: int) -> bytes:
    """A line that came when another process asked already."""
    line = read_lines(top.stdout, 1)[-1]
    return line if children(top.pid) not in ([], [asker]) else b""


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.fixture
def broker(own_broker: Broker, monkeypatch: pytest.MonkeyPatch) -> Broker:
    """A broker that may be killed, running; STREAMCLI_URL is its."""
    monkeypatch.setenv("STREAMCLI_URL", f"kafka://{own_broker.address}")
    monkeypatch.setenv("TERM", "screen")
    return own_broker


def test_the_screen_says_that_the_cluster_is_away_and_goes_on_when_it_is_back(broker: Broker, t: str) -> None:
    def shows(what: Callable[[list[str]], bool]) -> Callable[[bytes], bool]:
        def is_seen(shown: bytes) -> bool:
            screen = pyte.Screen(80, 24)
            pyte.ByteStream(screen).feed(shown)
            return what(list(screen.display))

        return is_seen

    ok("produce", t, stdin=b"1\n")
    with on_terminal("top", t, "--interval", "200ms", "--lock-timeout", "2s") as terminal:
        terminal.see(shows(lambda lines: lines[4].startswith(t[:10])))
        broker.kill()
        terminal.see(shows(lambda lines: "no answer for" in lines[2] and lines[4].startswith(t[:10])))
        terminal.type(b"t")  # keys are heard meanwhile
        terminal.see(shows(lambda lines: lines[3].startswith("GROUP")))
        terminal.type(b"t")
        assert "cannot ask which topics there are" in refused(1, *ONCE, "--lock-timeout", "1s")
        assert "cannot ask which topics there are" in refused(1, "stats", "--lock-timeout", "1s")
        broker.start()
        terminal.see(shows(lambda lines: lines[4].startswith(t[:10]) and not lines[2].strip()))
        terminal.type(b"q")
        assert terminal.finish()[0] == 0

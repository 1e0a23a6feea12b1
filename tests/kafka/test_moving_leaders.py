"""Leaders and coordinators move, as in every restart of a broker: what is refused meanwhile is asked again, and nobody notices."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator

import pytest

from tests.kafka import refusing
from tests.kafka.broker import Broker
from tests.kafka.proxy import proxied
from tests.kafka.refusing import FOR_EVER, RefusingProxy
from tests.support.command import ok, refused, run, started
from tests.support.waiting import DEADLINE, wait_until


@pytest.fixture
def proxy(own_broker: Broker, monkeypatch: pytest.MonkeyPatch) -> Iterator[RefusingProxy]:
    """STREAMCLI_URL is its."""
    monkeypatch.setenv("STREAMCLI_URL", f"kafka://{own_broker.proxied}")
    with proxied(own_broker.proxied, RefusingProxy(own_broker.behind_proxy)) as refusing:
        yield refusing


GROUP = ["groups describe {g}", "groups export {g}", "groups reset {g} {t} --to beginning", "stats {t}"]
COMMITS = ["groups reset {g} {t} --to beginning", "consume {t} -g {g}"]
TOPIC = ["topics describe {t}", "consume {t}", "stats {t}"]


@pytest.mark.parametrize(
    ("kind", "error", "commands"),
    [
        (refusing.LIST_OFFSETS, refusing.STALE_EPOCH, TOPIC),
        (refusing.LIST_OFFSETS, refusing.NOT_LEADER, [*TOPIC, "top {t} --once --interval 100ms"]),
        (refusing.LIST_OFFSETS, refusing.NOT_LEADER, ["consume {t} -o -2", "consume {t} -o 1 -p 0"]),
        (refusing.LIST_OFFSETS, refusing.NOT_LEADER, ["tail {t} -n 1", "table {t} k", "topics trim {t} --before 0"]),
        (
            refusing.LIST_OFFSETS,
            refusing.NOT_LEADER,
            ["groups describe {g}", "groups reset {g} {t} --to end", "groups wait {g}"],
        ),
        (refusing.LIST_OFFSETS, refusing.NOT_LEADER, ["consume {t} -g {g}-new", "consume {t} -g {g}-newer -o end"]),
        (refusing.DESCRIBE_GROUPS, refusing.LOADING, GROUP),
        (refusing.DESCRIBE_GROUPS, refusing.NOT_COORDINATOR, GROUP),
        (refusing.OFFSET_FETCH, refusing.LOADING, [*GROUP, "consume {t} -g {g}"]),
        (refusing.OFFSET_FETCH, refusing.NOT_COORDINATOR, ["consume {t} -g {g}"]),
        (refusing.LIST_GROUPS, refusing.LOADING, ["groups list"]),
        (refusing.LIST_GROUPS, refusing.COORDINATOR_NOT_AVAILABLE, ["groups list"]),
        (refusing.OFFSET_COMMIT, refusing.LOADING, COMMITS),
        (refusing.OFFSET_COMMIT, refusing.NOT_COORDINATOR, COMMITS),
        (refusing.DELETE_RECORDS, refusing.NOT_LEADER, ["topics trim {t} -p 0 --before 2"]),
        (
            refusing.METADATA,
            refusing.NO_LEADER,
            ["groups describe {g}", "consume {t}", "table {t}", "consume {t} -g {g}-new"],
        ),
        (refusing.LIST_OFFSETS, refusing.DROPPED, ["topics describe {t}", "groups describe {g}"]),
        (refusing.DESCRIBE_GROUPS, refusing.DROPPED, ["groups describe {g}"]),
        (refusing.OFFSET_FETCH, refusing.DROPPED, ["groups describe {g}"]),
        (refusing.LIST_GROUPS, refusing.DROPPED, ["groups list"]),
    ],
)
def test_what_is_refused_for_a_moment_is_asked_again(
    proxy: RefusingProxy, t: str, g: str, kind: int, error: int, commands: list[str]
) -> None:
    ok("topics", "create", t, "-p", "2")
    ok("produce", t, "-K", ":", stdin=b"k:1\nk:2\nk:3\n")
    ok("produce", t, "-p", "0", stdin=b"4\n5\n")
    ok("consume", t, "-g", g)
    for command in commands:
        proxy.refuse(kind, error, 2)
        result = run(*command.format(t=t, g=g).split())
        assert (result.status, result.err, proxy.refused) == (0, "", 2), (command, result)


def test_many_parts_that_one_answer_refuses_are_asked_again_at_once(proxy: RefusingProxy, t: str) -> None:
    ok("topics", "create", t, "-p", "100")
    for words in (["stats", t], ["topics", "describe", t]):
        for error in (refusing.NOT_LEADER, refusing.DROPPED):
            proxy.refuse(refusing.LIST_OFFSETS, error, 1)
            ok(*words, "--lock-timeout", "10s")
            assert proxy.refused == 1


def test_what_is_refused_for_ever_is_told_after_the_time_limit(proxy: RefusingProxy, t: str, g: str) -> None:
    ok("produce", t, stdin=b"1\n")
    ok("consume", t, "-g", g)
    for kind, error, said, words in (
        (refusing.LIST_OFFSETS, refusing.NOT_LEADER, "Not leader", ["consume", t]),
        (refusing.LIST_OFFSETS, refusing.NOT_LEADER, "Not leader", ["topics", "describe", t]),
        (refusing.DESCRIBE_GROUPS, refusing.NOT_COORDINATOR, "Not coordinator", ["groups", "describe", g]),
        (refusing.LIST_GROUPS, refusing.LOADING, "Coordinator load in progress", ["groups", "list"]),
    ):
        proxy.refuse(kind, error, FOR_EVER)
        began = time.monotonic()
        line = refused(1, *words, "--lock-timeout", "3s")
        assert time.monotonic() - began >= 3
        assert line.startswith("streamcli: cannot ")
        assert said in line
        assert 2 < proxy.refused < 100


def test_a_member_that_waits_for_a_leader_leaves_when_it_is_asked_to(proxy: RefusingProxy, t: str, g: str) -> None:
    ok("produce", t, stdin=b"1\n")
    proxy.refuse(refusing.LIST_OFFSETS, refusing.NOT_LEADER, FOR_EVER, after=refusing.JOIN_GROUP)
    with started("consume", t, "-g", g, "-f", "--lock-timeout", str(int(10 * DEADLINE)) + "s") as member:
        wait_until(lambda: proxy.refused > 3, "the refusals")
        member.send_signal(signal.SIGINT)
        assert member.wait(DEADLINE) == 130

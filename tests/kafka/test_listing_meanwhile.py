"""Listings while others delete what is listed: on a cluster that somebody works with, something always goes."""

from __future__ import annotations

import os

import pytest

from streamcli.cli.context import now_ms
from streamcli.engine.url import KafkaUrl
from streamcli.kafka.connection import Connection, Heard
from streamcli.kafka.engine import KafkaEngine
from streamcli.kafka.groups import KafkaGroups
from tests.kafka.broker import ADDRESS
from tests.support.command import ok
from tests.support.deliveries import numbers


@pytest.fixture
def groups() -> KafkaGroups:
    engine = KafkaEngine(Connection(KafkaUrl(os.environ[ADDRESS]), {}, 30.0, Heard()))
    found = engine.groups(now_ms)
    assert isinstance(found, KafkaGroups)
    return found


def test_a_topic_that_goes_while_its_group_is_described(
    groups: KafkaGroups, t: str, g: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ok("produce", t, stdin=numbers(0, 5))
    ok("consume", t, "-g", g, "-n", "2")
    there = {t: [0], f"{t}-gone": [0]}
    found = groups.describe(g).states
    assert [(state.topic, state.lag) for state in found] == [(t, 3)]
    committed = groups.committed(g) | {(f"{t}-gone", 0): 1}
    monkeypatch.setattr(groups, "_committed", lambda _: committed)
    monkeypatch.setattr(groups, "_partitions", lambda: there)
    assert groups.describe(g).states == found
    assert groups.total_lag(g) == 3

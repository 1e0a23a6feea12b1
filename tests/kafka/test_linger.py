"""When records are sent that are not a full request."""

from __future__ import annotations

import pytest

from streamcli.engine.url import KafkaUrl
from streamcli.kafka.connection import Connection, Heard
from streamcli.kafka.linger import FULL_BYTES, FULL_RECORDS, LIBRDKAFKAS, Linger
from streamcli.kafka.producer_settings import producer_settings
from tests.support.waiting import wait_until


@pytest.fixture
def kafka() -> str:
    """No broker is asked here."""
    return ""


@pytest.mark.parametrize("full", [(FULL_RECORDS, 1), (1, FULL_BYTES)])
def test_a_record_waits_a_little_and_what_a_full_request_leaves_waits_anew(full: tuple[int, int]) -> None:
    linger = Linger()
    assert linger.due_in() is None
    linger.add(1, 1)
    wait_until(lambda: linger.due_in() == 0, "its time")
    linger.add(*full)
    wait_until(lambda: linger.due_in() == 0, "its time")
    linger.sent(is_all=False)
    wait_until(lambda: linger.due_in() == 0, "its time")
    linger.sent(is_all=True)
    assert linger.due_in() is None


@pytest.mark.parametrize(
    "given", [{"message.timeout.ms": "1000"}, {"queue.buffering.max.kbytes": "1"}, {"linger.ms": "0"}]
)
def test_librdkafka_does_not_wait_long_where_a_property_is_given_that_forbids_it(given: dict[str, str]) -> None:
    settings = producer_settings(Connection(KafkaUrl("host:9092"), given, 1.0, Heard()))
    assert settings.get("linger.ms", "0") == "0"


def test_librdkafka_waits_long_for_a_full_request_to_the_only_partition() -> None:
    connection = Connection(KafkaUrl("host:9092"), {}, 1.0, Heard())
    assert producer_settings(connection)["linger.ms"] == LIBRDKAFKAS
    assert "linger.ms" not in producer_settings(connection, partitions=2)

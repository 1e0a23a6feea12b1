"""A topic of a cluster that is written to, and the client that writes."""

from __future__ import annotations

from typing import NamedTuple

from streamcli.engine.produce_request import ProduceRequest
from streamcli.kafka.connection import Connection
from streamcli.kafka.producer_client import ProducerClient
from streamcli.kafka.producer_settings import producer_settings
from streamcli.kafka.topic_facts import TopicFacts, ask_for_identity, ask_for_topic

_LAST_LOOK = 3.0
"""Seconds that a producer waits to hear whether its topic was deleted, once all records are acknowledged."""


class OpenedTopic(NamedTuple):
    """client: of a producer that is connected, with a producer id."""

    name: str
    facts: TopicFacts
    client: ProducerClient

    def is_same(self, connection: Connection) -> bool:
        """Whether there still is the topic, and not another of its name."""
        soon = connection._replace(timeout=min(_LAST_LOOK, connection.timeout))
        return ask_for_identity(self.client.handle, self.name, soon) == self.facts.identity


def open_topic(name: str, connection: Connection) -> OpenedTopic | None:
    """The topic, with a client that suits most; None when there is none."""
    client = ProducerClient(name, producer_settings(connection))
    facts = ask_for_topic(client.handle, name, connection)
    if facts is None:
        client.close()
    return facts and OpenedTopic(name, facts, client)


def suited(topic: OpenedTopic, connection: Connection, request: ProduceRequest) -> OpenedTopic:
    """The topic with a client that suits its config and what is asked for: another one if need be."""
    config = topic.facts.config
    settings = producer_settings(
        connection,
        partitions=config.partitions,
        largest=config.number("max.message.bytes"),
        compress=request.compress,
        wants_all=request.offsets,
    )
    if settings == topic.client.settings:
        return topic
    topic.client.close()
    other = ProducerClient(topic.name, settings)
    ask_for_identity(other.handle, topic.name, connection)
    return topic._replace(client=other)

"""What a producer has to know of a topic, asked on the producer's own connection.

librdkafka asks for its producer id when it hears from a broker while it is connected to one, and else after 500 ms, or 1,000. The
answers to these questions are what it hears: so it has one before the first record.
"""

from __future__ import annotations

import ctypes as c
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from streamcli.kafka import librdkafka as lib
from streamcli.kafka.connection import Connection, as_error, load
from streamcli.kafka.topics import as_value
from streamcli.record.errors import StreamcliError
from streamcli.storage.config import SETTINGS, TopicConfig, Value

_PATIENCE = 100
"""Milliseconds between two looks for a signal, while the cluster has its turn."""


class TopicFacts(NamedTuple):
    """identity: differs from that of any other topic, also of an earlier one with this name; config: what a log directory knows
    too of a topic's config, in force."""

    identity: str
    config: TopicConfig


def ask_for_topic(handle: int, topic: str, connection: Connection) -> TopicFacts | None:
    """The facts; None when there is no such topic, and none is made by asking. handle: of a producer. StreamcliError when there is
    no answer within the connection's timeout."""
    call = lib.functions()
    described, settings = None, {}
    with _asking(handle, connection) as (options, answers):
        _ask_what_it_is(handle, topic, options, answers)
        resource = (c.c_void_p * 1)(call["ConfigResource_new"](lib.TOPIC_RESOURCE, topic.encode()))
        call["DescribeConfigs"](handle, resource, 1, options, answers)
        call["ConfigResource_destroy"](resource[0])
        for answer in _awaited(answers, 2, lambda: _hear(handle, topic, connection)):
            if call["event_DescribeTopics_result"](answer):
                described = _described(answer, topic, connection)
            else:
                settings = _settings(answer, topic, connection)
    return described and TopicFacts(described[0], TopicConfig(described[1], settings))


def ask_for_identity(handle: int, topic: str, connection: Connection) -> str | None:
    """The topic's identity as in TopicFacts; None when there is none."""
    with _asking(handle, connection) as (options, answers):
        _ask_what_it_is(handle, topic, options, answers)
        for answer in _awaited(answers, 1, lambda: None):
            described = _described(answer, topic, connection)
    return described and described[0]


@contextmanager
def _asking(handle: int, connection: Connection) -> Iterator[tuple[int, int]]:
    """Options for questions, and a queue for their answers."""
    call = lib.functions()
    options, answers, told = call["AdminOptions_new"](handle, 0), call["queue_new"](handle), c.create_string_buffer(512)
    call["AdminOptions_set_request_timeout"](options, int(connection.timeout * 1000), told, len(told))
    try:
        yield options, answers
    finally:
        call["AdminOptions_destroy"](options)
        call["queue_destroy"](answers)


def _ask_what_it_is(handle: int, topic: str, options: int, answers: int) -> None:
    call = lib.functions()
    names = call["TopicCollection_of_topic_names"]((c.c_char_p * 1)(topic.encode()), 1)
    call["DescribeTopics"](handle, names, options, answers)
    call["TopicCollection_destroy"](names)


def _awaited(answers: int, count: int, meanwhile: Callable[[], None]) -> Iterator[int]:
    """So many answers. librdkafka gives one when there is none in time. meanwhile: called before an answer is given out, and while
    there is none."""
    while count:
        for answer in lib.events(answers, _PATIENCE):
            meanwhile()
            yield answer
            count -= 1
        meanwhile()


def _hear(handle: int, topic: str, connection: Connection) -> None:
    """Take what is wrong with the connections of a producer that was given nothing yet; raise it where trying again does not mend
    it."""
    call = lib.functions()
    queue = call["queue_get_main"](handle)
    for event in lib.events(queue, 0):
        if call["event_type"](event) == lib.EVENT_ERROR:
            reason = call["event_error_string"](event).decode(errors="replace")
            connection.heard.take(load().KafkaError(call["event_error"](event), reason))
    call["queue_destroy"](queue)
    if connection.heard.is_hopeless():
        raise as_error(connection.heard.error, connection, f"ask for topic {topic}")


def _described(answer: int, topic: str, connection: Connection) -> tuple[str, int] | None:
    """Identity and count of partitions; None for no such topic."""
    call = lib.functions()
    doing, count = f"ask for topic {topic}", c.c_size_t()
    _check(call["event_error"](answer), call["event_error_string"](answer), connection, doing)
    topics = call["DescribeTopics_result_topics"](call["event_DescribeTopics_result"](answer), c.byref(count))
    error = call["TopicDescription_error"](topics[0])
    if error and call["error_code"](error) in (lib.NO_SUCH_TOPIC, lib.UNKNOWN_TOPIC):
        return None
    if error:
        _check(call["error_code"](error), call["error_string"](error), connection, doing)
    call["TopicDescription_partitions"](topics[0], c.byref(count))
    return call["Uuid_base64str"](call["TopicDescription_topic_id"](topics[0])).decode(), count.value


def _settings(answer: int, topic: str, connection: Connection) -> dict[str, Value]:
    """What is in force; nothing for no such topic, and for one whose config may not be asked for."""
    call = lib.functions()
    doing, count = f"ask for the config of topic {topic}", c.c_size_t()
    _check(call["event_error"](answer), call["event_error_string"](answer), connection, doing)
    found = call["DescribeConfigs_result_resources"](call["event_DescribeConfigs_result"](answer), c.byref(count))
    error = call["ConfigResource_error"](found[0])
    if error not in (lib.NO_SUCH_TOPIC, lib.TOPIC_FORBIDDEN):
        _check(error, call["ConfigResource_error_string"](found[0]), connection, doing)
    entries = call["ConfigResource_configs"](found[0], c.byref(count))
    named = {
        call["ConfigEntry_name"](entry).decode(): call["ConfigEntry_value"](entry) for entry in entries[: count.value]
    }
    return {name: as_value(name, (named[name] or b"").decode()) for name in SETTINGS if name in named}


def _check(code: int, reason: bytes | None, connection: Connection, doing: str) -> None:
    if code:
        raise _error(code, reason, connection, doing)


def _error(code: int, reason: bytes | None, connection: Connection, doing: str) -> StreamcliError:
    return as_error(load().KafkaError(code, (reason or b"").decode(errors="replace")), connection, doing)

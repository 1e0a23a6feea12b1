"""Functions of the librdkafka that confluent-kafka brings, called through ctypes.

What is here does without the package confluent_kafka: importing that takes 60 ms of processor time, half of it for asyncio. The
functions and structs are librdkafka's public interface (rdkafka.h), the same since its version 1, and since 2.3 for what describes
topics.
"""

from __future__ import annotations

import ctypes as c
import os
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import find_spec
from typing import Any

from streamcli.kafka.connection import bad_property, check_installed
from streamcli.record.errors import StreamcliError

MESSAGE_SIZE = 72
"""Bytes of an rd_kafka_message_t, which begins with its error and has eight bytes for each of these, from 8 on:
topic, partition, payload, length, key, its length, offset, opaque."""

ANY_PARTITION = -1
QUEUE_FULL, UNKNOWN_PARTITION, UNKNOWN_TOPIC, TIMED_OUT, FATAL = -184, -190, -188, -192, -150
PURGED_QUEUE, PURGED_IN_FLIGHT, ALL_BROKERS_DOWN, ANSWER_TIMED_OUT = -152, -151, -187, -185
NO_SUCH_TOPIC, TOO_LARGE, TOO_LARGE_BATCH, TOPIC_FORBIDDEN, CLUSTER_FORBIDDEN = 3, 10, 18, 29, 31
INVALID_TIMESTAMP, INVALID_RECORD = 32, 87
"""Errors of librdkafka, and below of the brokers."""

PRODUCER, CONSUMER = 0, 1
COPY = 0x2
PURGE_QUEUE, PURGE_IN_FLIGHT = 1, 2
EVENT_REPORTS, EVENT_ERROR = 0x1, 0x8
TOPIC_RESOURCE = 2
"""Choices of librdkafka's enums: a kind of client, flags, kinds of events and of resources."""

VALUE_SIZE = 72
"""Bytes of an rd_kafka_vu_t: its type, and a union of 64 bytes from 8 on."""
V_TOPIC, V_PARTITION, V_PAYLOAD, V_KEY, V_OPAQUE, V_FLAGS, V_TIME, V_HEADER = 2, 3, 4, 5, 6, 7, 8, 9


class Message(c.Structure):
    _fields_ = (
        ("error", c.c_int),
        ("topic", c.c_void_p),
        ("partition", c.c_int32),
        ("payload", c.c_void_p),
        ("length", c.c_size_t),
        ("key", c.c_void_p),
        ("key_length", c.c_size_t),
        ("offset", c.c_int64),
        ("opaque", c.c_size_t),
    )


assert c.sizeof(Message) == MESSAGE_SIZE


class Value(c.Structure):
    """rd_kafka_vu_t, with the members of its union as words."""

    _fields_ = (("type", c.c_int), ("words", c.c_int64 * 8))


assert c.sizeof(Value) == VALUE_SIZE

_Pointers, _Count = c.POINTER(c.c_void_p), c.POINTER(c.c_size_t)

Signature = tuple[Any, tuple[Any, ...]]
"""What a function returns, and what it takes."""

_SIGNATURES: dict[str, Signature] = {
    "conf_new": (c.c_void_p, ()),
    "conf_set": (c.c_int, (c.c_void_p, c.c_char_p, c.c_char_p, c.c_char_p, c.c_size_t)),
    "conf_set_events": (None, (c.c_void_p, c.c_int)),
    "conf_set_log_cb": (None, (c.c_void_p, c.c_void_p)),
    "new": (c.c_void_p, (c.c_int, c.c_void_p, c.c_char_p, c.c_size_t)),
    "destroy": (None, (c.c_void_p,)),
    "topic_new": (c.c_void_p, (c.c_void_p, c.c_char_p, c.c_void_p)),
    "queue_new": (c.c_void_p, (c.c_void_p,)),
    "queue_get_main": (c.c_void_p, (c.c_void_p,)),
    "queue_poll": (c.c_void_p, (c.c_void_p, c.c_int)),
    "queue_destroy": (None, (c.c_void_p,)),
    "event_type": (c.c_int, (c.c_void_p,)),
    "event_error": (c.c_int, (c.c_void_p,)),
    "event_error_string": (c.c_char_p, (c.c_void_p,)),
    "event_message_array": (c.c_size_t, (c.c_void_p, c.c_void_p, c.c_size_t)),
    "event_destroy": (None, (c.c_void_p,)),
    "produce_batch": (c.c_int, (c.c_void_p, c.c_int32, c.c_int, c.c_void_p, c.c_int)),
    "produceva": (c.c_void_p, (c.c_void_p, c.c_void_p, c.c_size_t)),
    "error_code": (c.c_int, (c.c_void_p,)),
    "error_string": (c.c_char_p, (c.c_void_p,)),
    "error_destroy": (None, (c.c_void_p,)),
    "err2str": (c.c_char_p, (c.c_int,)),
    "fatal_error": (c.c_int, (c.c_void_p, c.c_char_p, c.c_size_t)),
    "flush": (c.c_int, (c.c_void_p, c.c_int)),
    "purge": (c.c_int, (c.c_void_p, c.c_int)),
    "outq_len": (c.c_int, (c.c_void_p,)),
    "AdminOptions_new": (c.c_void_p, (c.c_void_p, c.c_int)),
    "AdminOptions_set_request_timeout": (c.c_int, (c.c_void_p, c.c_int, c.c_char_p, c.c_size_t)),
    "AdminOptions_destroy": (None, (c.c_void_p,)),
    "TopicCollection_of_topic_names": (c.c_void_p, (c.c_void_p, c.c_size_t)),
    "TopicCollection_destroy": (None, (c.c_void_p,)),
    "DescribeTopics": (None, (c.c_void_p, c.c_void_p, c.c_void_p, c.c_void_p)),
    "event_DescribeTopics_result": (c.c_void_p, (c.c_void_p,)),
    "DescribeTopics_result_topics": (_Pointers, (c.c_void_p, _Count)),
    "TopicDescription_error": (c.c_void_p, (c.c_void_p,)),
    "TopicDescription_partitions": (c.c_void_p, (c.c_void_p, _Count)),
    "TopicDescription_topic_id": (c.c_void_p, (c.c_void_p,)),
    "Uuid_base64str": (c.c_char_p, (c.c_void_p,)),
    "ConfigResource_new": (c.c_void_p, (c.c_int, c.c_char_p)),
    "ConfigResource_destroy": (None, (c.c_void_p,)),
    "DescribeConfigs": (None, (c.c_void_p, c.c_void_p, c.c_size_t, c.c_void_p, c.c_void_p)),
    "event_DescribeConfigs_result": (c.c_void_p, (c.c_void_p,)),
    "DescribeConfigs_result_resources": (_Pointers, (c.c_void_p, _Count)),
    "ConfigResource_error": (c.c_int, (c.c_void_p,)),
    "ConfigResource_error_string": (c.c_char_p, (c.c_void_p,)),
    "ConfigResource_configs": (_Pointers, (c.c_void_p, _Count)),
    "ConfigEntry_name": (c.c_char_p, (c.c_void_p,)),
    "ConfigEntry_value": (c.c_char_p, (c.c_void_p,)),
}


@cache
def functions() -> dict[str, Any]:
    """The functions of librdkafka that are used for producing, by their names without rd_kafka_."""
    return declared(_SIGNATURES)


def declared(signatures: Mapping[str, Signature], loader: Any = c.CDLL) -> dict[str, Any]:
    """Functions of librdkafka with these names without rd_kafka_. loader: ctypes.PyDLL for such as never wait, and which keep the
    interpreter's lock.

    Looked up through confluent_kafka's own module, which is linked to it: wherever that library lies, it is the same one.
    """
    check_installed()
    found = {}
    try:
        library = loader(_module())
        for name, (result, arguments) in signatures.items():
            function = found[name] = getattr(library, f"rd_kafka_{name}")
            function.restype, function.argtypes = result, arguments
    except (OSError, AttributeError) as error:
        raise StreamcliError(
            f"the librdkafka of confluent-kafka cannot be called ({error}): install its wheel, with streamcli[kafka]"
        ) from None
    return found


def _module() -> str:
    """The file of confluent_kafka.cimpl, which is not imported for that."""
    spec = find_spec("confluent_kafka")
    for folder in (spec and spec.submodule_search_locations) or ():
        for suffix in EXTENSION_SUFFIXES:
            path = os.path.join(folder, f"cimpl{suffix}")
            if os.path.exists(path):
                return path
    raise OSError("there is no confluent_kafka.cimpl")


def new_producer(settings: Mapping[str, Any]) -> int:
    """A handle of a producer that tells by its main queue what became of records, and errors of its own. UsageError as in
    new_handle."""
    return new_handle(functions(), PRODUCER, settings, EVENT_REPORTS | EVENT_ERROR)


def new_handle(call: Mapping[str, Any], kind: int, settings: Mapping[str, Any], events: int) -> int:
    """A client. events: the kinds that come by its main queue. UsageError for a property that is not known, or has no such value."""
    conf, told = call["conf_new"](), c.create_string_buffer(512)
    for name, value in settings.items():
        text = str(value).lower() if isinstance(value, bool) else str(value)
        if call["conf_set"](conf, name.encode(), text.encode(), told, len(told)):
            raise bad_property(told.value.decode())
    call["conf_set_events"](conf, events)
    call["conf_set_log_cb"](
        conf, None
    )  # a fatal error would be on standard error in its words, whatever log_level says
    handle: int | None = call["new"](kind, conf, told, len(told))
    if not handle:
        raise bad_property(told.value.decode())
    return handle


def events(queue: int, milliseconds: int) -> Iterator[int]:
    """Events that are in a queue, each until the next is asked for. Waits for the first at most that long."""
    call = functions()
    while event := call["queue_poll"](queue, milliseconds):
        milliseconds = 0
        try:
            yield event
        finally:
            call["event_destroy"](event)

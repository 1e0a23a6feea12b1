"""A client that only reads, without a group: librdkafka called through ctypes, with no Python object for a record.

confluent_kafka.Consumer makes one for each, with a bytes object for its value: 0.6 s of processor time for 1,000,000
records, which is more than librdkafka itself takes for them, and its import takes 80 ms. Here the addresses of many records come in one call;
what is still done for each in Python is to give it back.
"""

from __future__ import annotations

import ctypes as c
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from streamcli.kafka import librdkafka as lib
from streamcli.kafka.client import Found, Place, Received, Trouble
from streamcli.kafka.connection import load
from streamcli.kafka.fetched import OFFSET, PARTITION, TOPIC, WORDS, FetchedBatch, MessageFunctions, Messages
from streamcli.kafka.gather import Gatherer
from streamcli.kafka.messages import KafkaSource
from streamcli.record.batch import RecordBatch

_MOST_AT_ONCE = 1024

_NO_CONSUMER_CLOSE = 0x8


class _Partition(c.Structure):
    """rd_kafka_topic_partition_t."""

    _fields_ = (
        ("topic", c.c_char_p),
        ("partition", c.c_int32),
        ("offset", c.c_int64),
        ("metadata", c.c_void_p),
        ("metadata_size", c.c_size_t),
        ("opaque", c.c_void_p),
        ("error", c.c_int),
        ("private", c.c_void_p),
    )


class _Partitions(c.Structure):
    """rd_kafka_topic_partition_list_t."""

    _fields_ = (("count", c.c_int), ("size", c.c_int), ("elements", c.POINTER(_Partition)))


class _PartitionMetadata(c.Structure):
    """rd_kafka_metadata_partition_t."""

    _fields_ = (
        ("id", c.c_int32),
        ("error", c.c_int),
        ("leader", c.c_int32),
        ("replica_count", c.c_int),
        ("replicas", c.c_void_p),
        ("isr_count", c.c_int),
        ("isrs", c.c_void_p),
    )


class _TopicMetadata(c.Structure):
    """rd_kafka_metadata_topic_t."""

    _fields_ = (
        ("name", c.c_char_p),
        ("count", c.c_int),
        ("partitions", c.POINTER(_PartitionMetadata)),
        ("error", c.c_int),
    )


class _Metadata(c.Structure):
    """rd_kafka_metadata_t, up to what is asked of it."""

    _fields_ = (
        ("broker_count", c.c_int),
        ("brokers", c.c_void_p),
        ("count", c.c_int),
        ("topics", c.POINTER(_TopicMetadata)),
    )


_SIGNATURES = {
    "conf_new": (c.c_void_p, ()),
    "conf_set": (c.c_int, (c.c_void_p, c.c_char_p, c.c_char_p, c.c_char_p, c.c_size_t)),
    "conf_set_events": (None, (c.c_void_p, c.c_int)),
    "conf_set_log_cb": (None, (c.c_void_p, c.c_void_p)),
    "new": (c.c_void_p, (c.c_int, c.c_void_p, c.c_char_p, c.c_size_t)),
    "destroy_flags": (None, (c.c_void_p, c.c_int)),
    "topic_new": (c.c_void_p, (c.c_void_p, c.c_char_p, c.c_void_p)),
    "topic_destroy": (None, (c.c_void_p,)),
    "topic_name": (c.c_char_p, (c.c_void_p,)),
    "queue_get_main": (c.c_void_p, (c.c_void_p,)),
    "queue_new": (c.c_void_p, (c.c_void_p,)),
    "queue_destroy": (None, (c.c_void_p,)),
    "event_type": (c.c_int, (c.c_void_p,)),
    "event_error": (c.c_int, (c.c_void_p,)),
    "event_error_string": (c.c_char_p, (c.c_void_p,)),
    "event_error_is_fatal": (c.c_int, (c.c_void_p,)),
    "err2str": (c.c_char_p, (c.c_int,)),
    "last_error": (c.c_int, ()),
    "metadata": (c.c_int, (c.c_void_p, c.c_int, c.c_void_p, c.c_void_p, c.c_int)),
    "metadata_destroy": (None, (c.c_void_p,)),
    "topic_partition_list_new": (c.POINTER(_Partitions), (c.c_int,)),
    "topic_partition_list_add": (c.POINTER(_Partition), (c.c_void_p, c.c_char_p, c.c_int32)),
    "topic_partition_list_destroy": (None, (c.c_void_p,)),
    "offsets_for_times": (c.c_int, (c.c_void_p, c.c_void_p, c.c_int)),
    "pause_partitions": (c.c_int, (c.c_void_p, c.c_void_p)),
    "resume_partitions": (c.c_int, (c.c_void_p, c.c_void_p)),
    "consume_start_queue": (c.c_int, (c.c_void_p, c.c_int32, c.c_int64, c.c_void_p)),
    "consume_stop": (c.c_int, (c.c_void_p, c.c_int32)),
    "consume_queue": (c.c_void_p, (c.c_void_p, c.c_int)),
    "consume_batch_queue": (c.c_ssize_t, (c.c_void_p, c.c_int, c.c_void_p, c.c_size_t)),
    "message_errstr": (c.c_char_p, (c.c_void_p,)),
}


class _Handle:
    """A client of librdkafka, its queues and topics, for as long as anybody refers to it: it must not go before its messages."""

    def __init__(self, call: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
        self._call = call
        self.client = lib.new_handle(call, lib.CONSUMER, settings, lib.EVENT_ERROR)
        self.troubles = call["queue_get_main"](self.client)
        self.queue = call["queue_new"](self.client)
        self._topics: dict[str, int] = {}

    def topic(self, name: str) -> int:
        if name not in self._topics:
            self._topics[name] = self._call["topic_new"](self.client, name.encode(), None)
        return self._topics[name]

    def __del__(self) -> None:
        if not getattr(self, "client", None):
            return
        for topic in self._topics.values():
            self._call["topic_destroy"](topic)
        self._call["queue_destroy"](self.queue)
        self._call["queue_destroy"](self.troubles)
        self._call["destroy_flags"](self.client, _NO_CONSUMER_CLOSE)


class DirectClient:
    """See client.Client. settings: properties of librdkafka; UsageError for one that is not known, or has no such value.
    on_trouble: gets errors of the client as a whole, as a KafkaError each."""

    def __init__(self, settings: Mapping[str, Any], on_trouble: Callable[[Any], None]) -> None:
        self._on_trouble = on_trouble
        self._call = lib.declared(_SIGNATURES)
        self._handle = _Handle(self._call, settings)
        self._gatherer = Gatherer(_MOST_AT_ONCE)
        self._of_messages = MessageFunctions(self._handle, self._gatherer)
        self._names: dict[int, str] = {}
        self._started: dict[tuple[str, int], None] = {}
        self._pointers = array("Q", bytes(8 * _MOST_AT_ONCE))

    def look_up(self, sources: Sequence[KafkaSource], time: int, timeout: float) -> list[Found]:
        asked = self._partitions([(*source, time) for source in sources])
        try:
            code = self._call["offsets_for_times"](self._handle.client, asked, int(timeout * 1000))
            answers = [asked.contents.elements[number] for number in range(asked.contents.count)]
            found = [
                Found(
                    KafkaSource(answer.topic.decode(), answer.partition),
                    answer.offset,
                    self._error(answer.error) if answer.error else None,
                )
                for answer in answers
            ]
        finally:
            self._call["topic_partition_list_destroy"](asked)
        if code and not any(one.error for one in found):
            self._check(code)
        # Where it gives up because of one partition, the others still have what was asked for.
        return [
            one._replace(error=self._error(code)) if code and not one.error and one.offset == time else one
            for one in found
        ]

    def partitions(self, topic: str | None, timeout: float) -> dict[str, list[int]]:
        answer = c.POINTER(_Metadata)()
        only = None if topic is None else self._handle.topic(topic)
        self._check(
            self._call["metadata"](self._handle.client, topic is None, only, c.byref(answer), int(timeout * 1000))
        )
        try:
            listed = answer.contents.topics[: answer.contents.count]
            if topic is not None and any(found.error == lib.TOPIC_FORBIDDEN for found in listed):
                self._check(lib.TOPIC_FORBIDDEN)
            return {
                found.name.decode(): sorted(one.id for one in found.partitions[: found.count])
                for found in listed
                if not found.error
            }
        finally:
            self._call["metadata_destroy"](answer)

    def poll(self, timeout: float) -> None:
        for event in lib.events(self._handle.troubles, int(timeout * 1000)):
            if self._call["event_type"](event) == lib.EVENT_ERROR:
                reason = (self._call["event_error_string"](event) or b"").decode(errors="replace")
                is_fatal = bool(self._call["event_error_is_fatal"](event))
                self._on_trouble(load().KafkaError(self._call["event_error"](event), reason, fatal=is_fatal))

    def assign(self, places: list[Place]) -> None:
        self.close()
        for topic, partition, offset in places:
            self._start(topic, partition, offset)
            self._started[topic, partition] = None

    def pause(self, place: Place) -> None:
        self._with("pause_partitions", [place])

    def resume(self, places: list[Place]) -> None:
        self._with("resume_partitions", places)

    def seek(self, place: Place) -> None:
        topic, partition, offset = place
        # rd_kafka_seek does nothing where an offset was out of range: no fetch is going on then.
        self._call["consume_stop"](self._handle.topic(topic), partition)
        self._start(topic, partition, offset)

    def receive(self, timeout: float) -> Received:
        self.poll(0)
        queue, (address, most) = self._handle.queue, self._pointers.buffer_info()
        count = self._call["consume_batch_queue"](queue, 0, address, most)
        if not count:
            self._pointers[0] = self._call["consume_queue"](queue, int(timeout * 1000)) or 0
            if self._pointers[0]:
                count = 1 + max(0, self._call["consume_batch_queue"](queue, 0, address + 8, most - 1))
            self.poll(0)
        if count < 0:
            self._check(self._call["last_error"]())
        return self._received(self._pointers[:count]) if count > 0 else Received([], [])

    def close(self) -> None:
        for topic, partition in self._started:
            self._call["consume_stop"](self._handle.topic(topic), partition)
        self._started = {}

    def _start(self, topic: str, partition: int, offset: int) -> None:
        if self._call["consume_start_queue"](self._handle.topic(topic), partition, offset, self._handle.queue):
            self._check(self._call["last_error"]())

    def _received(self, pointers: array[int]) -> Received:
        messages = self._gatherer.pieces(pointers, lib.MESSAGE_SIZE)
        words, halves = memoryview(messages).cast("Q"), memoryview(messages).cast("i")
        errors, partitions = halves[:: 2 * WORDS], halves[2 * PARTITION :: 2 * WORDS]
        runs: list[tuple[KafkaSource, RecordBatch]] = []
        troubles: list[Trouble] = []
        first = 0
        for end in self._ends_of_runs(errors, words[TOPIC::WORDS], partitions):
            run = words[first * WORDS : end * WORDS]
            of_run = Messages(self._of_messages, pointers[first:end])
            source = KafkaSource(self._name(run[TOPIC]), partitions[first])
            if errors[first]:
                troubles += self._troubles_of(source, errors[first:end], run, of_run)
            else:
                where = f"{source.topic}, partition {source.partition}"
                runs.append((source, FetchedBatch(of_run, run, where)))
            first = end
        return Received(runs, troubles)

    def _name(self, topic: int) -> str:
        if topic not in self._names:
            self._names[topic] = self._call["topic_name"](topic).decode() if topic else ""
        return self._names[topic]

    def _ends_of_runs(self, errors: memoryview, topics: memoryview, partitions: memoryview) -> Iterator[int]:
        """Where runs of one partition end, and those of errors."""
        if len(self._started) == 1 and errors.tobytes() == bytes(4 * len(errors)):
            yield len(errors)
            return
        end = 0
        for _, run in groupby(zip(map(bool, errors), topics, partitions, strict=True)):
            end += sum(1 for _ in run)
            yield end

    def _troubles_of(
        self, source: KafkaSource, errors: memoryview, words: memoryview, messages: Messages
    ) -> Iterator[Trouble]:
        for code, offset, pointer in zip(errors, words[OFFSET::WORDS], messages.pointers, strict=True):
            reason = self._call["message_errstr"](pointer) or b""
            yield Trouble(code, reason.decode(errors="replace"), code == lib.FATAL, source, offset)

    def _partitions(self, places: list[Place]) -> Any:
        listed = self._call["topic_partition_list_new"](len(places))
        for topic, partition, offset in places:
            added = self._call["topic_partition_list_add"](listed, topic.encode(), partition)
            added.contents.offset = offset
        return listed

    def _with(self, name: str, places: list[Place]) -> None:
        listed = self._partitions(places)
        try:
            self._check(self._call[name](self._handle.client, listed))
        finally:
            self._call["topic_partition_list_destroy"](listed)

    def _check(self, code: int) -> None:
        """KafkaException for an error."""
        if code:
            raise load().KafkaException(self._error(code))

    def _error(self, code: int) -> Any:
        return load().KafkaError(code, self._call["err2str"](code).decode(errors="replace"))

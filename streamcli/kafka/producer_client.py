"""The producer of the librdkafka that confluent-kafka brings: many records in one call.

confluent_kafka.Producer takes a record a call and allocates a state for each, its produce_batch looks up six names in a dict for
each: 1.55 s of processor time for 1,000,000 lines, where kcat takes 1.2. An array of rd_kafka_message_t filled by columns takes
1.1, carries the record's number as its opaque, so that a failed one is known exactly, and asks for nothing where a record is
acknowledged.
"""

from __future__ import annotations

import ctypes as c
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, NamedTuple

from streamcli.kafka import librdkafka as lib
from streamcli.kafka.elements import Elements, address_of, counted
from streamcli.record.batch import Header

_WORDS = lib.MESSAGE_SIZE // 8
_PAYLOAD, _LENGTH, _KEY, _KEY_LENGTH, _OPAQUE = 3, 4, 5, 6, 8
"""Words of an rd_kafka_message_t."""

_REPORTS_AT_ONCE = 1024


class Report(NamedTuple):
    """What became of a record: number, as it was handed over; error, 0 where it is acknowledged, and at which offset then."""

    number: int
    error: int
    partition: int
    offset: int


class Row(NamedTuple):
    """A record with more than `hand_over` takes. Addresses and lengths as in Elements."""

    number: int
    partition: int
    value: tuple[int, int]
    key: tuple[int, int]
    timestamp: int
    headers: list[Header]


class ProducerClient:
    """A producer to one topic, which is not asked for before the first record. settings: properties of librdkafka, see
    `lib.new_producer`."""

    def __init__(self, topic: str, settings: Mapping[str, Any]) -> None:
        self._call = lib.functions()
        self.settings = settings
        self.handle = lib.new_producer(settings)
        self._name = topic.encode()
        self._queue = self._call["queue_get_main"](self.handle)

    @cached_property
    def _topic(self) -> int:
        topic: int = self._call["topic_new"](self.handle, self._name, None)
        return topic

    def close(self) -> None:
        """Let go of a client to which nothing was handed over."""
        self._call["queue_destroy"](self._queue)
        self._call["destroy"](self.handle)

    def hand_over(
        self, numbers: range, partition: int, values: Elements, keys: Elements | None
    ) -> tuple[int, dict[int, int]]:
        """Hand over records, which librdkafka copies: how many were taken from the first on before its queue was full, and the
        errors of those among them that it refused, by their number. Elements: of these records."""
        count = len(numbers)
        messages = bytearray(lib.MESSAGE_SIZE * count)
        with memoryview(messages) as view, view.cast("Q") as words:
            words[_PAYLOAD::_WORDS] = values.addresses
            words[_LENGTH::_WORDS] = values.lengths
            if keys is not None:
                words[_KEY::_WORDS] = keys.addresses
                words[_KEY_LENGTH::_WORDS] = keys.lengths
            words[_OPAQUE::_WORDS] = counted(numbers)
        memory = c.c_char.from_buffer(messages)
        if self._call["produce_batch"](self._topic, partition, lib.COPY, c.addressof(memory), count) == count:
            return count, {}
        errors = [error - (1 << 32) if error >> 31 else error for error in _errors_in(messages)]
        taken = errors.index(lib.QUEUE_FULL) if lib.QUEUE_FULL in errors else count
        return taken, {numbers[index]: error for index, error in enumerate(errors[:taken]) if error}

    def hand_over_row(self, row: Row) -> int:
        """The error, 0 for none; lib.QUEUE_FULL where it was not taken."""
        names = [name.encode() for name, _ in row.headers]
        values = (lib.Value * (7 + len(row.headers)))()
        words = [
            (lib.V_TOPIC, self._topic),
            (lib.V_FLAGS, lib.COPY),
            (lib.V_PARTITION, row.partition),
            (lib.V_PAYLOAD, *row.value),
            (lib.V_KEY, *row.key),
            (lib.V_TIME, row.timestamp),
            (lib.V_OPAQUE, row.number),
        ]
        words += [
            (lib.V_HEADER, address_of(name), *((address_of(value), len(value)) if value is not None else (0, 0)))
            for name, (_, value) in zip(names, row.headers, strict=True)
        ]
        for value, (kind, *rest) in zip(values, words, strict=True):
            value.type = kind
            value.words[: len(rest)] = rest
        error = self._call["produceva"](self.handle, values, len(values))
        if not error:
            return 0
        code: int = self._call["error_code"](error)
        self._call["error_destroy"](error)
        return code

    def waiting(self) -> int:
        """Records that are neither acknowledged nor reported as failed."""
        waiting: int = self._call["outq_len"](self.handle)
        return waiting

    def flush(self, seconds: float) -> None:
        """Send what is there without waiting for more; returns when all is acknowledged or failed, or when the time is over.
        What failed is for `reports`."""
        self._call["flush"](self.handle, int(seconds * 1000))

    def give_up(self, *, in_flight: bool) -> None:
        """Let what is not sent yet fail, and with `in_flight` what is sent and not acknowledged yet, too."""
        self._call["purge"](self.handle, lib.PURGE_QUEUE | (lib.PURGE_IN_FLIGHT if in_flight else 0))

    def reports(self, seconds: float = 0.0) -> Iterator[Report | int]:
        """Reports that are there, and errors of the client as their number. Waits for the first at most that long."""
        for event in lib.events(self._queue, int(seconds * 1000)):
            if self._call["event_type"](event) == lib.EVENT_REPORTS:
                yield from self._reports_in(event)
            elif self._call["event_type"](event) == lib.EVENT_ERROR:
                yield self._call["event_error"](event)

    def _reports_in(self, event: int) -> Iterator[Report]:
        found = (c.POINTER(lib.Message) * _REPORTS_AT_ONCE)()
        while count := self._call["event_message_array"](event, found, _REPORTS_AT_ONCE):
            for pointer in found[:count]:
                message = pointer.contents
                yield Report(message.opaque, message.error, message.partition, message.offset)

    def reason(self, error: int) -> str:
        """An error in librdkafka's words; where nothing can be sent any more, what has led to that."""
        if error == lib.FATAL:
            told = c.create_string_buffer(512)
            self._call["fatal_error"](self.handle, told, len(told))
            if told.value:
                return told.value.decode(errors="replace")
        words: bytes = self._call["err2str"](error)
        return words.decode(errors="replace")


def _errors_in(messages: bytearray) -> memoryview:
    return memoryview(messages).cast("I")[:: lib.MESSAGE_SIZE // 4]

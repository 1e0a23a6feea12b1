"""Record batches over records that lie in librdkafka's memory."""

from __future__ import annotations

import ctypes as c
from array import array
from collections import deque
from collections.abc import Iterator, Mapping
from itertools import accumulate, repeat
from typing import Any

from streamcli.kafka.gather import Gatherer
from streamcli.kafka.librdkafka import MESSAGE_SIZE, declared
from streamcli.kafka.messages import no_text_in_header
from streamcli.record.batch import Column, Columns, Header, RecordBatch

WORDS = MESSAGE_SIZE // 8
TOPIC, PARTITION, VALUE, LENGTH, KEY, KEY_LENGTH, OFFSET = 1, 2, 3, 4, 5, 6, 7
"""Where in the words of a message these are."""

_NO_HEADERS = -156

# None of these waits, so they keep the interpreter's lock: letting it go and taking it again costs more than they do.
_SIGNATURES = {
    "message_destroy": (None, (c.c_void_p,)),
    "message_timestamp": (c.c_int64, (c.c_void_p, c.c_void_p)),
    "message_headers": (c.c_int, (c.c_void_p, c.c_void_p)),
    "header_get_all": (c.c_int, (c.c_void_p, c.c_size_t, c.c_void_p, c.c_void_p, c.c_void_p)),
}


_VERSION_FOR_MANY = 0x0210

_FOR_MANY = {
    "mem_malloc": (c.c_void_p, (c.c_void_p, c.c_size_t)),
    "mem_free": (None, (c.c_void_p, c.c_void_p)),
    "messages_count": (c.c_size_t, (c.c_void_p,)),
    "messages_get": (c.c_void_p, (c.c_void_p, c.c_size_t)),
    "messages_destroy": (None, (c.c_void_p,)),
}


class MessageFunctions:
    """What can be asked of messages. owner of a client's handle: kept for as long as there are messages of it."""

    def __init__(self, owner: object, gatherer: Gatherer) -> None:
        call = declared(_SIGNATURES, c.PyDLL)
        self.owner = owner
        self.gatherer = gatherer
        self._destroy = call["message_destroy"]
        self._together = _functions_for_many()
        self.timestamp = call["message_timestamp"]
        self.headers = call["message_headers"]
        self.header = call["header_get_all"]

    def give_back(self, pointers: array[int]) -> None:
        """Let librdkafka have the memory of messages again."""
        if self._together is None or not self._give_back_together(self._together, pointers):
            deque(map(self._destroy, pointers), maxlen=0)

    def _give_back_together(self, call: Mapping[str, Any], pointers: array[int]) -> bool:
        """False, and nothing is done, unless librdkafka itself sees these messages in what is made for it here."""
        count = len(pointers)
        listed = array("Q", [count]) + pointers
        address, _ = listed.buffer_info()
        block = call["mem_malloc"](None, 8 * len(listed))
        c.memmove(block, address, 8 * len(listed))
        if call["messages_count"](block) != count or call["messages_get"](block, count - 1) != pointers[-1]:
            call["mem_free"](None, block)
            return False
        call["messages_destroy"](block)
        return True


def _functions_for_many() -> dict[str, Any] | None:
    """What gives back many messages in one call, 60 ns each in place of 250: rd_kafka_messages_destroy, which is meant for those of a
    share consumer. Its list is opaque, so it is made only for the versions of which is known what it is made of (a count, and as many
    pointers), and only given where the library's own functions find the same in it. None for other versions."""
    call = declared({"version": (c.c_int, ())}, c.PyDLL)
    return declared(_FOR_MANY, c.PyDLL) if call["version"]() >> 16 == _VERSION_FOR_MANY else None


class Messages:
    """Messages by their addresses; librdkafka has their memory back when this object goes."""

    __slots__ = ("_functions", "pointers")

    def __init__(self, functions: MessageFunctions, pointers: array[int]) -> None:
        self._functions = functions
        self.pointers = pointers

    def __del__(self) -> None:
        self._functions.give_back(self.pointers)

    def timestamps(self) -> list[int]:
        """In ms since the epoch, 0 where there is none."""
        kind = c.c_int()
        times = list(map(self._functions.timestamp, self.pointers, repeat(c.addressof(kind))))
        return times if min(times) >= 0 else [max(time, 0) for time in times]

    def headers(self) -> list[list[Header]] | None:
        """Of each; None when none has any. UnicodeDecodeError for a name that is no UTF-8."""
        found = c.c_void_p()
        ask, place = self._functions.headers, c.addressof(found)
        codes = list(map(ask, self.pointers, repeat(place)))
        if codes.count(_NO_HEADERS) == len(codes):
            return None
        headers: list[list[Header]] = []
        for pointer, code in zip(self.pointers, codes, strict=True):
            headers.append([] if code or ask(pointer, place) else list(self._headers_in(found.value)))
        return headers

    def _headers_in(self, headers: int | None) -> Iterator[Header]:
        name, value, size = c.c_char_p(), c.c_void_p(), c.c_size_t()
        places = c.byref(name), c.byref(value), c.byref(size)
        number = 0
        while not self._functions.header(headers, number, *places):
            yield (name.value or b"").decode(), None if value.value is None else c.string_at(value, size.value)
            number += 1

    @property
    def gatherer(self) -> Gatherer:
        return self._functions.gatherer


class FetchedBatch(RecordBatch):
    """Records of one partition, at least one, at ascending offsets. words: of their messages."""

    __slots__ = ("_messages", "_sizes", "_times", "_values", "_words", "where")

    is_scattered = True

    def __init__(self, messages: Messages, words: memoryview, where: str) -> None:
        self.where = where
        self._messages = messages
        self._words = words
        self._values: Column | None = None
        self._times: list[int] | None = None
        self._sizes: list[int] | None = None
        self.base_offset = words[OFFSET]
        self.next_offset = words[OFFSET - WORDS] + 1
        self.count = len(words) // WORDS
        self.extent = None
        self.body = None
        self._columns: Columns | None = None

    @property
    def columns(self) -> Columns:
        if self._columns is None:
            has_gaps = self.next_offset - self.base_offset != self.count
            self._columns = Columns(
                record_count=self.count,
                values=self.value_column(),
                keys=self.key_column()[0],
                headers=self._headers(),
                timestamps=self.timestamps(),
                offset_deltas=[offset - self.base_offset for offset in self.offsets()] if has_gaps else None,
            )
        return self._columns

    def offsets(self) -> list[int] | range:
        return self._words[OFFSET::WORDS].tolist()

    @property
    def min_timestamp(self) -> int:  # type: ignore[override]  # looked at when it is asked for
        return min(self.timestamps())

    @property
    def max_timestamp(self) -> int:  # type: ignore[override]
        return max(self.timestamps())

    def timestamps(self) -> list[int]:
        if self._times is None:
            self._times = self._messages.timestamps()
        return self._times

    def time_column(self) -> list[int] | None:
        return self.timestamps()

    def lines(self) -> bytes | memoryview | None:
        values = self.value_column()
        return None if isinstance(values, list) else values

    def value_column(self) -> Column:
        if self._values is None:
            self._values = self._column(self._words[VALUE::WORDS], self._words[LENGTH::WORDS])
        return self._values

    def null_values(self) -> list[int]:
        addresses = self._words[VALUE::WORDS].tolist()
        return [index for index, address in enumerate(addresses) if not address] if 0 in addresses else []

    def value_size(self) -> int:
        return sum(self._value_sizes())

    def write_lines(self, fd: int) -> int:
        addresses, lengths = self._words[VALUE::WORDS], self._words[LENGTH::WORDS]
        return self._messages.gatherer.write_lines(fd, addresses, lengths, self._value_sizes())

    def _value_sizes(self) -> list[int]:
        if self._sizes is None:
            self._sizes = self._words[LENGTH::WORDS].tolist()
        return self._sizes

    def key_column(self) -> tuple[Column | None, bytes | None]:
        if self._columns is not None:
            return self._columns.keys, None
        addresses = self._words[KEY::WORDS]
        if not any(addresses):
            return None, None
        return self._column(addresses, self._words[KEY_LENGTH::WORDS]), None

    def _column(self, addresses: memoryview, lengths: memoryview) -> Column:
        sizes = lengths.tolist()
        data = self._messages.gatherer.lines(addresses, lengths, sum(sizes) + self.count)
        has_null = 0 in sizes and 0 in addresses
        if not has_null and data.count(b"\n") == self.count:
            return data
        ends = accumulate(size + 1 for size in sizes)
        return [
            data[end - size - 1 : end - 1] if address else None
            for address, size, end in zip(addresses, sizes, ends, strict=True)
        ]

    def _headers(self) -> list[list[Header]] | None:
        try:
            return self._messages.headers()
        except UnicodeDecodeError:
            raise no_text_in_header(self.where, self.base_offset) from None

"""From what librdkafka hands out, a record at a time, to record batches."""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from streamcli.record.batch import Column, Columns, Header, RecordBatch, join_column
from streamcli.record.errors import StreamcliError

if TYPE_CHECKING:
    from confluent_kafka import Message


_TIME = itemgetter(1)
"""Of a message's timestamp, which is its kind and ms since the epoch, -1 where it has none."""


class KafkaSource(NamedTuple):
    """A partition of a cluster to read."""

    topic: str
    partition: int


class MessageBatch(RecordBatch):
    """Records of one partition, as they were fetched. Nothing is asked of a message before it is wanted: each question costs
    40 to 100 ns, where the whole record costs a microsecond.

    messages: at least one, without errors, at ascending offsets.
    """

    __slots__ = ("_messages", "_times", "_values")

    def __init__(self, messages: Sequence[Message]) -> None:
        first, last = messages[0].offset(), messages[-1].offset()
        assert first is not None
        assert last is not None
        self._messages = messages
        self._values: Column | None = None
        self._times: list[int] | None = None
        self.base_offset = first
        self.next_offset = last + 1
        self.count = len(messages)
        self.extent = None
        self.body = None
        self._columns: Columns | None = None

    @property
    def min_timestamp(self) -> int:  # type: ignore[override]  # looked at when it is asked for
        return min(self.timestamps())

    @property
    def max_timestamp(self) -> int:  # type: ignore[override]
        return max(self.timestamps())

    def timestamps(self) -> list[int]:
        if self._times is None:
            message = type(self._messages[0])
            times = list(map(_TIME, map(message.timestamp, self._messages)))
            self._times = times if min(times) >= 0 else [max(time, 0) for time in times]
        return self._times

    def lines(self) -> bytes | memoryview | None:
        values = self.value_column()
        return None if isinstance(values, list) else values

    def value_column(self) -> Column:
        if self._values is None:
            message = type(self._messages[0])
            self._values = join_column(cast("list[bytes | None]", list(map(message.value, self._messages))))
        return self._values

    def key_column(self) -> tuple[Column | None, bytes | None]:
        keys = cast("list[bytes | None]", list(map(type(self._messages[0]).key, self._messages)))
        return (None if keys.count(None) == len(keys) else join_column(keys)), None

    @property
    def columns(self) -> Columns:
        if self._columns is None:
            self._columns = self._make_columns()
        return self._columns

    def _make_columns(self) -> Columns:
        messages = self._messages
        has_gaps = self.next_offset - self.base_offset != self.count
        return Columns(
            record_count=self.count,
            values=self.value_column(),
            keys=self.key_column()[0],
            headers=_headers(messages),
            timestamps=self.timestamps(),
            offset_deltas=[cast("int", one.offset()) - self.base_offset for one in messages] if has_gaps else None,
        )


def _headers(messages: Sequence[Message]) -> list[list[Header]] | None:
    """The headers of each record; None when no record has any."""
    message: Any = type(messages[0])
    try:
        found: list[Any] = list(map(message.headers, messages))
    except UnicodeDecodeError:
        first: Any = messages[0]
        raise no_text_in_header(f"{first.topic()}, partition {first.partition()}", first.offset()) from None
    return [headers or [] for headers in found] if any(found) else None


def no_text_in_header(where: str, offset: int) -> StreamcliError:
    """The error for a header's name that cannot be a string."""
    return StreamcliError(
        f"a header has a name that is no UTF-8 text ({where}, from offset {offset} on): read on after it with -o"
    )

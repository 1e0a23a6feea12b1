"""What reading asks of a client of librdkafka, be it called directly or through confluent_kafka."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from streamcli.kafka.connection import load

if TYPE_CHECKING:
    from streamcli.kafka.messages import KafkaSource
    from streamcli.record.batch import RecordBatch

Place = tuple[str, int, int]
"""Topic, partition, offset."""

UNKNOWN = -1001
"""An offset that librdkafka, where the connection ended before the answer, gives without an error: nobody told it."""

END_OF_PARTITION, OUT_OF_RANGE = -191, -140
"""Of Trouble.code: nothing more is there, up to `offset`; the offset wanted is not in the log."""


class Trouble(NamedTuple):
    """What came in place of a record. source, offset: of the partition it came from."""

    code: int
    reason: str
    is_fatal: bool
    source: KafkaSource
    offset: int

    def error(self) -> Any:
        """As a KafkaError."""
        return load().KafkaError(self.code, self.reason, fatal=self.is_fatal)


class Received(NamedTuple):
    """What came: runs of records of one partition each, in the order they came, and troubles, which came after these."""

    runs: list[tuple[KafkaSource, RecordBatch]]
    troubles: list[Trouble]


class Found(NamedTuple):
    """The answer to what was looked up; error: a KafkaError, where there is no answer."""

    source: KafkaSource
    offset: int
    error: Any


class Lists(Protocol):
    """What can tell which topics there are. Timeouts are in seconds."""

    def partitions(self, topic: str | None, timeout: float) -> dict[str, list[int]]:
        """The partitions of one topic, where it is there, or of all. KafkaException, also for one that this user
        may not see."""

    def poll(self, timeout: float) -> object:
        """Hear what is wrong with its connections; of a client that has nothing assigned."""


class Client(Lists, Protocol):
    """All of these raise KafkaException. Errors of the client as a whole go to a function it was made with."""

    def look_up(self, sources: Sequence[KafkaSource], time: int, timeout: float) -> list[Found]:
        """The first offsets at or after a time, in ms since the epoch; -1 and -2 for the end and the start."""

    def assign(self, places: list[Place]) -> None:
        """Fetch these partitions from these offsets, and no others."""

    def pause(self, place: Place) -> None:
        """Fetch nothing more of a partition."""

    def resume(self, places: list[Place]) -> None:
        """Fetch them again."""

    def seek(self, place: Place) -> None:
        """Go on at another offset."""

    def receive(self, timeout: float) -> Received:
        """What has come, or the first that comes within `timeout`."""

    def close(self) -> None:
        """Stop fetching."""

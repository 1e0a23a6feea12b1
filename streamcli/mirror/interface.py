"""What a mirror asks of the place it reads and of the place it writes; each may be a log directory or an Apache Kafka cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple, Protocol

from streamcli.engine.consume import SourceBatch
from streamcli.record.errors import CorruptData
from streamcli.storage.config import TopicConfig

Place = tuple[str, int]
"""A topic and a partition of it: the same in the source and in the target."""


class Unreachable(Exception):
    """The other side does not answer, or has no room: another try may succeed. str: why, in words."""


class Span(NamedTuple):
    """The offsets that a partition has: start <= offset < end."""

    start: int
    end: int


class Progress(NamedTuple):
    """How far a partition is mirrored. offset: in the source, the one at which to go on; time: that of the last record that was
    mirrored (ms), None where it is not known."""

    offset: int
    time: int | None


class Wanted(NamedTuple):
    """What is read, and for whom. patterns: topics and globs; mirror: its name; follow: what comes later too; hold: whether
    retention is to wait for the mirror where it does not yet; on_damage: gets damage that is met, and raises, or returns to go
    past it; on_lost: told of records that were removed before they were read, as place, first and next offset."""

    patterns: list[str]
    mirror: str
    follow: bool
    hold: bool
    on_damage: Callable[[CorruptData], None]
    on_lost: Callable[[Place, int, int], None]


class Source(Protocol):
    """Where records are read. What it raises is an error of ours, or Unreachable."""

    @property
    def where(self) -> str:
        """The directory or the URL, for a person to read."""

    def topics(self) -> list[str]:
        """The topics that are to be mirrored, as far as they are there now. NotFound for one that was named and is not."""

    def config(self, topic: str) -> TopicConfig:
        """Its partitions and settings."""

    def spans(self, topic: str) -> dict[int, Span]:
        """By partition, the offsets that are there; the end is the one at which a read that is not to follow stops."""

    def open(self, positions: Mapping[Place, int]) -> None:
        """Read these partitions too, each from its offset on."""

    def batches(self) -> Iterator[SourceBatch]:
        """What is there now of the opened partitions, each in its order."""

    def make_durable(self, positions: Mapping[Place, int]) -> None:
        """Return once what lies before these offsets cannot be taken back: not by a power cut either."""

    def mirrored(self, positions: Mapping[Place, int]) -> None:
        """What lies before these offsets is in the target for good, and is held no longer."""

    def release(self, topic: str) -> int:
        """Hold nothing of this topic any more: of how many partitions something was held."""

    def first_record(self, place: Place, offset: int) -> tuple[int, int] | None:
        """Offset and time (ms) of the first record at this offset or after it; None where there is none."""

    def held_from(self, place: Place) -> int | None:
        """The offset from which on retention waits for the mirror; None where it does not."""

    def wait(self, timeout: float | None, wakeup: int) -> bool:
        """Sleep until there may be more, until the descriptor `wakeup` can be read, or for `timeout` seconds; whether there may
        be topics or partitions that were not there before."""

    def close(self) -> None:
        """Forget what was opened."""


class Target(Protocol):
    """Where records are written. What it raises is an error of ours, or Unreachable: then `connect` again.

    is_atomic: of what was written and not committed nothing is there, also after a failure; else each batch is.
    """

    is_atomic: bool

    @property
    def where(self) -> str:
        """The directory or the URL, for a person to read."""

    def connect(self) -> None:
        """Begin, or begin anew: what was written and not committed is forgotten, and no other mirror of this name goes on."""

    def prepare(self, topic: str, config: TopicConfig) -> None:
        """Make the topic where it is missing, and give it as many partitions as `config` has where it has fewer."""

    def progress(self, places: Iterable[Place]) -> dict[Place, Progress]:
        """That of those places in which anything was mirrored."""

    def write(self, taken: SourceBatch) -> int:
        """Take a batch; it is there for good after `commit`. How many bytes it has, about."""

    def is_full(self) -> bool:
        """Whether so much was written that it is to be committed before more is."""

    def due_in(self) -> float | None:
        """Seconds until what was written is to be committed though nothing more comes; None where nothing was."""

    def commit(self) -> None:
        """Return once all that was written is there for good, with the progress."""

    def keep_progress(self, places: Iterable[Place]) -> None:
        """Have the progress of these places stay, where it would be forgotten with time. Nothing may be written and not committed."""

    def close(self) -> None:
        """Give up what is not committed."""

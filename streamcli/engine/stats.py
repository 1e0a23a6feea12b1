"""How much there is, and how fast it comes and goes: topics, partitions and groups, at a cost that does not grow with the logs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from streamcli.engine.activity import Extent, sum_known

if TYPE_CHECKING:
    from streamcli.engine.group_admin import PartitionState

MINUTE, HOUR = 60_000, 3_600_000
"""Windows in which what was appended is counted, ms."""


class Summary(Extent, Protocol):
    """What a partition holds. segments: None where only brokers know; first and last timestamp: ms, None when empty."""

    @property
    def segments(self) -> int | None: ...

    @property
    def first_timestamp(self) -> int | None: ...

    @property
    def last_timestamp(self) -> int | None: ...


class Appended(NamedTuple):
    """What came in a window of time: `size` in bytes, of whole batches, None where only brokers know. At most that many records,
    where not all offsets have one."""

    records: int
    size: int | None


class TopicStats(NamedTuple):
    """is_exact: False where offsets may have no record, as after compaction, so that as many as there are offsets are there at most."""

    topic: str
    is_exact: bool
    partitions: Sequence[Summary]

    def total(self) -> Totals:
        return total([self])


class GroupStats(NamedTuple):
    """members: how many live; states and lags: of each partition, a lag from the log start where nothing is committed."""

    group: str
    members: int
    states: list[PartitionState]
    lags: list[int]

    @property
    def lag(self) -> int:
        return sum(self.lags)

    @property
    def rate(self) -> float | None:
        """Records a second by the commits of the last minute, over all partitions; None when not known of any."""
        rates = [state.rate for state in self.states if state.rate is not None]
        return sum(rates) if rates else None


class Totals(NamedTuple):
    """size in bytes, segments: None where only brokers know; first and last timestamp: ms, None without records."""

    partitions: int
    records: int
    is_exact: bool
    size: int | None
    segments: int | None
    first_timestamp: int | None
    last_timestamp: int | None


class Stock(Protocol):
    """What there is of some topics, and how far groups are in these. CorruptData, OSError and the like are of what was asked for
    alone: all else can be told."""

    def topic(self, topic: str) -> TopicStats:
        """What there is of one. NotFound when there is no such topic."""

    def appended(self, topic: TopicStats, since: int) -> Appended:
        """What came to it, from the first record with time `since` (ms) or later on; by the records' times, so those that came with
        a time of their own are counted by it."""

    def groups(self) -> list[str]:
        """The names of all groups, sorted."""

    def group(self, name: str, topics: set[str], now_ms: int) -> GroupStats:
        """A group, as far as it consumes these topics. NotFound when there is no such group."""


def total(topics: Iterable[TopicStats]) -> Totals:
    """All of the topics together."""
    topics = list(topics)
    summaries = [summary for topic in topics for summary in topic.partitions]
    return Totals(
        partitions=len(summaries),
        records=sum(summary.end - summary.start for summary in summaries),
        is_exact=all(topic.is_exact for topic in topics),
        size=sum_known([summary.size for summary in summaries]),
        segments=sum_known([summary.segments for summary in summaries]),
        first_timestamp=min((s.first_timestamp for s in summaries if s.first_timestamp is not None), default=None),
        last_timestamp=max((s.last_timestamp for s in summaries if s.last_timestamp is not None), default=None),
    )

"""How much there is, and how fast it comes and goes: topics, partitions and groups, at a cost that does not grow with the logs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from streamcli.engine import group_admin
from streamcli.engine.group_admin import PartitionState
from streamcli.storage.directory import LogDirectory
from streamcli.storage.log import Log, LogSummary

MINUTE, HOUR = 60_000, 3_600_000
"""Windows in which what was appended is counted, ms."""


class Appended(NamedTuple):
    """What came in a window of time: `size` in bytes, of whole batches. At most that many records, where it was compacted."""

    records: int
    size: int


class TopicStats(NamedTuple):
    """is_exact: False where compaction may have removed records, so that as many as there are offsets are there at most."""

    topic: str
    is_exact: bool
    partitions: list[LogSummary]

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
    """size in bytes; first and last timestamp: ms, None without records."""

    partitions: int
    records: int
    is_exact: bool
    size: int
    segments: int
    first_timestamp: int | None
    last_timestamp: int | None


def topic_stats(directory: LogDirectory, topic: str) -> TopicStats:
    """What there is of a topic; NotFound when there is no such topic."""
    config = directory.config(topic)
    summaries = [Log(directory.partition_path(topic, number)).summary() for number in range(config.partitions)]
    return TopicStats(topic, not config.compacts, summaries)


def total(topics: Iterable[TopicStats]) -> Totals:
    """All of the topics together."""
    topics = list(topics)
    summaries = [summary for topic in topics for summary in topic.partitions]
    return Totals(
        partitions=len(summaries),
        records=sum(summary.end - summary.start for summary in summaries),
        is_exact=all(topic.is_exact for topic in topics),
        size=sum(summary.size for summary in summaries),
        segments=sum(summary.segments for summary in summaries),
        first_timestamp=min((s.first_timestamp for s in summaries if s.first_timestamp is not None), default=None),
        last_timestamp=max((s.last_timestamp for s in summaries if s.last_timestamp is not None), default=None),
    )


def appended(directory: LogDirectory, topic: TopicStats, since: int) -> Appended:
    """What was appended to a topic from the first record with time `since` (ms) or later on, found through the indexes.

    The time is that of the records: those that came with a time of their own are counted by it.
    """
    found = Appended(0, 0)
    for number, summary in enumerate(topic.partitions):
        if summary.last_timestamp is not None and summary.last_timestamp >= since:
            log = Log(directory.partition_path(topic.topic, number))
            end = log.end()
            offset = log.offset_at(since, end)
            found = Appended(found.records + end.offset - offset, found.size + log.size_from(offset, end))
    return found


def group_stats(directory: LogDirectory, group: str, topics: set[str], now_ms: int) -> GroupStats:
    """A group, as far as it consumes these topics. NotFound when there is no such group, CorruptData when it is damaged."""
    opened = group_admin.open_group(directory, group)
    states = [state for state in group_admin.describe_group(directory, opened, now_ms) if state.topic in topics]
    lags = [group_admin.records_left(directory, state) for state in states]
    return GroupStats(group, len(opened.living_members()), states, lags)

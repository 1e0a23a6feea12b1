"""How much there is in a log directory: see engine.stats."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from streamcli.engine import group_admin
from streamcli.engine.stats import Appended, GroupStats, TopicStats
from streamcli.record.errors import StreamcliError
from streamcli.storage.directory import LogDirectory
from streamcli.storage.log import Log


class DirectoryStock:
    """See engine.stats.Stock. Looked at when asked: nothing is read before."""

    def __init__(self, directory: LogDirectory) -> None:
        self._directory = directory

    def topic(self, topic: str) -> TopicStats:
        config = self._directory.config(topic)
        summaries = [
            Log(self._directory.partition_path(topic, number)).summary() for number in range(config.partitions)
        ]
        return TopicStats(topic, not config.compacts, summaries)

    def appended(self, topic: TopicStats, since: int) -> Appended:
        """Found through the indexes."""
        records = size = 0
        for number, summary in enumerate(topic.partitions):
            if summary.last_timestamp is not None and summary.last_timestamp >= since:
                log = Log(self._directory.partition_path(topic.topic, number))
                end = log.end()
                offset = log.offset_at(since, end)
                records += end.offset - offset
                size += log.size_from(offset, end)
        return Appended(records, size)

    def groups(self) -> list[str]:
        return group_admin.group_names(self._directory)

    def group(self, name: str, topics: set[str], now_ms: int) -> GroupStats:
        opened = group_admin.open_group(self._directory, name)
        states = [
            state for state in group_admin.describe_group(self._directory, opened, now_ms) if state.topic in topics
        ]
        lags = [group_admin.records_left(self._directory, state) for state in states]
        return GroupStats(name, len(opened.living_members()), states, lags)


def log_size(directory: LogDirectory, topics: Iterable[str]) -> int:
    """Bytes of the segments of topics; of those that cannot be read, none."""
    stock, size = DirectoryStock(directory), 0
    for topic in topics:
        with suppress(StreamcliError, OSError):
            size += stock.topic(topic).total().size or 0
    return size

"""Checking a log directory: topics, their configs and partitions, and what groups have committed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import NamedTuple

from streamcli.engine import group_admin
from streamcli.groups.assignment import TopicPartition
from streamcli.groups.journal import DamagedCommits
from streamcli.record.errors import NotFound, StreamcliError
from streamcli.storage.directory import LogDirectory
from streamcli.storage.log import Log
from streamcli.storage.verify import LOG, PartitionCheck, Problem

CONFIG, COMMITS, UNREADABLE = "config", "commits", "unreadable"


class Finding(NamedTuple):
    """A problem and whose it is: a partition's, a topic's (partition None) or a group's. part of the problem: as in
    storage.verify, CONFIG, COMMITS, or UNREADABLE for what could not be looked at."""

    topic: str | None
    partition: int | None
    group: str | None
    problem: Problem

    def place(self) -> str:
        """Whose it is, in words."""
        whose = [] if self.group is None else [f"group {self.group}"]
        if self.topic is not None:
            whose.append(self.topic if self.partition is None else f"{self.topic}, partition {self.partition}")
        return ": ".join(whose)


class Verification:
    """One pass over the topics named, or over all topics and groups. Iterate over `findings`; the counts are of what
    was right; `lost`: records that repair gave up earlier; `unread`: as in PartitionCheck. on_read: told how many bytes were
    read, of each batch."""

    def __init__(
        self, directory: LogDirectory, topics: list[str] | None, *, on_read: Callable[[int], None] = lambda _: None
    ) -> None:
        self._directory = directory
        self._chosen = topics
        self._on_read = on_read
        self.topics = self.partitions = self.groups = 0
        self.records = self.batches = self.size = self.lost = 0
        self.unread: dict[str, int] = {}

    def findings(self) -> Iterator[Finding]:
        commits, findings = self._read_commits()
        yield from findings
        unconfigured = self._directory.unconfigured_topics()
        for topic in sorted({*self._directory.topics(), *unconfigured}):
            if self._chosen is None or topic in self._chosen:
                self.topics += 1
                yield from self._check_topic(topic)
        for group, committed in commits.items():
            yield from self._check_commits(group, committed)

    def _check_topic(self, topic: str) -> Iterator[Finding]:
        try:
            count = self._directory.config(topic).partitions
        except StreamcliError as error:
            path = self._directory.config_path(topic)
            reason = "the topic has partitions and no config" if isinstance(error, NotFound) else str(error)
            yield Finding(topic, None, None, Problem(CONFIG, reason, path))
            count = self._directory.partitions_without_config(topic)
        except OSError as error:
            yield Finding(topic, None, None, Problem(UNREADABLE, _reason(error), self._directory.config_path(topic)))
            count = self._directory.partitions_without_config(topic)
        else:
            beyond = self._partitions_beyond(topic, count)
            if beyond:
                reason = f"the config says {count} partitions, and there is a directory of partition {beyond[-1]}"
                yield Finding(topic, None, None, Problem(CONFIG, reason, self._directory.config_path(topic)))
        there = self._directory.partition_numbers(
            topic
        )  # after the config, which names no partition before it is there
        for number in range(count):
            self.partitions += 1
            try:
                yield from self._check_partition(topic, number, is_there=number in there)
            except (StreamcliError, OSError) as error:  # a link in its place, no permission, a failing disk
                path = getattr(error, "filename", None) or os.path.join(self._directory.topics_directory(), topic)
                yield Finding(topic, number, None, Problem(UNREADABLE, _reason(error), path))

    def _partitions_beyond(self, topic: str, count: int) -> list[int]:
        """The partitions from `count` on that hold something, ascending. Empty ones are being made, or were when their process
        died: the next that alters the topic takes them."""
        found = [number for number in self._directory.partition_numbers(topic) if number >= count]
        held = [number for number in found if self._holds_something(topic, number)]
        try:
            count = (
                self._directory.config(topic).partitions if held else count
            )  # they may have become the topic's meanwhile
        except NotFound:
            return []
        return [number for number in held if number >= count]

    def _holds_something(self, topic: str, number: int) -> bool:
        try:
            end = Log(self._directory.partition_path(topic, number)).end()
        except (StreamcliError, OSError):
            return True
        return (end.offset, end.position) != (0, 0)

    def _check_partition(self, topic: str, number: int, *, is_there: bool) -> Iterator[Finding]:
        path = self._directory.partition_path(topic, number)
        if not is_there:
            yield Finding(topic, number, None, Problem(LOG, "the partition's directory is gone", path))
            return
        check = PartitionCheck(path, self._on_read)
        for problem in check.problems():
            yield Finding(topic, number, None, problem)
        self.records += check.records
        self.batches += check.batches
        self.size += check.size
        self.lost += check.lost
        for why, batches in check.unread.items():
            self.unread[why] = self.unread.get(why, 0) + batches

    def _read_commits(self) -> tuple[dict[str, dict[TopicPartition, int]], list[Finding]]:
        """What each group has committed, before the ends of the logs are looked at: so it cannot lie behind them."""
        commits: dict[str, dict[TopicPartition, int]] = {}
        findings = []
        for name in group_admin.group_names(self._directory):
            try:
                journal = group_admin.open_group(self._directory, name).journal
                commits[name] = journal.committed()
            except NotFound:
                continue
            except DamagedCommits as error:
                if self._chosen is not None:
                    continue
                findings.append(Finding(None, None, name, Problem(COMMITS, str(error), error.path)))
            except OSError as error:
                if self._chosen is not None:
                    continue
                path = group_admin.open_group(self._directory, name).journal.path
                findings.append(Finding(None, None, name, Problem(UNREADABLE, _reason(error), path)))
            self.groups += 1
        return commits, findings

    def _check_commits(self, group: str, committed: dict[TopicPartition, int]) -> Iterator[Finding]:
        """Each committed offset lies within its log. Of topics that were deleted nothing can be said."""
        there = set(self._directory.topics())
        for (topic, partition), offset in sorted(committed.items()):
            if topic not in there or (self._chosen is not None and topic not in self._chosen):
                continue
            path = group_admin.open_group(self._directory, group).journal.path
            end = self._end(topic, partition)
            if end is None or offset <= end:
                continue
            reason = (
                f"the committed offset {offset} is after the end of the log, {end}: `streamcli repair` marks the offsets between "
                f"as lost, `streamcli groups reset {group} {topic} --to end` goes back"
            )
            yield Finding(topic, partition, group, Problem(COMMITS, reason, path, first=end, next_offset=offset))

    def _end(self, topic: str, partition: int) -> int | None:
        """The log end offset; None where that is a problem of the partition's, or there is no such partition."""
        try:
            return Log(self._directory.partition_directory(topic, partition)).end().offset
        except (StreamcliError, OSError):
            return None


def _reason(error: StreamcliError | OSError) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)


def greatest_commits(directory: LogDirectory) -> dict[TopicPartition, int]:
    """The greatest offset that any group whose commits can be read has committed of each partition."""
    greatest: dict[TopicPartition, int] = {}
    for name in group_admin.group_names(directory):
        try:
            committed = group_admin.open_group(directory, name).journal.committed()
        except (StreamcliError, OSError):
            continue
        for place, offset in committed.items():
            greatest[place] = max(offset, greatest.get(place, 0))
    return greatest

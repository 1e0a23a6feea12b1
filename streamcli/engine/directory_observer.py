"""Looking at a log directory again and again: see engine.activity.

A look at what has not changed costs two stats a partition, so it may be taken every second or two.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from streamcli.engine import group_admin
from streamcli.engine.activity import GroupState, Look
from streamcli.engine.consume import matching_topics
from streamcli.groups.assignment import TopicPartition
from streamcli.groups.journal import COMMIT, Commit, newest
from streamcli.groups.member import GroupDirectory
from streamcli.record.errors import StreamcliError
from streamcli.storage.directory import LogDirectory
from streamcli.storage.glance import Glances, LogState
from streamcli.storage.log import Log

MINUTE = 60_000
"""ms."""


class DirectoryObserver:
    """See engine.activity.Observer."""

    def __init__(self, directory: LogDirectory, patterns: list[str]) -> None:
        self._directory = directory
        self._patterns = patterns
        self._glances: dict[TopicPartition, Glances] = {}
        self._states: dict[TopicPartition, LogState] = {}
        self._journals: dict[str, tuple[tuple[int, int, int], frozenset[str], dict[TopicPartition, int]]] = {}

    def look(self, now: float) -> Look:
        look = Look(now)
        self._states = {}
        there = set(self._directory.topics())
        chosen = matching_topics(self._directory, self._patterns, wait=True) if self._patterns else sorted(there)
        for topic in chosen:
            try:
                self._look_at_topic(look, topic)
            except (StreamcliError, OSError) as error:
                if topic in there:
                    look.left_out[topic] = error.with_traceback(None)
                elif topic in self._patterns:
                    raise
        self._glances = {place: glances for place, glances in self._glances.items() if place in look.logs}
        for group in group_admin.group_names(self._directory):
            try:
                self._look_at_group(look, group)
            except (StreamcliError, OSError) as error:
                look.left_out[f"group {group}"] = error.with_traceback(None)
        return look

    def look_twice(self, clock: Callable[[], int], pause: float) -> tuple[Look, Look]:  # noqa: ARG002  # times are kept
        matching_topics(self._directory, self._patterns)  # says which has none
        look = self.look(time.monotonic())
        return self._minute_before(look, clock()), look

    def _minute_before(self, look: Look, now_ms: int) -> Look:
        """The same as it was a minute ago: by the times of records, found through the indexes, and of commits."""
        since = now_ms - MINUTE
        before = Look(look.time - MINUTE / 1000)
        for place, state in self._states.items():
            before.logs[place] = state
            if state.last_timestamp >= since:
                log = Log(self._directory.partition_path(*place))
                end = log.end()
                offset = log.offset_at(since, end)
                written = state.written - log.size_from(offset, end)
                before.logs[place] = state._replace(end=min(offset, state.end), written=written)
        for name, group in look.groups.items():
            commits = GroupDirectory(self._directory, name).journal.read()
            earlier = _offsets_at(since, commits)
            before.groups[name] = group._replace(committed=group.committed | earlier)
        return before

    def _look_at_topic(self, look: Look, topic: str) -> None:
        for number in range(self._directory.config(topic).partitions):
            place = (topic, number)
            glances = self._glances.get(place)
            if glances is None:
                glances = self._glances[place] = Glances(self._directory.partition_path(topic, number))
            look.logs[place] = self._states[place] = glances.look()

    def _look_at_group(self, look: Look, name: str) -> None:
        group = GroupDirectory(self._directory, name)
        topics, committed = self._committed(group)
        members = group.living_members()
        patterns = {pattern for member in members.values() for pattern in member.topics}
        consumed = topics.union(matching_topics(self._directory, sorted(patterns), wait=True))
        offsets = {place: state.start for place, state in look.logs.items() if place[0] in consumed}
        offsets |= {place: offset for place, offset in committed.items() if place in look.logs}
        if offsets or not self._patterns:
            look.groups[name] = GroupState(len(members), offsets)

    def _committed(self, group: GroupDirectory) -> tuple[frozenset[str], dict[TopicPartition, int]]:
        """The topics in the journal, and the committed offsets, read again only where it changed."""
        path = group.journal.path
        try:
            status = os.stat(path)
        except FileNotFoundError:
            raise group.journal.gone() from None
        stamp = (status.st_ino, status.st_mtime_ns, status.st_size)
        known = self._journals.get(group.name)
        if known is None or known[0] != stamp:
            commits = group.journal.read()
            known = self._journals[group.name] = (
                stamp,
                frozenset(commit.topic for commit in commits),
                newest(commits),
            )
        return known[1:]


def _offsets_at(since: int, commits: list[Commit]) -> dict[TopicPartition, int]:
    """The committed offsets at that time, or from which on commits count: where a person moved one, or the first there is."""
    offsets: dict[TopicPartition, int] = {}
    for commit in commits:
        if commit.offset is not None and (commit.time < since or commit.kind != COMMIT or commit.place not in offsets):
            offsets[commit.place] = commit.offset
    return offsets

"""Looking at a cluster again and again: see engine.activity.

What is there now, a cluster tells; not what it was earlier, nor how many bytes. Offsets are asked for in two requests for each
broker, whatever the count of partitions.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase
from typing import NamedTuple

from streamcli.engine.activity import GroupState, Look
from streamcli.engine.consume import is_glob
from streamcli.groups.assignment import TopicPartition
from streamcli.kafka.admin import Admin
from streamcli.kafka.client import Found
from streamcli.kafka.connection import Connection, refused_part
from streamcli.kafka.direct import DirectClient
from streamcli.kafka.fetch import reading_settings
from streamcli.kafka.listed import Listed, ListedGroup, list_groups, list_topics
from streamcli.kafka.messages import KafkaSource
from streamcli.kafka.offsets import EARLIEST, LATEST, look_up
from streamcli.kafka.topics import is_own
from streamcli.record.errors import NotFound, StreamcliError, did_you_mean
from streamcli.storage.layout import check_topic_name


class PartitionEnds(NamedTuple):
    """start, end: offsets, end excluded: where a consumer's is. Of the rest brokers say nothing."""

    start: int
    end: int
    size: None = None
    written: None = None


class KafkaObserver:
    """See engine.activity.Observer. A look waits `connection.timeout` seconds for each answer at most: StreamcliError then."""

    def __init__(self, connection: Connection, admin: Admin, patterns: list[str]) -> None:
        self._connection = connection
        self._admin = admin
        self._patterns = [pattern if is_glob(pattern) else check_topic_name(pattern) for pattern in patterns]
        self._client: DirectClient | None = None

    def look(self, now: float) -> Look:
        ahead = now - time.monotonic()
        there = list_topics(self._connection, self._admin)
        return self._look(there, self._chosen(there), ahead)

    def look_twice(self, clock: Callable[[], int], pause: float) -> tuple[Look, Look]:  # noqa: ARG002  # no times are kept
        there = list_topics(self._connection, self._admin)
        chosen = self._chosen(there)
        for pattern in self._patterns:
            if is_glob(pattern) and not any(fnmatchcase(topic, pattern) for topic in chosen):
                raise NotFound(f"no topic matches {pattern!r} (in {self._connection.url}): see `streamcli topics list`")
        before = self._look(there, chosen)
        time.sleep(pause)
        return before, self.look(time.monotonic())

    def _chosen(self, there: Listed) -> list[str]:
        """The topics to look at; NotFound for one that was named and is not there."""
        shown = [topic for topic in there if not is_own(topic)]
        for pattern in self._patterns:
            if not is_glob(pattern) and pattern not in there:
                remedy = did_you_mean(pattern, shown, "see `streamcli topics list`")
                raise NotFound(f"no such topic: {pattern} (in {self._connection.url}): {remedy}")
        matched = (topic for topic in shown if any(fnmatchcase(topic, pattern) for pattern in self._patterns))
        return sorted({*matched, *there.keys() & set(self._patterns)}) if self._patterns else shown

    def _look(self, there: Listed, chosen: list[str], ahead: float = 0.0) -> Look:
        """Its times are those of the answers, which may have been waited for. ahead: seconds by which they are more than the clock's
        here."""
        look = Look(time.monotonic() + ahead)
        places: list[TopicPartition] = []
        for topic in chosen:
            partitions = there[topic]
            if isinstance(partitions, StreamcliError):
                look.left_out[topic] = partitions
            else:
                places += [(topic, number) for number in partitions]
        starts, ends = self._offsets(look, places, EARLIEST), self._offsets(look, places, LATEST)
        look.time = time.monotonic() + ahead
        asked = {topic for topic, _ in places} - look.left_out.keys()
        look.logs = {
            place: PartitionEnds(starts[place], ends[place])
            for place in places
            if place[0] in asked and place in starts and place in ends
        }
        self._look_at_groups(look)
        look.groups_time = time.monotonic() + ahead
        return look

    def _offsets(self, look: Look, places: Iterable[TopicPartition], of: int) -> dict[TopicPartition, int]:
        """Not those of a topic that was deleted meanwhile, or about which the cluster says nothing: that is left out."""
        sources = [KafkaSource(*place) for place in places]
        found: dict[TopicPartition, int] = {}
        for answer in look_up(self._connection, sources, lambda asked, seconds: self._look_up(asked, of, seconds)):
            if answer.error is None:
                found[answer.source] = answer.offset
                continue
            topic = answer.source.topic
            refused = refused_part(answer.error, self._connection, f"ask for the offsets of {topic}")
            if refused is not None:
                look.left_out[topic] = refused
        return found

    def _look_up(self, sources: list[KafkaSource], of: int, timeout: float) -> list[Found]:
        """By a client without a group, which therefore asks for none. One that has got an error is not asked again: after a broker
        was away it goes on asking for the leader epochs of before, for minutes."""
        client, self._client = self._client, None
        if client is None:
            client = DirectClient(reading_settings(self._connection), self._connection.heard.take)
        answers = client.look_up(sources, of, timeout)
        if all(answer.error is None for answer in answers):
            self._client = client
        return answers

    def _look_at_groups(self, look: Look) -> None:
        starts: dict[str, dict[TopicPartition, int]] = {}
        for place, log in look.logs.items():
            starts.setdefault(place[0], {})[place] = log.start
        for name, group in list_groups(self._connection, self._admin).items():
            if isinstance(group, StreamcliError):
                look.left_out[f"group {name}"] = group
                continue
            offsets = _offsets_of(group, starts)
            if offsets or not self._patterns:
                look.groups[name] = GroupState(group.members, offsets)


def _offsets_of(group: ListedGroup, starts: dict[str, dict[TopicPartition, int]]) -> dict[TopicPartition, int]:
    """The committed offsets in all partitions of the topics that it consumes: the start where there is none."""
    offsets: dict[TopicPartition, int] = {}
    for topic in sorted(group.topics & starts.keys()):
        offsets |= {place: group.committed.get(place, start) for place, start in starts[topic].items()}
    return offsets

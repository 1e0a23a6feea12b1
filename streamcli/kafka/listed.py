"""All topics and all groups of a cluster at once, in requests that do not get more with partitions.

One request tells which topics there are, one for each broker which groups. Members and commits librdkafka asks for group by group,
each in up to three requests, for it looks for the coordinator first: of 54 groups they were 300.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from streamcli.groups.assignment import TopicPartition
from streamcli.kafka.admin import Admin, Questions, ask_for_commits, ask_for_groups
from streamcli.kafka.connection import Connection, load, refused_part, told
from streamcli.kafka.groups import KafkaGroups, assigned
from streamcli.kafka.topics import metadata
from streamcli.record.errors import StreamcliError

Listed = dict[str, Sequence[int] | StreamcliError]
"""Topic -> its partitions; in their place why these cannot all be asked."""


class ListedGroup(NamedTuple):
    """members: how many are alive; owners: of partitions, by a member's id."""

    members: int
    owners: dict[TopicPartition, str]
    committed: dict[TopicPartition, int]

    @property
    def topics(self) -> set[str]:
        """What it has committed, or is consuming now."""
        return {topic for topic, _ in self.committed.keys() | self.owners.keys()}


def list_topics(connection: Connection, admin: Admin) -> Listed:
    """All of them, the cluster's own too."""
    found = metadata(connection, admin)
    return {name: _partitions(topic) for name, topic in sorted(found.topics.items()) if topic.error is None}


def _partitions(topic: Any) -> Sequence[int] | StreamcliError:
    unled = sorted(number for number, partition in topic.partitions.items() if partition.leader < 0)
    if unled:
        return StreamcliError(f"no broker leads partition {unled[0]}: see `streamcli topics describe {topic.topic}`")
    return sorted(topic.partitions)


def list_groups(connection: Connection, admin: Admin) -> dict[str, ListedGroup | StreamcliError]:
    """All of them, by name; in place of one why it cannot be told. ClusterError when there is no answer."""
    names = KafkaGroups(connection, admin).names()
    if not names:
        return {}
    with told(connection, "describe the groups"):
        described = ask_for_groups(admin, names)
    groups = {name: _answer(connection, described, name) for name in names}
    # Not sooner: where a group's coordinator has moved, these answers have found the new one. librdkafka 2.16 crashes when the old one
    # refuses to give an AdminClient committed offsets.
    with told(connection, "describe the groups"):
        committed = ask_for_commits(admin, names)
    found = {name: _listed(group, _answer(connection, committed, name)) for name, group in groups.items()}
    return {name: group for name, group in found.items() if group is not None}


def _answer(connection: Connection, asked: Questions[str], name: str) -> Any:
    """What was answered about a group; why there is no answer as a StreamcliError, None where the group is gone."""
    doing = f"describe group {name}"
    try:
        return asked.answer(name, doing)
    except load().KafkaException as error:
        return refused_part(error.args[0], connection, doing)


def _listed(group: Any, committed: Any) -> ListedGroup | StreamcliError | None:
    """One of them, of its two answers; None when it was deleted meanwhile."""
    if group is None or isinstance(group, StreamcliError):
        return group
    if committed is None or isinstance(committed, StreamcliError):
        return committed
    offsets = {(one.topic, one.partition): one.offset for one in committed.topic_partitions if one.offset >= 0}
    if not offsets and not group.members and group.state == load().ConsumerGroupState.DEAD:
        return None
    owners = {place: member.member_id for member in group.members for place in assigned(member)}
    return ListedGroup(len(group.members), owners, offsets)

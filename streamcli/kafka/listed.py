"""All topics and all groups of a cluster at once, in requests that do not get more with partitions.

One request tells which topics there are, one for each broker which groups. Members and commits librdkafka asks for group by group,
each in up to three requests, for it looks for the coordinator first: of 54 groups they were 300.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from streamcli.groups.assignment import TopicPartition
from streamcli.kafka.connection import Connection, awaited, load, refused_part, told
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


def list_topics(connection: Connection, admin: Any) -> Listed:
    """All of them, the cluster's own too."""
    found = metadata(connection, admin)
    return {name: _partitions(topic) for name, topic in sorted(found.topics.items()) if topic.error is None}


def _partitions(topic: Any) -> Sequence[int] | StreamcliError:
    unled = sorted(number for number, partition in topic.partitions.items() if partition.leader < 0)
    if unled:
        return StreamcliError(f"no broker leads partition {unled[0]}: see `streamcli topics describe {topic.topic}`")
    return sorted(topic.partitions)


def list_groups(connection: Connection, admin: Any) -> dict[str, ListedGroup | StreamcliError]:
    """All of them, by name; in place of one why it cannot be told. ClusterError when there is no answer."""
    from confluent_kafka import ConsumerGroupTopicPartitions

    names, patience = KafkaGroups(connection, admin).names(), connection.timeout
    if not names:
        return {}
    with told(connection, "describe the groups"):
        described = admin.describe_consumer_groups(names, request_timeout=patience)
        committed = {
            name: admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(name)], request_timeout=patience)
            for name in names
        }
    found = {name: _group(connection, admin, described[name], *committed[name].values(), name=name) for name in names}
    return {name: group for name, group in found.items() if group is not None}


def _group(
    connection: Connection, admin: Any, described: Any, committed: Any, *, name: str
) -> ListedGroup | StreamcliError | None:
    """One of them; None when it was deleted meanwhile."""
    kafka, doing = load(), f"describe group {name}"
    try:
        group = awaited(admin, connection, doing, described)
        places = awaited(admin, connection, doing, committed).topic_partitions
    except kafka.KafkaException as error:
        return refused_part(error.args[0], connection, doing)
    offsets = {(one.topic, one.partition): one.offset for one in places if one.offset >= 0}
    if not offsets and not group.members and group.state == kafka.ConsumerGroupState.DEAD:
        return None
    owners = {place: member.member_id for member in group.members for place in assigned(member)}
    return ListedGroup(len(group.members), owners, offsets)

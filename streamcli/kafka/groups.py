"""Looking at the groups of a cluster, and moving their committed offsets: see engine.interface.Groups."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from streamcli.engine.group_admin import Description, Move, PartitionState, Target, target_offset
from streamcli.groups.assignment import TopicPartition
from streamcli.kafka.admin import Admin, Questions, ask_for_commits, ask_for_groups, ask_for_offsets
from streamcli.kafka.connection import Connection, as_error, is_gone, load, told
from streamcli.kafka.consumer import Listing
from streamcli.kafka.offsets import first_partitions_there
from streamcli.kafka.passing import NOTHING_DONE
from streamcli.record.errors import Busy, NotFound, OffsetOutOfRange, did_you_mean
from streamcli.storage.layout import check_group_name

_LOOK_EVERY = 0.2
"""Seconds between two looks at a group that is waited for."""


class KafkaGroups:
    """See engine.interface. A rate is not known: the cluster keeps the newest commit only."""

    def __init__(self, connection: Connection, admin: Admin) -> None:
        self._connection = connection
        self._admin = admin

    def names(self) -> list[str]:
        doing = "list the groups"

        def ask(client: Any, _: list[str], timeout: float) -> dict[str, Any]:
            return {doing: client.list_consumer_groups(request_timeout=timeout)}

        with told(self._connection, doing):
            asked = Questions(self._admin, ask, [doing], error_in=lambda listed: next(iter(listed.errors), None))
            found = asked.answer(doing, doing)
        return sorted({group.group_id for group in found.valid})  # while one moves, two brokers may name it

    def describe(self, name: str) -> Description:
        found, committed = self._find(name)
        owners = {place: member.member_id for member in found.members for place in assigned(member)}
        there = self._partitions()
        topics = {topic for topic, _ in committed.keys() | owners.keys()}.intersection(there)
        places = [(topic, number) for topic in sorted(topics) for number in there[topic]]
        ends = self._ends_there(places)
        states = []
        for place, end in ends.items():
            offset = committed.get(place)
            lag = None if offset is None else end - offset
            states.append(PartitionState(*place, offset, end, lag, None, owners.get(place)))
        return Description(f"state {found.state.name.lower()}", self._named(found), states)

    def members(self, name: str) -> list[str]:
        return self._named(self._find(name)[0])

    def total_lag(self, name: str) -> int:
        states = self.describe(name).states
        fresh = {(state.topic, state.partition): state.end for state in states if state.lag is None}
        starts = self._look_up(fresh, _spec().earliest(), skip_gone=True)
        lags = [max(state.lag, 0) for state in states if state.lag is not None]
        return sum(lags) + sum(fresh[place] - start for place, start in starts.items())

    def reset(self, name: str, topics: list[str], target: Target, *, dry_run: bool) -> list[Move]:
        found, committed = self._find(name)
        chosen = topics or sorted({topic for topic, _ in committed})
        if not chosen:
            raise NotFound(f"group {name} has no commits: name the topics to reset")
        there = self._partitions()
        for topic in chosen:
            if topic not in there:
                remedy = did_you_mean(topic, there, "see `streamcli topics list`")
                raise NotFound(f"no such topic: {topic} (in {self._connection.url}): {remedy}")
        places = [(topic, number) for topic in chosen for number in there[topic]]
        targets = self._targets(places, committed, target)
        if not dry_run:
            self._refuse_while_alive(name, found, "reset")
            self._commit(name, targets, "reset")
        return [Move(place, committed.get(place), offset) for place, offset in sorted(targets.items())]

    def delete(self, names: list[str]) -> None:
        for name in names:
            self._refuse_while_alive(name, self._find(name)[0], "delete")

        def ask(client: Any, some: list[str], timeout: float) -> Any:
            return client.delete_consumer_groups(some, request_timeout=timeout)

        asked = Questions(self._admin, ask, names, NOTHING_DONE)
        for name in asked.parts:
            with self._refusals(name, "delete"):
                asked.answer(name, f"delete group {name}")

    def committed(self, name: str) -> dict[TopicPartition, int]:
        return self._find(name)[1]

    def check_partition(self, place: TopicPartition) -> None:
        numbers = self._partitions().get(place[0])
        if numbers is None:
            raise NotFound(f"no such topic: {place[0]} (in {self._connection.url}): see `streamcli topics list`")
        if place[1] not in numbers:
            raise NotFound(f"topic {place[0]} has no partition {place[1]}: see `streamcli topics describe {place[0]}`")

    def import_offsets(self, name: str, targets: Mapping[TopicPartition, int]) -> None:
        check_group_name(name)
        self._refuse_while_alive(name, self._description(name), "import")
        ends = self._ends(targets)
        for (topic, partition), offset in sorted(targets.items()):
            if offset > ends[topic, partition]:
                raise OffsetOutOfRange(
                    f"offset {offset} is out of range ({topic}, partition {partition} ends at {ends[topic, partition]}): "
                    "nothing was changed; import offsets up to there"
                )
        self._commit(name, targets, "import")

    def pause(self, name: str, seconds: float) -> None:
        self._find(name)
        time.sleep(min(seconds, _LOOK_EVERY))

    def strangers(self, _: str | None = None) -> list[str]:
        return []

    def _find(self, name: str) -> tuple[Any, dict[TopicPartition, int]]:
        """A group that is there, and its committed offsets; else NotFound."""
        check_group_name(name)
        found, committed = self._description(name), self._committed(name)
        if not committed and not found.members and name not in self.names():
            remedy = did_you_mean(name, self.names(), "see `streamcli groups list`")
            raise NotFound(f"no such group: {name} (in {self._connection.url}): {remedy}")
        return found, committed

    def _description(self, name: str) -> Any:
        doing = f"describe group {name}"
        with told(self._connection, doing):
            return ask_for_groups(self._admin, [name]).answer(name, doing)

    def _committed(self, name: str) -> dict[TopicPartition, int]:
        doing = f"ask for the committed offsets of {name}"
        with told(self._connection, doing):
            found = ask_for_commits(self._admin, [name]).answer(name, doing)
        return {(one.topic, one.partition): one.offset for one in found.topic_partitions if one.offset >= 0}

    def _commit(self, name: str, offsets: Mapping[TopicPartition, int], what: str) -> None:
        from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition

        asked = ConsumerGroupTopicPartitions(
            name, [TopicPartition(*place, offset) for place, offset in sorted(offsets.items())]
        )

        def ask(client: Any, _: list[str], timeout: float) -> dict[str, Any]:
            (future,) = client.alter_consumer_group_offsets([asked], request_timeout=timeout).values()
            return {name: future}

        def error_in(done: Any) -> Any:
            return next((one.error for one in done.topic_partitions if one.error is not None), None)

        with self._refusals(name, what):
            Questions(self._admin, ask, [name], NOTHING_DONE, error_in).answer(name, f"{what} group {name}")

    def _targets(
        self, places: list[TopicPartition], committed: Mapping[TopicPartition, int], target: Target
    ) -> dict[TopicPartition, int]:
        ends = self._ends(places)
        if target.kind == "time":
            found = self._look_up(places, _spec().for_timestamp(max(target.number, 0)))
            return {place: ends[place] if offset < 0 else offset for place, offset in found.items()}
        starts = self._starts(places)
        return {
            place: target_offset(place, committed.get(place), target, starts[place], ends[place]) for place in places
        }

    def _refuse_while_alive(self, name: str, found: Any, what: str) -> None:
        named = ", ".join(f"{member.member_id} (on {member.host.lstrip('/')})" for member in found.members)
        if named:
            raise Busy(f"group {name} has members alive: {named}: stop them before `groups {what}`")

    def _refusals(self, name: str, what: str) -> _Refusals:
        return _Refusals(self._connection, name, what)

    def _named(self, found: Any) -> list[str]:
        return sorted(member.member_id for member in found.members)

    def _partitions(self) -> dict[str, list[int]]:
        return first_partitions_there(Listing(self._admin.client), self._connection)

    def _starts(self, places: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        return self._look_up(places, _spec().earliest())

    def _ends(self, places: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        return self._look_up(places, _spec().latest())

    def _ends_there(self, places: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """The same, without those of topics that were deleted since they were listed."""
        return self._look_up(places, _spec().latest(), skip_gone=True)

    def _look_up(
        self, places: Iterable[TopicPartition], spec: Any, *, skip_gone: bool = False
    ) -> dict[TopicPartition, int]:
        doing, found = "ask for offsets", dict[TopicPartition, int]()
        with told(self._connection, doing):
            asked = ask_for_offsets(self._admin, dict.fromkeys(places, spec))
            for place in asked.parts:
                try:
                    found[place] = asked.answer(place, doing).offset
                except load().KafkaException as error:
                    if not skip_gone or not is_gone(error.args[0]):
                        raise
        return found


class _Refusals:
    """What the cluster refuses in the block, as errors of ours: a member may have come since we looked."""

    def __init__(self, connection: Connection, name: str, what: str) -> None:
        self._connection = connection
        self._name = name
        self._what = what

    def __enter__(self) -> None:
        return

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        kafka = load()
        if not isinstance(error, kafka.KafkaException):
            return
        code = error.args[0].code()
        if code in (kafka.KafkaError.NON_EMPTY_GROUP, kafka.KafkaError.UNKNOWN_MEMBER_ID):
            raise Busy(f"group {self._name} has members alive: stop them before `groups {self._what}`") from None
        raise as_error(error.args[0], self._connection, f"{self._what} group {self._name}") from None


def assigned(member: Any) -> list[TopicPartition]:
    """The partitions that a member has, as confluent-kafka describes it."""
    assignment = member.assignment
    return [(one.topic, one.partition) for one in assignment.topic_partitions] if assignment else []


def _spec() -> Any:
    """Which offset is asked for."""
    import confluent_kafka.admin

    admin: Any = confluent_kafka.admin
    return admin.OffsetSpec

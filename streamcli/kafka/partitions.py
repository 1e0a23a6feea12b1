"""What the partitions of a cluster's topic hold, and trimming them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from streamcli.engine.topic_state import PartitionState, Replication, Trimmed
from streamcli.kafka.topics import ClusterTopic, Topics
from streamcli.record.errors import OffsetOutOfRange, no_partition
from streamcli.record.range import BEGINNING, END, TIME, Bound


def partition_states(cluster: Topics, topic: ClusterTopic) -> list[PartitionState]:
    """Each partition; one that no broker leads is not asked about its offsets, for nobody could answer."""
    led = [each.id for each in topic.partitions if _leader(each) is not None]
    asked = ("earliest",), ("latest",), ("for_timestamp", 0), ("max_timestamp",)
    starts, ends, firsts, lasts = (cluster.offsets(topic.name, led, *words) for words in asked)
    return [
        PartitionState(
            number=each.id,
            start=starts[each.id].offset if each.id in starts else None,
            end=ends[each.id].offset if each.id in ends else None,
            size=None,
            segments=None,
            first_timestamp=time_of(firsts.get(each.id)),
            last_timestamp=time_of(lasts.get(each.id)),
            replication=Replication(_leader(each), [node.id for node in each.replicas], [node.id for node in each.isr]),
        )
        for each in topic.partitions
    ]


def _leader(partition: Any) -> int | None:
    leader = partition.leader
    return None if leader is None or leader.id < 0 else int(leader.id)


def time_of(answer: Any) -> int | None:
    """The time that an answer to an OffsetSpec has, in ms; None where there is no such record."""
    return None if answer is None or answer.offset < 0 or answer.timestamp < 0 else int(answer.timestamp)


def trim(cluster: Topics, topic: ClusterTopic, chosen: list[int], before: Bound) -> Iterator[Trimmed]:
    """See engine.interface. Partitions that start there already, or later, are left as they are."""
    there = [each.id for each in topic.partitions]
    for number in chosen:
        if number not in there:
            raise no_partition(topic.name, number, len(there))
    numbers = list(dict.fromkeys(chosen)) or there
    starts = {number: answer.offset for number, answer in cluster.offsets(topic.name, numbers, "earliest").items()}
    wanted = _offsets_before(cluster, topic.name, starts, before)
    targets = {number: offset for number, offset in wanted.items() if offset > starts[number]}
    for number, start in cluster.trim(topic.name, targets).items():
        yield Trimmed(topic.name, number, starts[number], start, None, None)


def _offsets_before(cluster: Topics, topic: str, starts: dict[int, int], before: Bound) -> dict[int, int]:
    """What a bound means in each partition: of a time, its first record that is not older. Never what nobody could read yet,
    in a transaction that is open."""
    if before.kind == BEGINNING:
        return starts
    ends = {
        number: answer.offset for number, answer in cluster.offsets(topic, starts, "latest", is_readable=True).items()
    }
    if before.kind == END:
        return ends
    if before.kind == TIME:
        found = cluster.offsets(topic, starts, "for_timestamp", max(before.number, 0), is_readable=True)
        return {number: ends[number] if answer.offset < 0 else answer.offset for number, answer in found.items()}
    for number, end in ends.items():
        if before.number > end:
            raise OffsetOutOfRange(
                f"offset {before.number} is after the end of {topic}, partition {number}, which is {end}: "
                "use --before end, or choose partitions with -p"
            )
    return dict.fromkeys(ends, before.number)

"""How far a mirror has come."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from streamcli.mirror.account import Account
from streamcli.mirror.interface import Place, Progress, Source


class PartitionStatus(NamedTuple):
    """Of one partition. start, end: offsets of the source, end excluded; mirrored: the offset before which all is mirrored, None
    where nothing is; lag: offsets from there, or from the start, to the end; waiting_since: time of the first record that is
    not mirrored, ms, None where all are; lost: records that were removed before they were mirrored; held: the offset from
    which on retention waits, None where it does not."""

    topic: str
    partition: int
    start: int
    end: int
    mirrored: int | None
    lag: int
    waiting_since: int | None
    lost: int
    held: int | None


def statuses(
    source: Source, progress: Callable[[Iterable[Place]], dict[Place, Progress]], account: Account
) -> Iterator[PartitionStatus]:
    """That of every partition. progress: what the target says, of those places where it says something."""
    for topic in source.topics():
        spans = source.spans(topic)
        known = progress([(topic, partition) for partition in spans])
        for partition, (start, end) in spans.items():
            place = (topic, partition)
            mirrored = known[place].offset if place in known else None
            accounted = max(mirrored or 0, account.accounted(place) or 0)
            next_offset = max(accounted, start)
            first = source.first_record(place, next_offset) if next_offset < end else None
            is_known = mirrored is not None or account.accounted(place) is not None
            lost = account.lost(place) + (max(0, start - accounted) if is_known else 0)
            lag = end - next_offset if first is not None else 0
            held = source.held_from(place)
            yield PartitionStatus(topic, partition, start, end, mirrored, lag, first and first[1], lost, held)

"""Which member consumes which partition: pure functions."""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable

TopicPartition = tuple[str, int]
Assignment = dict[str, list[TopicPartition]]
"""Member id -> its partitions, sorted."""


def assign(subscriptions: dict[str, set[str]], partitions: dict[str, int], previous: Assignment) -> Assignment:
    """Share the partitions of the subscribed topics evenly, moving as few as possible from where they were.

    subscriptions: member id -> its topics; partitions: topic -> how many. Members with the same topics get numbers of
    partitions that differ by one at most; a partition moves only for that. Deterministic.
    """
    owned: dict[str, list[TopicPartition]] = {member: [] for member in sorted(subscriptions)}
    unowned = {(topic, number) for topic, count in partitions.items() for number in range(count)}
    for member, places in owned.items():
        for place in sorted(previous.get(member, ())):
            if place in unowned and place[0] in subscriptions[member]:
                places.append(place)
                unowned.discard(place)
    takers = {topic: [member for member in owned if topic in subscriptions[member]] for topic in partitions}
    loads = {member: len(places) for member, places in owned.items()}
    for place in sorted(unowned):
        if takers[place[0]]:
            taker = min(takers[place[0]], key=loads.__getitem__)
            insort(owned[taker], place)
            loads[taker] += 1
    while (move := _next_move(owned, subscriptions)) is not None:
        giver, taker, place = move
        owned[giver].remove(place)
        insort(owned[taker], place)
    return owned


def _next_move(
    owned: dict[str, list[TopicPartition]], subscriptions: dict[str, set[str]]
) -> tuple[str, str, TopicPartition] | None:
    """(giver, taker, partition) for the greatest difference that a move makes smaller; None when it is even."""
    by_load = sorted(owned, key=lambda member: len(owned[member]))
    for taker in by_load:
        for giver in reversed(by_load):
            if len(owned[giver]) - len(owned[taker]) < 2:
                break
            for place in reversed(owned[giver]):
                if place[0] in subscriptions[taker]:
                    return giver, taker, place
    return None


def moved(
    before: Iterable[TopicPartition], after: Iterable[TopicPartition]
) -> tuple[set[TopicPartition], set[TopicPartition]]:
    """(lost, gained) from one assignment of a member to its next."""
    old, new = set(before), set(after)
    return old - new, new - old

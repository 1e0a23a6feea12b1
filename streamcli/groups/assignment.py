"""Which member consumes which partition: pure functions."""

from __future__ import annotations

from collections.abc import Iterable

TopicPartition = tuple[str, int]
Assignment = dict[str, list[TopicPartition]]
"""Member id -> its partitions, sorted."""


def assign(subscriptions: dict[str, set[str]], partitions: dict[str, int], previous: Assignment) -> Assignment:
    """Share the partitions of the subscribed topics evenly, moving as few as possible from where they were.

    subscriptions: member id -> its topics; partitions: topic -> how many. Members with the same topics get numbers of
    partitions that differ by one at most; a partition moves only for that. Deterministic.
    """
    owned: dict[str, set[TopicPartition]] = {member: set() for member in subscriptions}
    unowned = {(topic, number) for topic, count in partitions.items() for number in range(count)}
    for member in sorted(owned):
        for place in previous.get(member, ()):
            if place in unowned and place[0] in subscriptions[member]:
                owned[member].add(place)
                unowned.discard(place)
    for place in sorted(unowned):
        takers = [member for member in owned if place[0] in subscriptions[member]]
        if takers:
            owned[min(takers, key=lambda member: (len(owned[member]), member))].add(place)
    while (move := _next_move(owned, subscriptions)) is not None:
        giver, taker, place = move
        owned[giver].discard(place)
        owned[taker].add(place)
    return {member: sorted(places) for member, places in owned.items()}


def _next_move(
    owned: dict[str, set[TopicPartition]], subscriptions: dict[str, set[str]]
) -> tuple[str, str, TopicPartition] | None:
    """(giver, taker, partition) for the greatest difference that a move makes smaller; None when it is even."""
    by_load = sorted(owned, key=lambda member: (len(owned[member]), member))
    for taker in by_load:
        for giver in reversed(by_load):
            if len(owned[giver]) - len(owned[taker]) < 2:
                break
            movable = [place for place in owned[giver] if place[0] in subscriptions[taker]]
            if movable:
                return giver, taker, max(movable)
    return None


def moved(
    before: Iterable[TopicPartition], after: Iterable[TopicPartition]
) -> tuple[set[TopicPartition], set[TopicPartition]]:
    """(lost, gained) from one assignment of a member to its next."""
    old, new = set(before), set(after)
    return old - new, new - old

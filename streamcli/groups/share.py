"""A following member's share of the partitions: what the newest generation gives it, as far as it holds the leases."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from streamcli.groups.assignment import TopicPartition, moved
from streamcli.groups.lease import Lease, take_lease
from streamcli.groups.member import Generation, GroupDirectory, Membership


class Subscription(NamedTuple):
    """What names and globs mean in the directory now.

    matches: names and globs -> topics; partitions: topics -> how many each has.
    """

    matches: Callable[[list[str]], set[str]]
    partitions: Callable[[set[str]], dict[str, int]]


class Share:
    """Joins the group at once; `leave` when done. Between batches: `adopt` what has changed, give up what is `lost`, `gain`."""

    def __init__(self, group: GroupDirectory, topics: list[str], subscription: Subscription) -> None:
        self._group = group
        self._topics = topics
        self._subscription = subscription
        self._leases: dict[TopicPartition, Lease] = {}
        self._signature: tuple[int, int] | None = None
        self._generation = Generation(0, {})
        self._is_first = False
        self.membership = Membership(group, topics, is_assigned=True)
        self._rebalance()

    @property
    def member(self) -> str:
        return self.membership.member

    @property
    def waits_for_leases(self) -> bool:
        """Whether something that is assigned is still held by its last owner."""
        return bool(self._assigned() - set(self._leases))

    def has_changed(self) -> bool:
        """Whether there is a newer generation than the one adopted: to be asked between batches."""
        return self._group.generation_signature() != self._signature

    def adopt(self) -> None:
        """Go by the newest generation from now on."""
        self._signature = self._group.generation_signature()
        self._generation = self._group.generation()
        earlier = (member for member in sorted(self._generation.assignment) if member < self.member)
        self._is_first = not any(self._group.topics_of(member) == self._topics for member in earlier)

    def lost(self) -> set[TopicPartition]:
        """What is held and no longer assigned: finish with it, commit, then `give_up` each."""
        return moved(self._leases, self._assigned())[0]

    def give_up(self, place: TopicPartition) -> None:
        self._leases.pop(place).release()

    def gain(self) -> dict[TopicPartition, Lease]:
        """Take the leases of what is assigned and free by now; returns those taken."""
        gained = {}
        for place in sorted(moved(self._leases, self._assigned())[1]):
            lease = take_lease(self._group.path, place, self.member)
            if lease is not None:
                self._leases[place] = gained[place] = lease
        return gained

    def look_around(self) -> None:
        """Make a new generation if the next member died or, the part of the first with these names and globs, if their
        topics or partitions changed.

        Each member looks after the next in the order of their ids, so one death is one member's work; the first of several
        deaths to be seen clears up all.
        """
        members = sorted(self._generation.assignment)
        if self.member not in members:
            self._rebalance()
            return
        place = members.index(self.member)
        successor = members[(place + 1) % len(members)]
        if not self._group.is_alive(successor) or (self._is_first and self._partitions_changed()):
            self._rebalance()

    def leave(self) -> None:
        """Give up what is left and let the others share it."""
        for place in list(self._leases):
            self.give_up(place)
        if not self.membership.is_there():
            self.membership.leave()  # the others share it when they see that; the group itself may be gone
            return
        with self._group.coordinate():
            self.membership.leave()
            self._group.rebalance(self._subscription.partitions, self._subscription.matches)

    def _assigned(self) -> set[TopicPartition]:
        return set(self._generation.assignment.get(self.member, ()))

    def _rebalance(self) -> None:
        with self._group.coordinate():
            self._group.rebalance(self._subscription.partitions, self._subscription.matches)

    def _partitions_changed(self) -> bool:
        mine = self._subscription.partitions(self._subscription.matches(self._topics))
        assigned = {place for places in self._generation.assignment.values() for place in places}
        if any((topic, number) not in assigned for topic, count in mine.items() for number in range(count)):
            return True
        others = {topic for topic, _ in assigned} - mine.keys()
        return any(not self._subscription.matches([topic]) for topic in others)

"""What goes on in topics and groups: how fast records come and go, how far groups are behind, from looks some seconds apart."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from streamcli.groups.assignment import TopicPartition
    from streamcli.record.errors import StreamcliError


class Extent(Protocol):
    """Of a partition. start, end: offsets, end excluded; size: bytes that are there, None where only brokers know."""

    @property
    def start(self) -> int: ...

    @property
    def end(self) -> int: ...

    @property
    def size(self) -> int | None: ...


class PartitionLook(Extent, Protocol):
    """written: bytes that were appended since some time, None where only brokers know."""

    @property
    def written(self) -> int | None: ...


class GroupState(NamedTuple):
    """members: how many live; committed: offsets, of the topics that are looked at."""

    members: int
    committed: dict[TopicPartition, int]


class Look:
    """Everything at one moment: `time` in seconds, by a clock that never goes back; groups_time: the same, of `groups`, where these
    were told later; `left_out`: what could not be read, and why."""

    def __init__(self, time: float) -> None:
        self.time = self.groups_time = time
        self.logs: dict[TopicPartition, PartitionLook] = {}
        self.groups: dict[str, GroupState] = {}
        self.left_out: dict[str, StreamcliError | OSError] = {}


class TopicActivity(NamedTuple):
    """Rates are a second, None where not known; size in bytes, None where only brokers know. records_out: what groups have committed,
    all together; lag: of the group that is furthest behind, None without one."""

    topic: str
    partitions: int
    records: int
    size: int | None
    records_in: float | None
    bytes_in: float | None
    records_out: float | None
    lag: int | None


class GroupActivity(NamedTuple):
    """records_in: what came to the partitions that it consumes; caught_up_in: seconds until its lag is 0, None where it never
    will be as it goes now, or that is not known."""

    group: str
    members: int
    topics: int
    partitions: int
    lag: int
    records_in: float | None
    records_out: float | None
    caught_up_in: float | None


class Activity(NamedTuple):
    """What went on up to one moment; left_out: what could not be read, and why."""

    topics: list[TopicActivity]
    groups: list[GroupActivity]
    left_out: dict[str, StreamcliError | OSError]


class Observer(Protocol):
    """Looks at the topics named or matched, all of them where none is, and at the groups that have committed something of them."""

    def look(self, now: float) -> Look:
        """Everything as it is now, by a clock in seconds that never goes back. NotFound when a topic that was named is not there."""

    def look_twice(self, clock: Callable[[], int], pause: float) -> tuple[Look, Look]:
        """What the rates of one time are taken from: everything a minute ago and now, by the times of records and commits, where
        these are kept; else two looks, `pause` seconds apart. NotFound also when no topic matches a glob. clock: ms since the epoch."""


class History:
    """The looks of the last `window` seconds, and what went on between the first of them and the last."""

    def __init__(self, window: float) -> None:
        self._window = window
        self._looks: deque[Look] = deque()

    def add(self, look: Look) -> None:
        self._looks.append(look)
        while len(self._looks) > 2 and self._looks[1].time <= look.time - self._window:
            self._looks.popleft()

    def activity(self) -> Activity:
        """Over the window."""
        return activity(self._looks[0] if len(self._looks) > 1 else None, self._looks[-1])

    def last_activity(self) -> Activity:
        """From the last look but one to the last."""
        return activity(self._looks[-2] if len(self._looks) > 1 else None, self._looks[-1])


def activity(before: Look | None, now: Look) -> Activity:
    """What went on from one look to the next; no rates without the first."""
    by_topic: dict[str, list[TopicPartition]] = {}
    for place in now.logs:
        by_topic.setdefault(place[0], []).append(place)
    groups = [_group(before, now, name) for name in sorted(now.groups)]
    topics = [_topic(before, now, topic, by_topic[topic]) for topic in sorted(by_topic)]
    return Activity(topics, groups, now.left_out)


def sum_known(numbers: Sequence[int | None]) -> int | None:
    """The sum; None where one of them is not known."""
    known = [number for number in numbers if number is not None]
    return sum(known) if len(known) == len(numbers) else None


def caught_up_in(lag: int, records_in: float | None, records_out: float | None) -> float | None:
    """Seconds until a lag is 0, where more goes than comes; None where it does not, or that is not known."""
    if lag == 0:
        return 0.0
    if records_in is None or records_out is None or records_out <= records_in:
        return None
    return lag / (records_out - records_in)


def _topic(before: Look | None, now: Look, topic: str, places: list[TopicPartition]) -> TopicActivity:
    states = [now.logs[place] for place in places]
    consumers = [group for group in now.groups.values() if any(place in group.committed for place in places)]
    return TopicActivity(
        topic=topic,
        partitions=len(states),
        records=sum(state.end - state.start for state in states),
        size=sum_known([state.size for state in states]),
        records_in=_came(before, now, places),
        bytes_in=_written(before, now, places),
        records_out=_went(before, now, list(now.groups), places),
        lag=max((_lag(now, group, places) for group in consumers), default=None),
    )


def _group(before: Look | None, now: Look, name: str) -> GroupActivity:
    group = now.groups[name]
    places = list(group.committed)
    lag = _lag(now, group, places)
    records_in, records_out = _came(before, now, places), _went(before, now, [name], places)
    return GroupActivity(
        group=name,
        members=group.members,
        topics=len({topic for topic, _ in places}),
        partitions=len(places),
        lag=lag,
        records_in=records_in,
        records_out=records_out,
        caught_up_in=caught_up_in(lag, records_in, records_out),
    )


def _lag(now: Look, group: GroupState, places: list[TopicPartition]) -> int:
    return sum(max(0, now.logs[place].end - group.committed[place]) for place in places if place in group.committed)


def _came(before: Look | None, now: Look, places: list[TopicPartition]) -> float | None:
    """Records a second that were appended. All of a partition that was not there before."""
    if before is None:
        return None
    ends = [(now.logs[place].end, before.logs[place].end) for place in places if place in before.logs]
    new = [now.logs[place] for place in places if place not in before.logs]
    came = sum(max(0, end - earlier) for end, earlier in ends) + sum(state.end - state.start for state in new)
    return came / (now.time - before.time)


def _written(before: Look | None, now: Look, places: list[TopicPartition]) -> float | None:
    """Bytes a second that were appended."""
    if before is None:
        return None
    written = sum_known([_written_since(before.logs.get(place), now.logs[place]) for place in places])
    return None if written is None else written / (now.time - before.time)


def _written_since(earlier: PartitionLook | None, state: PartitionLook) -> int | None:
    if earlier is None:
        return state.size
    return None if state.written is None or earlier.written is None else max(0, state.written - earlier.written)


def _went(before: Look | None, now: Look, groups: list[str], places: list[TopicPartition]) -> float | None:
    """Records a second that these groups have committed."""
    if before is None:
        return None
    went = 0
    for name in groups:
        earlier = before.groups[name].committed if name in before.groups else {}
        committed = now.groups[name].committed
        known = [place for place in places if place in committed and place in earlier]
        went += sum(max(0, committed[place] - earlier[place]) for place in known)
    return went / (now.groups_time - before.groups_time)

"""Consuming as a member of a Kafka group: see engine.interface.GroupConsumer."""

from __future__ import annotations

import select
import time
from collections.abc import Iterable
from functools import partial
from typing import Any

from streamcli.engine.consume import is_glob
from streamcli.engine.group_request import GroupEvents, GroupRequest
from streamcli.engine.read_options import ReadOptions
from streamcli.groups.assignment import TopicPartition
from streamcli.kafka.connection import Connection
from streamcli.kafka.consumer import committed
from streamcli.kafka.fetch import Held
from streamcli.kafka.member import Member
from streamcli.kafka.messages import KafkaSource
from streamcli.kafka.offsets import connect, find_kafka_sources, first_partitions_there, partitions_there
from streamcli.kafka.owned import Gained, KafkaOwned
from streamcli.record.errors import NotFound, OffsetOutOfRange, StreamcliError
from streamcli.record.range import BEGINNING, Range
from streamcli.storage.layout import check_group_name
from streamcli.storage.watch import Wake

_LONGEST_WAIT = 0.5
"""Seconds between two looks whether a bounded run has anything to do."""

_PATIENCE = 3.0
"""Seconds that a bounded run waits for partitions, once the group has answered and gave it none: the others may hold them all."""

_LOOK_EVERY = 2.0
_LOOK_PATIENCE = 1.0
"""Seconds from one look for new and deleted topics to the next, and until it is given up."""


class KafkaConsumer:
    """A member of the group. Without request.follow it reads the partitions it is given up to their ends as they were when it
    was made; what it is given later, too."""

    def __init__(self, connection: Connection, request: GroupRequest, events: GroupEvents) -> None:
        self._connection = connection
        self._request = request
        self._events = events
        check_group_name(request.group)
        self._member = Member(connection, request.group, warn=events.warn, on_gone=self._gone)
        connect(self._member.client, connection, request.topics)
        sources = find_kafka_sources(
            partial(first_partitions_there, self._member.client, connection),
            request.topics,
            [],
            wait=request.follow,
            where=str(connection.url),
        )
        self._member.outage.is_connected = True
        self._topics = {source.topic for source in sources}
        self._ends = dict(zip(sources, self._member.offsets.ends(sources), strict=True))
        self._begins = self._first_begins(sources)
        self._looked = self._since = time.monotonic()
        self._answered: float | None = None
        self.owned = KafkaOwned(self._member, request, events.warn)
        self._member.start(self._topics, self._gain, self._look if request.follow else lambda: None)

    def has_changed(self) -> bool:
        return self._member.has_changed

    def settle(self, busy: set[TopicPartition]) -> bool:
        member = self._member
        if member.failure is not None:
            raise member.failure
        with member.lock:
            revoking: set[TopicPartition] = set(member.revoking)
            lost: set[TopicPartition] = set(member.lost)
            deleted: set[TopicPartition] = set(member.deleted)
        if revoking - busy:
            self.owned.commit()
        self.owned.tell_lost(lost - busy)
        self.owned.tell_deleted(deleted - busy)
        dropped = (revoking | lost | deleted) - busy
        for place in dropped:
            self.owned.drop(place)
        member.gave_up(dropped)
        gained = member.take_gained()
        self.owned.take(gained)
        return bool(gained)

    def is_joining(self) -> bool:
        """Whether the group has not answered yet, or something that was there at the start is still on its way: a follower that ends
        when it is idle is not idle yet."""
        member = self._member
        if not member.has_joined or member.has_changed:
            return True
        return self._request.follow and member.outage.since is None and not self.owned.has_read_to(self._ends)

    def is_finished(self) -> bool:
        if self._request.follow or self.has_changed():
            return False
        now = time.monotonic()
        if not self._member.has_joined:
            return now > self._since + self._connection.timeout and self._give_up_joining()
        if self.owned.places():
            return self.owned.is_read()
        self._answered = self._answered or now
        return now > self._answered + _PATIENCE

    def wait(self, timeout: float | None, others: Iterable[tuple[int, int]]) -> Wake:
        due = [timeout, self.owned.commit_due_in(), _LONGEST_WAIT]
        poll = select.poll()
        poll.register(self._member.woken, select.POLLIN)
        for fd, events in others:
            poll.register(fd, events)
        if self._request.hangup is not None and self._request.follow:
            poll.register(self._request.hangup, 0)
        patience = max(0.0, min(seconds for seconds in due if seconds is not None))
        ready = {fd for fd, _ in poll.poll(patience * 1000)}
        is_woken = self._member.woken in ready
        if is_woken:
            self._member.take_wakes()
        return Wake(self._request.hangup in ready, None if is_woken else set(), ready)

    def close(self) -> None:
        try:
            self.owned.commit()
        finally:
            self._member.close()

    def _give_up_joining(self) -> bool:
        raise StreamcliError(
            f"group {self._request.group} did not take this member in within {self._connection.timeout:g} s "
            f"({self._connection.url}): another member may be at work for long; wait longer with --lock-timeout"
        )

    def _first_begins(self, sources: list[KafkaSource]) -> dict[KafkaSource, int]:
        """Where the group begins in what has no commit; what is not there begins at its beginning."""
        if self._request.start.start.kind == BEGINNING or not sources:
            return {}
        offsets = committed(self._member.client.consumer, self._connection, sources)
        fresh = [source for source, offset in offsets.items() if offset < 0]
        return self._resolved(fresh, self._request.start) if fresh else {}

    def _resolved(self, sources: list[KafkaSource], wanted: Range) -> dict[KafkaSource, int]:
        from streamcli.kafka.reader import KafkaReader

        options = ReadOptions(
            self._request.topics,
            [],
            follow=True,
            idle=None,
            on_damage=lambda _: None,
            notice=self._events.warn,
            before_wait=lambda: None,
            hangup=None,
            wakeup=None,
        )
        reader = KafkaReader(self._connection, options)
        ends = [self._ends[source] for source in sources]
        starts = reader.starts(sources, ends, wanted.start)
        reader.close()
        return dict(zip(sources, starts, strict=True))

    def _gain(self, sources: list[KafkaSource], committed: list[int | None]) -> list[Gained]:
        """Where to begin in partitions that were assigned. In the member's thread."""
        starts, ends = self._member.offsets.starts(sources), self._member.offsets.ends(sources)
        return [self._begin(*one) for one in zip(sources, committed, starts, ends, strict=True)]

    def _begin(self, source: KafkaSource, committed: int | None, start: int, end: int) -> Gained:
        group = self._request.group
        if committed is not None and committed > max(end, self._high_watermark(source, end, committed)):
            raise OffsetOutOfRange(
                f"the committed offset {committed} is after the end of the log ({source.topic}, partition {source.partition} "
                f"ends at {end}): records were lost, or the topic was made anew; choose where to go on with "
                f"`streamcli groups reset {group} {source.topic} --to end`"
            )
        if committed is not None and committed < start:
            self._events.warn(
                f"{start - committed} records of {source.topic}, partition {source.partition}, are gone since offset "
                f"{committed} was committed: retention or a trim removed them; going on at {start}"
            )
        begin = self._begins.get(source, start) if committed is None else committed
        is_settled = committed is not None or self._request.start.start.kind == BEGINNING
        stop = None if self._request.follow else self._ends.get(source, start)
        begin = max(begin, start)
        return Gained(Held(source, begin, stop), begin, committed, is_settled)

    def _high_watermark(self, source: KafkaSource, end: int, committed: int) -> int:
        """How far the log goes: other members may take records of transactions that are open. Asked for only if it matters."""
        if committed <= end:
            return end
        from streamcli.kafka.admin import Admin
        from streamcli.kafka.topics import Topics

        found = Topics(self._connection, Admin(self._connection)).offsets(source.topic, [source.partition], "latest")
        return int(found[source.partition].offset)

    def _gone(self, held: Held) -> int:
        (start,) = self._member.offsets.starts([held.source])
        gained = self._begin(held.source, held.next_offset, start, *self._member.offsets.ends([held.source]))
        return gained.start

    def _look(self) -> None:
        """See which topics there are now. In the member's thread."""
        if time.monotonic() < self._looked + _LOOK_EVERY or self._member.outage.since is not None:
            return
        self._looked = time.monotonic()
        request = self._request
        hasty = partial(partitions_there, self._member.client, self._connection._replace(timeout=_LOOK_PATIENCE))
        try:
            there: dict[str, Any] = {}
            for name in ["*"] if any(map(is_glob, request.topics)) else request.topics:
                there |= hasty(None if is_glob(name) else name)
        except StreamcliError:  # librdkafka tells of an outage
            return
        gone = [name for name in request.topics if not is_glob(name) and name not in there]
        if gone:
            raise NotFound(f"topic {gone[0]} was deleted while it was being consumed: start again without it")
        found = find_kafka_sources(
            lambda topic: there if topic is None else {topic: there[topic]}, request.topics, [], wait=True, where=""
        )
        topics = {source.topic for source in found}
        if topics != self._topics:
            self._topics = topics
            self._member.subscribe(topics)

"""A member of a group: a thread that fetches, answers the cluster and gives up partitions, whatever the others of us do.

librdkafka calls back from its poll, so whoever polls must not be kept waiting by a full pipe or a command that runs for
hours: a member that does not poll for max.poll.interval.ms loses its partitions.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from streamcli.groups.assignment import TopicPartition
from streamcli.kafka.connection import Connection, as_error, load, told
from streamcli.kafka.consumer import ConsumerClient, committed
from streamcli.kafka.fetch import Fetcher, Held, Outage, reading_settings
from streamcli.kafka.messages import KafkaSource
from streamcli.kafka.offsets import Offsets
from streamcli.kafka.owned import Gained
from streamcli.record.errors import StreamcliError

_SLICE = 0.05
_BUSY_SLICE = 0.005
_BUSY = 1.0
"""Seconds that librdkafka is waited for at a time: so long a commit waits, and the end of a run. Less for some time after a
commit, as where each run of a command is followed by one."""

_PAUSE = 0.05
"""Seconds before a commit that was refused is tried again."""

_DEFAULTS = {
    "partition.assignment.strategy": "cooperative-sticky",
    # Heartbeats come from a thread of librdkafka's, so what takes long is no reason to wait 45 s for a dead member.
    "session.timeout.ms": "10000",
}
"""What the user's properties may change; the protocol `consumer` has neither."""

_REFRESH = {"topic.metadata.refresh.interval.ms": "10000", "topic.metadata.propagation.max.ms": "5000"}

_HAND_OVER = 0.8
"""Part of max.poll.interval.ms that what is in hand may take when a partition is taken away."""


class Member:
    """starts: gives, for partitions that were assigned and their committed offsets, what is gained; look: called now and
    then in the thread, may call `subscribe`. on_damage gets told what is gone.

    Only the thread calls the client: confluent-kafka makes another one that does wait until there is no poll, and that may
    be never. lock guards what was fetched. lost, deleted, revoking and gained are for the other thread to take out.
    """

    def __init__(
        self, connection: Connection, group: str, *, warn: Callable[[str], None], on_gone: Callable[[Held], int]
    ) -> None:
        self._kafka = load()
        self._connection = connection
        properties = connection.properties
        is_new = properties.get("group.protocol", "").lower() == "consumer"
        defaults = _REFRESH if is_new else {**_DEFAULTS, **_REFRESH}
        ours = connection._replace(properties={**defaults, **properties})
        strategy = ours.properties.get("partition.assignment.strategy", "")
        self._is_incremental = is_new or "cooperative" in strategy
        self._patience = _HAND_OVER * int(properties.get("max.poll.interval.ms", "300000")) / 1000
        self.outage = Outage(connection, warn)
        self.lock = threading.Lock()
        self._settled = threading.Condition(self.lock)
        self.client = ConsumerClient(connection, reading_settings(ours, group_id=group), self.outage.begins)
        self.fetcher = Fetcher(
            ours, self.client, on_gone=on_gone, on_trouble=self.outage.begins, on_life=self.outage.ends
        )
        self.offsets = Offsets(self.client, connection, self._is_over)
        self.woken, self._waker = os.pipe()
        os.set_blocking(self._waker, False)
        os.set_blocking(self.woken, False)
        self.has_joined = False
        self.failure: BaseException | None = None
        self.gained: dict[KafkaSource, Gained] = {}
        self.revoking: set[KafkaSource] = set()
        self.lost: set[KafkaSource] = set()
        self.deleted: set[KafkaSource] = set()
        self._working: set[KafkaSource] = set()
        self._is_closing = False
        self._asked: dict[KafkaSource, int] | None = None  # to be committed
        self._answer: Any = None
        self._busy_until = 0.0
        self._gain: Callable[[list[KafkaSource], list[int | None]], list[Gained]] = lambda _, __: []
        self._look: Callable[[], None] = lambda: None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(
        self,
        topics: Iterable[str],
        gain: Callable[[list[KafkaSource], list[int | None]], list[Gained]],
        look: Callable[[], None],
    ) -> None:
        self._gain, self._look = gain, look
        self.subscribe(topics)
        self._thread.start()

    def subscribe(self, topics: Iterable[str]) -> None:
        """Have partitions of these topics assigned; of none: wait until there are some."""
        names = sorted(topics)
        if names:
            callbacks = {"on_assign": self._assigned, "on_revoke": self._revoked, "on_lost": self._lost}
            with told(self._connection, "join the group"):
                self.client.consumer.subscribe(names, **callbacks)

    @property
    def has_changed(self) -> bool:
        return bool(self.gained or self.revoking or self.lost or self.deleted or self.failure)

    def take_gained(self) -> dict[KafkaSource, Gained]:
        with self.lock:
            gained, self.gained = self.gained, {}
            self._working |= gained.keys()
        return gained

    def gave_up(self, places: Iterable[TopicPartition]) -> None:
        """The others of us have done with these partitions."""
        with self.lock:
            for place in places:
                source = KafkaSource(*place)
                self._working.discard(source)
                self.revoking.discard(source)
                self.lost.discard(source)
                self.deleted.discard(source)
            self._settled.notify_all()

    def take_wakes(self) -> None:
        with suppress(BlockingIOError):
            os.read(self.woken, 4096)

    def commit(self, offsets: dict[KafkaSource, int], patience: float | None) -> dict[KafkaSource, int]:
        """Commit, and return what is committed when it is; not of partitions that are lost by then. patience: seconds to try,
        None for those that the cluster has to answer; 0.0 takes a refusal for a reason to try later."""
        deadline = time.monotonic() + (self._connection.timeout if patience is None else patience)
        done: dict[KafkaSource, int] = {}
        unknown = self._kafka.KafkaError.UNKNOWN_TOPIC_OR_PART
        while left := {source: offsets[source] for source in offsets.keys() - done.keys() - self.lost - self.deleted}:
            answers = self._ask_to_commit(left, deadline)
            done |= {source: left[source] for source, error in answers.items() if error is None}
            self.deleted |= {source for source, error in answers.items() if error and error.code() == unknown}
            answer = next((error for error in answers.values() if error and error.code() != unknown), None)
            if answer is None:
                continue
            if not self._may_pass(answer):
                raise as_error(answer, self._connection, "commit")
            if time.monotonic() >= deadline:
                if patience is not None:
                    break
                raise StreamcliError(
                    f"cannot commit: {answer.str()} ({self._connection.url}): what was processed since the last commit will be "
                    "processed again; is the cluster up?"
                )
            time.sleep(_PAUSE)
        return done

    def close(self) -> None:
        """Leave the group. What it holds is given to the others at once."""
        self._is_closing = True  # before the lock, which the other thread holds while it waits for an answer
        with self.lock:
            self._settled.notify_all()
        if self._thread.is_alive():
            self._thread.join(self._connection.timeout)
        if self.outage.since is None and not self._thread.is_alive():  # else it would wait for an answer
            self.fetcher.close()

    def _is_over(self) -> bool:
        return self._is_closing

    def wake(self) -> None:
        with suppress(BlockingIOError):
            os.write(self._waker, b"\0")

    def _run(self) -> None:
        try:
            while not self._is_closing:
                is_busy = time.monotonic() < self._busy_until
                received = self.fetcher.receive(_BUSY_SLICE if is_busy else _SLICE)
                with self.lock:
                    self.fetcher.hold(received)
                    for held in self.fetcher.held.values():
                        self.fetcher.go_on(held)
                    self._serve_commit()
                if any(received):
                    self.wake()
                self._look()
        except BaseException as error:  # noqa: BLE001  # for the other thread to raise
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        self.failure = self.failure or error
        self.wake()

    def _assigned(self, client: Any, partitions: list[Any]) -> None:
        try:
            sources = [KafkaSource(one.topic, one.partition) for one in partitions]
            self._wait_while(lambda: bool(self._working.intersection(sources)))
            offsets = committed(client, self._connection, sources, self._is_over)
            gained = self._gain(sources, [offsets[source] if offsets[source] >= 0 else None for source in sources])
            assign = client.incremental_assign if self._is_incremental else client.assign
            with told(self._connection, "take partitions"), self.lock:
                self.fetcher.expect([one.held for one in gained])
                assign([self._kafka.TopicPartition(*one.held.source, one.held.next_offset) for one in gained])
                self.gained |= {one.held.source: one for one in gained}
        except BaseException as error:  # noqa: BLE001  # librdkafka calls, and would print it
            self._fail(error)
        self.has_joined = True
        self.wake()

    def _revoked(self, _: Any, partitions: list[Any]) -> None:
        """Returns when what is in hand of the partitions is processed and committed: then they are others'."""
        sources = self._stop_fetching(partitions)
        with self.lock:
            self.revoking |= sources & self._working
        self.wake()
        self._wait_while(lambda: bool(self.revoking & sources))
        with self.lock:
            self.lost |= self.revoking & sources
            self.revoking -= sources
        self.wake()

    def _lost(self, _: Any, partitions: list[Any]) -> None:
        sources = self._stop_fetching(partitions)
        with self.lock:
            self.lost |= sources & self._working
        self.wake()

    def _stop_fetching(self, partitions: list[Any]) -> set[KafkaSource]:
        sources = {KafkaSource(one.topic, one.partition) for one in partitions}
        with self.lock:
            for source in sources:
                self.gained.pop(source, None)
                self.fetcher.forget(source)
        return sources

    def _wait_while(self, is_busy: Callable[[], bool]) -> None:
        deadline = time.monotonic() + self._patience
        with self.lock:
            while is_busy() and not self._is_closing and time.monotonic() < deadline:
                self._serve_commit()
                self._settled.wait(_SLICE)

    def _ask_to_commit(self, offsets: dict[KafkaSource, int], deadline: float) -> dict[KafkaSource, Any]:
        """The error of each, None where it is committed."""
        with self.lock:
            self._asked, self._answer = offsets, None
            self._busy_until = time.monotonic() + _BUSY
            self._settled.notify_all()
            self._settled.wait_for(lambda: self._asked is None or self.failure, max(deadline - time.monotonic(), 5.0))
            self._asked = None
            answer = self._answer or self._kafka.KafkaError(self._kafka.KafkaError._TIMED_OUT)
        if isinstance(answer, list):
            return {KafkaSource(one.topic, one.partition): one.error for one in answer}
        return dict.fromkeys(offsets, answer)

    def _serve_commit(self) -> None:
        """Do what the other thread waits for. The lock is held, and let go for as long as the cluster takes."""
        if self._asked is None:
            return
        asked = self._asked
        self.lock.release()
        try:
            places = [self._kafka.TopicPartition(*source, offset) for source, offset in asked.items()]
            answer = self.client.consumer.commit(offsets=places, asynchronous=False)
        except self._kafka.KafkaException as error:
            answer = error.args[0]
        finally:
            self.lock.acquire()
        if self._asked is asked:
            self._asked, self._answer = None, answer
            self._settled.notify_all()

    def _may_pass(self, error: Any) -> bool:
        """Whether a commit that failed may succeed later, or turn out to be one of partitions that are lost."""
        code = self._kafka.KafkaError
        return error.retriable() or error.code() in (
            code.REBALANCE_IN_PROGRESS,
            code.ILLEGAL_GENERATION,
            code.UNKNOWN_MEMBER_ID,
            code.STALE_MEMBER_EPOCH,
            code.FENCED_MEMBER_EPOCH,
            code.NOT_COORDINATOR,
            code.COORDINATOR_NOT_AVAILABLE,
            code.COORDINATOR_LOAD_IN_PROGRESS,
            code._WAIT_COORD,
            code._TRANSPORT,
            code._TIMED_OUT,
            code._ALL_BROKERS_DOWN,
            code._DESTROY,
        )

"""consume --group -- COMMAND: records to the command's standard input, and a commit when it exits 0."""

from __future__ import annotations

import os
import select
import time
from collections import deque
from typing import NamedTuple

from streamcli.cli.context import Context, complain
from streamcli.cli.reading import Damage, ReadRequest
from streamcli.cli.render import Renderer
from streamcli.cli.run_command import Outcome, RunningCommand
from streamcli.engine.consume import PartitionRead, Source, SourceBatch
from streamcli.engine.dead_letter import DeadLetters, Failure
from streamcli.engine.group import Consumer
from streamcli.groups.assignment import TopicPartition
from streamcli.record.errors import StreamcliError

MAX_BYTES = 8 << 20
"""Bytes of output that one run gets, unless a record is longer."""

_MAX_COLLECTED = 8 * MAX_BYTES
_LONGEST_KEY = 64 << 10


class CommandOptions(NamedTuple):
    """argv; batch: records at most in one run (None: what is there); linger, backoff, timeout: seconds; jobs: runs at once;
    retries: after the first attempt; dead_letter: the topic for what fails for good, None to stop there."""

    argv: list[str]
    batch: int | None
    linger: float
    each: bool
    jobs: int
    retries: int
    backoff: float
    timeout: float | None
    dead_letter: str | None


class CommandFailed(StreamcliError):
    """The command failed for good, and there is no dead-letter topic."""


class Delivery:
    """Records of one partition on their way through the command; `end`: the offset to commit after them."""

    def __init__(self, read: PartitionRead) -> None:
        self.read = read
        self.batches: list[SourceBatch] = []
        self.data: list[bytes] = []
        self.size = 0
        self.records = 0
        self.end = 0
        self.since = time.monotonic()
        self.attempt = 0
        self.retry_at: float | None = None
        self.running: RunningCommand | None = None

    @property
    def is_started(self) -> bool:
        return self.attempt > 0

    @property
    def source(self) -> Source:
        return self.read.source

    def environment(self, options: CommandOptions) -> dict[bytes, bytes]:
        """What the command is told of its records."""
        first, last = self.batches[0].batch, self.batches[-1].batch
        told: dict[bytes, bytes] = {
            b"STREAMCLI_TOPIC": self.source.topic.encode(),
            b"STREAMCLI_PARTITION": b"%d" % self.source.partition,
            b"STREAMCLI_OFFSET": b"%d" % first.base_offset,
            b"STREAMCLI_LAST_OFFSET": b"%d" % (last.next_offset - 1),
            b"STREAMCLI_ATTEMPT": b"%d" % self.attempt,
        }
        key = first.keys()[0] if options.each else None
        if key is not None and b"\0" not in key and len(key) <= _LONGEST_KEY:
            told[b"STREAMCLI_KEY"] = key
        return told


class Portions:
    """What was read of a partition and is not delivered yet, in pieces that fit a run."""

    def __init__(self, read: PartitionRead) -> None:
        self.read = read
        self.waiting: deque[tuple[SourceBatch, int]] = deque()


class Deliverer:
    """Runs the command over what the consumer owns: per partition one run after the other, up to `jobs` at once."""

    def __init__(
        self,
        context: Context,
        consumer: Consumer,
        request: ReadRequest,
        options: CommandOptions,
        render: Renderer,
        dead_letters: DeadLetters | None,
    ) -> None:
        self._context = context
        self._consumer = consumer
        self._request = request
        self._options = options
        self._render = render
        self._dead_letters = dead_letters
        self._portions: dict[TopicPartition, Portions] = {}
        self._deliveries: dict[TopicPartition, Delivery] = {}
        self._left = request.limit
        self._failed: CommandFailed | None = None
        self._last_record = time.monotonic()
        self.damage = Damage(skip=request.skip_corrupt)
        self.delivered = 0

    def run(self, wakeup: int) -> None:
        """Deliver until there is no more to do, or to wait for. CommandFailed when a run failed for good."""
        try:
            while True:
                self._settle()
                if not self._is_stopping():
                    self._collect()
                    self._start_runs()
                if self._is_done():
                    break
                waits = [fd for delivery in self._running() for fd in delivery.running.waits_for()]  # type: ignore[union-attr]
                wake = self._consumer.wait(self._timeout(), [*waits, (wakeup, select.POLLIN)])
                self._step_runs()
                if wake is not None and wake.hangup:
                    break
        finally:
            for delivery in self._running():
                delivery.running.kill(15)  # type: ignore[union-attr]
        if self._failed is not None:
            raise self._failed

    def _is_stopping(self) -> bool:
        return self._context.stop.pending is not None or self._failed is not None

    def _running(self) -> list[Delivery]:
        return [delivery for delivery in self._deliveries.values() if delivery.running is not None]

    def _settle(self) -> None:
        """Let partitions change hands, but for those with a run that was started."""
        busy = {place for place, delivery in self._deliveries.items() if delivery.is_started}
        self._consumer.settle(busy)
        owned = {(read.source.topic, read.source.partition): read for read in self._consumer.owned.reads()}
        for place, portions in list(self._portions.items()):
            if owned.get(place) is not portions.read:
                del self._portions[place]
                self._deliveries.pop(place, None)
        for place, read in owned.items():
            self._portions.setdefault(place, Portions(read))

    def _collect(self) -> None:
        """Gather records for the partitions that have no run yet."""
        for place, portions in self._portions.items():
            delivery = self._deliveries.get(place)
            if delivery is not None and (delivery.is_started or self._is_full(delivery)):
                continue
            collected = sum(other.size for other in self._deliveries.values())
            free = self._options.jobs - len(self._running())
            if collected > _MAX_COLLECTED or (delivery is None and not self._options.linger and free <= self._ready()):
                return
            self._fill(place, portions)

    def _ready(self) -> int:
        return sum(1 for delivery in self._deliveries.values() if not delivery.is_started)

    def _is_full(self, delivery: Delivery) -> bool:
        limit = 1 if self._options.each else self._options.batch
        return delivery.size >= MAX_BYTES or (limit is not None and delivery.records >= limit)

    def _fill(self, place: TopicPartition, portions: Portions) -> None:
        while (portions.waiting or self._read_more(portions)) and self._left != 0:
            delivery = self._deliveries.get(place) or Delivery(portions.read)
            taken, end = portions.waiting[0]
            room = len(delivery.data) == 0 or self._fits(delivery, taken)
            if not room:
                return
            portions.waiting.popleft()
            delivery.batches.append(taken)
            delivery.data.append(bytes(self._render(taken)))
            delivery.size += len(delivery.data[-1])
            delivery.records += taken.batch.count
            delivery.end = end
            if self._left is not None:
                self._left -= taken.batch.count
            self._deliveries[place] = delivery
            if self._is_full(delivery):
                return

    def _fits(self, delivery: Delivery, taken: SourceBatch) -> bool:
        limit = self._options.batch
        return limit is None or delivery.records + taken.batch.count <= limit

    def _read_more(self, portions: Portions) -> bool:
        """Read a batch with a wanted record and cut it to fit; False when there is none now."""
        read = portions.read
        while read.peek(self.damage) is not None:
            taken = read.take(self.damage)
            if taken is None:
                continue
            end = taken.batch.next_offset
            self._last_record = time.monotonic()
            chosen = self._request.wanted.select(taken.batch)
            if chosen is None:
                place = (read.source.topic, read.source.partition)
                if place not in self._deliveries:
                    self._consumer.owned.processed(read.source, end)
                continue
            if self._left is not None and chosen.count > self._left:
                chosen = chosen.take(0, self._left)
                end = chosen.next_offset
            size = 1 if self._options.each else min(self._options.batch or chosen.count, chosen.count)
            pieces = chosen.portions(size)
            ends = [*(piece.next_offset for piece in pieces[:-1]), end]
            portions.waiting.extend(
                (SourceBatch(read.source, piece), end) for piece, end in zip(pieces, ends, strict=True)
            )
            return True
        return False

    def _start_runs(self) -> None:
        now = time.monotonic()
        for delivery in list(self._deliveries.values()):
            if len(self._running()) >= self._options.jobs:
                return
            if delivery.running is None and now >= self._due(delivery):
                self._start(delivery)

    def _due(self, delivery: Delivery) -> float:
        """When a delivery is to be started, or started again."""
        if delivery.retry_at is not None:
            return delivery.retry_at
        patient = not self._is_full(delivery) and self._left != 0
        return delivery.since + self._options.linger if patient else delivery.since

    def _start(self, delivery: Delivery) -> None:
        delivery.attempt += 1
        delivery.retry_at = None
        environment = {b"STREAMCLI_DIR": os.fsencode(os.path.abspath(self._context.path))}
        environment |= delivery.environment(self._options)
        data = b"".join(delivery.data)
        delivery.running = RunningCommand(self._options.argv, data, environment, self._options.timeout)

    def _step_runs(self) -> None:
        for place, delivery in list(self._deliveries.items()):
            if delivery.running is None:
                continue
            outcome = delivery.running.step()
            if outcome is None:
                continue
            delivery.running = None
            if outcome.status == 0 or self._gave_up(delivery, outcome):
                self._done(place, delivery)

    def _done(self, place: TopicPartition, delivery: Delivery) -> None:
        """Commit, at once: the work is done, and doing it again is what the commit prevents."""
        del self._deliveries[place]
        self.delivered += delivery.records
        self._consumer.owned.processed(delivery.source, delivery.end)
        self._consumer.owned.commit()

    def _gave_up(self, delivery: Delivery, outcome: Outcome) -> bool:
        """Whether a failed delivery is dealt with: in the dead-letter topic. Else it is tried again, or ends the run."""
        offsets = f"{delivery.batches[0].batch.base_offset} to {delivery.batches[-1].batch.next_offset - 1}"
        where = f"{delivery.source.topic}, partition {delivery.source.partition}, offsets {offsets}"
        if delivery.attempt <= self._options.retries:
            pause = self._options.backoff * 2 ** (delivery.attempt - 1)
            delivery.retry_at = time.monotonic() + pause
            self._context.notice(f"{self._options.argv[0]} failed ({where}): {outcome.reason}: again in {pause:g} s")
            return False
        failure = f"{self._options.argv[0]} failed {delivery.attempt} times ({where}): {outcome.reason}"
        if self._dead_letters is None:
            self._failed = CommandFailed(
                f"{failure}: nothing of it is committed; mend it and run again, or use --dead-letter"
            )
            return False
        self._dead_letters.add(
            delivery.batches, Failure(outcome.status, outcome.reason, delivery.attempt, outcome.stderr)
        )
        complain(f"{failure}: its records are in {self._dead_letters.topic}")
        return True

    def _is_done(self) -> bool:
        if self._is_stopping() or self._left == 0:
            if self._running():
                return False
            return self._is_stopping() or not self._deliveries
        if self._deliveries or any(portions.waiting for portions in self._portions.values()):
            return False
        if not self._request.follow:
            return all(portions.read.peek(self.damage) is None for portions in self._portions.values())
        idle = self._request.idle
        return idle is not None and time.monotonic() >= self._last_record + idle

    def _timeout(self) -> float | None:
        now = time.monotonic()
        waits: list[float] = []
        for delivery in self._deliveries.values():
            if delivery.running is not None:
                due = delivery.running.due_in()
                if due is not None:
                    waits.append(due)
            elif not self._is_stopping() and len(self._running()) < self._options.jobs:
                waits.append(max(0.0, self._due(delivery) - now))
        if self._request.idle is not None:
            waits.append(max(0.0, self._last_record + self._request.idle - now))
        return min(waits, default=None)

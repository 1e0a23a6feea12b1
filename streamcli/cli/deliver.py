"""consume --group -- COMMAND: which records go to which run of the command, and when; done is what it exits 0 for."""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from streamcli.cli.context import Context, complain
from streamcli.cli.intake import MAX_BYTES, Delivery, Intake
from streamcli.cli.job import CommandOptions, Job
from streamcli.cli.reading import Damage, ReadRequest
from streamcli.cli.render import Renderer
from streamcli.cli.run_command import Outcome, end_all
from streamcli.cli.stop import Stopped
from streamcli.engine.dead_letter import DeadLetters, Failure
from streamcli.groups.assignment import TopicPartition
from streamcli.record.errors import StreamcliError

if TYPE_CHECKING:
    from streamcli.engine.interface import GroupConsumer

_MAX_COLLECTED = 8 * MAX_BYTES
_MOST_HOLDING = 16
"""Partitions of which a part of a batch is kept for later runs; of others it is read again."""


class CommandFailed(StreamcliError):
    """The command failed for good, and there is no dead-letter topic."""


class Deliverer:
    """Runs the command over what the consumer owns: per partition one run after the other, up to `jobs` at once.

    What went wrong lets the runs that were started end, and be committed, before it is raised.
    """

    def __init__(
        self,
        context: Context,
        consumer: GroupConsumer,
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
        self._intakes: dict[TopicPartition, Intake] = {}  # whose turn comes first stands first
        self._unread: set[TopicPartition] = set()
        self._jobs: dict[TopicPartition, Job] = {}
        self._left = request.limit
        self._failure: Exception | None = None
        self._last_record = time.monotonic()
        self.damage = Damage(skip=request.skip_corrupt, notice=context.notice)
        self.delivered = 0

    def run(self, wakeup: int) -> None:
        """Deliver until there is no more to do, or to wait for. CommandFailed when a run failed for good."""
        try:
            while True:
                self._guard(self._begin)
                if self._is_done():
                    break
                waits = [wait for job in self._running() for wait in job.running.waits_for()]  # type: ignore[union-attr]
                wake = self._consumer.wait(self._timeout(), [*waits, (wakeup, select.POLLIN)])
                self._note_writes(None if wake is None else wake.directories)
                self._step_runs()
        finally:
            with self._context.stop.held():  # or their partitions would be given up while they are at work
                end_all([job.running for job in self._running() if job.running])
        if self._failure is not None:
            raise self._failure

    def _guard(self, step: Callable[..., None], *arguments: object) -> None:
        """Do a step whose failure, like a first signal, lets the runs that were started end."""
        was_stopped = self._context.stop.pending is not None
        try:
            step(*arguments)
        except (StreamcliError, OSError) as error:
            self._failure = self._failure or error
        except Stopped:
            if was_stopped:
                raise

    def _is_stopping(self) -> bool:
        return self._context.stop.pending is not None or self._failure is not None

    def _running(self) -> list[Job]:
        return [job for job in self._jobs.values() if job.running is not None]

    def _begin(self) -> None:
        """Start what can be started now."""
        self._consumer.owned.commit_if_due()
        if not self._is_stopping():
            self._settle()
            self._collect()
            self._start_runs()

    def _settle(self) -> None:
        """Let partitions change hands, but for those with a run that was started."""
        self._consumer.settle({place for place, job in self._jobs.items() if job.is_started})
        owned = {(read.source.topic, read.source.partition): read for read in self._consumer.owned.reads()}
        for place, intake in list(self._intakes.items()):
            if owned.get(place) is not intake.read:
                del self._intakes[place]
                self._unread.discard(place)
                job = self._jobs.pop(place, None)
                if job is not None and self._left is not None:
                    self._left += job.delivery.records
        for place in owned.keys() - self._intakes.keys():
            self._intakes[place] = Intake(owned[place], self._request.wanted, self._render, self.damage)
            self._unread.add(place)

    def _note_writes(self, directories: set[str] | None) -> None:
        """Look again where something was appended; None: anywhere."""
        for place, intake in self._intakes.items():
            if directories is None or intake.read.is_in(directories):
                self._unread.add(place)

    def _collect(self) -> None:
        """Gather records for the partitions that have no run yet."""
        for place, intake in list(self._intakes.items()):
            if self._can_collect(place):
                self._fill(place, intake)
        holding = [intake for intake in self._intakes.values() if intake.is_holding]
        for intake in holding[_MOST_HOLDING:]:
            intake.let_go()

    def _can_collect(self, place: TopicPartition) -> bool:
        if place not in self._unread or self._left == 0:
            return False
        job = self._jobs.get(place)
        if job is not None:
            return not job.is_started and not job.delivery.is_full
        waiting = sum(1 for other in self._jobs.values() if not other.is_started)
        is_free = len(self._running()) + waiting < self._options.jobs
        return is_free or (self._options.linger > 0 and not self._is_pressed())

    def _is_pressed(self) -> bool:
        """Whether so much is collected that lingering has to end."""
        return sum(job.delivery.size for job in self._jobs.values()) > _MAX_COLLECTED

    def _fill(self, place: TopicPartition, intake: Intake) -> None:
        job = self._jobs.get(place) or Job(intake.begin())
        delivery, before = job.delivery, job.delivery.records
        most = self._options.most
        if self._left is not None:
            most = self._left + before if most is None else min(most, self._left + before)
        if not intake.fill(delivery, most):
            self._unread.discard(place)
            if not intake.is_holding:  # with what was gone past at the end: damage whose extent is known
                delivery.end = max(delivery.end, intake.read.offset)
        if delivery.records > before:
            self._last_record = time.monotonic()
            self._jobs[place] = job
            if self._left is not None:
                self._left -= delivery.records - before
        elif not delivery.records and delivery.end:
            self._consumer.owned.processed(delivery.source, delivery.end)

    def _start_runs(self) -> None:
        now = time.monotonic()
        for place, job in list(self._jobs.items()):
            if len(self._running()) >= self._options.jobs:
                return
            if job.running is None and now >= self._due(job) and not self._is_gathering(place):
                job.start(self._options, self._context.where_for_commands(), self._consumer.owned.note_command(place))

    def _is_gathering(self, place: TopicPartition) -> bool:
        """Whether more for the next run is there already, and has only to be read."""
        return self._can_collect(place) and not self._is_pressed()

    def _due(self, job: Job) -> float:
        """When a run is to be started, or started again."""
        if job.retry_at is not None:
            return job.retry_at
        waits = self._request.follow and not job.delivery.is_full and self._left != 0 and not self._is_pressed()
        return job.delivery.since + self._options.linger if waits else job.delivery.since

    def _step_runs(self) -> None:
        for place, job in list(self._jobs.items()):
            outcome = job.running.step() if job.running is not None else None
            if outcome is not None:
                job.running = None
                self._guard(self._conclude, place, job, outcome)

    def _conclude(self, place: TopicPartition, job: Job, outcome: Outcome) -> None:
        if outcome.status == 0 or self._gave_up(job, outcome):
            self._done(place, job.delivery)

    def _done(self, place: TopicPartition, delivery: Delivery) -> None:
        del self._jobs[place]
        self.delivered += delivery.records
        self._consumer.owned.done(delivery.source, delivery.end)
        self._intakes[place] = self._intakes.pop(place)

    def _gave_up(self, job: Job, outcome: Outcome) -> bool:
        """Whether a failed delivery is dealt with: in the dead-letter topic. Else it is tried again, or ends the run."""
        name = self._options.argv[0]
        if job.attempt <= self._options.retries:
            pause = self._options.pause(job.attempt)
            job.retry_at = time.monotonic() + pause
            then = "not committed" if self._is_stopping() else f"again in {pause:g} s"
            self._context.notice(f"{name} failed ({job.describe()}): {outcome.reason}: {then}")
            return False
        times = "once" if job.attempt == 1 else f"{job.attempt} times"
        failure = f"{name} failed {times} ({job.describe()}): {outcome.reason}"
        if self._dead_letters is None:
            raise CommandFailed(f"{failure}: nothing of it is committed; mend it and run again, or use --dead-letter")
        why = Failure(outcome.status, outcome.reason, job.attempt, outcome.stderr)
        self._dead_letters.add(job.delivery.batches, why)
        complain(f"{failure}: its records are in {self._dead_letters.topic}")
        return True

    def _is_done(self) -> bool:
        if self._is_stopping():
            return not self._running()
        if self._jobs:
            return False
        if self._left == 0:
            return True
        if self._unread:
            return False
        if self._consumer.is_finished():
            return True
        if self._consumer.is_joining():
            self._last_record = time.monotonic()
        idle = self._request.idle
        return idle is not None and time.monotonic() >= self._last_record + idle

    def _timeout(self) -> float | None:
        return min(self._waits(), default=None)

    def _waits(self) -> Iterator[float]:
        """Seconds until something has to be done though nothing wakes us."""
        now = time.monotonic()
        is_stopping = self._is_stopping()
        running = self._running()
        for job in running:
            due = job.running.due_in()  # type: ignore[union-attr]
            if due is not None:
                yield due
        if is_stopping:
            return
        if len(running) < self._options.jobs:
            yield from (max(0.0, self._due(job) - now) for job in self._jobs.values() if job.running is None)
        if any(self._can_collect(place) for place in self._unread):
            yield 0.0
        if self._request.idle is not None and not self._jobs:
            yield max(0.0, self._last_record + self._request.idle - now)

"""consume as a member of a group: what is printed, or what COMMAND exits 0 for, is committed.

Imported only for a group: a plain consume starts without it.
"""

from __future__ import annotations

from contextlib import suppress
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from streamcli.cli.consume import Options, Printer
from streamcli.cli.context import Context, now_ms
from streamcli.cli.deliver import Deliverer
from streamcli.cli.job import CommandOptions
from streamcli.cli.reading import Damage, ReadRequest, read_range
from streamcli.cli.stop import Stopped
from streamcli.engine.consume import SourceBatch
from streamcli.engine.dead_letter import DeadLetters
from streamcli.engine.group import group_batches
from streamcli.engine.group_request import GroupEvents, GroupRequest
from streamcli.record.errors import CorruptData, NothingToRead, UsageError
from streamcli.record.range import END
from streamcli.storage.layout import check_topic_name

if TYPE_CHECKING:
    from streamcli.engine.interface import Engine, GroupConsumer


def group_request(options: Options, hangup: int | None) -> GroupRequest:
    """What the group's consumer is asked for; UsageError for flags that a group has no meaning for."""
    assert options.group is not None
    if options.partition:
        raise UsageError("-g shares all partitions of a topic: leave out -p")
    wanted = read_range(options.offset, options.since, options.until)
    if wanted.stop.kind != END:
        raise UsageError("-g reads to the end and goes on there the next time: leave out where to stop")
    idle = None if options.idle is None else options.idle / 1000
    commits = options.commit != "none"
    return GroupRequest(options.group, options.topics, wanted, options.follow, commits, idle, hangup)


def command_options(options: Options) -> CommandOptions:
    """How COMMAND is run; UsageError for what cannot be."""
    if options.batch == 0 or options.jobs == 0:
        raise UsageError("--batch and -j: use 1 or more")
    if options.each and options.batch is not None:
        raise UsageError("--each is one record a run: leave out --batch")
    if options.commit == "none":
        raise UsageError("-- COMMAND commits what it exits 0 for: leave out --commit none")
    if options.dead_letter is not None:
        check_topic_name(options.dead_letter)
        if any(fnmatchcase(options.dead_letter, topic) for topic in options.topics):
            raise UsageError(f"--dead-letter {options.dead_letter} is among the topics consumed: name another one")
    timeout = None if options.timeout is None else options.timeout / 1000
    times = (options.retries, options.backoff / 1000, timeout)
    return CommandOptions(
        options.command, options.batch, options.linger / 1000, options.each, options.jobs, *times, options.dead_letter
    )


def run_group(context: Context, options: Options, request: ReadRequest, printer: Printer) -> Damage:
    """consume -g."""
    run = GroupRun(context, group_request(options, printer.hangup), request, printer)
    run.run()
    return run.damage


def run_command(context: Context, options: Options, request: ReadRequest) -> int:
    """consume -g -- COMMAND."""
    if options.group is None:
        raise UsageError("-- COMMAND needs a group, which says what is done already: add -g")
    group, command = group_request(options, None), command_options(options)
    with context.stop.deferred(second_raises=True) as wakeup:
        engine = context.engine(create=group.follow or command.dead_letter is not None)
        letters = None
        consumer = open_consumer(context, engine, group)
        try:
            if command.dead_letter is not None:
                letters = DeadLetters(engine, command.dead_letter, group.group, clock=now_ms, warn=context.notice)
            deliverer = Deliverer(context, consumer, request, command, options.renderer(), letters)
            deliverer.run(wakeup)
        finally:
            leave(context, consumer)
    if context.stop.pending is not None:
        raise context.stop.pending
    if deliverer.damage.skipped:
        return CorruptData.status
    if options.fail_empty and not deliverer.delivered:
        raise NothingToRead(f"nothing to read: {', '.join(options.topics)} had no record to deliver")
    return 0


def open_consumer(context: Context, engine: Engine, group: GroupRequest) -> GroupConsumer:
    return engine.consumer(group, GroupEvents(now_ms, context.notice))


def leave(context: Context, consumer: GroupConsumer) -> None:
    """Commit, and leave the group. A first signal while that waits for a lock does not keep it from committing; a second does."""
    try:
        if context.stop.pending is None:
            with suppress(Stopped):
                consumer.owned.commit()
    finally:
        consumer.close()


class GroupRun:
    """One run of consume --group: what is printed is processed, and is committed."""

    def __init__(self, context: Context, group: GroupRequest, request: ReadRequest, printer: Printer) -> None:
        self._context = context
        self._group = group
        self._request = request
        self._printer = printer
        self.damage = Damage(skip=request.skip_corrupt, notice=context.notice)

    def run(self) -> None:
        with self._context.stop.deferred(second_raises=True) as wakeup:
            consumer = open_consumer(self._context, self._context.engine(create=self._group.follow), self._group)
            try:
                self._print_all(consumer, wakeup)
            finally:
                leave(self._context, consumer)
        if self._context.stop.pending is not None:
            raise self._context.stop.pending

    def _print_all(self, consumer: GroupConsumer, wakeup: int) -> None:
        left = self._request.limit
        if left == 0:
            return

        def before_wait() -> None:
            self._printer.output.flush()
            consumer.owned.pass_damage()

        found = group_batches(
            consumer,
            self._group,
            on_damage=self.damage,
            before_wait=before_wait,
            stopping=lambda: self._context.stop.pending is not None,
            wakeup=wakeup,
        )
        for source, batch in found:
            end = batch.next_offset
            chosen = self._request.wanted.select(batch)
            if chosen is not None and left is not None:
                if chosen.count >= left:
                    chosen = chosen.take(0, left)
                    end = chosen.next_offset
                left -= chosen.count
            if chosen is not None:
                self._print(consumer, SourceBatch(source, chosen))
            consumer.owned.processed(source, end)
            if left == 0:
                return

    def _print(self, consumer: GroupConsumer, taken: SourceBatch) -> None:
        """Print a batch, now; when the reader leaves in its middle, what it took is processed, and no more."""
        output = self._printer.output
        before = output.written
        try:
            self._printer.print(taken)
            output.flush()
        except BrokenPipeError:
            count = self._printer.count_within(taken, output.written - before)
            if count:
                consumer.owned.processed(taken.source, taken.batch.take(0, count).next_offset)
            raise

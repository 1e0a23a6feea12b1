"""The consume command: batches to standard output."""

from __future__ import annotations

from bisect import bisect_right
from fnmatch import fnmatchcase
from functools import partial
from typing import Any, NamedTuple

from streamcli.cli.context import Context, now_ms
from streamcli.cli.deliver import CommandOptions, Deliverer
from streamcli.cli.output import Output
from streamcli.cli.reading import Damage, Reading, ReadRequest, read_range
from streamcli.cli.render import Renderer, make_filter, render_format, render_json, render_keyed, render_values
from streamcli.engine.consume import SourceBatch
from streamcli.engine.dead_letter import DeadLetters
from streamcli.engine.group import (
    BoundedConsumer,
    Consumer,
    FollowingConsumer,
    GroupEvents,
    GroupRequest,
    group_batches,
)
from streamcli.record.errors import CorruptData, NothingToRead, UsageError
from streamcli.record.range import END
from streamcli.storage.directory import LogDirectory
from streamcli.storage.layout import check_topic_name

_MOST_RECORDS = 1 << 14
"""Records that are rendered at once: short ones take a hundred times their size meanwhile."""


class Options(NamedTuple):
    """The command's flags and arguments, as declared in cli.commands."""

    topics: list[str]
    group: str | None
    commit: str
    offset: str | None
    since: str | None
    until: str | None
    grep: str | None
    key: str | None
    header: list[tuple[str, bytes]]
    partition: list[int]
    number: int | None
    follow: bool
    idle: int | None
    format: str | None
    json: bool
    delimiter: bytes | None
    null: bool
    key_delimiter: bytes | None
    fail_empty: bool
    skip_corrupt: bool
    batch: int | None
    linger: int
    each: bool
    jobs: int
    retries: int
    backoff: int
    timeout: int | None
    dead_letter: str | None
    command: list[str]

    def request(self) -> ReadRequest:
        if self.idle is not None and not self.follow:
            raise UsageError("--idle says when following ends: add -f")
        return ReadRequest(
            topics=self.topics,
            partitions=self.partition,
            range=read_range(self.offset, self.since, self.until),
            follow=self.follow,
            idle=None if self.idle is None else self.idle / 1000,
            limit=self.number,
            wanted=make_filter(self.grep, self.key, self.header),
            skip_corrupt=self.skip_corrupt,
        )

    def group_request(self, hangup: int | None) -> GroupRequest:
        """What the group's consumer is asked for; UsageError for flags that a group has no meaning for."""
        assert self.group is not None
        if self.partition:
            raise UsageError("-g shares all partitions of a topic: leave out -p")
        wanted = read_range(self.offset, self.since, self.until)
        if wanted.stop.kind != END:
            raise UsageError("-g reads to the end and goes on there the next time: leave out where to stop")
        idle = None if self.idle is None else self.idle / 1000
        commits = self.commit != "none"
        return GroupRequest(self.group, self.topics, wanted, self.follow, commits, idle, hangup)

    def command_options(self) -> CommandOptions:
        """How COMMAND is run; UsageError for what cannot be."""
        if self.batch == 0 or self.jobs == 0:
            raise UsageError("--batch and -j: use 1 or more")
        if self.each and self.batch is not None:
            raise UsageError("--each is one record a run: leave out --batch")
        if self.commit == "none":
            raise UsageError("-- COMMAND commits what it exits 0 for: leave out --commit none")
        if self.dead_letter is not None:
            check_topic_name(self.dead_letter)
            if any(fnmatchcase(self.dead_letter, topic) for topic in self.topics):
                raise UsageError(f"--dead-letter {self.dead_letter} is among the topics consumed: name another one")
        timeout = None if self.timeout is None else self.timeout / 1000
        times = (self.retries, self.backoff / 1000, timeout)
        return CommandOptions(
            self.command, self.batch, self.linger / 1000, self.each, self.jobs, *times, self.dead_letter
        )

    def renderer(self) -> Renderer:
        shapes = [self.format is not None, self.json, self.key_delimiter is not None]
        if sum(shapes) > 1:
            raise UsageError("-F, --json and -K each say how a record is printed: leave out all but one")
        if (self.format is not None or self.json) and (self.delimiter is not None or self.null):
            raise UsageError("-F and --json print whole records: leave out -D and -0")
        if self.format is not None:
            return render_format(self.format)
        if self.json:
            return render_json
        delimiter = b"\0" if self.null else b"\n" if self.delimiter is None else self.delimiter
        if self.key_delimiter is not None:
            return render_keyed(self.key_delimiter, delimiter)
        return render_values(delimiter)

    def prints_lines(self) -> bool:
        """Whether joined values can be copied out as they are."""
        plain = self.format is None and not self.json and self.key_delimiter is None
        return plain and not self.null and self.delimiter in (None, b"\n")


class Printer:
    """Prints batches on standard output, and counts the records."""

    def __init__(self, render: Renderer, *, copies: bool) -> None:
        self.output = Output()
        self._render = render
        self._copies = copies
        self.printed = 0

    @property
    def hangup(self) -> int | None:
        """The descriptor to watch for the reader's leaving."""
        return self.output.fd if self.output.is_pipe else None

    def print(self, taken: SourceBatch) -> None:
        source, batch = taken
        self.printed += batch.count
        if self._copies and batch.extent is not None:
            self.output.copy(batch.extent, partial(self._render, taken))
        elif self._copies or batch.count <= _MOST_RECORDS:
            self.output.write(self._render(taken))
        else:
            listed = batch.listed()
            for first in range(0, batch.count, _MOST_RECORDS):
                part = listed.slice(first, min(first + _MOST_RECORDS, batch.count))
                self.output.write(self._render(SourceBatch(source, part)))

    def count_within(self, taken: SourceBatch, size: int) -> int:
        """How many whole records of a batch the first `size` bytes of its output hold."""

        def size_of(count: int) -> int:
            return len(self._render(SourceBatch(taken.source, taken.batch.take(0, count))))

        return bisect_right(range(1, taken.batch.count + 1), size, key=size_of)


def run(context: Context, **values: Any) -> int:
    """Print records; 3 when there were none and that was asked for, 6 when corrupt data was passed by."""
    options = Options(**values)
    request = options.request()
    if options.command:
        return run_command(context, options, request)
    printer = Printer(options.renderer(), copies=options.prints_lines())
    if options.group is None:
        damage = run_alone(context, request, printer)
    else:
        group_run = GroupRun(context, options.group_request(printer.hangup), request, printer)
        group_run.run()
        damage = group_run.damage
    if damage.skipped:
        return CorruptData.status
    if options.fail_empty and not printer.printed:
        raise NothingToRead(f"nothing to read: {', '.join(options.topics)} had no record to print")
    return 0


def run_alone(context: Context, request: ReadRequest, printer: Printer) -> Damage:
    """consume without a group."""
    output = printer.output
    with context.stop.deferred(second_raises=True) as wakeup, output:
        reading = Reading(context, request, before_wait=output.flush, hangup=printer.hangup, wakeup=wakeup)
        for taken in reading.batches():
            printer.print(taken)
            if context.stop.pending is not None:
                break
    if context.stop.pending is not None:
        raise context.stop.pending
    return reading.damage


def run_command(context: Context, options: Options, request: ReadRequest) -> int:
    """consume -g -- COMMAND."""
    if options.group is None:
        raise UsageError("-- COMMAND needs a group, which says what is done already: add -g")
    group, command = options.group_request(None), options.command_options()
    with context.stop.deferred(second_raises=True) as wakeup:
        directory = context.open(create=group.follow or command.dead_letter is not None)
        letters = None
        if command.dead_letter is not None:
            letters = DeadLetters(directory, command.dead_letter, group.group, clock=now_ms, warn=context.notice)
        consumer = open_consumer(context, directory, group)
        try:
            deliverer = Deliverer(context, consumer, request, command, options.renderer(), letters)
            deliverer.run(wakeup)
        finally:
            consumer.close()
            if letters is not None:
                letters.close()
    if context.stop.pending is not None:
        raise context.stop.pending
    if deliverer.damage.skipped:
        return CorruptData.status
    if options.fail_empty and not deliverer.delivered:
        raise NothingToRead(f"nothing to read: {', '.join(options.topics)} had no record to deliver")
    return 0


def open_consumer(context: Context, directory: LogDirectory, group: GroupRequest) -> Consumer:
    events = GroupEvents(now_ms, context.notice)
    return (FollowingConsumer if group.follow else BoundedConsumer)(directory, group, events)


class GroupRun:
    """One run of consume --group: what is printed is processed, and is committed."""

    def __init__(self, context: Context, group: GroupRequest, request: ReadRequest, printer: Printer) -> None:
        self._context = context
        self._group = group
        self._request = request
        self._printer = printer
        self.damage = Damage(skip=request.skip_corrupt)

    def run(self) -> None:
        with self._context.stop.deferred(second_raises=True) as wakeup:
            consumer = open_consumer(self._context, self._context.open(create=self._group.follow), self._group)
            try:
                self._print_all(consumer, wakeup)
            finally:
                consumer.close()
        if self._context.stop.pending is not None:
            raise self._context.stop.pending

    def _print_all(self, consumer: Consumer, wakeup: int) -> None:
        left = self._request.limit
        if left == 0:
            return
        found = group_batches(
            consumer,
            self._group,
            on_damage=self.damage,
            before_wait=self._printer.output.flush,
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

    def _print(self, consumer: Consumer, taken: SourceBatch) -> None:
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

"""The consume command: batches to standard output."""

from __future__ import annotations

from bisect import bisect_right
from functools import partial
from typing import Any, NamedTuple

from streamcli.cli.context import Context
from streamcli.cli.filter import make_filter
from streamcli.cli.heap import keep_freed_memory
from streamcli.cli.output import Output
from streamcli.cli.reading import Damage, Reading, ReadRequest, read_range
from streamcli.cli.render import Shape, Template
from streamcli.engine.consume import SourceBatch
from streamcli.record.errors import CorruptData, NothingToRead, UsageError


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

    def refuse_without_command(self) -> None:
        """UsageError for flags that say how a command is run, where there is none."""
        given = {
            "--batch": self.batch is not None,
            "--linger": self.linger != 0,
            "--each": self.each,
            "-j": self.jobs != 1,
            "--retries": self.retries != 3,
            "--backoff": self.backoff != 1000,
            "--timeout": self.timeout is not None,
            "--dead-letter": self.dead_letter is not None,
        }
        for flag in (flag for flag, is_given in given.items() if is_given):
            raise UsageError(f"{flag} says how a command is run: add -- COMMAND, or leave it out")
        if self.commit == "none" and self.group is None:
            raise UsageError("--commit is for a group: add -g, or leave it out")

    def renderer(self) -> Template:
        return Shape(self.format, self.json, self.delimiter, self.null, self.key_delimiter).renderer()


class Printer:
    """Prints batches on standard output, and counts the records. copies: whether each is printed while its extent is valid."""

    def __init__(self, render: Template, *, copies: bool) -> None:
        self.output = Output()
        self._render = render
        self._copies = copies and render.prints_lines
        self.printed = 0

    @property
    def hangup(self) -> int | None:
        """The descriptor to watch for the reader's leaving."""
        return self.output.fd if self.output.is_pipe else None

    def print(self, taken: SourceBatch) -> None:
        batch = taken.batch
        self.printed += batch.count
        if self._copies and batch.extent is not None:
            self.output.copy(batch.extent, partial(self._lines, taken))
        elif self._copies and batch.is_scattered:
            self.output.write_lines(batch)
        else:
            for piece in self._render.pieces(taken):
                self.output.write(piece)

    def _lines(self, taken: SourceBatch) -> bytes | memoryview:
        """Joined values, without decoding what is read already: like `extent` this goes by the header alone."""
        batch = taken.batch
        if batch.extent is None or batch.body is None:
            return self._render(taken)
        return batch.body[len(batch.body) - batch.extent.length :]

    def count_within(self, taken: SourceBatch, size: int) -> int:
        """How many whole records of a batch the first `size` bytes of its output hold."""

        def size_of(count: int) -> int:
            return len(self._render(SourceBatch(taken.source, taken.batch.take(0, count))))

        return bisect_right(range(1, taken.batch.count + 1), size, key=size_of)


def run(context: Context, **values: Any) -> int:
    """Print records; 3 when there were none and that was asked for, 6 when corrupt data was passed by."""
    options = Options(**values)
    request = options.request()
    keep_freed_memory()
    if options.command:
        from streamcli.cli import consume_group

        return consume_group.run_command(context, options, request)
    options.refuse_without_command()
    printer = Printer(options.renderer(), copies=True)
    if options.group is None:
        damage = run_alone(context, request, printer)
    else:
        from streamcli.cli import consume_group

        damage = consume_group.run_group(context, options, request, printer)
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

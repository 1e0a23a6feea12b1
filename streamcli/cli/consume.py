"""The consume command: batches to standard output."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

from streamcli.cli.context import Context
from streamcli.cli.output import Output
from streamcli.cli.reading import Reading, ReadRequest, read_range
from streamcli.cli.render import Renderer, make_filter, render_format, render_json, render_keyed, render_values
from streamcli.record.errors import CorruptData, NothingToRead, UsageError


class Options(NamedTuple):
    """The command's flags and arguments, as declared in cli.commands."""

    topics: list[str]
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


def run(context: Context, **values: Any) -> int:
    """Print records; 3 when there were none and that was asked for, 6 when corrupt data was passed by."""
    options = Options(**values)
    request, render = options.request(), options.renderer()
    output = Output()
    printed = 0
    copies = options.prints_lines()
    hangup = output.fd if output.is_pipe else None
    reading = Reading(context, request, before_wait=output.flush, hangup=hangup)
    with output:
        for taken in reading.batches():
            if copies and taken.batch.extent is not None:
                output.copy(taken.batch.extent, partial(render, taken))
            else:
                output.write(render(taken))
            printed += taken.batch.count
    if reading.damage.skipped:
        return CorruptData.status
    if options.fail_empty and not printed:
        raise NothingToRead(f"nothing to read: {', '.join(options.topics)} had no record to print")
    return 0

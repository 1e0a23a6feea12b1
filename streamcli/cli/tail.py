"""The tail command: the last records and what comes, for eyes."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

from streamcli.cli.context import Context, show_bytes
from streamcli.cli.filter import make_filter
from streamcli.cli.output import Output
from streamcli.cli.reading import Damage, Reading, ReadRequest, read_range
from streamcli.cli.render import Renderer, render_format, render_json, render_values
from streamcli.engine.consume import SourceBatch
from streamcli.record.errors import CorruptData, UsageError

if TYPE_CHECKING:
    from streamcli.cli.tail_screen import Drawer

DEFAULT_COUNT = 10


class Options(NamedTuple):
    """The command's flags and arguments, as declared in cli.commands."""

    topics: list[str]
    follow: bool
    number: int | None
    since: str | None
    until: str | None
    grep: str | None
    key: str | None
    header: list[tuple[str, bytes]]
    partition: list[int]
    wrap: bool
    format: str | None
    json: bool
    skip_corrupt: bool

    def request(self) -> ReadRequest:
        return ReadRequest(
            topics=self.topics,
            partitions=self.partition,
            range=read_range(None, self.since, self.until),
            follow=self.follow,
            idle=None,
            limit=None,
            wanted=make_filter(self.grep, self.key, self.header),
            skip_corrupt=self.skip_corrupt,
        )

    def renderer(self, *, on_terminal: bool) -> Renderer:
        """What -F, --json or neither ask for; on a terminal no record's bytes are left that could drive it."""
        if self.format is not None and self.json:
            raise UsageError("-F and --json each say how a record is printed: leave out one")
        if self.format is not None:
            return render_format(self.format, show=_show_field if on_terminal else None)
        if self.json:
            return _render_shown_json if on_terminal else render_json()
        return render_values(b"\n")

    def drawer(self, context: Context) -> Drawer:
        """What draws records on a terminal."""
        if self.format is not None or self.json:
            return _ShapedDrawer(context, self.renderer(on_terminal=True))
        from streamcli.cli.tail_lines import LineDrawer

        return LineDrawer(sys.stdout, wrap=self.wrap)

    @property
    def is_whole_range(self) -> bool:
        return self.since is not None or self.until is not None

    def parts(self, reading: Reading) -> tuple[Iterable[SourceBatch], Iterable[SourceBatch]]:
        """The records that were asked for, and those that come."""
        if self.is_whole_range:
            return ((), reading.batches()) if self.follow else (reading.batches(), ())
        last = reading.last(DEFAULT_COUNT if self.number is None else self.number)
        return last, reading.after_last() if self.follow else ()


def run(context: Context, **values: Any) -> int:
    """Show the last records; 6 when corrupt data was passed by."""
    options = Options(**values)
    if options.is_whole_range and options.number is not None:
        raise UsageError("-n and --since or --until each say which records: leave out one")
    with context.stop.deferred(second_raises=True) as wakeup:
        damage = (_show if sys.stdout.isatty() else _print)(context, options, wakeup)
    if context.stop.pending is not None:
        raise context.stop.pending
    return CorruptData.status if damage.skipped else 0


def _print(context: Context, options: Options, wakeup: int) -> Damage:
    """Plain lines, every one."""
    request, render, output = options.request(), options.renderer(on_terminal=False), Output()
    hangup = output.fd if output.is_pipe else None
    with output:
        reading = Reading(context, request, before_wait=output.flush, hangup=hangup, wakeup=wakeup)
        for taken in chain(*options.parts(reading)):
            output.write(render(taken))
            if context.stop.pending is not None:
                break
    return reading.damage


def _show(context: Context, options: Options, wakeup: int) -> Damage:
    """Lines on a terminal. With -f, what comes faster than it can be read is skipped."""
    from streamcli.cli.tail_screen import TerminalTail

    # What the terminal's encoding has not is shown escaped, too.
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # it is a text stream
    request, draw = options.request(), options.drawer(context)
    with TerminalTail(sys.stdout, context.stop, draw) as terminal:
        reading = Reading(context, request, before_wait=terminal.pause, hangup=None, wakeup=wakeup)
        draw.expect(reading.topics)
        asked_for, coming = options.parts(reading)
        for taken in asked_for:
            terminal.show(taken)
        for taken in coming:
            terminal.offer(taken)
            if context.stop.pending is not None:
                break
    return reading.damage


class _ShapedDrawer:
    """Draws records as -F or --json say."""

    def __init__(self, context: Context, render: Renderer) -> None:
        self._render = render
        self._output = Output(sys.stdout.fileno())
        self.note = context.notice

    def expect(self, topics: list[str]) -> None:
        """No topic is drawn in a way of its own."""

    def draw(self, taken: SourceBatch) -> None:
        self._output.write(self._render(taken))
        self._output.flush()


def _show_field(data: bytes) -> bytes:
    return show_bytes(data).encode()


def _render_shown_json(taken: SourceBatch) -> bytes:
    """JSON lines, the same to a JSON parser: what is not printable, and may stand in JSON as it is, is escaped too."""
    text = bytes(render_json()(taken)).decode()
    lines = text.split("\n")
    return "\n".join([line if line.isprintable() else "".join(map(_shown_in_json, line)) for line in lines]).encode()


def _shown_in_json(character: str) -> str:
    import json

    return character if character.isprintable() else json.dumps(character)[1:-1]

"""The tail command: the last records and what comes, for eyes."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from streamcli.cli.context import Context, show
from streamcli.cli.output import Output
from streamcli.cli.reading import Reading, ReadRequest, read_range
from streamcli.cli.render import Renderer, make_filter, render_format, render_json, render_values
from streamcli.engine.consume import Source, SourceBatch
from streamcli.record.batch import Record
from streamcli.record.errors import CorruptData, UsageError

if TYPE_CHECKING:
    from rich.text import Text

DEFAULT_COUNT = 10
_LONGEST_SHOWN = 64 << 10
_TOPIC_COLOURS = ("green", "magenta", "blue", "yellow", "cyan", "red")


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
            return _render_shown_json if on_terminal else render_json
        return render_values(b"\n")


def run(context: Context, **values: Any) -> int:
    """Show the last records; 6 when corrupt data was passed by."""
    options = Options(**values)
    on_terminal = sys.stdout.isatty()
    request, render = options.request(), options.renderer(on_terminal=on_terminal)
    output = Output()
    whole_range = options.since is not None or options.until is not None
    if whole_range and options.number is not None:
        raise UsageError("-n and --since or --until each say which records: leave out one")
    plain = options.format is not None or options.json or not on_terminal
    screen = None if plain else Screen(wrap=options.wrap)
    with context.stop.deferred(second_raises=True) as wakeup, output:
        hangup = output.fd if output.is_pipe else None
        reading = Reading(context, request, before_wait=output.flush, hangup=hangup, wakeup=wakeup)
        for taken in reading.batches() if whole_range else reading.last_batches(_count(options)):
            if screen is None:
                output.write(render(taken))
            else:
                screen.show(taken)
            if context.stop.pending is not None:
                break
    if context.stop.pending is not None:
        raise context.stop.pending
    return CorruptData.status if reading.damage.skipped else 0


def _show_field(data: bytes) -> bytes:
    return show_bytes(data).encode()


def _render_shown_json(taken: SourceBatch) -> bytes:
    """JSON lines, the same to a JSON parser: what is not printable, and may stand in JSON as it is, is escaped too."""
    text = render_json(taken).decode()
    lines = text.split("\n")
    return "\n".join([line if line.isprintable() else "".join(map(_shown_in_json, line)) for line in lines]).encode()


def _shown_in_json(character: str) -> str:
    return character if character.isprintable() else json.dumps(character)[1:-1]


def _count(options: Options) -> int:
    return DEFAULT_COUNT if options.number is None else options.number


class Screen:
    """Records on a terminal: a line each, unless `wrap` lets long values go on."""

    def __init__(self, *, wrap: bool) -> None:
        from rich.console import Console
        from rich.highlighter import JSONHighlighter

        self._console = Console(highlight=False, markup=False, emoji=False)
        self._highlight_json = JSONHighlighter().highlight
        self._wrap = wrap
        self._colours: dict[str, str] = {}

    def show(self, taken: SourceBatch) -> None:
        for record in taken.batch.records():
            line = self._line(taken.source, record)
            if not self._wrap:
                line.truncate(self._console.width, overflow="ellipsis")
            self._console.print(line, soft_wrap=self._wrap, no_wrap=not self._wrap, overflow="ignore", crop=False)

    def _line(self, source: Source, record: Record) -> Text:
        from rich.text import Text

        colour = self._colours.setdefault(source.topic, _TOPIC_COLOURS[len(self._colours) % len(_TOPIC_COLOURS)])
        line = Text(_clock_time(record.timestamp), style="dim")
        line.append(f" {source.topic}", style=f"not dim {colour}")
        line.append(f" {source.partition}:{record.offset} ", style="not dim cyan")
        if record.key is not None:
            line.append(show_bytes(record.key), style="not dim bold")
            line.append(" ")
        line.append_text(self._value(record.value))
        return line

    def _value(self, value: bytes | None) -> Text:
        from rich.text import Text

        if value is None:
            return Text("null", style="not dim italic")
        text = Text(show_bytes(value if self._wrap else value[:_LONGEST_SHOWN]), style="not dim")
        if value[:1] in (b"{", b"["):
            self._highlight_json(text)
        return text


def _clock_time(timestamp: int) -> str:
    """The local time of day, with the date in front when it is not today's."""
    try:
        moment = datetime.fromtimestamp(timestamp / 1000)
    except (ValueError, OverflowError, OSError):
        return f"@{timestamp}"
    clock = moment.isoformat(sep=" ", timespec="milliseconds")
    return clock[11:] if moment.date() == datetime.now().date() else clock


def show_bytes(data: bytes) -> str:
    r"""Bytes as text that cannot drive a terminal: what is no UTF-8, or not printable, stands as \xNN or \n."""
    return show(data.decode(errors="backslashreplace"))

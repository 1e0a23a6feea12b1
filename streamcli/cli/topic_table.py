"""The table command: the newest value of each key, or of the keys named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from streamcli.cli.consume import Printer
from streamcli.cli.context import Context, now_ms, show
from streamcli.cli.reading import Damage
from streamcli.cli.render import Shape, Template
from streamcli.cli.values import naming, parse_escapes, parse_time
from streamcli.engine.read_options import TableOptions
from streamcli.record.errors import CorruptData, NothingToRead
from streamcli.record.range import END, TIME, Bound

if TYPE_CHECKING:
    from streamcli.engine.interface import Table

_MOST_NAMED = 10
"""Keys that an error names."""


class Options(NamedTuple):
    """The command's flags and arguments, as declared in cli.commands."""

    topic: str
    keys: list[str]
    until: str | None
    partition: list[int]
    format: str | None
    json: bool
    delimiter: bytes | None
    null: bool
    key_delimiter: bytes | None
    fail_empty: bool
    skip_corrupt: bool

    def renderer(self) -> Template:
        key_delimiter = self.key_delimiter
        if key_delimiter is None and not self.keys and self.format is None and not self.json:
            key_delimiter = b"\t"
        return Shape(self.format, self.json, self.delimiter, self.null, key_delimiter).renderer()

    def table(self, context: Context, damage: Damage) -> Table:
        with naming("--until"):
            stop = Bound(END) if self.until is None else Bound(TIME, parse_time(self.until, now_ms()))
        return context.engine().table(TableOptions(self.topic, self.partition, stop, damage, context.notice))


def run(context: Context, **values: Any) -> int:
    """Print rows; 3 when a key that was named has no value, 6 when corrupt data was passed by."""
    options = Options(**values)
    keys = [parse_escapes(key) for key in options.keys]
    damage = Damage(skip=options.skip_corrupt, notice=context.notice)
    printer = Printer(options.renderer(), copies=False)
    table = options.table(context, damage)
    with printer.output:
        if keys:
            absent = print_values(table, keys, printer)
        else:
            absent = []
            context.allow_descriptors()
            for taken in table.rows():
                printer.print(taken)
    if damage.skipped:
        return CorruptData.status
    if absent:
        raise NothingToRead(f"nothing to read: {options.topic} has no value for {_shown(absent)}")
    if options.fail_empty and not printer.printed:
        raise NothingToRead(f"nothing to read: {options.topic} has no key with a value")
    return 0


def print_values(table: Table, keys: list[bytes], printer: Printer) -> list[bytes]:
    """Print the newest record of each key, in this order; returns the keys that have no value."""
    found = table.newest(keys)
    absent = []
    for key in keys:
        taken = found.get(key)
        if taken is None or taken.batch.values() == [None]:
            absent.append(key)
        else:
            printer.print(taken)
    return absent


def _shown(keys: list[bytes]) -> str:
    named = ", ".join(repr(show(key.decode(errors="backslashreplace"))) for key in keys[:_MOST_NAMED])
    return named if len(keys) <= _MOST_NAMED else f"{named} and {len(keys) - _MOST_NAMED} more"

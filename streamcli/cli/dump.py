"""The dump command: what lies in segments, indexes and checkpoints, as text or JSON."""

from __future__ import annotations

import json as json_module
import os
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from streamcli.cli import envelope
from streamcli.cli.context import Context, complain, show
from streamcli.cli.dump_rows import (
    BATCH_COLUMNS,
    CHECKPOINT_COLUMNS,
    ENTRY_COLUMNS,
    LOG_START_COLUMNS,
    Column,
    batch_cells,
    batch_fields,
    checkpoint_cells,
    checkpoint_fields,
    entry_cells,
    entry_fields,
    line,
    log_start_cells,
    log_start_fields,
)
from streamcli.cli.output import Output
from streamcli.cli.reading import read_range
from streamcli.cli.values import format_time
from streamcli.engine.consume import Source, find_sources, is_glob
from streamcli.engine.dump import Dumped, dump_partitions, dump_segment
from streamcli.record.batch import Record
from streamcli.record.errors import CorruptData, NotFound, UnsupportedBatch, UsageError
from streamcli.storage.dump import (
    CHECKPOINT,
    DAMAGED,
    INDEX,
    SEGMENT,
    checkpoint_in,
    index_entries,
    kind_of,
    log_start_in,
)


class Options(NamedTuple):
    """The command's flags and arguments, as declared in cli.commands."""

    names: list[str]
    partition: list[int]
    offset: str | None
    records: bool
    json: bool


class Dump:
    """Prints what is found, file after file, and counts what is damaged."""

    def __init__(self, options: Options, output: Output) -> None:
        self._options = options
        self._output = output
        self._titled: str | None = None
        self.damaged = 0
        self.unsupported = 0  # else the status for batches that are whole, and cannot be taken apart here

    def segments(self, found: Iterable[Dumped]) -> None:
        """The batches of segments, or with --records what is in them."""
        for dumped in found:
            self.damaged += dumped.piece.state == DAMAGED
            if self._options.records:
                self._records(dumped)
            elif self._options.json:
                self._json(batch_fields(dumped))
            else:
                self._row(dumped.segment.path, BATCH_COLUMNS, batch_cells(dumped))

    def index(self, path: str) -> None:
        for entry in index_entries(path):
            self.damaged += entry.state == DAMAGED
            if self._options.json:
                self._json(entry_fields(path, entry))
            else:
                self._row(path, ENTRY_COLUMNS, entry_cells(entry))

    def note(self, path: str, kind: str) -> None:
        """A checkpoint, or the note of a log start offset."""
        if kind == CHECKPOINT:
            checkpoint = checkpoint_in(path)
            self._note(checkpoint_fields(path, checkpoint), CHECKPOINT_COLUMNS, checkpoint_cells(checkpoint))
        else:
            start = log_start_in(path)
            self._note(log_start_fields(path, start), LOG_START_COLUMNS, log_start_cells(start))

    def _note(self, fields: dict[str, Any], columns: tuple[Column, ...], cells: list[str]) -> None:
        self.damaged += fields["state"] == DAMAGED
        if self._options.json:
            self._json(fields)
        else:
            self._row(fields["file"], columns, cells)

    def _records(self, dumped: Dumped) -> None:
        if dumped.piece.state == DAMAGED:
            complain(_damage(dumped))
            return
        render = _record_json(dumped.source) if self._options.json else _record_line
        try:
            batch = dumped.records()
            for record in () if batch is None else batch.records():
                self._output.write(render(record).encode())
        except CorruptData as damage:
            self.damaged += 1
            complain(str(damage))
        except UnsupportedBatch as error:
            self.unsupported = error.status
            complain(str(error))

    def _json(self, fields: dict[str, Any]) -> None:
        self._output.write(json_module.dumps(fields, separators=(",", ":")).encode() + b"\n")

    def _row(self, path: str, columns: tuple[Column, ...], cells: list[str]) -> None:
        lines = []
        if self._titled != path:
            self._titled = path
            lines = [show(path), line(columns, [column.title for column in columns])]
        self._output.write("\n".join([*lines, line(columns, cells), ""]).encode())


def run(context: Context, **flags: Any) -> int:
    """Print what lies in each file, or in the segments of each topic."""
    options = Options(**flags)
    with Output() as output:
        dump = Dump(options, output)
        for name in options.names:
            if _is_file(context, name):
                _dump_file(dump, options, name)
            else:
                _dump_topic(context, dump, options, name)
    if dump.damaged:
        pieces = "a piece is" if dump.damaged == 1 else f"{dump.damaged} pieces are"
        context.notice(f"{pieces} damaged: `streamcli verify` says which records that costs")
    return CorruptData.status if dump.damaged else dump.unsupported


def _is_file(context: Context, name: str) -> bool:
    """Whether a name is a file's and not a topic's: one with a slash is, and one that no topic has."""
    if os.sep in name:
        return True
    if is_glob(name) or not os.path.isfile(name):
        return False
    try:
        context.open().config(name)
    except (NotFound, UsageError):
        return True
    return False


def _dump_file(dump: Dump, options: Options, name: str) -> None:
    path = os.path.realpath(name) if os.path.islink(name) else name  # a link that the user names may be followed
    if options.offset is not None or options.partition:
        raise UsageError(f"-o and -p choose of a topic, and {name} is a file: leave them out")
    kind = kind_of(path)
    if kind == SEGMENT:
        dump.segments(dump_segment(path))
    elif options.records:
        raise UsageError(f"--records prints what is in segments, and {name} is none: leave it out")
    elif kind == INDEX:
        dump.index(path)
    else:
        dump.note(path, kind)


def _dump_topic(context: Context, dump: Dump, options: Options, name: str) -> None:
    wanted = None if options.offset is None else read_range(options.offset, None, None)
    sources = find_sources(context.open(), [name], options.partition, wait=False)

    def tell_missing(source: Source, missing: int) -> None:
        dump.damaged += 1
        where = f"{source.topic}, partition {source.partition}"
        complain(f"{missing} bytes that were known to be on disk are missing at the end of the log ({where})")

    dump.segments(dump_partitions(sources, wanted, tell_missing))


def _damage(dumped: Dumped) -> str:
    piece, header = dumped.piece, dumped.piece.header
    offsets = {} if header is None else {"first": header.base_offset, "next_offset": header.next_offset}
    return str(CorruptData(piece.reason or "", dumped.segment.path, piece.position, length=piece.length, **offsets))


def _record_line(record: Record) -> str:
    """For eyes: what is not printable is escaped."""
    key, value = (None if data is None else show(data.decode(errors="backslashreplace")) for data in record[2:4])
    return f"{record.offset}  {format_time(record.timestamp)}  {_or_dash(key)}  {_or_dash(value)}\n"


def _or_dash(text: str | None) -> str:
    return "-" if text is None else text


def _record_json(source: Source | None) -> Callable[[Record], str]:
    """The JSON envelope, without topic and partition where they are not known."""
    fields = (
        '"topic":null,"partition":null' if source is None else envelope.encode_source(source.topic, source.partition)
    )
    return lambda record: envelope.encode(fields, record)

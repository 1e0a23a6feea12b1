"""What dump shows of a batch, an index entry and a checkpoint: the cells of a line, or the fields of a JSON object."""

from __future__ import annotations

from typing import Any, NamedTuple

from streamcli.cli.values import format_time
from streamcli.engine.dump import Dumped
from streamcli.storage.checkpoint import Checkpoint
from streamcli.storage.codec import NUMBERS
from streamcli.storage.dump import DAMAGED, OK, Entry
from streamcli.storage.durable import is_this_boot
from streamcli.storage.format import CODEC_NONE, COLUMN_NAMES, KNOWN_COLUMNS, LOST, NO_TIMESTAMP, BatchHeader

_CODECS = {CODEC_NONE: "none"} | {number: name for name, number in NUMBERS.items()}


class Column(NamedTuple):
    """A column of text: lines are written as they are found, so that widths are set before, and stretch where one is wider."""

    title: str
    width: int
    is_number: bool = False

    def cell(self, text: str) -> str:
        return text.rjust(self.width) if self.is_number else text.ljust(self.width)


BATCH_COLUMNS = (
    Column("POSITION", 10, True),
    Column("LENGTH", 8, True),
    Column("BASE-OFFSET", 12, True),
    Column("NEXT-OFFSET", 12, True),
    Column("RECORDS", 8, True),
    Column("MIN-TIME", 24),
    Column("MAX-TIME", 24),
    Column("CODEC", 5),
    Column("COLUMNS", 24),
    Column("PRODUCER", 8),
    Column("STATE", 0),
)
ENTRY_COLUMNS = (
    Column("ENTRY", 8, True),
    Column("POSITION", 10, True),
    Column("BASE-OFFSET", 12, True),
    Column("MAX-TIME-BEFORE", 24),
    Column("STATE", 0),
)
CHECKPOINT_COLUMNS = (
    Column("SEGMENT", 12, True),
    Column("POSITION", 10, True),
    Column("OFFSET", 12, True),
    Column("MAX-TIME", 24),
    Column("BOOT", 36),
    Column("STATE", 0),
)

LOG_START_COLUMNS = (Column("LOG-START", 12, True), Column("STATE", 0))


def line(columns: tuple[Column, ...], cells: list[str]) -> str:
    """Cells in columns."""
    return "  ".join(column.cell(cell) for column, cell in zip(columns, cells, strict=True)).rstrip()


def _time(timestamp: int) -> str:
    return "-" if timestamp == NO_TIMESTAMP else format_time(timestamp)


def _timestamp(timestamp: int) -> int | None:
    return None if timestamp == NO_TIMESTAMP else timestamp


def _columns(header: BatchHeader) -> list[str]:
    """The names of the columns, and as a number what has none here."""
    unknown = header.columns & ~(KNOWN_COLUMNS | LOST)
    names = [name for bit, name in COLUMN_NAMES.items() if header.columns & bit]
    return [*names, hex(unknown)] if unknown else names


def _codec(header: BatchHeader) -> str:
    return _CODECS.get(header.codec, str(header.codec))


def batch_cells(dumped: Dumped) -> list[str]:
    position, length, header, state, reason, _ = dumped.piece
    told = state if reason is None else f"{state}: {reason}"
    place = [str(position), str(length)]
    if header is None:
        return [*place, *["-"] * 8, told]
    offsets = [str(header.base_offset), str(header.next_offset), str(header.record_count)]
    times = [_time(header.min_timestamp), _time(header.max_timestamp)]
    producer = (
        f"{header.producer_id:x}/{header.producer_epoch}/{header.producer_sequence}" if header.producer_id else "-"
    )
    return [*place, *offsets, *times, _codec(header), ",".join(_columns(header)) or "-", producer, told]


def batch_fields(dumped: Dumped) -> dict[str, Any]:
    position, length, header, state, reason, body_right = dumped.piece
    fields: dict[str, Any] = {"file": dumped.segment.path, "position": position, "length": length}
    if header is not None:
        fields |= {
            "base_offset": header.base_offset,
            "next_offset": header.next_offset,
            "records": header.record_count,
            "min_timestamp": _timestamp(header.min_timestamp),
            "max_timestamp": _timestamp(header.max_timestamp),
            "codec": _codec(header),
            "columns": _columns(header),
            "body_length": header.body_length,
            "raw_length": header.raw_length,
            "values_length": header.values_length,
            "producer_id": header.producer_id,
            "producer_epoch": header.producer_epoch,
            "producer_sequence": header.producer_sequence,
            "header_crc": f"{header.header_crc:08x}",
            "body_crc": f"{header.body_crc:08x}",
            "body_right": body_right,
        }
    return fields | {"state": state, "reason": reason}


def entry_cells(found: Entry) -> list[str]:
    told = found.state if found.reason is None else f"{found.state}: {found.reason}"
    entry = found.entry
    if entry is None:
        return [str(found.number), "-", "-", "-", told]
    return [
        str(found.number),
        str(entry.position),
        str(entry.base_offset),
        _time(entry.max_timestamp_before),
        told,
    ]


def entry_fields(path: str, found: Entry) -> dict[str, Any]:
    fields: dict[str, Any] = {"file": path, "entry": found.number}
    if found.entry is not None:
        fields |= {
            "position": found.entry.position,
            "base_offset": found.entry.base_offset,
            "max_timestamp_before": _timestamp(found.entry.max_timestamp_before),
            "header_crc": f"{found.entry.header_crc:08x}",
        }
    return fields | {"state": found.state, "reason": found.reason}


def checkpoint_cells(found: Checkpoint | None) -> list[str]:
    if found is None:
        return [*["-"] * (len(CHECKPOINT_COLUMNS) - 1), DAMAGED]
    numbers = [str(number) for number in (found.segment, found.position, found.offset)]
    return [*numbers, _time(found.max_timestamp), found.boot_id, OK]


def checkpoint_fields(path: str, found: Checkpoint | None) -> dict[str, Any]:
    if found is None:
        return {"file": path, "state": DAMAGED}
    return {"file": path, **found._asdict(), "this_boot": is_this_boot(found.boot_id), "state": OK}


def log_start_cells(offset: int | None) -> list[str]:
    return ["-", DAMAGED] if offset is None else [str(offset), OK]


def log_start_fields(path: str, offset: int | None) -> dict[str, Any]:
    return {"file": path, "log_start_offset": offset, "state": DAMAGED if offset is None else OK}

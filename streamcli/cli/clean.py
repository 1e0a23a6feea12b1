"""The topics clean and trim commands."""

from __future__ import annotations

import json as json_module

from streamcli.cli.context import Context, complain, now_ms
from streamcli.cli.values import format_size, parse_range
from streamcli.engine.clean import Cleaned, Cleaning
from streamcli.engine.consume import matching_topics
from streamcli.record.errors import Busy, CorruptData, NotFound, StreamcliError, UsageError
from streamcli.record.range import END, LAST, Bound
from streamcli.storage.compact import Compacted
from streamcli.storage.retention import Removed


def clean(context: Context, topics: list[str], json: bool) -> int:
    """Clean the topics named, or all; each thing done is a line. The status of the first error: damage before others, and
    what was busy after them."""
    directory = context.open()
    names = matching_topics(directory, topics) if topics else directory.topics()
    named = [name for name in names if name in topics]
    for name in named:
        directory.config(name)
    statuses = []
    for cleaned in Cleaning(directory, clock=now_ms, warn=complain).clean(names):
        if isinstance(cleaned.done, Removed | Compacted):
            print(_json(cleaned) if json else _line(cleaned))
            continue
        if isinstance(cleaned.done, NotFound) and cleaned.topic not in named:
            continue  # deleted meanwhile
        complain(f"{_place(cleaned)} was not cleaned: {_reason(cleaned.done)}")
        statuses.append(cleaned.done.status if isinstance(cleaned.done, StreamcliError) else 1)
    return min(statuses, key=lambda status: (status != CorruptData.status, status == Busy.status), default=0)


def trim(context: Context, name: str, before: str | None, partitions: list[int], json: bool) -> int:
    """Trim a topic's partitions; a line for each from which something was removed."""
    if before is None:
        raise UsageError("topics trim needs --before: N, @TIME or end")
    bound = _parse_before(before)
    for cleaned in Cleaning(context.open(), clock=now_ms, warn=complain).trim(name, partitions, bound):
        assert isinstance(cleaned.done, Removed)
        if cleaned.done.start > cleaned.done.start_before:
            print(_json(cleaned) if json else _line(cleaned))
    return 0


def _parse_before(text: str) -> Bound:
    wanted = parse_range(text, now_ms())
    is_range = wanted.stop.kind != END or (":" in text and text[0] != "@")
    if is_range or wanted.start.kind == LAST:
        raise UsageError(f"bad offset {text!r}: use N, @TIME or end")
    return wanted.start


def _place(cleaned: Cleaned) -> str:
    return cleaned.topic if cleaned.partition is None else f"{cleaned.topic} {cleaned.partition}"


def _reason(error: StreamcliError | OSError) -> str:
    if isinstance(error, OSError):
        return f"{error.strerror} ({error.filename})" if error.filename else str(error.strerror)
    return str(error)


def _line(cleaned: Cleaned) -> str:
    done = cleaned.done
    if isinstance(done, Compacted):
        return (
            f"{_place(cleaned)}: compacted {_segments(done.segments)}, {done.records_before:,} records to {done.records:,}, "
            f"{format_size(done.bytes_before)} to {format_size(done.bytes)}"
        )
    assert isinstance(done, Removed)
    removed = f"removed {_segments(done.segments)}, {format_size(done.bytes)}; " if done.segments else ""
    return f"{_place(cleaned)}: {removed}the log starts at offset {done.start} now"


def _segments(count: int) -> str:
    return "1 segment" if count == 1 else f"{count:,} segments"


def _json(cleaned: Cleaned) -> str:
    done = cleaned.done
    fields: dict[str, str | int | None] = {"topic": cleaned.topic, "partition": cleaned.partition}
    if isinstance(done, Compacted):
        fields |= {"action": "compacted", **done._asdict()}
    elif isinstance(done, Removed):
        fields |= {"action": "removed", "segments": done.segments, "bytes": done.bytes, "log_start_offset": done.start}
    return json_module.dumps(fields, separators=(",", ":"))

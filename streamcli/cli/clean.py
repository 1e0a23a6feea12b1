"""The topics clean and trim commands."""

from __future__ import annotations

import json as json_module
import time

from streamcli.cli.context import Context, complain, now_ms
from streamcli.cli.progress import Progress
from streamcli.cli.values import format_size, naming, parse_range
from streamcli.engine.clean import Cleaned, Cleaning
from streamcli.engine.consume import matching_topics
from streamcli.record.errors import Busy, CorruptData, NotFound, StreamcliError, UsageError, did_you_mean
from streamcli.record.range import END, LAST, Bound
from streamcli.storage.compact import Compacted
from streamcli.storage.retention import Removed


def clean(context: Context, topics: list[str], json: bool) -> int:
    """Clean the topics named, or all; each thing done is a line. The status of the first error: damage before others, and
    what was busy after them."""
    directory, started = context.open(), time.monotonic()
    names = matching_topics(directory, topics) if topics else directory.topics()
    named = [name for name in names if name in topics]
    for name in named:
        directory.config(name)
    statuses = []
    freed = 0
    with Progress(lambda: None, is_shown=context.shows_progress()) as progress:

        def warn(line: str) -> None:
            progress.wipe()
            complain(line)

        for cleaned in Cleaning(directory, clock=now_ms, warn=warn, on_read=progress.advance).clean(names):
            progress.wipe()
            if isinstance(cleaned.done, Removed | Compacted):
                freed += _freed(cleaned.done)
                print(_json(cleaned) if json else _line(cleaned), flush=True)
                continue
            if isinstance(cleaned.done, NotFound) and cleaned.topic not in named:
                continue  # deleted meanwhile
            complain(f"{_place(cleaned)} was not cleaned: {_reason(cleaned.done)}")
            statuses.append(cleaned.done.status if isinstance(cleaned.done, StreamcliError) else 1)
    context.summary(f"{format_size(freed)} freed in {time.monotonic() - started:.1f} s")
    return min(statuses, key=lambda status: (status != CorruptData.status, status == Busy.status), default=0)


def trim(context: Context, name: str, before: str | None, partitions: list[int], json: bool) -> int:
    """Trim a topic's partitions; a line for each from which something was removed."""
    if before is None:
        raise UsageError("topics trim needs --before: N, @TIME or end")
    bound = _parse_before(before)
    for done in context.engine().trim(name, partitions, bound, clock=now_ms, warn=complain):
        if done.start > done.start_before:
            removed = (done.segments, done.bytes, done.start)
            line = f"{done.topic} {done.partition}: {_removed(*removed)}"
            print(_json_of_removed(done.topic, done.partition, *removed) if json else line)
    return 0


def _freed(done: Removed | Compacted) -> int:
    """Bytes that are gone."""
    return done.bytes_before - done.bytes if isinstance(done, Compacted) else done.bytes


def _parse_before(text: str) -> Bound:
    if text[:1].isalpha() and text != END:
        raise UsageError(f"--before: bad offset {text!r}: {did_you_mean(text, (END,), 'use N, @TIME or end')}")
    with naming("--before"):
        wanted = parse_range(text, now_ms())
    is_range = wanted.stop.kind != END or (":" in text and text[0] != "@")
    if is_range or wanted.start.kind == LAST:
        raise UsageError(f"--before: bad offset {text!r}: use N, @TIME or end")
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
    return f"{_place(cleaned)}: {_removed(done.segments, done.bytes, done.start)}"


def _removed(segments: int | None, size: int | None, start: int) -> str:
    removed = f"removed {_segments(segments)}, {format_size(size)}; " if segments and size else ""
    return f"{removed}the log starts at offset {start} now"


def _segments(count: int) -> str:
    return "1 segment" if count == 1 else f"{count:,} segments"


def _json(cleaned: Cleaned) -> str:
    done = cleaned.done
    if isinstance(done, Removed):
        return _json_of_removed(cleaned.topic, cleaned.partition, done.segments, done.bytes, done.start)
    assert isinstance(done, Compacted)
    fields = {"topic": cleaned.topic, "partition": cleaned.partition, "action": "compacted", **done._asdict()}
    return json_module.dumps(fields, separators=(",", ":"))


def _json_of_removed(topic: str, partition: int | None, segments: int | None, size: int | None, start: int) -> str:
    fields = {"topic": topic, "partition": partition, "action": "removed", "segments": segments, "bytes": size}
    return json_module.dumps({**fields, "log_start_offset": start}, separators=(",", ":"))

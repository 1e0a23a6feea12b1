"""topics describe: the config in force, and what each partition holds."""

from __future__ import annotations

import json as json_format
from collections.abc import Sequence
from textwrap import fill
from typing import Any

from streamcli.cli.context import Context, show
from streamcli.cli.settings import show_value
from streamcli.cli.table import print_table
from streamcli.cli.values import format_size, format_time
from streamcli.engine.topic_state import PartitionState, TopicState
from streamcli.storage.config import DELETE, Value

_WIDTH = 80
"""Columns that a description takes, as far as its numbers let it."""

_TITLES = ("P", "START", "END", "SIZE", "SEGS", "FIRST", "LAST")
_TITLES_OF_REPLICAS = ("P", "START", "END", "LEADER", "REPLICAS", "ISR", "FIRST", "LAST")
_TO_SECONDS, _TO_MINUTES = len("2026-11-22T20:38:35"), len("2026-11-22T20:38")


def describe(context: Context, names: list[str], json: bool) -> int:
    """Print config and partitions of each topic; names may be globs."""
    engine = context.engine()
    for state in engine.states(engine.matching(names)):
        if json:
            print_json(_description(state))
        else:
            _print_description(state)
            for number, hold in state.holds:
                print(show(f"partition {number} is held by mirror {hold.mirror} from offset {hold.offset} on"))
        context.tell_strangers(state.strangers)
    return 0


def print_json(fields: dict[str, Any]) -> None:
    """One object, on a line."""
    print(json_format.dumps(fields, separators=(",", ":")))


def _description(state: TopicState) -> dict[str, Any]:
    total = _total(state.partitions)
    return {
        "topic": state.name,
        "config": state.settings.in_force,
        "set": state.settings.set,
        "offsets": _offsets(state),
        "size": total.size,
        "segments": total.segments,
        "first_timestamp": total.first_timestamp,
        "last_timestamp": total.last_timestamp,
        "partitions": [_partition(each) for each in state.partitions],
        "holds": [{"partition": number, **hold._asdict()} for number, hold in state.holds],
    }


def _offsets(state: TopicState) -> int | None:
    """How many there are in all partitions; None while that cannot be known of one."""
    return _sum(
        [None if each.start is None or each.end is None else each.end - each.start for each in state.partitions]
    )


def _partition(state: PartitionState) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "partition": state.number,
        "log_start_offset": state.start,
        "log_end_offset": state.end,
        "size": state.size,
        "segments": state.segments,
        "first_timestamp": state.first_timestamp,
        "last_timestamp": state.last_timestamp,
    }
    if state.replication is not None:
        leader, replicas, in_sync = state.replication
        fields |= {"leader": leader, "replicas": replicas, "isr": in_sync}
    return fields


def _total(partitions: list[PartitionState]) -> PartitionState:
    """Sizes, segments and times of all partitions together; offsets of several mean nothing."""
    first = [each.first_timestamp for each in partitions if each.first_timestamp is not None]
    last = [each.last_timestamp for each in partitions if each.last_timestamp is not None]
    sizes, segments = [each.size for each in partitions], [each.segments for each in partitions]
    return PartitionState(0, 0, 0, _sum(sizes), _sum(segments), min(first, default=None), max(last, default=None))


def _sum(numbers: list[int | None]) -> int | None:
    known = [number for number in numbers if number is not None]
    return sum(known) if len(known) == len(numbers) else None


def _print_description(state: TopicState) -> None:
    offsets, settings = _offsets(state), state.settings
    records = "records not known" if offsets is None else _count(offsets, "record")
    is_compacted = settings.in_force.get("cleanup.policy", DELETE) != DELETE  # a cluster may not let everyone see it
    at_most = "at most " if is_compacted else ""
    print(f"topic {state.name}: {_count(settings.partitions, 'partition')}, {at_most}{records}")
    _print_settings("set", {name: value for name, value in settings.in_force.items() if name in settings.set})
    _print_settings("default", {name: value for name, value in settings.in_force.items() if name not in settings.set})
    has_replicas = any(each.replication is not None for each in state.partitions)
    titles = _TITLES_OF_REPLICAS if has_replicas else _TITLES
    rows = [
        (str(each.number), _number(each.start), _number(each.end), *_held(each), *_times(each))
        for each in state.partitions
    ]
    if len(rows) > 1 and not has_replicas:
        total = _total(state.partitions)
        rows.append(("all", "", "", *_held(total), *_times(total)))
    print_table(titles, _fitted(titles, rows), right=range(len(titles) - 2))


def _held(state: PartitionState) -> tuple[str, ...]:
    """How much, or who has it."""
    if state.replication is not None:
        leader, replicas, in_sync = state.replication
        return (_number(leader), _ids(replicas), _ids(in_sync))
    return (format_size(state.size or 0), str(state.segments))


def _number(number: int | None) -> str:
    return "-" if number is None else str(number)


def _ids(brokers: list[int]) -> str:
    return ",".join(map(str, brokers))


def _times(state: PartitionState) -> list[str]:
    times = (state.first_timestamp, state.last_timestamp)
    return ["-" if time is None else format_time(time) for time in times]


def _fitted(titles: Sequence[str], rows: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """The rows with their two times, which are in UTC, to the second, or to the minute where there is no room for that."""
    columns = zip(titles[:-2], *(row[:-2] for row in rows), strict=True)
    taken = sum(max(map(len, column)) + 2 for column in columns)
    digits = _TO_SECONDS if taken + 2 * (_TO_SECONDS + 1) + 2 <= _WIDTH else _TO_MINUTES
    return [(*row[:-2], *(f"{time[:digits]}Z" if time[-1] == "Z" else time for time in row[-2:])) for row in rows]


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _print_settings(title: str, settings: dict[str, Value]) -> None:
    """A paragraph of name=value; nothing where there are none."""
    words = " ".join(f"{name}={show_value(name, value)}" for name, value in settings.items())
    if words:
        print(fill(f"{title}: {words}", _WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False))

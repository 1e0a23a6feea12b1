"""topics describe: the config in force, and what each partition holds."""

from __future__ import annotations

import json as json_format
from collections.abc import Sequence
from textwrap import fill
from typing import Any

from streamcli.cli.context import Context
from streamcli.cli.settings import show_value
from streamcli.cli.table import print_table
from streamcli.cli.values import format_size, format_time
from streamcli.engine.consume import matching_topics
from streamcli.storage import strangers
from streamcli.storage.config import SETTINGS, TopicConfig, Value
from streamcli.storage.layout import topic_directory
from streamcli.storage.log import Log, LogSummary

_WIDTH = 80
"""Columns that a description takes, as far as its numbers let it."""

_TITLES = ("P", "START", "END", "SIZE", "SEGS", "FIRST", "LAST")
_TO_SECONDS, _TO_MINUTES = len("2026-11-22T20:38:35"), len("2026-11-22T20:38")


def describe(context: Context, names: list[str], json: bool) -> int:
    """Print config and partitions of each topic; names may be globs."""
    directory = context.open()
    for name in matching_topics(directory, names):
        config = directory.config(name)
        logs = [Log(directory.partition_directory(name, number)) for number in range(config.partitions)]
        others = {log.directory: log.other_files() for log in logs}
        summaries = [log.summary(just_listed=True) for log in logs]
        if json:
            print_json(_description(name, config, summaries))
        else:
            _print_description(name, config, summaries)
        context.tell_strangers(strangers.in_topic(topic_directory(directory.path, name), others))
    return 0


def print_json(fields: dict[str, Any]) -> None:
    """One object, on a line."""
    print(json_format.dumps(fields, separators=(",", ":")))


def config_in_force(config: TopicConfig) -> dict[str, Value]:
    """The value of every setting, as stored."""
    return {name: config.value(name) for name in SETTINGS}


def _description(name: str, config: TopicConfig, summaries: list[LogSummary]) -> dict[str, Any]:
    total = _total(summaries)
    return {
        "topic": name,
        "config": config_in_force(config),
        "set": [setting for setting in SETTINGS if setting in config.overrides],
        "offsets": sum(summary.end - summary.start for summary in summaries),
        "size": total.size,
        "segments": total.segments,
        "first_timestamp": total.first_timestamp,
        "last_timestamp": total.last_timestamp,
        "partitions": [_partition(number, summary) for number, summary in enumerate(summaries)],
    }


def _partition(number: int, summary: LogSummary) -> dict[str, int | None]:
    return {
        "partition": number,
        "log_start_offset": summary.start,
        "log_end_offset": summary.end,
        "size": summary.size,
        "segments": summary.segments,
        "first_timestamp": summary.first_timestamp,
        "last_timestamp": summary.last_timestamp,
    }


def _total(summaries: list[LogSummary]) -> LogSummary:
    """Sizes, segments and times of all partitions together; offsets of several mean nothing."""
    first = [summary.first_timestamp for summary in summaries if summary.first_timestamp is not None]
    last = [summary.last_timestamp for summary in summaries if summary.last_timestamp is not None]
    size, segments = sum(summary.size for summary in summaries), sum(summary.segments for summary in summaries)
    return LogSummary(0, 0, size, segments, min(first, default=None), max(last, default=None))


def _print_description(name: str, config: TopicConfig, summaries: list[LogSummary]) -> None:
    offsets = sum(summary.end - summary.start for summary in summaries)
    at_most = "at most " if config.compacts else ""
    print(f"topic {name}: {_count(config.partitions, 'partition')}, {at_most}{_count(offsets, 'record')}")
    _print_settings("set", {setting: config.overrides[setting] for setting in SETTINGS if setting in config.overrides})
    defaults = {setting: SETTINGS[setting].default for setting in SETTINGS if setting not in config.overrides}
    _print_settings("default", defaults)
    rows = [(str(number), str(each.start), str(each.end), *_held(each)) for number, each in enumerate(summaries)]
    if len(rows) > 1:
        rows.append(("all", "", "", *_held(_total(summaries))))
    print_table(_TITLES, _fitted(rows), right=range(5))


def _held(summary: LogSummary) -> tuple[str, ...]:
    times = (summary.first_timestamp, summary.last_timestamp)
    shown = ["-" if time is None else format_time(time) for time in times]
    return (format_size(summary.size), str(summary.segments), *shown)


def _fitted(rows: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """The rows with their two times, which are in UTC, to the second, or to the minute where there is no room for that."""
    columns = zip(_TITLES[:5], *(row[:5] for row in rows), strict=True)
    taken = sum(max(map(len, column)) + 2 for column in columns)
    digits = _TO_SECONDS if taken + 2 * (_TO_SECONDS + 1) + 2 <= _WIDTH else _TO_MINUTES
    return [(*row[:5], *(f"{time[:digits]}Z" if time[-1] == "Z" else time for time in row[5:])) for row in rows]


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _print_settings(title: str, settings: dict[str, Value]) -> None:
    """A paragraph of name=value; nothing where there are none."""
    words = " ".join(f"{name}={show_value(name, value)}" for name, value in settings.items())
    if words:
        print(fill(f"{title}: {words}", _WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False))

"""The topics commands."""

from __future__ import annotations

import json
import sys
from typing import Any

from streamcli.cli.context import Context, complain, show
from streamcli.cli.settings import parse_settings, put_setting, show_value
from streamcli.cli.table import print_table
from streamcli.cli.values import format_size, format_time
from streamcli.engine.consume import matching_topics
from streamcli.engine.ensure_topic import create_topic
from streamcli.record.errors import StreamcliError, UsageError
from streamcli.storage import strangers
from streamcli.storage.config import SETTINGS, TopicConfig, Value, check_config
from streamcli.storage.directory import LogDirectory, TopicExists
from streamcli.storage.layout import check_topic_name, topic_directory
from streamcli.storage.log import Log, LogSummary

_WIDTH = 80
"""Columns that a description takes at most, as far as its numbers let it."""


def create(
    context: Context,
    names: list[str],
    partitions: int,
    segment_bytes: int | None,
    segment_age: int | None,
    config: list[str],
    if_not_exists: bool,
) -> int:
    """Create each topic; all names and values are checked before the first is made."""
    overrides = parse_settings(config)
    if segment_bytes is not None:
        put_setting(overrides, "segment.bytes", segment_bytes)
    if segment_age is not None:
        put_setting(overrides, "segment.ms", segment_age)
    wanted = TopicConfig(partitions, overrides)
    check_config(wanted)
    for name in names:
        check_topic_name(name)
    directory = context.open(create=True)
    status = 0
    for name in names:
        try:
            create_topic(directory, name, wanted)
        except TopicExists as error:
            if not if_not_exists:
                complain(f"{error}: use --if-not-exists if that is all right")
                status = error.status
    return status


def list_topics(context: Context, pattern: str | None, json: bool) -> int:
    """Print the names, sorted; with `json` the partitions and config too."""
    directory = context.open()
    if not directory.exists:
        context.notice(f"there is no log directory at {directory.path} yet: produce or topics create makes it")
    for name in directory.topics(pattern or "*"):
        if json:
            config = directory.config(name)
            _print_json({"topic": name, "partitions": config.partitions, "config": _config(config)})
        else:
            print(name)
    context.tell_strangers(strangers.in_root(directory.path) + strangers.in_topics(directory.path))
    return 0


def describe(context: Context, names: list[str], json: bool) -> int:
    """Print config and partitions of each topic; names may be globs."""
    directory = context.open()
    for name in matching_topics(directory, names):
        config = directory.config(name)
        summaries = [Log(directory.partition_directory(name, number)).summary() for number in range(config.partitions)]
        if json:
            partitions = [_partition(number, summary) for number, summary in enumerate(summaries)]
            _print_json({"topic": name, "config": _config(config), "partitions": partitions})
        else:
            _print_description(name, config, summaries)
        context.tell_strangers(strangers.in_topic(topic_directory(directory.path, name)))
    return 0


def delete(context: Context, names: list[str], yes: bool) -> int:
    """Delete each topic, once all are known to exist and the user has said so."""
    directory = context.open()
    for name in names:
        directory.config(name)
    if not yes and not _confirmed(directory, names):
        return StreamcliError.status
    for name in names:
        directory.delete_topic(name)
    return 0


def _confirmed(directory: LogDirectory, names: list[str]) -> bool:
    if not sys.stdin.isatty():
        raise UsageError("topics delete removes all records: add -y to do it without being asked")
    question = show(f"Delete {', '.join(names)} and all records in {directory.path}? [y/N] ")
    print(question, end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _print_json(fields: dict[str, Any]) -> None:
    print(json.dumps(fields, separators=(",", ":")))


def _config(config: TopicConfig) -> dict[str, Value]:
    return {name: config.value(name) for name in SETTINGS}


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


def _print_description(name: str, config: TopicConfig, summaries: list[LogSummary]) -> None:
    print(f"topic {name}, {config.partitions} {'partition' if config.partitions == 1 else 'partitions'}")
    _print_settings("set", {setting: config.overrides[setting] for setting in SETTINGS if setting in config.overrides})
    _print_settings(
        "default", {setting: SETTINGS[setting].default for setting in SETTINGS if setting not in config.overrides}
    )
    titles = ("PARTITION", "LOG-START", "LOG-END", "SIZE", "SEGMENTS", "FIRST", "LAST")
    rows: list[tuple[str, ...]] = []
    for number, summary in enumerate(summaries):
        times = [
            "-" if time is None else format_time(time) for time in (summary.first_timestamp, summary.last_timestamp)
        ]
        counts = (str(number), str(summary.start), str(summary.end), format_size(summary.size), str(summary.segments))
        rows.append((*counts, *times))
    print_table(titles, rows, right=range(5))


def _print_settings(title: str, settings: dict[str, Value]) -> None:
    """A paragraph of name=value; nothing where there are none."""
    from textwrap import fill

    words = " ".join(f"{name}={show_value(name, value)}" for name, value in settings.items())
    if words:
        print(fill(f"{title}: {words}", _WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False))

"""The stats command: totals, sizes, rates and lags, as tables, JSON or Prometheus' text."""

from __future__ import annotations

import json as json_module
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

from streamcli.cli.context import Context, complain, now_ms
from streamcli.cli.main import reason_of
from streamcli.cli.prometheus import exposition, group_families, topic_families
from streamcli.cli.table import print_table
from streamcli.cli.values import format_time, size_or_dash
from streamcli.engine.activity import sum_known
from streamcli.engine.interface import Engine
from streamcli.engine.stats import HOUR, MINUTE, Appended, GroupStats, TopicStats, Totals, total
from streamcli.record.errors import NotFound, StreamcliError, UsageError


class Recent(NamedTuple):
    """What was appended lately; None where that cannot be told, for damage."""

    minute: Appended | None
    hour: Appended | None


class Found:
    """What an engine holds. What cannot be read is told at once, hides nothing else, and is the `status` at the end. windows: ms
    up to now in which it may be asked what came."""

    def __init__(self, engine: Engine, patterns: list[str], windows: tuple[int, ...]) -> None:
        self._engine = engine
        self.now = now_ms()
        self.status = 0
        self.topics: list[TopicStats] = []
        there = engine.topics()
        chosen = engine.matching(patterns) if patterns else there
        for topic in chosen:
            if topic in patterns and topic not in there:
                engine.config(topic)  # says that there is none
        self._stock = engine.stock(chosen, [self.now - window for window in windows])
        for topic in chosen:
            with self._leaving_out(topic, partial(self._has_topic, topic)):
                self.topics.append(self._stock.topic(topic))

    def groups(self) -> list[GroupStats]:
        """All groups, as far as they consume these topics."""
        chosen = {topic.topic for topic in self.topics}
        found: list[GroupStats] = []
        for group in self._stock.groups():
            with self._leaving_out(f"group {group}", partial(self._has_group, group)):
                found.append(self._stock.group(group, chosen, self.now))
        return found

    def recent(self, topic: TopicStats) -> Recent:
        """What was appended to a topic in the last minute and the last hour."""
        windows: list[Appended] = []
        with self._leaving_out(f"what came to {topic.topic}", partial(self._has_topic, topic.topic)):
            windows = [self._stock.appended(topic, self.now - window) for window in (MINUTE, HOUR)]
        return Recent(*windows) if windows else Recent(None, None)

    def _has_topic(self, topic: str) -> bool:
        return topic in self._engine.topics(topic)

    def _has_group(self, group: str) -> bool:
        return group in self._engine.groups(now_ms).names()

    @contextmanager
    def _leaving_out(self, what: str, is_there: Callable[[], bool]) -> Iterator[None]:
        """An error within is told, unless `what` was deleted meanwhile. Damage is the status before others."""
        try:
            yield
        except (StreamcliError, OSError) as error:
            if isinstance(error, NotFound | FileNotFoundError) and not is_there():
                return
            complain(f"{what} is left out: {reason_of(error)}")
            self.status = max(self.status, StreamcliError.status if isinstance(error, OSError) else error.status)


def run(context: Context, topics: list[str], json: bool, prometheus: bool) -> int:
    """Print what there is."""
    if json and prometheus:
        raise UsageError("--json and --prometheus each say how it is printed: leave out one")
    found = Found(context.engine(), topics, () if prometheus else (MINUTE, HOUR))
    groups = [group for group in found.groups() if group.states or not topics]
    if prometheus:
        print(exposition([*topic_families(found.topics), *group_families(groups)]), end="")
        return found.status
    recent = [found.recent(topic) for topic in found.topics]
    if json:
        _print_json(found.topics, recent, groups)
    else:
        _print_tables(found.topics, recent, groups)
    return found.status


def _sum(windows: list[Appended | None]) -> Appended:
    known = [window for window in windows if window is not None]
    return Appended(sum(window.records for window in known), sum_known([window.size for window in known]))


def _totals_of(recent: list[Recent]) -> Recent:
    return Recent(_sum([each.minute for each in recent]), _sum([each.hour for each in recent]))


def _print_json(topics: list[TopicStats], recent: list[Recent], groups: list[GroupStats]) -> None:
    lines: list[dict[str, Any]] = [
        {"kind": "topic", "topic": topic.topic, **_fields(topic.total(), came)}
        for topic, came in zip(topics, recent, strict=True)
    ]
    lines += [
        {
            "kind": "group",
            "group": group.group,
            "members": group.members,
            "partitions": len(group.states),
            "lag": group.lag,
            "rate": group.rate,
        }
        for group in groups
    ]
    counts = {"kind": "total", "topics": len(topics), "groups": len(groups)}
    lines.append(counts | _fields(total(topics), _totals_of(recent)))
    for line in lines:
        print(json_module.dumps(line, separators=(",", ":")))


def _fields(found: Totals, recent: Recent) -> dict[str, Any]:
    windows = {"last_minute": recent.minute, "last_hour": recent.hour}
    came = {name: None if came is None else came._asdict() for name, came in windows.items()}
    return found._asdict() | came


def _print_tables(topics: list[TopicStats], recent: list[Recent], groups: list[GroupStats]) -> None:
    rows = [_cells(topic.topic, topic.total(), came) for topic, came in zip(topics, recent, strict=True)]
    rows.append(_cells(f"{len(topics)} in all", total(topics), _totals_of(recent)))
    titles = ("TOPIC", "PARTITIONS", "RECORDS", "SIZE", "SEGMENTS", "LAST", "RECORDS/S", "BYTES/S", "HOUR", "HOUR-SIZE")
    print_table(titles, rows, right=(1, 2, 3, 4, 6, 7, 8, 9))
    if groups:
        print()
        group_titles = ("GROUP", "MEMBERS", "PARTITIONS", "LAG", "RATE", "CAUGHT-UP-IN")
        print_table(group_titles, [_group_cells(group) for group in groups], right=range(1, 6))


def _cells(name: str, found: Totals, recent: Recent) -> tuple[str, ...]:
    last = "-" if found.last_timestamp is None else format_time(found.last_timestamp)
    counts = (str(found.partitions), f"{'' if found.is_exact else '<='}{found.records}", size_or_dash(found.size))
    segments = "-" if found.segments is None else str(found.segments)
    minute, hour = recent
    seconds = MINUTE / 1000
    rates = ("-", "-") if minute is None else (f"{minute.records / seconds:.1f}", size_or_dash(minute.size, seconds))
    came = ("-", "-") if hour is None else (str(hour.records), size_or_dash(hour.size))
    return (name, *counts, segments, last, *rates, *came)


def _group_cells(group: GroupStats) -> tuple[str, ...]:
    rate = "-" if group.rate is None else f"{group.rate:.0f}/s"
    left = "-" if not group.rate or not group.lag else f"{group.lag / group.rate:.0f}s"
    return (group.group, str(group.members), str(len(group.states)), str(group.lag), rate, left)

"""The top command: what goes on in topics and groups, live on a terminal, or as a table or JSON for scripts."""

from __future__ import annotations

import json as json_module
import os
import select
import signal
import sys
import time
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any

from streamcli.cli.context import Context, complain, now_ms, show
from streamcli.cli.main import reason_of
from streamcli.cli.stop import Stopped
from streamcli.cli.table import print_table
from streamcli.cli.top_looks import Looks, LooksAtOnce
from streamcli.cli.top_table import TABLES, Table, Trend, name_of
from streamcli.cli.top_view import Surroundings, View, draw, pressed, room, scroll_within
from streamcli.cli.values import format_duration
from streamcli.engine.activity import Activity, History, Look, Observer, activity
from streamcli.record.errors import StreamcliError, UsageError

if TYPE_CHECKING:
    from streamcli.cli.top_screen import Screen

WINDOW = 5.0
"""Seconds over which the rates on the screen are taken: a group commits once a second, so shorter ones flutter."""

TREND_SECONDS = 300

_SHARE = 15
"""A look is followed by at least so many times its processor time without one: with thousands of busy partitions it comes
later than each interval, and takes less than a tenth of a core."""

_SHORTEST_INTERVAL = 100


def run(context: Context, topics: list[str], once: bool, json: bool, interval: int) -> int:
    """Show what goes on, until stopped unless `once`."""
    if interval < _SHORTEST_INTERVAL:
        raise UsageError(f"--interval: use {format_duration(_SHORTEST_INTERVAL)} or more")
    if not (once or json or (sys.stdin.isatty() and sys.stdout.isatty())):
        raise UsageError("top draws on a terminal, and this is none: use --once for a table, or --json for lines")
    if once:
        return _print_once(context.engine().observer(topics), interval / 1000, json=json)
    with closing(_looks(context, topics)) as looks:
        before = looks.first()
        if json:
            return _print_on(context, before, looks, interval / 1000)
        return _Live(context, before, looks, interval).run()


def _looks(context: Context, topics: list[str]) -> Looks:
    observe = partial(context.engine().observer, topics)
    if context.kafka is None:
        return LooksAtOnce(observe())
    from streamcli.cli.looks_beside import LooksBeside

    return LooksBeside(observe)


def _print_once(observer: Observer, pause: float, *, json: bool) -> int:
    """Everything as it is now, rates over the last minute, or where that is not kept over a pause, in seconds."""
    found = activity(*observer.look_twice(now_ms, pause))
    now = now_ms()
    if json:
        _print_json(found, now)
    else:
        for table in TABLES:
            if table.rows(found) or table is TABLES[0]:
                _print_table(table, found)
    return _told(found)


def _print_on(context: Context, before: Look, looks: Looks, interval: float) -> int:
    """Lines each interval, of what went on in it, until stopped or nobody reads."""
    from streamcli.storage.watch import Watcher

    history, watcher = History(0), Watcher()
    history.add(before)
    due = time.monotonic() + interval
    with context.stop.deferred() as wakeup:
        while True:
            others = [(fd, select.POLLIN) for fd in (wakeup, looks.descriptor) if fd is not None]
            wake = watcher.wait(due - time.monotonic(), 1, others)
            if context.stop.pending is not None:
                raise context.stop.pending
            if wake.hangup:
                return 0
            if time.monotonic() >= due:
                looks.start()
                due = max(due + interval, time.monotonic())
            look = _taken(context, looks)
            if look is not None:
                history.add(look)
                found = history.activity()
                _print_json(found, now_ms())
                sys.stdout.flush()
                _told(found)


def _taken(context: Context, looks: Looks) -> Look | None:
    """The look that is done, if one is; that answers stay away, or come again, is told once."""
    was_away = bool(looks.away)
    look = looks.take()
    if looks.away and not was_away:
        context.notice(f"no answer, trying again until one comes: {looks.away}")
    if was_away and not looks.away:
        context.notice(f"the cluster answers again ({context.kafka})")
    return look


def _print_table(table: Table, found: Activity) -> None:
    if table is not TABLES[0]:
        print()
    rows = [[column.cell(row) for column in table.columns] for row in table.rows(found)]
    print_table([column.title for column in table.columns], rows, right=range(1, len(table.columns)))


def _print_json(found: Activity, now: int) -> None:
    lines: list[dict[str, Any]] = []
    for topic in found.topics:
        lines.append({"kind": "topic", "time": now} | _rounded(topic._asdict()))
    for group in found.groups:
        lines.append({"kind": "group", "time": now} | _rounded(group._asdict()))
    for line in lines:
        print(json_module.dumps(line, separators=(",", ":")))


def _rounded(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: round(value, 3) if isinstance(value, float) else value for name, value in fields.items()}


def _told(found: Activity) -> int:
    """Tell what could not be read, and the exit status for it."""
    for name, error in found.left_out.items():
        complain(f"{name} is left out: {reason_of(error)}")
    return StreamcliError.status if found.left_out else 0


class _Live:
    """The screen of one run."""

    def __init__(self, context: Context, before: Look, looks: Looks, interval: int) -> None:
        self._context = context
        self._where = context.path if context.kafka is None else str(context.kafka)
        self._looks = looks
        self._interval = interval / 1000
        self._history = History(WINDOW)
        self._trends: list[dict[str, Trend]] = [{} for _ in TABLES]
        self._found = self._take(before)

    def run(self) -> int:
        """Until q, or a signal."""
        from streamcli.cli.top_screen import screen

        with self._context.stop.deferred() as wakeup:
            signal.signal(signal.SIGWINCH, lambda *_: None)  # so that it ends a wait
            signal.signal(signal.SIGCONT, lambda *_: None)
            with screen() as terminal:
                self._show(terminal, wakeup)
        if self._context.stop.pending is not None:
            raise self._context.stop.pending
        return 0

    def _show(self, terminal: Screen, wakeup: int) -> None:
        view, due = View(), time.monotonic() + self._interval
        while not view.is_done and self._context.stop.pending is None:
            now = time.monotonic()
            if now >= due:
                due = now + self._interval
                if not view.is_paused:
                    self._looks.start()
            look = self._looks.take()
            if look is not None:
                self._found = self._take(look)
                due = max(due, now + _SHARE * self._looks.cost)
            columns, lines = terminal.size()
            view = scroll_within(view, self._found, lines)
            terminal.draw(draw(view, self._found, self._trends[view.table], self._about(terminal), columns, lines))
            _wait(due - time.monotonic(), wakeup, self._looks.descriptor)
            for key in terminal.pressed():
                view = pressed(view, key, room(lines, self._found))

    def _take(self, look: Look) -> Activity:
        """What went on up to a look."""
        self._history.add(look)
        found = self._history.last_activity()
        for number, table in enumerate(TABLES):
            before = self._trends[number]
            rows = {name_of(row): row for row in table.rows(found)}
            length = max(1, round(TREND_SECONDS / self._interval))
            self._trends[number] = {name: before.get(name) or Trend(length) for name in rows}
            for name, row in rows.items():
                self._trends[number][name].add(table.trend(row))
        return self._history.activity()

    def _about(self, terminal: Screen) -> Surroundings:
        clock = time.strftime("%H:%M:%S")
        interval = format_duration(round(self._interval * 1000))
        return Surroundings(show(self._where), clock, interval, terminal.blocks, show(self._looks.silence()))


def _wait(seconds: float, wakeup: int, look: int | None) -> None:
    """Until a key, a signal, a look, or so many seconds. Stopped where the terminal is gone."""
    poll = select.poll()
    for fd in (0, wakeup, look):
        if fd is not None:
            poll.register(fd, select.POLLIN)
    ready = dict(poll.poll(max(0, seconds) * 1000))
    if ready.get(0, 0) & (select.POLLHUP | select.POLLERR | select.POLLNVAL):
        raise Stopped(signal.SIGHUP)
    if wakeup in ready:
        os.read(wakeup, 4096)

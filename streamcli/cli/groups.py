"""The groups commands."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from streamcli.cli.context import Context, complain, now_ms, show
from streamcli.cli.table import print_table
from streamcli.cli.values import format_time, naming, parse_time
from streamcli.engine import group_admin
from streamcli.engine.group_admin import Description, Move, PartitionState, Target
from streamcli.groups.assignment import TopicPartition
from streamcli.groups.journal import DamagedCommits
from streamcli.record.errors import Busy, NotFound, StreamcliError, UsageError, did_you_mean
from streamcli.storage.format import MAX_OFFSET


def list_groups(context: Context, json: bool) -> int:
    """Print the names, sorted; with `json` members and lag too. A group that is damaged does not hide the others."""
    groups = context.engine().groups(now_ms)
    status = 0
    for name in groups.names():
        if not json:
            print(name)
            continue
        try:
            _print_json({"group": name, "members": groups.members(name), "lag": groups.total_lag(name)})
        except NotFound:
            if name in groups.names():
                raise  # else somebody has deleted it since it was listed
        except DamagedCommits as error:
            complain(str(error))
            status = error.status
    context.tell_strangers(groups.strangers())
    return status


def describe(context: Context, name: str | None, all: bool, json: bool) -> int:
    """Print each partition of a group, or of all groups."""
    groups = context.engine().groups(now_ms)
    if (name is None) == (not all):
        raise UsageError("groups describe takes a group, or --all")
    status = 0
    for group_name in groups.names() if name is None else [name]:
        try:
            _print_description(group_name, groups.describe(group_name), json)
            context.tell_strangers(groups.strangers(group_name))
        except NotFound:
            if not all or group_name in groups.names():
                raise  # else somebody has deleted it since it was listed
        except DamagedCommits as error:
            complain(str(error))
            status = error.status
    return status


def _print_description(name: str, found: Description, json: bool) -> None:
    if json:
        for state in found.states:
            _print_json({"group": name, **_fields(state)})
    else:
        print(f"group {name}, {found.standing}, members {len(found.members)}")
        _print_states(found.states)


def reset(context: Context, name: str, topics: list[str], to: str | None, dry_run: bool, json: bool) -> int:
    """Move the committed offsets and print where from and to."""
    if to is None:
        raise UsageError("groups reset needs --to beginning|end|N|@TIME|current|+N|-N")
    groups = context.engine().groups(now_ms)
    groups.members(name)  # that there is no such group comes before what is wrong with the target
    _print_moves(groups.reset(name, topics, parse_target(to), dry_run=dry_run), json)
    return 0


def parse_target(text: str) -> Target:
    """beginning, end, current, N, +N, -N, @TIME."""
    if text in ("beginning", "end", "current"):
        return Target(text)
    if text[:1] == "@":
        with naming("--to"):
            return Target("time", parse_time(text if text[1:].isdigit() else text[1:], now_ms()))
    digits = text[1:] if text[:1] in ("+", "-") else text
    if digits.isascii() and digits.isdigit() and len(digits) <= 18:
        return Target("shift" if text[0] in "+-" else "offset", int(text))
    forms = "use beginning, end, current, N, +N, -N or @TIME"
    raise UsageError(f"--to: bad offset {text!r}: {did_you_mean(text, ('beginning', 'end', 'current'), forms)}")


def delete(context: Context, names: list[str]) -> int:
    """Delete groups and their commits."""
    context.engine().groups(now_ms).delete(names)
    return 0


def log(context: Context, name: str, json: bool) -> int:
    """Print the history of commits, oldest first."""
    for commit in group_admin.open_group(context.open(), name).journal.read():
        if json:
            _print_json(commit._asdict())
        else:
            offset = _or_dash(commit.offset)
            place = f"{commit.topic}:{commit.partition}"
            print(show(f"{format_time(commit.time)} {commit.kind} {place} {offset} {commit.member}"))
    return 0


def undo(context: Context, name: str, json: bool) -> int:
    """Take back the last commit, reset or import, and print the offsets that are in force again."""
    directory = context.open()
    _print_moves(group_admin.undo(directory, group_admin.open_group(directory, name), now_ms()), json)
    return 0


def export(context: Context, name: str) -> int:
    """Print the committed offsets as JSON, one partition a line."""
    committed = context.engine().groups(now_ms).committed(name)
    for (topic, partition), offset in sorted(committed.items()):
        _print_json({"topic": topic, "partition": partition, "offset": offset})
    return 0


def import_offsets(context: Context, name: str) -> int:
    """Read what export printed from standard input and commit it, all or nothing; the group is made when missing."""
    groups = context.engine(create=True).groups(now_ms)
    targets: dict[TopicPartition, int] = {}
    for number, line in enumerate(sys.stdin.buffer, 1):
        place, offset = _imported(line, number)
        groups.check_partition(place)
        targets[place] = offset
    if not targets:
        raise StreamcliError(
            "standard input holds no offsets: nothing was changed; give it what `groups export` printed"
        )
    groups.import_offsets(name, targets)
    return 0


def wait(context: Context, name: str, lag: int, timeout: int | None, json: bool) -> int:
    """Return once the group's lag is `lag` at most; Busy after the timeout."""
    engine = context.engine()
    groups = engine.groups(now_ms)
    deadline = None if timeout is None else time.monotonic() + timeout / 1000
    groups.pause(name, 0.0)
    while (left := groups.total_lag(name)) > lag:
        patience = 1.0 if deadline is None else min(1.0, deadline - time.monotonic())
        if patience <= 0:
            noun = "record" if left == 1 else "records"
            raise Busy(f"group {name} still has a lag of {left} {noun} (in {engine.where}): wait longer with --timeout")
        groups.pause(name, patience)
    if json:
        _print_json({"group": name, "lag": left})
    return 0


def _imported(line: bytes, number: int) -> tuple[TopicPartition, int]:
    try:
        found = json.loads(line)
        topic, partition, offset = found["topic"], found["partition"], found["offset"]
        if isinstance(topic, str) and type(partition) is int and type(offset) is int and 0 <= offset <= MAX_OFFSET:
            return (topic, partition), offset
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    raise StreamcliError(
        f'line {number} of standard input is not {{"topic":...,"partition":...,"offset":...}}: nothing was changed; give it what '
        "`groups export` printed"
    )


def _print_json(fields: dict[str, Any]) -> None:
    print(json.dumps(fields, separators=(",", ":")))


def _fields(state: PartitionState) -> dict[str, Any]:
    return {
        "topic": state.topic,
        "partition": state.partition,
        "current_offset": state.committed,
        "log_end_offset": state.end,
        "lag": state.lag,
        "member": state.member,
        "rate": state.rate,
    }


def _print_states(states: list[PartitionState]) -> None:
    rows = []
    for state in states:
        rate = "-" if state.rate is None else f"{state.rate:.0f}/s"
        left = "-" if not state.rate or not state.lag else f"{state.lag / state.rate:.0f}s"
        offsets = (_or_dash(state.committed), str(state.end), _or_dash(state.lag))
        rows.append((state.topic, str(state.partition), *offsets, state.member or "-", rate, left))
    titles = ("TOPIC", "PARTITION", "CURRENT-OFFSET", "LOG-END-OFFSET", "LAG", "MEMBER", "RATE", "CAUGHT-UP-IN")
    print_table(titles, rows, right=(1, 2, 3, 4, 6, 7), names=2)


def _print_moves(moves: list[Move], json: bool) -> None:
    if json:
        for move in moves:
            topic, partition = move.place
            _print_json({"topic": topic, "partition": partition, "from": move.before, "to": move.after})
        return
    rows = [(*_words(move.place), _or_dash(move.before), _or_dash(move.after)) for move in moves]
    print_table(("TOPIC", "PARTITION", "FROM", "TO"), rows, right=(1, 2, 3))


def _words(place: TopicPartition) -> tuple[str, str]:
    return place[0], str(place[1])


def _or_dash(number: int | None) -> str:
    return "-" if number is None else str(number)

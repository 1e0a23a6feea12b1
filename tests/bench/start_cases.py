"""The start of every command, on a topic of one record: mostly Python's. Against Python that does nothing."""

from __future__ import annotations

from typing import NamedTuple

from streamcli.cli.commands import COMMANDS
from tests.bench.case import Case, Pair, Target, pair_case
from tests.bench.place import Side

_ROUNDS = 2
"""Pairs for each run that is asked for: one takes a tenth of a second."""

_IN_LOOP = 20


class _Start(NamedTuple):
    """How a command is run; before, after: what makes it possible again."""

    command: str
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    target: Target | None = None


_COMMANDS = {
    "produce": _Start("echo x | streamcli produce small", target=Target("ratio", "<=", 6)),
    "consume": _Start("streamcli consume small -n 1"),
    "tail": _Start("streamcli tail small -n 1"),
    "table": _Start("streamcli table single"),
    "top": _Start("streamcli top --once single"),
    "verify": _Start("streamcli verify -q single"),
    "repair": _Start("streamcli repair -q single"),
    "dump": _Start("streamcli dump single"),
    "stats": _Start("streamcli stats single"),
    "doctor": _Start("streamcli doctor || [ $? -eq 1 ]"),  # 1 where it finds something to mend
    "topics create": _Start("streamcli topics create made", after=("streamcli topics delete -y made",)),
    "topics delete": _Start("streamcli topics delete -y made", before=("streamcli topics create made",)),
    "topics list": _Start("streamcli topics list"),
    "topics describe": _Start("streamcli topics describe single"),
    "topics alter": _Start("streamcli topics alter -q single -c segment.ms=7d"),
    "topics trim": _Start("streamcli topics trim single --before 0"),
    "topics clean": _Start("streamcli topics clean single"),
    "groups list": _Start("streamcli groups list"),
    "groups describe": _Start("streamcli groups describe one"),
    "groups reset": _Start("streamcli groups reset one --to beginning --dry-run"),
    "groups log": _Start("streamcli groups log one"),
    "groups undo": _Start("streamcli groups undo one", before=("streamcli groups reset one --to beginning",)),
    "groups delete": _Start("streamcli groups delete two", before=("streamcli groups import two < one.offsets",)),
    "groups export": _Start("streamcli groups export one"),
    "groups import": _Start("streamcli groups import two < one.offsets", after=("streamcli groups delete two",)),
    "groups wait": _Start("streamcli groups wait one"),
}
"""A command that is not here is measured by its --help."""

_HELPED = Target("ratio", "<=", 10)
_OTHERS = {
    "consume-group": ("consume -g", _Start("streamcli consume single -g one")),
    "version": ("--version", _Start("streamcli --version")),
    "help": ("--help", _Start("streamcli --help", target=_HELPED)),
    "help-produce": ("produce --help", _Start("streamcli produce --help", target=_HELPED)),
    "completion-script": ("completion bash", _Start("streamcli completion bash", target=_HELPED)),
    "complete-topic": (
        "a topic completed",
        _Start("_STREAMCLI_COMPLETE=bash streamcli 'streamcli consume sm' ' :='", target=_HELPED),
    ),
}


def start_cases() -> list[Case]:
    starts: dict[str, tuple[str, _Start]] = {}
    for name in COMMANDS:
        if name in _COMMANDS:
            starts[name.replace(" ", "-")] = (name, _COMMANDS[name])
        elif name != "completion":  # which is among the others
            starts[name.replace(" ", "-")] = (f"{name} --help", _Start(f"streamcli {name} --help"))
    starts |= _OTHERS
    return [_case(f"start-{name}", title, start) for name, (title, start) in starts.items()] + [_loop()]


def _case(name: str, title: str, start: _Start) -> Case:
    pair = Pair(
        Side(start.command, before=start.before, after=start.after),
        Side("python -c pass"),
        needs=("small", "single", "one.offsets"),
        runs_times=_ROUNDS,
        same_output=False,
    )
    return pair_case(name, title, "start", pair, less_is_better=True, target=start.target)


def _loop() -> Case:
    each = f"for i in $(seq {_IN_LOOP}); do {{}}; done"
    pair = Pair(
        Side(each.format("echo $i | streamcli produce small")),
        Side(each.format("echo $i | cat >> copy; sync copy"), after=("rm copy",)),
        _IN_LOOP,
        needs=("small",),
    )
    return pair_case("loop-produce", "one record a process, in a loop", "start", pair)

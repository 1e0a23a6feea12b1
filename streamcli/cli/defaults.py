"""Defaults of options: a person's, from the environment and the config file, in front of those that are built in.

    given on the command line > STREAMCLI_COMMAND_OPTION > STREAMCLI_OPTION > [command] in the file > top of the file > built in

What is given wins quietly: a default that contradicts it, or that means nothing without an option that is not there, is
passed over. Which options have names here comes from their declarations; what follows says which have none, and why.
"""

from __future__ import annotations

import os
from typing import Any

from streamcli.cli.flags import Command, Flag, initial_values
from streamcli.record.errors import UsageError
from streamcli.storage.layout import default_directory

# What to do this time, or to which records: a default of these would surprise, or destroy.
_ONCE = frozenset({
    "all", "before", "compact", "config", "dry_run", "group", "grep", "header", "key", "offset", "once", "partition",
    "records", "retention", "retention_bytes", "segment_age", "segment_bytes", "since", "to", "unset", "until", "whole", "yes",
})  # fmt: skip
_ONCE_OF = {
    "produce": frozenset({"partitions"}),  # counts only for a topic that is made, and is told where it is there
    "consume": frozenset({"number"}),
    "topics alter": frozenset({"partitions"}),
    "topics trim": frozenset({"partitions"}),
}

_WEAKER = (("dir", "url"), ("quiet", "verbose"))
"""Rivals that may stand side by side: the second one counts then."""

_RIVALS = (
    *_WEAKER,
    ("json", "format"),
    ("json", "key_delimiter"),
    ("json", "delimiter"),
    ("json", "null"),
    ("json", "whole"),
    ("json", "empty_null"),
    ("json", "prometheus"),
    ("format", "key_delimiter"),
    ("format", "delimiter"),
    ("format", "null"),
    ("delimiter", "null"),
)
_RIVALS_OF = {
    "produce": (("whole", "key_delimiter"), ("key", "key_delimiter")),
    "consume": (("each", "batch"), ("commit", "command")),
    "tail": (("number", "since"), ("number", "until")),
}

_OF_COMMAND = ("batch", "linger", "each", "jobs", "retries", "backoff", "timeout", "dead_letter")
_NEEDS_OF = {"consume": {"idle": "follow", "commit": "group"} | dict.fromkeys(_OF_COMMAND, "command")}

_ENVIRONMENT = "the environment"

_YES, _NO = ("1", "true", "yes", "on"), ("0", "false", "no", "off")


def filled(command: Command, given: dict[str, Any], *, forgiving: bool = False) -> dict[str, Any]:
    """The values of all options of a command: those given, then the defaults.

    UsageError for a default that is none, wherever it is in the file. forgiving: such are passed over.
    """
    values = initial_values(command) | given
    settled = set(given)
    needs = _NEEDS_OF.get(command.name, {})
    for where, layer in _layers(command, forgiving=forgiving):
        rivals = {dest: _rivals(command, dest) for dest in layer}
        taken = {
            dest: value
            for dest, value in layer.items()
            if dest not in settled and not any(rival in settled and values.get(rival) for rival in rivals[dest])
        }
        if not forgiving:
            _check_rivals(command, where, taken)
        values |= taken
        settled |= taken.keys()
    unused = [dest for dest, need in needs.items() if dest not in given and not values.get(need)]
    return values | {dest: value for dest, value in initial_values(command).items() if dest in unused}


def _check_rivals(command: Command, where: str, layer: dict[str, Any]) -> None:
    """UsageError where two defaults of one place contradict each other: the command would speak of options that nobody gave."""
    if len(layer) < 2:
        return
    names = {flag.dest: name for name, flag in settable(command).items()}
    if where == _ENVIRONMENT:
        names = {dest: variable(name, command) for dest, name in names.items()}
    for one, other in (*_RIVALS, *_RIVALS_OF.get(command.name, ())):
        if layer.get(one) and layer.get(other) and (one, other) not in _WEAKER:
            raise UsageError(f"{where}: {names[one]} and {names[other]} contradict each other: leave out one")


def check_all() -> None:
    """UsageError for the first default that is none, in the file or of any command in the environment."""
    from streamcli.cli.commands import COMMANDS

    for command in COMMANDS.values():
        filled(command, {})


def settable(command: Command) -> dict[str, Flag]:
    """The options of a command that may have a default, by the name they have in the config file."""
    once = _ONCE | _ONCE_OF.get(command.name, frozenset())
    return {long_name(flag): flag for flag in command.flags if flag.dest not in once}


def long_name(flag: Flag) -> str:
    """count of -n, --count."""
    return next(name for name in flag.names if name.startswith("--"))[2:]


def variable(name: str, command: Command | None = None) -> str:
    """The environment variable of an option: STREAMCLI_TAIL_COUNT, and STREAMCLI_DIR for every command."""
    words = ["streamcli", *(command.name.split(" ") if command else []), name]
    return "_".join(words).replace("-", "_").upper()


def config_path() -> str | None:
    """Where the config file is, if there is one: None where STREAMCLI_CONFIG is set to nothing."""
    chosen = os.environ.get("STREAMCLI_CONFIG")
    if chosen is not None:
        return chosen or None
    home = os.environ.get("XDG_CONFIG_HOME") or os.path.join(os.path.expanduser("~"), ".config")
    return os.path.join(home, "streamcli", "config.toml")


def log_directory() -> str:
    """The log directory where --dir names none. A config file with faults in it counts for nothing here."""
    if not os.environ.get(variable("dir")):
        try:
            found = _document()
        except UsageError:
            found = None
        if found and "dir" in found.top:
            return str(found.top["dir"])
    return default_directory()


def from_environment(flags: dict[str, Flag], command: Command | None = None) -> dict[str, Any]:
    """dest -> value of what the environment says; a variable that is empty says nothing."""
    found = {}
    for name, flag in flags.items():
        given = variable(name, command)
        text = os.environ.get(given)
        if text:
            try:
                found[flag.dest] = _parsed(flag, text)
            except UsageError as error:
                raise UsageError(f"{given}: {error}") from None
    return found


def _parsed(flag: Flag, text: str) -> Any:
    if flag.parse is None:
        if text.lower() not in _YES + _NO:
            raise UsageError(f"bad value {text!r}: use 1 or 0")
        return text.lower() in _YES
    value = flag.parse(text)
    return [value] if flag.repeat else value


def _layers(command: Command, *, forgiving: bool) -> list[tuple[str, dict[str, Any]]]:
    """Where it stands, and dest -> value; the strongest first."""
    own = settable(command)
    common = common_flags(command)
    layers: list[tuple[str, dict[str, Any]]] = []
    for flags, owner in ((own, command), (common, None)):
        try:
            layers.append((_ENVIRONMENT, from_environment(flags, owner)))
        except UsageError:
            if not forgiving:
                raise
    try:
        found = _document()
    except UsageError:
        if not forgiving:
            raise
        return layers
    if found is None:
        return layers
    own_table = (f"[{command.name}] in {config_path()}", found.commands.get(command.name, {}))
    return [*layers, own_table, (f"{config_path()}", found.top)]


def common_flags(command: Command) -> dict[str, Flag]:
    """The options that every command has, by name."""
    from streamcli.cli.shared_flags import COMMON

    return {name: flag for name, flag in settable(command).items() if flag in COMMON}


def _document() -> Any:
    """What the config file says; None where there is no file."""
    path = config_path()
    if path is None:
        return None
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError):
        if os.environ.get("STREAMCLI_CONFIG"):
            raise UsageError(f"no such file ({path}): STREAMCLI_CONFIG names it as the config file") from None
        return None
    except OSError as error:
        if isinstance(error, PermissionError) and not os.environ.get("STREAMCLI_CONFIG") and not os.path.lexists(path):
            return None  # a directory that may not be looked into: another user's, after su
        raise UsageError(
            f"the config file cannot be read ({path}): {error.strerror}: mend its mode, or set STREAMCLI_CONFIG= for none"
        ) from None
    from streamcli.cli.config_file import read_document

    return read_document(fd, path)


def _rivals(command: Command, dest: str) -> list[str]:
    pairs = (*_RIVALS, *_RIVALS_OF.get(command.name, ()))
    return [other for pair in pairs if dest in pair for other in pair if other != dest]

"""The config file: TOML, a table a command, with its options' long names. Imported only where there is a file."""

from __future__ import annotations

import os
import tomllib
from typing import Any, NamedTuple

from streamcli.cli.commands import COMMANDS, GROUPS
from streamcli.cli.defaults import settable
from streamcli.cli.flags import Command, Flag, suggestion
from streamcli.cli.shared_flags import COMMON
from streamcli.cli.values import parse_number, parse_size
from streamcli.record.errors import UsageError

_EVERY = Command("every command", "", "", (), COMMON)


class Document(NamedTuple):
    """dest -> value: at the top of the file, for every command, and by command."""

    top: dict[str, Any]
    commands: dict[str, dict[str, Any]]


def read_document(fd: int, path: str) -> Document:
    """What an open config file says; closes it. UsageError for any fault, with the file and the key or line."""
    try:
        with open(fd, "rb") as file:
            tables = tomllib.loads(file.read().decode())
    except OSError as error:
        raise UsageError(f"the config file cannot be read ({path}): {error.strerror}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"the config file is no TOML ({path}): {error}: see streamcli-config(5)") from None
    try:
        return _document(tables)
    except UsageError as error:
        raise UsageError(f"{error} (in {path})") from None


def _document(tables: dict[str, Any]) -> Document:
    top: dict[str, Any] = {}
    found = Document(top, {})
    for key, value in tables.items():
        if not isinstance(value, dict):
            top |= _value(_EVERY, "", key, value)
        elif key in GROUPS:
            for name, table in value.items():
                _read_table(found, f"{key} {name}", table)
        else:
            _read_table(found, key, value)
    return found


def _read_table(found: Document, name: str, table: Any) -> None:
    header = f"[{name.replace(' ', '.')}]"
    command = COMMANDS.get(name)
    if command is not None and not isinstance(table, dict):
        raise UsageError(f"{header} is a table of options: bad value {table!r}: see streamcli-config(5)")
    if command is None:
        known = [f"[{known.replace(' ', '.')}]" for known in COMMANDS]
        raise UsageError(f"{header} is the table of no command{_nearest(header, known)}")
    values = found.commands.setdefault(name, {})
    for key, value in table.items():
        values |= _value(command, header + " ", key, value)


def _value(command: Command, header: str, key: str, value: Any) -> dict[str, Any]:
    """dest -> value of one line."""
    flags = settable(command)
    flag = flags.get(key)
    if flag is None:
        if any(f"--{key}" in known.names for known in command.flags):
            raise UsageError(f"{header}{key}: this option can have no default: give it on the command line")
        raise UsageError(f"{header}{key}: no such option of {command.name}{_nearest(key, flags)}")
    try:
        return {flag.dest: _typed(flag, value)}
    except UsageError as error:
        raise UsageError(f"{header}{key}: {error}") from None


def _typed(flag: Flag, value: Any) -> Any:
    if flag.parse is None:
        if not isinstance(value, bool):
            raise UsageError(f"bad value {value!r}: use true or false")
        return value
    if flag.repeat:
        return [_text(flag, element) for element in (value if isinstance(value, list) else [value])]
    if flag.dest == "dir":
        return _directory(value)
    return _text(flag, value)


def _text(flag: Flag, value: Any) -> Any:
    """The value of text, or of a number where one is wanted, as on the command line."""
    assert flag.parse is not None
    takes_numbers = flag.parse in (parse_number, parse_size)
    if isinstance(value, str) or (takes_numbers and isinstance(value, int) and not isinstance(value, bool)):
        return flag.parse(str(value))
    raise UsageError(f"bad value {value!r}: use {'a number' if takes_numbers else 'text in quotes'}")


def _directory(value: Any) -> str:
    path = os.path.expanduser(value) if isinstance(value, str) else ""
    if not os.path.isabs(path):
        raise UsageError(f"bad value {value!r}: use a path from / or ~ on, in quotes")
    return path


def _nearest(word: str, known: Any) -> str:
    return suggestion(word, known).replace("see --help", "see streamcli-config(5)")

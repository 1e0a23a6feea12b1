"""Flags: how they are declared, once, and parsed. Help, completion and man pages are made from the same declarations.

Parsing is done here and not by typer, whose import alone takes four times as long as Python's start: a shell
loop that runs a command a line would feel it. typer draws help, from these declarations, when asked for. The grammar
is the same: clusters (-fq), -n5, --count=5, options among arguments, -- ends options.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from streamcli.record.errors import UsageError, did_you_mean


class Flag(NamedTuple):
    """`names` as typed; `dest` the options field it fills; `parse` turns its text into a value, None: it takes none.

    `repeat`: it may come again, and fills a list.
    """

    dest: str
    names: tuple[str, ...]
    help: str
    metavar: str = ""
    parse: Callable[[str], Any] | None = None
    default: Any = None
    repeat: bool = False
    complete: str = ""

    def initial(self) -> Any:
        """The value where the flag is not given."""
        if self.repeat:
            return []
        return False if self.parse is None else self.default


class Argument(NamedTuple):
    """A positional argument. `many`: the rest of them, as a list, at least one if `required`."""

    dest: str
    metavar: str
    help: str
    required: bool = True
    many: bool = False
    complete: str = ""


class Command(NamedTuple):
    """A command: `run` is "module:function", imported when it runs; `rest`: what the words after -- are, if not arguments.

    directory_only: why it has no meaning on Apache Kafka, to follow its name; empty: it has.
    """

    name: str
    summary: str
    run: str
    arguments: tuple[Argument, ...]
    flags: tuple[Flag, ...]
    rest: Argument | None = None
    description: str = ""
    examples: tuple[tuple[str, str], ...] = ()
    statuses: tuple[int, ...] = ()
    directory_only: str = ""


class HelpWanted(Exception):
    """--help was among the arguments."""


def text(value: str) -> str:
    """A flag's text as it is."""
    return value


def initial_values(command: Command) -> dict[str, Any]:
    """dest -> value of every flag of the command where none is given."""
    return {flag.dest: flag.initial() for flag in command.flags}


def parse_arguments(command: Command, words: list[str]) -> dict[str, Any]:
    """dest -> value of every flag and argument of the command; UsageError, or HelpWanted."""
    return initial_values(command) | parse_given(command, words)


def parse_given(command: Command, words: list[str]) -> dict[str, Any]:
    """dest -> value of the flags that are given, and of every argument; UsageError, or HelpWanted."""
    flags = {name: flag for flag in command.flags for name in flag.names}
    values: dict[str, Any] = {}
    plain: list[str] = []
    if command.rest is not None:
        values[command.rest.dest] = []
    words = list(reversed(words))
    while words:
        word = words.pop()
        if word == "--":
            taken, rest = _after_dashes(command, plain, list(reversed(words)))
            plain += taken
            if command.rest is not None:
                values[command.rest.dest] = rest
            break
        if word.startswith("--"):
            name, equals, attached = word.partition("=")
            flag = _find(flags, name, command)
            if flag.parse is None and equals:
                raise UsageError(f"{name} takes no value (streamcli {command.name})")
            _set(values, flag, name, attached if equals else None, words, command)
        elif word.startswith("-") and word != "-":
            _parse_cluster(word, flags, values, words, command)
        else:
            plain.append(word)
    values.update(_place(command, plain))
    return values


def _after_dashes(command: Command, plain: list[str], words: list[str]) -> tuple[list[str], list[str]]:
    """(arguments, `rest`) of the words after --. Where no argument came before it, it ends options, and a second one arguments."""
    if command.rest is None:
        return words, []
    if plain:
        return [], words
    end = words.index("--", 1) if "--" in words[1:] else len(words)
    return words[:end], words[end + 1 :]


def _parse_cluster(
    word: str, flags: dict[str, Flag], values: dict[str, Any], words: list[str], command: Command
) -> None:
    letters = word[1:]
    while letters:
        name, letters = "-" + letters[0], letters[1:]
        flag = _find(flags, name, command)
        if flag.parse is None:
            _set(values, flag, name, None, words, command)
        else:
            _set(values, flag, name, letters or None, words, command)
            return


def _set(
    values: dict[str, Any], flag: Flag, name: str, attached: str | None, words: list[str], command: Command
) -> None:
    if flag.parse is None:
        values[flag.dest] = True
        return
    if attached is None:
        if not words:
            raise UsageError(f"{name} needs a value: {name} {flag.metavar} (streamcli {command.name})")
        attached = words.pop()
    try:
        value = flag.parse(attached)
    except UsageError as error:
        raise UsageError(f"{name}: {error}") from None
    if flag.repeat:
        values.setdefault(flag.dest, []).append(value)
    else:
        values[flag.dest] = value


def _find(flags: dict[str, Flag], name: str, command: Command) -> Flag:
    flag = flags.get(name)
    if flag is not None:
        return flag
    if name in ("-h", "--help"):
        raise HelpWanted
    raise UsageError(f"no such option: {name} (streamcli {command.name}){suggestion(name, flags)}")


def suggestion(word: str, known: Any) -> str:
    """': did you mean X?' for the nearest of `known`, else ': see --help'."""
    return ": " + (did_you_mean(word, known, "") or "see --help")


def _place(command: Command, plain: list[str]) -> dict[str, Any]:
    placed: dict[str, Any] = {}
    rest = list(plain)
    for argument in command.arguments:
        if argument.many:
            placed[argument.dest], rest = rest, []
        else:
            placed[argument.dest] = rest.pop(0) if rest else None
        if argument.required and not placed[argument.dest]:
            raise UsageError(f"{argument.metavar} is missing: streamcli {usage(command)}")
    if rest:
        raise UsageError(f"too many arguments, from {rest[0]!r} on: streamcli {usage(command)}")
    return placed


def usage(command: Command) -> str:
    """The synopsis: name, options, arguments."""
    words = [command.name, "[OPTION ...]"]
    for argument in command.arguments:
        word = argument.metavar + (" ..." if argument.many else "")
        words.append(word if argument.required else f"[{word}]")
    if command.rest is not None:
        words.append(f"[-- {command.rest.metavar}]")
    return " ".join(words)

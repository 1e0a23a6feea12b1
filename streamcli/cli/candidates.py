"""What may stand at the cursor of a command line, by the declarations in cli.commands."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from streamcli.cli.commands import COMMANDS, GROUPS
from streamcli.cli.context import Context, Place, now_ms
from streamcli.cli.defaults import filled
from streamcli.cli.flags import Argument, Command, Flag
from streamcli.cli.shared_flags import COMMON, HELP, VERSION
from streamcli.cli.stop import StopSignals

if TYPE_CHECKING:
    from streamcli.engine.interface import Engine

Words = list[tuple[str, str]]
"""Words and what each is; "" where there is nothing to say."""

_DASHES = "--"

_PATIENCE = 2.0
"""Seconds that a cluster is waited for: whoever pressed TAB waits too."""


class Candidates(NamedTuple):
    """`words` to choose from; and in `also` what the shell itself knows: files, directories, or `command N`."""

    words: Words
    also: tuple[str, ...] = ()


class _Line:
    """What the words before the cursor say: which command, which arguments, which option still wants its value."""

    def __init__(self) -> None:
        self.helping = False
        self.name = ""
        self.command: Command | None = None
        self.flags = {name: flag for flag in (*COMMON, VERSION, HELP) for name in flag.names}
        self.given: set[str] = set()
        self.plain: list[str] = []
        self.place: dict[str, Any] = {}
        self.pending: Flag | None = None
        self.ended = False
        self.rest_from: int | None = None

    def read(self, words: list[str]) -> None:
        for number, word in enumerate(words):
            if self.pending is not None:
                self._take(self.pending, word)
            elif word == _DASHES and self._begins_rest():
                self.rest_from = number + 2
                return
            elif word == _DASHES:
                self.ended = True
            elif self.ended or word == "-" or not word.startswith("-"):
                self._take_plain(word)
            else:
                self._take_option(word)

    def _begins_rest(self) -> bool:
        return self.command is not None and self.command.rest is not None and (self.ended or bool(self.plain))

    def _take_option(self, word: str) -> None:
        flag, _, value = split_option(word, self.flags)
        if flag is None:
            return
        self.given.add(flag.dest)
        if flag.parse is not None:
            self._take(flag, value) if value is not None else self._await(flag)

    def _await(self, flag: Flag) -> None:
        self.pending = flag

    def _take(self, flag: Flag, value: str) -> None:
        self.pending = None
        self.given.add(flag.dest)
        if flag in COMMON and flag.parse is not None:
            found = flag.parse(os.path.expandvars(os.path.expanduser(value)))
            self.place[flag.dest] = [*self.place.get(flag.dest, []), found] if flag.repeat else found

    def _take_plain(self, word: str) -> None:
        if self.command is not None:
            self.plain.append(word)
        elif word == "help" and not self.name:
            self.helping = True
        else:
            self.name = f"{self.name} {word}".lstrip()
            self.command = COMMANDS.get(self.name)
            if self.command is not None:
                self.flags = {name: flag for flag in (*self.command.flags, HELP) for name in flag.names}

    def argument(self) -> Argument | None:
        """The one that comes next."""
        arguments = () if self.command is None else self.command.arguments
        if len(self.plain) < len(arguments):
            return arguments[len(self.plain)]
        return arguments[-1] if arguments and arguments[-1].many else None

    def topics(self) -> list[str]:
        """The topics, or globs of them, that were named."""
        arguments = () if self.command is None else self.command.arguments
        padded = [*arguments, *arguments[-1:] * len(self.plain)]
        return [word for word, argument in zip(self.plain, padded, strict=False) if "topics" in argument.complete]


def split_option(word: str, flags: dict[str, Flag]) -> tuple[Flag | None, str, str | None]:
    """(flag, prefix, value) of --flag, --flag=value, -f, -fvalue or the last of a cluster -qf; value None where it has none."""
    if word.startswith(_DASHES):
        name, equals, value = word.partition("=")
        return flags.get(name), name + equals, value if equals else None
    for end in range(2, len(word) + 1):
        flag = flags.get("-" + word[end - 1])
        if flag is None or flag.parse is not None or end == len(word):
            return flag, word[:end], word[end:] or None
    return None, word, None


def candidates(words: list[str], current: str) -> Candidates:
    """What may stand in place of `current`, after `words` (without the program's name).

    Not only what begins with `current`. StreamcliError or OSError where the log directory, or the cluster, cannot be looked into.
    """
    line = _Line()
    line.read(words)
    if line.rest_from is not None:
        return Candidates([], (f"command {line.rest_from}",))
    if line.pending is not None:
        return _values(line, line.pending, current)
    if current.startswith("-") and not line.ended:
        flag, prefix, value = split_option(current, line.flags)
        if flag is None or value is None:
            return Candidates(_options(line))
        found = _values(line, flag, value)
        return found._replace(words=[(prefix + word, about) for word, about in found.words])
    if line.command is None:
        return Candidates(_commands(line.name))
    argument = line.argument()
    if line.helping or argument is None:
        return Candidates([] if line.helping else _options(line))
    found = _values(line, argument, current)
    return found._replace(words=[pair for pair in found.words if pair[0] not in line.plain])


def _commands(name: str) -> Words:
    """The commands, or those of a group."""
    if name:
        return [(key.split(" ")[1], command.summary) for key, command in COMMANDS.items() if key.startswith(name + " ")]
    single = [(key, command.summary) for key, command in COMMANDS.items() if " " not in key]
    return [*single, *GROUPS.items(), ("help", "Show help.")]


def _options(line: _Line) -> Words:
    flags = {flag.dest: flag for flag in line.flags.values()}
    left = [flag for flag in flags.values() if flag.repeat or flag.dest not in line.given]
    return [(name, flag.help.split(". ")[0]) for flag in left for name in reversed(flag.names)]


def _values(line: _Line, wanted: Flag | Argument, current: str) -> Candidates:
    kinds = wanted.complete.split()
    words = [pair for kind in kinds if kind in _COMPLETERS for pair in _COMPLETERS[kind](line, current)]
    if "choices" in kinds:
        words += [(word, "") for word in wanted.metavar.split("|")]
    return Candidates(words, tuple(kind for kind in kinds if kind in ("files", "directories")))


def _topics(line: _Line, current: str) -> Words:
    return [(name, "") for name in _engine(line).topics()]


def _partitions(line: _Line, current: str) -> Words:
    engine = _engine(line)
    named = sorted({topic for pattern in line.topics() for topic in engine.topics(pattern)})
    count = max((settings.partitions for _, settings in engine.settings(named)), default=0)
    return [(str(number), "") for number in range(count)]


def _groups(line: _Line, current: str) -> Words:
    return [(name, "") for name in _engine(line).groups(now_ms).names()]


def _engine(line: _Line) -> Engine:
    """Where the command would look, by its words, the environment and the config file."""
    assert line.command is not None, "only commands have topics and groups"
    values = filled(line.command, line.place, forgiving=True)
    place = Place.of(values, line.place.keys())
    place = place._replace(lock_timeout=0 if place.url is None else _PATIENCE)
    return Context(place, quiet=True, verbose=False, stop=StopSignals()).engine()


def _settings(line: _Line, current: str) -> Words:
    """NAME= of a topic config, and its values once that is there."""
    from streamcli.storage.config import SETTINGS

    name, equals, _ = current.partition("=")
    if not equals:
        return [(f"{setting.name}=", setting.summary) for setting in SETTINGS.values()]
    if name not in SETTINGS:
        return []
    values = SETTINGS[name].choices or (("unlimited",) if SETTINGS[name].unlimited else ())
    return [(f"{name}={value}", "") for value in values]


def _setting_names(line: _Line, current: str) -> Words:
    from streamcli.storage.config import SETTINGS

    return [(setting.name, setting.summary) for setting in SETTINGS.values()]


_TIMES = [("now", ""), ("today", "since midnight"), ("yesterday", "since the midnight before")]
_AT_TIMES = [("@" + word, about) for word, about in _TIMES]
_ENDS = [("beginning", "the log start offset"), ("end", "the log end offset")]


def _ranges(line: _Line, current: str) -> Words:
    """START, and START:STOP once the colon is there."""
    start, colon, _ = current.rpartition(":")
    if not colon:
        return _ENDS + _AT_TIMES
    return [(f"{start}:{word}", about) for word, about in (*_ENDS[1:], *_AT_TIMES)]


_COMPLETERS: dict[str, Callable[[_Line, str], Words]] = {
    "topics": _topics,
    "groups": _groups,
    "partitions": _partitions,
    "settings": _settings,
    "setting-names": _setting_names,
    "ranges": _ranges,
    "times": lambda line, current: _TIMES,
    "trims": lambda line, current: [_ENDS[1], *_AT_TIMES],
    "resets": lambda line, current: [*_ENDS, ("current", "where it is"), *_AT_TIMES],
}

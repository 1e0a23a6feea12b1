"""The hand-written parser and the typer application that draws the help are two readings of the same declarations."""

from __future__ import annotations

from contextlib import redirect_stdout
from io import StringIO
from typing import Any

import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st

from streamcli.cli.commands import COMMANDS
from streamcli.cli.flags import Command, Flag, HelpWanted, parse_arguments
from streamcli.cli.help import build_app
from streamcli.record.errors import UsageError

# The exceptions are of the click that typer uses, which may be its own copy.
REFUSAL = next(base for base in typer.BadParameter.__mro__ if base.__name__ == "ClickException")
APP = typer.main.get_command(build_app())
TEXTS = [
    "",
    "0",
    "1",
    "12",
    "5s",
    "64K",
    "name=value",
    "exit",
    "-",
    "--",
    "-x",
    "-3",
    "bash",
    "a b",
    "é",
    "--json",
    "x=y=z",
]


def typers_command(command: Command) -> Any:
    """What typer made of a command: a click command, from whichever click typer uses."""
    found: Any = APP
    for word in command.name.split(" "):
        found = found.commands[word]
    return found


def by_typer(command: Command, words: list[str]) -> dict[str, Any] | None:
    """dest -> text, None when the words are refused or ask for help."""
    try:
        with redirect_stdout(StringIO()):
            return dict(typers_command(command).make_context(command.name, list(words)).params)
    except (REFUSAL, typer.Exit):
        return None


def by_hand(command: Command, words: list[str]) -> dict[str, Any] | None:
    """The same from the hand-written parser, with every flag's text as it is, and -- as typer takes it."""
    plain = tuple(flag._replace(parse=flag.parse and str, default=None) for flag in command.flags)
    try:
        return parse_arguments(command._replace(flags=plain, rest=None), words)
    except (UsageError, HelpWanted):
        return None


def normal(values: dict[str, Any] | None) -> dict[str, Any] | None:
    if values is None:
        return None
    found: dict[str, Any] = {}
    for name, value in values.items():
        listed = list(value) if isinstance(value, list | tuple) else value
        found[name] = None if listed in ([], False) else listed
    return found


def spellings(flag: Flag) -> st.SearchStrategy[list[str]]:
    """A flag and its value, in one of the ways it can be written."""
    name, text = st.sampled_from(flag.names), st.sampled_from(TEXTS)
    if flag.parse is None:
        return st.tuples(name).map(list)

    def written(name: str, text: str, joined: bool) -> list[str]:
        if not joined or (not text and not name.startswith("--")):
            return [name, text]
        return [f"{name}={text}" if name.startswith("--") else name + text]

    return st.builds(written, name, text, st.booleans())


def clusters(command: Command) -> st.SearchStrategy[list[str]]:
    """Short flags without a value behind one dash: -fq."""
    letters = [name[1] for flag in command.flags if flag.parse is None for name in flag.names if len(name) == 2]
    return st.lists(st.sampled_from(letters), min_size=1, max_size=3).map(lambda found: ["-" + "".join(found)])


def command_lines(command: Command) -> st.SearchStrategy[list[str]]:
    plain = st.sampled_from([*TEXTS[1:], *["topic"] * 8]).map(lambda word: [word])
    wrong = st.sampled_from([["--nonsense"], ["-Y"], ["--json=1"], ["-"], ["--"], ["--help"], ["-h"], ["--quiet=no"]])
    flags = [spellings(flag) for flag in command.flags]
    piece = st.one_of(*flags, *flags, clusters(command), plain, plain, plain, wrong)
    return st.lists(piece, max_size=6).map(lambda pieces: [word for piece in pieces for word in piece])


@pytest.mark.parametrize("command", COMMANDS.values(), ids=lambda command: command.name)
def test_both_accept_the_same_words_and_give_the_same_values(command: Command) -> None:
    @settings(max_examples=200)
    @given(command_lines(command))
    def agree(words: list[str]) -> None:
        assert normal(by_hand(command, words)) == normal(by_typer(command, words))

    agree()


def test_what_comes_after_two_dashes_is_the_command() -> None:
    values = parse_arguments(COMMANDS["consume"], ["a", "-g", "g", "b", "--", "./run", "-n", "--", "x"])
    assert values["topics"] == ["a", "b"]
    assert values["group"] == "g"
    assert values["command"] == ["./run", "-n", "--", "x"]
    assert values["number"] is None
    assert parse_arguments(COMMANDS["consume"], ["a"])["command"] == []


def test_two_dashes_before_any_topic_end_the_options_and_a_second_pair_the_topics() -> None:
    values = parse_arguments(COMMANDS["consume"], ["-g", "g", "--", "-x", "--", "./run", "--"])
    assert (values["topics"], values["command"]) == (["-x"], ["./run", "--"])
    values = parse_arguments(COMMANDS["consume"], ["--", "--"])
    assert (values["topics"], values["command"]) == (["--"], [])
    with pytest.raises(UsageError, match="TOPIC is missing"):
        parse_arguments(COMMANDS["consume"], ["-g", "g", "--"])

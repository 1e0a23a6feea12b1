"""What completion offers follows from the declarations: none is forgotten, and a TAB costs little."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from streamcli.cli.candidates import candidates
from streamcli.cli.commands import COMMANDS, GROUPS
from streamcli.cli.flags import Argument, Flag
from tests.support.command import STREAMCLI, ok

# Values that nobody can know beforehand.
FREE = {"N", "D", "S", "STR", "KEY", "REGEX", "NAME", "NAME=VALUE", "G", "URL"}
FREE_ARGUMENTS = {("topics create", "NAME"), ("table", "KEY")}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_value_is_completed_or_free(name: str) -> None:
    command = COMMANDS[name]
    wanted: list[Flag | Argument] = [
        flag for flag in command.flags if flag.parse is not None and flag.metavar not in FREE
    ]
    wanted += [each for each in command.arguments if (name, each.metavar) not in FREE_ARGUMENTS]
    assert [each.metavar for each in wanted if not each.complete] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_is_offered(name: str) -> None:
    words = name.split(" ")
    offered = {word for number in range(len(words)) for word, _ in candidates(words[:number], "").words}
    assert set(words) <= offered
    options = {word for word, _ in candidates(words, "-").words}
    assert options == {spelling for flag in COMMANDS[name].flags for spelling in flag.names} | {"-h", "--help"}


def test_every_group_of_commands_is_offered() -> None:
    assert set(GROUPS) | {"help"} <= {word for word, _ in candidates([], "").words}


def test_an_option_that_was_given_is_not_offered_again() -> None:
    options = {word for word, _ in candidates(["consume", "t", "-f", "--header=a=b"], "-").words}
    assert not {"-f", "--follow"} & options
    assert {"--header", "--count"} <= options


def test_after_a_command_that_takes_no_more_arguments_options_are_offered() -> None:
    assert "--json" in {word for word, _ in candidates(["groups", "list"], "").words}


def test_a_tab_costs_one_short_start() -> None:
    ok("topics", "create", "clicks")
    ok("consume", "clicks", "-g", "billing")
    for words in (["consume", "cl"], ["consume", "clicks", "-p", ""], ["consume", "clicks", "-g", ""], ["--"]):
        done = subprocess.run(
            [sys.executable, "-X", "importtime", *STREAMCLI[1:], *words],
            capture_output=True,
            check=True,
            text=True,
            env={**os.environ, "_STREAMCLI_COMPLETE": "fish"},
        )
        assert len(done.stdout.splitlines()) > 1, words
        loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
        assert not {"typer", "rich", "filelock", "inotify_simple"} & loaded

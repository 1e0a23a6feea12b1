"""Every command has help, and the help has every option."""

from __future__ import annotations

import re

import pytest

from streamcli.cli.commands import COMMANDS, GROUPS
from tests.support.command import ok


def squeezed(text: str) -> str:
    """Without the line breaks and indents that help puts in."""
    return re.sub(r"\s+", " ", re.sub(r"(?<=\w-)\n +", "", text))


@pytest.mark.parametrize("name", COMMANDS)
def test_a_commands_help_has_every_option_and_example(name: str) -> None:
    command = COMMANDS[name]
    help_text = squeezed(ok(*name.split(" "), "--help").decode())
    assert squeezed(command.summary) in help_text
    for flag in command.flags:
        assert ", ".join(flag.names) in help_text
        assert squeezed(flag.help) in help_text, flag.names
    for argument in command.arguments:
        assert argument.help in help_text
    for line, _ in command.examples:
        assert squeezed(line) in help_text


def test_the_first_help_names_every_command() -> None:
    help_text = ok("--help").decode()
    for name in [*GROUPS, *COMMANDS]:
        assert re.search(rf"^  {name.split(' ')[0]} ", help_text, re.MULTILINE), name


@pytest.mark.parametrize("group", GROUPS)
def test_a_groups_help_names_its_commands(group: str) -> None:
    help_text = ok(group, "--help").decode()
    for name in COMMANDS:
        if name.startswith(group + " "):
            assert re.search(rf"^  {name.split(' ')[1]} ", help_text, re.MULTILINE), name

"""README: its commands run and print what it shows, its tables agree with the code."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamcli.cli.commands import COMMANDS
from streamcli.cli.settings import show_value
from streamcli.record.errors import EXIT_STATUSES
from streamcli.storage.config import SETTINGS
from tests.docs.project import README, ROOT, code_blocks, section, shell

# What differs from a run to the next, and how it is written on both sides before they are compared.
VARYING = (
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z"), "TIME"),
    (re.compile(r'"timestamp":\d{13}'), '"timestamp":TIME'),
    (re.compile(r'"time":\d{13}'), '"time":TIME'),
    (re.compile(r" +\d+/s"), "  N/s"),
)
SECTIONS = {part.partition("\n")[0]: part for part in README.split("\n## ") if "```console" in part}


def commands_and_outputs(block: str) -> Iterator[tuple[str, str]]:
    """(command line, what README shows after it) of a console block."""
    for piece in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, _, output = piece.partition("\n")
        yield command, output


def without_varying(text: str) -> str:
    text = text.replace(os.environ["STREAMCLI_DIR"], "LOGDIR")
    for pattern, name in VARYING:
        text = pattern.sub(name, text)
    return text


def test_some_sections_show_commands() -> None:
    assert {"# streamcli", "Sixty seconds", "Groups and the acknowledged pipe"} <= set(SECTIONS)


@pytest.mark.parametrize("title", SECTIONS)
def test_a_sections_commands_print_what_it_shows(title: str) -> None:
    Path("examples").symlink_to(ROOT / "examples")
    shown, printed = "", ""
    for block in code_blocks(SECTIONS[title], "console"):
        for command, output in commands_and_outputs(block):
            shown += f"$ {command}\n{without_varying(output)}"
            printed += f"$ {command}\n{without_varying(shell(command))}"
    assert printed == shown


def test_the_test_command_is_what_ci_runs() -> None:
    script = (ROOT / ".ci" / "run").read_text()
    called = [line for line in script.splitlines() if "pytest" in line and not line.startswith("#")]
    documented = [
        line
        for block in code_blocks(section("Install"), "sh")
        for line in block.splitlines()
        if ".venv/bin/pytest -n" in line
    ]
    assert documented == [line.replace(".venv/bin/python -m tests.kafka.broker run -- ", "") for line in called]
    install = "python3 -m venv .venv && .venv/bin/pip install --quiet '.[test]'"
    assert documented == [f"{install} && .venv/bin/pytest -n auto --dist worksteal"]


def test_the_first_command_runs_the_quickstart() -> None:
    lines = "".join(code_blocks(section("Install"), "sh")).splitlines()
    assert any(line.endswith("sh examples/quickstart.sh") for line in lines)
    assert (ROOT / "examples" / "quickstart.sh").exists()


def test_exit_statuses_agree_with_the_code() -> None:
    rows = re.findall(r"^\| (\d+) \| (.*) \|$", section("Exit statuses"), re.MULTILINE)
    assert {int(status): meaning for status, meaning in rows} == EXIT_STATUSES


def test_the_topic_config_agrees_with_the_code() -> None:
    rows = re.findall(r"^\| `([a-z.]+)` \| (.*) \| (.*) \|$", section("Topic config"), re.MULTILINE)
    assert rows == [(name, show_value(name, each.default), each.summary) for name, each in SETTINGS.items()]


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_stands_in_readme(name: str) -> None:
    assert f"streamcli {name}" in README


def test_files_named_in_readme_exist() -> None:
    named = re.findall(r"`((?:streamcli|man|tests|examples|\.ci)/[\w./-]*)`", README)
    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []

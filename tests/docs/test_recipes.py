"""streamcli-recipes(7): its examples run, and print what it shows."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from pathlib import Path

import pytest

from tests.docs.project import MAN, shell

# Of a page as roff: what each escape stands for.
ESCAPES = {r"\-": "-", r"\(aq": "'", r"\(ga": "`", r"\(ha": "^", r"\(ti": "~", r"\(rs": "\\", r"\&": ""}
PAGE = re.sub(r"\\(?:-|&|\(..)", lambda escape: ESCAPES[escape[0]], (MAN / "streamcli-recipes.7").read_text())
RECIPES = {
    title: "".join(re.findall(r"^\.EX\n(\$ .*?)^\.EE$", text, re.MULTILINE | re.DOTALL))
    for title, text in re.findall(r"^\.SS (.*?)\n(.*?)(?=^\.S[SH] )", PAGE, re.MULTILINE | re.DOTALL)
}
WANTED = (
    "tee",
    "range of time",
    "last run",
    "several readers",
    "shared among",
    "once",
    "dead letter",
    "trim",
    "several topics",
    "JSON",
    "newest value",
    "too much",
    "another directory",
    "spool",
    "back up",
)


def script_of(session: str) -> str:
    """The commands of a session, as one script that shows each before it runs it: one may go on beside the next."""
    commands = re.findall(r"^\$ (.*)$", session, re.MULTILINE)
    return "".join(f"printf '%s\\n' {shlex.quote('$ ' + command)}\n{command}\n" for command in commands)


def test_the_page_has_the_patterns_that_people_look_for() -> None:
    titles = "\n".join(RECIPES).lower()
    assert [wanted for wanted in WANTED if wanted.lower() not in titles] == []


@pytest.mark.parametrize("title", RECIPES)
def test_a_recipe_prints_what_it_shows(title: str) -> None:
    session = RECIPES[title]
    if "| jq " in session and shutil.which("jq") is None:
        pytest.skip("no jq here")
    assert shell(script_of(session)) == session


def test_nothing_is_left_where_it_does_not_belong(log_directory: Path) -> None:
    shell(script_of(RECIPES["Tee into a topic"]))
    assert os.listdir() == []
    assert sorted(os.listdir(log_directory / "topics")) == ["numbers"]

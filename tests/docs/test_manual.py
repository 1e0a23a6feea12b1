"""The man pages: those of section 1 are what the declarations make, all are good roff, and the wheel installs them."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from streamcli.cli import manual
from streamcli.cli.commands import COMMANDS, GROUPS
from streamcli.cli.defaults import common_flags, variable
from streamcli.record.errors import EXIT_STATUSES
from tests.docs.project import MAN, ROOT
from tests.support.waiting import DEADLINE

PAGES = sorted(path.name for path in MAN.iterdir())
MACROS = {".TH", ".SH", ".SS", ".PP", ".TP", ".IP", ".EX", ".EE", ".RS", ".RE", ".B", ".BR", ".ad", '.\\"'}
ESCAPES = re.compile(r"\\(?:f[BIR]|-|&|%|\((?:rs|aq|ga|ha|ti|bu)|\")")


def structural_faults(page: str) -> list[str]:
    """Lines that roff could take for something else than what they say."""
    faults = [line for line in page.splitlines() if line[:1] == "." and line.split(" ")[0] not in MACROS]
    faults += [line for line in page.splitlines() if line[:1] == "'" or "\\" in ESCAPES.sub("", line)]
    faults += [line for line in page.splitlines() if not line.startswith(".") and "-" in line.replace(r"\-", "")]
    for opening, closing in ((".EX", ".EE"), (".RS", ".RE")):
        depth = [line.split(" ")[0] for line in page.splitlines() if line.split(" ")[0] in (opening, closing)]
        if depth != [opening, closing] * (len(depth) // 2):
            faults.append(f"{opening} without {closing}")
    return faults


def warnings(path: Path) -> str:
    """What the formatter that is installed complains about."""
    formatters = (["groff", "-man", "-Tutf8", "-ww"], ["mandoc", "-Tlint", "-Wwarning"], ["man", "--warnings", "-l"])
    for command in formatters:
        if shutil.which(command[0]):
            done = subprocess.run(
                [*command, path],
                capture_output=True,
                text=True,
                timeout=DEADLINE,
                check=False,
                stdin=subprocess.DEVNULL,
            )
            return done.stderr if command[0] != "mandoc" else done.stdout
    return "\n".join(structural_faults(path.read_text()))


def words_of(page: str) -> str:
    """A page as it reads, roughly."""
    text = re.sub(r"\\f[BIR]|\\&|\\%", "", page)
    for character, escaped in (
        (r"\-", "-"),
        (r"\(aq", "'"),
        (r"\(ga", "`"),
        (r"\(ha", "^"),
        (r"\(ti", "~"),
        (r"\(rs", "\\"),
    ):
        text = text.replace(character, escaped)
    return text


def test_the_committed_pages_are_what_the_declarations_make(tmp_path: Path) -> None:
    manual.write_pages(str(tmp_path))
    made = {path.name: path.read_bytes() for path in tmp_path.glob("*.[15]")}
    committed = {path.name: path.read_bytes() for path in MAN.iterdir() if path.suffix == ".1" or path.name in made}
    assert sorted(committed) == sorted(made)
    differing = [name for name in made if made[name] != committed[name]]
    assert differing == [], "make them again: python -m streamcli.cli.manual man"


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_good_roff(name: str) -> None:
    assert structural_faults((MAN / name).read_text()) == []
    assert warnings(MAN / name) == ""


def test_the_structural_check_finds_faults() -> None:
    assert structural_faults("'a") == ["'a"]
    assert structural_faults(".no macro") == [".no macro"]
    assert structural_faults("a\\b") == ["a\\b"]
    assert structural_faults("a-b") == ["a-b"]
    assert structural_faults(".EX\n") == [".EX without .EE"]


@pytest.mark.parametrize("text", [".TH", "'quoted'", "back\\slash", "--flag", "`~^", "a\n.b", r"\n \xNN %s\n"])
def test_escaped_text_reads_as_it_was(text: str) -> None:
    assert structural_faults(manual.escape(text)) == []
    assert words_of(manual.escape(text)) == text


@pytest.mark.parametrize("name", COMMANDS)
def test_a_commands_page_has_all_that_belongs_in_it(name: str) -> None:
    command = COMMANDS[name]
    page = words_of((MAN / (manual.page_name(name) + ".1")).read_text())
    titles = re.findall(r"^\.SH (.*)$", page, re.MULTILINE)
    expected = [
        "NAME",
        "SYNOPSIS",
        "DESCRIPTION",
        "OPTIONS",
        "EXIT STATUS",
        "ENVIRONMENT",
        "FILES",
        "EXAMPLES",
        "SEE ALSO",
    ]
    assert [title for title in titles if title in expected] == expected
    for flag in command.flags:
        assert f".TP\n{', '.join(flag.names)}" in page
        assert flag.help in page
    for line, _ in command.examples:
        assert f".EX\n{line}\n.EE" in page
    assert command.examples, f"{name} has no example"


@pytest.mark.parametrize("group", GROUPS)
def test_a_groups_page_has_an_example_of_each_command(group: str) -> None:
    page = words_of((MAN / f"{manual.page_name(group)}.1").read_text())
    titles = re.findall(r"^\.SH (.*)$", page, re.MULTILINE)
    assert titles == ["NAME", "SYNOPSIS", "COMMANDS", "EXIT STATUS", "ENVIRONMENT", "FILES", "EXAMPLES", "SEE ALSO"]
    for name, command in COMMANDS.items():
        if name.startswith(group + " "):
            assert f".EX\n{command.examples[0][0]}\n.EE" in page


def test_exit_statuses_agree_with_the_code() -> None:
    page = words_of((MAN / "streamcli.1").read_text())
    statuses = page.partition(".SH EXIT STATUS\n")[2].partition(".SH")[0]
    rows = re.findall(r"^\.TP\n(\d+)\n(.*)$", statuses, re.MULTILINE)
    assert {int(status): meaning for status, meaning in rows} == EXIT_STATUSES


def test_environment_variables_are_those_that_the_code_reads() -> None:
    source = "".join(path.read_text() for path in (ROOT / "streamcli").rglob("*.py") if path.name != "manual.py")
    read = set(re.findall(r'environ(?:\.get)?[(\[]"(\w+)"', source))
    set_by_a_shell = {name for name in read if name.startswith(("_", "COMP_"))}
    documented = {name for names, _ in manual.ENVIRONMENT for name in names.split(", ")}
    by_option = {variable(name) for name in common_flags(COMMANDS["produce"])}
    assert documented == (read - set_by_a_shell) | by_option


def test_the_wheel_installs_every_page() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    shared = project["tool"]["hatch"]["build"]["targets"]["wheel"]["shared-data"]
    pages = {source: target for source, target in shared.items() if source.startswith("man/")}
    assert pages == {f"man/{name}": f"share/man/man{name[-1]}/{name}" for name in PAGES}

"""TAB in bash, with and without bash-completion, in zsh and in fish."""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path

import pytest

from streamcli.cli.upkeep_commands import SHELLS
from tests.completion.shells import FIND, NAMES, interactive
from tests.docs.project import ROOT, shell
from tests.support.command import ok, refused
from tests.support.restricted import restricted

CONFIGS = {"retention.ms=", "retention.bytes="}

# The line, and every word that may take the place of its last.
ALL = (
    ("streamcli topics de", {"describe", "delete"}),
    ("streamcli gr", {"groups"}),
    ("streamcli help topics cr", {"create"}),
    ("streamcli consume cl", {"clicks", "clocks"}),
    ("streamcli consume clicks c", {"clocks"}),
    ("streamcli -q consume cl", {"clicks", "clocks"}),
    ("streamcli produce cl", {"clicks", "clocks"}),
    ("streamcli topics trim clicks -p ", {"0", "1", "2"}),
    ("streamcli consume -fp ", set()),
    ("streamcli consume clicks -fp ", {"0", "1", "2"}),
    ("streamcli consume clicks -g bi", {"billing", "bills_2-x.y"}),
    ("streamcli groups reset billing or", {"orders"}),
    ("streamcli consume clicks --fol", {"--follow"}),
    ("streamcli produce clicks --sync ", {"exit", "batch", "none"}),
    ("streamcli produce clicks -z ", {"none", "gzip", "zstd", "lz4"}),
    ("streamcli topics alter clicks -c ret", CONFIGS),
    ("streamcli topics alter clicks --unset seg", {"segment.bytes", "segment.ms"}),
    ("streamcli consume clicks -o ", {"beginning", "end", "@now", "@today", "@yesterday"}),
    ("streamcli groups reset billing --to cu", {"current"}),
    ("streamcli topics trim clicks --before e", {"end"}),
    ("streamcli consume clicks --since ", {"now", "today", "yesterday"}),
    ("streamcli completion ", {"bash", "zsh", "fish"}),
    ("streamcli bench l", {"latency"}),
    ("streamcli consume orders | streamcli produce cl", {"clicks", "clocks"}),
    ("echo é; streamcli table ", {"clicks", "clocks", "orders"}),
)

# The line, and what it is after TAB where there is one candidate.
ONE = (
    ("streamcli prod", "streamcli produce "),
    ("streamcli consume o", "streamcli consume orders "),
    ("streamcli topics alter clicks -c segment.m", "streamcli topics alter clicks -c segment.ms="),
    (
        "streamcli topics alter clicks -c cleanup.policy=d",
        "streamcli topics alter clicks -c cleanup.policy=delete ",
    ),
    (
        "streamcli topics alter clicks --config=retention.ms=",
        "streamcli topics alter clicks --config=retention.ms=unlimited ",
    ),
    ("streamcli produce clicks --sync=b", "streamcli produce clicks --sync=batch "),
    ("streamcli produce clicks -zgz", "streamcli produce clicks -zgzip "),
    ("streamcli consume clicks -o 1:@tod", "streamcli consume clicks -o 1:@today "),
    ("streamcli consume clicks -g bill -o e", "streamcli consume clicks -g bill -o end "),
    ("streamcli produce clicks note", r"streamcli produce clicks notes\ of\ may.txt "),
    ("streamcli produce clicks - note", r"streamcli produce clicks - notes\ of\ may.txt "),
    ("streamcli produce clicks < note", r"streamcli produce clicks < notes\ of\ may.txt "),
    ("streamcli dump note", r"streamcli dump notes\ of\ may.txt "),
    ("streamcli dump or", "streamcli dump orders "),
    ("streamcli --dir other", r"streamcli --dir other\ logs/"),
    ("streamcli --dir=other", r"streamcli --dir=other\ logs/"),
    ("streamcli --dir 'other logs' consume ", "streamcli --dir 'other logs' consume spaced "),
    (r"streamcli --dir=other\ logs consume ", r"streamcli --dir=other\ logs consume spaced "),
    ("streamcli consume --dir ~/other\\ logs ", "streamcli consume --dir ~/other\\ logs spaced "),
    ('streamcli --dir "$HOME/other logs" tail ', 'streamcli --dir "$HOME/other logs" tail spaced '),
    ("streamcli consume clicks -g g -- streamcl", "streamcli consume clicks -g g -- streamcli "),
    ("streamcli consume clicks -g g -- wc note", r"streamcli consume clicks -g g -- wc notes\ of\ may.txt "),
)

# Where nothing can be offered, the line stays as it is, and nothing else is shown.
NOTHING = (
    "streamcli consume nosuch",
    "streamcli nosuch ",
    "streamcli topics nosuch x",
    "streamcli consume --nosuch=x",
    "streamcli topics alter clicks -c nosuch=",
    "streamcli consume 'it",
    "streamcli --dir nowhere consume ",
    "streamcli --dir notes\\ of\\ may.txt consume ",
    "streamcli --dir . consume ",
    "streamcli -h consume x y ",
)


@pytest.fixture
def home() -> Path:
    """The user's home and the working directory, with topics, groups and files."""
    ok("topics", "create", "clicks", "clocks", "-p", "3")
    ok("produce", "orders", stdin=b"a\n")
    for group in ("billing", "bills_2-x.y"):
        ok("consume", "orders", "-g", group)
    ok("--dir", "other logs", "topics", "create", "spaced")
    Path("notes of may.txt").write_text("a note\n")
    return Path.cwd()


@pytest.mark.parametrize("name", NAMES)
def test_every_candidate_is_offered(name: str, home: Path) -> None:
    with interactive(name, home) as user:
        assert {line: user.all_candidates(line) for line, _ in ALL} == dict(ALL)


@pytest.mark.parametrize("name", NAMES)
def test_tab_completes_what_is_sure(name: str, home: Path) -> None:
    with interactive(name, home) as user:
        assert {line: user.after_tab(line) for line, _ in ONE} == dict(ONE)


@pytest.mark.parametrize("name", NAMES)
def test_tab_says_nothing_where_there_is_nothing(name: str, home: Path) -> None:
    with interactive(name, home) as user:
        assert [user.after_tab(line) for line in NOTHING] == list(NOTHING)
        assert "streamcli: " not in user.shown()
        assert "Traceback" not in user.shown()


@pytest.mark.parametrize("name", NAMES)
def test_tab_says_nothing_of_a_directory_that_may_not_be_read(name: str, home: Path, log_directory: Path) -> None:
    log_directory.chmod(0)
    try:
        with interactive(name, home, under=restricted("modes")) as user:
            for line in ("streamcli consume ", "streamcli consume clicks -p ", "streamcli consume clicks -g "):
                assert user.after_tab(line) == line
            assert user.after_tab("streamcli prod") == "streamcli produce "
            assert "ermission" not in user.shown()
    finally:
        log_directory.chmod(0o755)


@pytest.mark.parametrize("name", NAMES)
def test_a_log_directory_with_spaces_may_stand_in_the_environment(name: str, home: Path) -> None:
    with interactive(name, home, STREAMCLI_DIR=str(home / "other logs")) as user:
        assert user.after_tab("streamcli consume ") == "streamcli consume spaced "


@pytest.mark.parametrize("name", NAMES)
def test_damage_is_no_matter_for_completion(name: str, home: Path, log_directory: Path) -> None:
    for segment in (log_directory / "topics" / "orders" / "0").glob("*.log"):
        segment.write_bytes(b"\xff" * 1000)
    (log_directory / "topics" / "clocks" / "config.json").write_text("no config")
    with interactive(name, home) as user:
        assert user.all_candidates("streamcli consume ") == {"clicks", "clocks", "orders"}
        assert user.after_tab("streamcli consume clocks -p ") == "streamcli consume clocks -p "


@pytest.mark.parametrize("name", FIND)
def test_a_shell_finds_the_script_that_is_installed(name: str, home: Path, tmp_path: Path) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    for source, target in project["tool"]["hatch"]["build"]["targets"]["wheel"]["shared-data"].items():
        if source.startswith("streamcli/"):
            (tmp_path / target).parent.mkdir(parents=True)
            (tmp_path / target).write_bytes((ROOT / source).read_bytes())
    with interactive(name, home, load=FIND[name], XDG_DATA_DIRS=str(tmp_path / "share")) as user:
        assert user.after_tab("streamcli consume o") == "streamcli consume orders "


@pytest.mark.parametrize("name", SHELLS)
def test_a_shells_script_is_printed_and_is_good(name: str, tmp_path: Path) -> None:
    script = ok("completion", name)
    assert b"_STREAMCLI_COMPLETE" in script
    path = tmp_path / name
    path.write_bytes(script)
    if shutil.which(name):
        assert shell(f"{name} -n {path}") == ""


def test_an_unknown_shell_is_refused() -> None:
    assert "bash, zsh, fish" in refused(2, "completion", "cmd")


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_made_by_completion(name: str, tmp_path: Path, log_directory: Path) -> None:
    with interactive(name, tmp_path) as user:
        assert user.after_tab("streamcli consume ") == "streamcli consume "
    assert not log_directory.exists()

"""Defaults of options from the environment and the config file, and which of them wins."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from streamcli.cli import defaults
from streamcli.cli.commands import COMMANDS
from streamcli.cli.defaults import filled, settable
from streamcli.cli.flags import parse_given
from tests.support.command import ok, refused, run


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The config file, which is not there yet."""
    path = tmp_path / "config" / "streamcli" / "config.toml"
    path.parent.mkdir(parents=True)
    return path


def values_of(name: str, *words: str) -> dict[str, object]:
    return filled(COMMANDS[name], parse_given(COMMANDS[name], list(words)))


def test_what_is_stronger_wins(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def lock_timeout(*words: str) -> object:
        return values_of("tail", "t", *words)["lock_timeout"]

    assert lock_timeout() == 30_000
    config.write_text('lock-timeout = "1s"\n')
    assert lock_timeout() == 1000
    config.write_text('lock-timeout = "1s"\n[tail]\nlock-timeout = "2s"\n')
    assert lock_timeout() == 2000
    monkeypatch.setenv("STREAMCLI_LOCK_TIMEOUT", "3s")
    assert lock_timeout() == 3000
    monkeypatch.setenv("STREAMCLI_TAIL_LOCK_TIMEOUT", "4s")
    assert lock_timeout() == 4000
    assert lock_timeout("--lock-timeout", "5s") == 5000
    monkeypatch.setenv("STREAMCLI_TAIL_LOCK_TIMEOUT", "")
    assert lock_timeout() == 3000


def test_commands_obey_it(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STREAMCLI_DIR")
    config.write_text(
        f'dir = "{tmp_path / "mine"}"\n[produce]\noffsets = true\n[tail]\ncount = 2\n[topics.list]\njson = true\n'
    )
    assert ok("produce", "t", stdin=b"1\n2\n3\n") == b"0 0\n0 1\n0 2\n"
    assert (tmp_path / "mine" / "topics" / "t").is_dir()
    assert ok("tail", "t") == b"2\n3\n"
    assert ok("tail", "t", "-n", "1") == b"3\n"
    assert ok("topics", "list").startswith(b'{"topic":"t"')
    monkeypatch.setenv("STREAMCLI_TOPICS_LIST_JSON", "0")
    assert ok("topics", "list") == b"t\n"
    monkeypatch.setenv("STREAMCLI_CONFIG", "")
    assert ok("topics", "list", "--dir", str(tmp_path / "mine")) == b"t\n"


@pytest.mark.parametrize(
    ("text", "words", "printed"),
    [
        ("[consume]\njson = true", ["consume", "t", "-F", r"%k=%s\n"], b"a=1\n"),
        ('[consume]\nformat = "%o"', ["consume", "t", "-K", ":"], b"a:1\n"),
        ("[consume]\nnull = true", ["consume", "t", "-D", "|"], b"1|"),
        ("[consume]\nnull = true\njson = false", ["consume", "t", "-K", ":"], b"a:1\0"),
        ('[consume]\nidle = "1s"\nretries = 5\ncommit = "none"\nbatch = 7', ["consume", "t"], b"1\n"),
        ('[consume]\ncommit = "none"', ["consume", "t", "-g", "g", "--", "cat"], b"1\n"),
        ("[tail]\ncount = 0", ["tail", "t", "--since", "1h"], b"1\n"),
        ("[tail]\njson = true", ["tail", "t", "-F", "%s."], b"1."),
        ('[table]\nkey-delimiter = "="', ["table", "t", "-F", "%s."], b"1."),
        ("[table]\njson = true", ["table", "t", "-0"], b"a\t1\0"),
        ("[stats]\njson = true", ["stats", "none*", "--prometheus"], None),
    ],
)
def test_a_default_that_contradicts_what_is_given_is_passed_over(
    config: Path, text: str, words: list[str], printed: bytes | None
) -> None:
    ok("produce", "t", "-k", "a", stdin=b"1\n")
    config.write_text(text)
    result = run(*words)
    assert result.status != 2, result
    assert printed is None or (result.out, result.err) == (printed, "")


def test_two_defaults_that_contradict_each_other_are_an_error(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Told where they stand, not as if they had been given."""
    ok("produce", "t", stdin=b"1\n")
    config.write_text('[consume]\njson = true\nformat = "%s"\n')
    said = f"[consume] in {config}: json and format contradict each other: leave out one"
    assert said in refused(2, "consume", "t")
    assert said in run("doctor").out.decode()
    assert ok("consume", "t", "-K", ":") == b":1\n"
    config.unlink()
    monkeypatch.setenv("STREAMCLI_CONSUME_JSON", "1")
    monkeypatch.setenv("STREAMCLI_CONSUME_FORMAT", "%s")
    said = "the environment: STREAMCLI_CONSUME_JSON and STREAMCLI_CONSUME_FORMAT contradict each other"
    assert said in refused(2, "consume", "t")


def test_given_values_of_a_repeated_option_replace_the_default(config: Path) -> None:
    config.write_text('[produce]\nheader = ["host=a", "host=b"]\n')
    assert values_of("produce", "t")["headers"] == [("host", b"a"), ("host", b"b")]
    assert values_of("produce", "t", "-H", "x=y")["headers"] == [("x", b"y")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[produce]\nsync = 3", "[produce] sync: bad value 3: use text in quotes"),
        ('[produce]\nsync = "exist"', "[produce] sync: bad value 'exist': did you mean exit?"),
        ('[produce]\nsyncs = "exit"', "[produce] syncs: no such option of produce: did you mean sync?"),
        ("[tail]\nlines = 20", "[tail] lines: no such option of tail: see streamcli-config(5)"),
        ("[tail]\ncount = true", "[tail] count: bad value True: use a number"),
        ("[tail]\nwrap = 1", "[tail] wrap: bad value 1: use true or false"),
        ("[tails]\ncount = 1", "[tails] is the table of no command: did you mean [tail]?"),
        ("[topics.lists]\njson = true", "[topics.lists] is the table of no command: did you mean [topics.list]?"),
        ("[topics]\nlist = 1", "[topics.list] is a table of options: bad value 1: see streamcli-config(5)"),
        ("[topics]\njson = true", "[topics.json] is the table of no command"),
        ("[topics.delete]\nyes = true", "[topics.delete] yes: this option can have no default"),
        ('dirs = "/x"', "dirs: no such option of every command: did you mean dir?"),
        ('dir = "x"', "dir: bad value 'x': use a path from / or ~ on"),
        ("[tail\n", "is no TOML"),
        ("a = \xff".encode("latin-1"), "is no TOML"),
    ],
)
def test_a_fault_names_the_file_and_the_key(config: Path, text: str | bytes, said: str) -> None:
    config.write_bytes(text if isinstance(text, bytes) else text.encode())
    line = refused(2, "topics", "list")
    assert said in line
    assert str(config) in line


def test_faults_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMCLI_TOPICS_LIST_JSON", "perhaps")
    assert refused(2, "topics", "list") == "streamcli: STREAMCLI_TOPICS_LIST_JSON: bad value 'perhaps': use 1 or 0"
    monkeypatch.setenv("STREAMCLI_TOPICS_LIST_JSON", "1")
    monkeypatch.setenv("STREAMCLI_CONFIG", "/nowhere/x.toml")
    assert "no such file (/nowhere/x.toml)" in refused(2, "topics", "list")


def test_help_needs_no_sound_config_file(config: Path) -> None:
    config.write_text("[")
    assert b"Usage" in ok("tail", "--help")


def test_every_name_of_the_rules_is_one_of_an_option() -> None:
    known = {flag.dest for command in COMMANDS.values() for flag in command.flags} | {"command"}
    rules = {dest for pairs in (defaults._RIVALS, *defaults._RIVALS_OF.values()) for pair in pairs for dest in pair}
    needs = {dest for needs in defaults._NEEDS_OF.values() for pair in needs.items() for dest in pair}
    assert rules | needs | set().union(*defaults._ONCE_OF.values()) <= known
    assert defaults._ONCE - known <= {"once"}


def test_no_default_can_destroy_or_choose_records() -> None:
    names = {(name, key) for name, command in COMMANDS.items() for key in settable(command)}
    for name, key in [
        ("topics delete", "yes"),
        ("consume", "group"),
        ("topics alter", "retention"),
        ("groups reset", "to"),
    ]:
        assert (name, key) not in names


def test_nothing_is_loaded_where_there_is_no_file() -> None:
    program = "import sys; from streamcli.cli.main import run; run(['topics', 'list', '-q']); sys.exit('tomllib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0

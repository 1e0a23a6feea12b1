"""Any command line at all: a documented status and a message of one line, never a traceback."""

from __future__ import annotations

import inspect
import re

import pytest

from streamcli.record import errors
from tests.support.command import ok, refused, run

WRONG = [
    ["nonsense"],
    ["-x"],
    ["--nonsense"],
    ["--dir"],
    ["--dir", "d"],
    ["--dir=d", "nonsense"],
    ["topic"],
    ["topics", "nonsense"],
    ["topics", "-x"],
    ["topics", "create"],
    ["topics", "describe"],
    ["topics", "delete"],
    ["topics", "delete", "-y"],
    ["topics", "list", "a", "b"],
    ["topics", "list", "-p", "3"],
    ["topics", "create", "t", "-p"],
    ["topics", "create", "t", "-p", "x"],
    ["topics", "create", "t", "-p", "1.5"],
    ["topics", "create", "t", "-p", "-3"],
    ["topics", "create", "t", "-p", "9" * 5000],
    ["topics", "create", "t", "-c", "=1"],
    ["topics", "create", "t", "--segment-bytes", "1" * 400 + "G"],
    ["topics", "create", "t", "--segment-age", "1" * 400 + ".5d"],
    ["produce"],
    ["produce", "--json"],
    ["produce", "t", "--jsn"],
    ["produce", "t", "--json=yes"],
    ["produce", "t", "-D"],
    ["produce", "t", "-D", ""],
    ["produce", "t", "-D", "\\x"],
    ["produce", "t", "-D", "\\xzz"],
    ["produce", "t", "-D", "\\q"],
    ["produce", "t", "-K", ""],
    ["produce", "t", "-H", "x"],
    ["produce", "t", "-H", "=x"],
    ["produce", "t", "-H", "\udcff=x"],
    ["produce", "t", "-p", "x"],
    ["produce", "t", "--sync", "sometimes"],
    ["produce", "t", "--rate", "0"],
    ["produce", "t", "--rate", "fast"],
    ["produce", "t", "--lock-timeout", "5"],
    ["produce", "t", "--lock-timeout", "soon"],
    ["produce", "t", "/no/such/file"],
    ["produce", "t", "-0q", "-z", "brotli"],
    ["consume"],
    ["consume", "t", "-q", "-o"],
    ["consume", "t", "-o", "x"],
    ["consume", "t", "-o", "@" + "9" * 30 + "x"],
    ["consume", "t", "-n", "-1"],
    ["consume", "t", "-n", "²"],
    ["consume", "t", "-p", "one"],
    ["consume", "t", "--idle", "x"],
    ["consume", "t", "--idle", "1s"],
    ["consume", "t", "-F", "%"],
    ["consume", "t", "--grep", "("],
    ["consume", "t", "--grep", "[" * 3000],
    ["consume", "t", "--header", "x"],
    ["consume", "t", "--since", "whenever"],
    ["consume", "t", "--since", "2026-13-45"],
    ["consume", "t", "--until", "99999-01-01"],
    ["consume", "bad/name"],
    ["tail"],
    ["tail", "t", "-n"],
    ["tail", "t", "-n", "ten"],
    ["tail", "t", "-o", "5"],
    ["completion"],
    ["completion", "tcsh"],
    ["completion", "bash", "zsh"],
    ["\udcff\udcfe"],
    ["\x1b[31mred"],
    ["two\nlines"],
    ["produce", "t", "--\x1b[31m"],
    ["consume", "t", "-\n"],
    [""],
    ["", "produce"],
    ["--", "produce"],
]  # fmt: skip


@pytest.mark.parametrize("words", WRONG, ids=lambda words: ascii(" ".join(words))[:50])
def test_a_wrong_command_line_is_status_2(words: list[str], log_directory) -> None:
    ok("topics", "create", "there")
    before = sorted(log_directory.rglob("*"))
    message = refused(2, *words)
    assert "Traceback" not in message
    assert all(character.isprintable() for character in message)
    assert sorted(log_directory.rglob("*")) == before


HUGE = "9" * 40


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["consume", "t", "-o", HUGE], 5),
        (["consume", "t", "-o", "-" + HUGE], 0),
        (["consume", "t", "-o", "@" + HUGE], 0),
        (["consume", "t", "-o", ":@" + HUGE], 0),
        (["consume", "t", "-o", "0:" + HUGE], 0),
        (["consume", "t", "-n", HUGE], 0),
        (["consume", "t", "-p", HUGE], 4),
        (["consume", "t", "--since", HUGE + "d"], 0),
        (["consume", "t", "--since", "0002-01-01"], 0),
        (["consume", "t", "--until", "9999-12-31T23:59:59Z"], 0),
        (["consume", "t", "-f", "--idle", "1ms", "-n", HUGE], 0),
        (["consume", "*", "?", "[t"], 4),
        (["consume", "[t]", "t*"], 0),
        (["tail", "t", "-n", HUGE], 0),
        (["tail", "t", "--since", HUGE + "w"], 0),
        (["produce", "t", "-p", HUGE], 4),
        (["produce", "t", "--rate", HUGE], 0),
        (["produce", "t", "--lock-timeout", HUGE + "d"], 0),
        (["topics", "list", "["], 0),
        (["topics", "list", "*" * 1000], 0),
        (["--dir", "/dev/null", "consume", "t"], 1),
        (["--dir", "/dev/null/x", "consume", "t"], 1),
        (["--dir", "/dev/null/x", "produce", "t"], 1),
        (["--dir", "/proc/nowhere", "produce", "t"], 1),
        (["--dir", "x" * 300, "produce", "t"], 1),
        (["--dir", "x" * 300, "consume", "t"], 1),
        (["--dir", "bytes-\udcff", "produce", "t"], 0),
    ],
    ids=lambda value: ascii(value)[:60],
)
def test_extremes_have_a_documented_status(words: list[str], status: int) -> None:
    ok("produce", "t", stdin=b"1\n2\n")
    result = run(*words, stdin=b"x\n")
    assert result.status == status, result
    assert "Traceback" not in result.err
    assert len(result.err.splitlines()) == (1 if status else 0)


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["produce", "t", "--jsn"], "--json"),
        (["consume", "t", "--folow"], "--follow"),
        (["consume", "t", "--counts=3"], "--count"),
        (["prodcue", "t"], "produce"),
        (["topics", "lst"], "list"),
        (["tpics", "list"], "topics"),
    ],
)
def test_what_was_meant_is_suggested(words: list[str], meant: str) -> None:
    assert refused(2, *words).endswith(f"did you mean {meant}?")


def test_options_before_and_after_the_command(log_directory) -> None:
    other = str(log_directory / "other")
    ok("--dir", other, "produce", "t", stdin=b"x\n")
    assert ok(f"--dir={other}", "consume", "t") == b"x\n"
    assert ok("consume", "t", "--dir", other) == b"x\n"
    assert ok("-q", "--lock-timeout", "1s", "--dir", other, "topics", "list") == b"t\n"
    assert ok("topics", "list", f"--dir={other}") == b"t\n"


def test_the_default_directory(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STREAMCLI_DIR")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    ok("produce", "t", stdin=b"home\n")
    assert (tmp_path / "home/.local/share/streamcli/format.json").exists()
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    ok("produce", "t", stdin=b"data\n")
    assert (tmp_path / "data/streamcli/format.json").exists()
    assert ok("consume", "t") == b"data\n"


HELPED = [[], ["produce"], ["consume"], ["tail"], ["topics"], ["topics", "create"], ["topics", "list"],
          ["topics", "describe"], ["topics", "delete"], ["completion"]]  # fmt: skip


@pytest.mark.parametrize("words", HELPED, ids=" ".join)
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_every_command_has_help(words: list[str], flag: str) -> None:
    text = ok(*words, flag).decode()
    assert "Usage: streamcli" in text
    assert "\x1b" not in text
    if words and words != ["topics"]:
        assert "Examples:" in text
        assert "Exit status:" in text


def test_no_words_at_all_show_the_first_steps() -> None:
    text = ok().decode()
    assert "streamcli produce" in text


def test_version() -> None:
    assert re.fullmatch(rb"streamcli \d+\.\d+\.\d+\n", ok("--version"))


def test_the_table_of_statuses_agrees_with_the_errors() -> None:
    classes = [found for _, found in inspect.getmembers(errors, inspect.isclass) if found.__module__ == errors.__name__]
    assert {found.status for found in classes} == set(errors.EXIT_STATUSES) - {0}
    table = re.findall(r"(\w+) +(\d)  ", errors.__doc__ or "")
    assert {name: int(status) for name, status in table} == {found.__name__: found.status for found in classes}

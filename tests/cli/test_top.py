"""top: the screen as a person sees it, by a terminal emulator, and what scripts get."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
from collections.abc import Callable
from pathlib import Path

import pyte
import pytest

from tests.support.command import STREAMCLI, ok, refused, run, started
from tests.support.terminal import Terminal, on_terminal, program_on_terminal
from tests.support.waiting import DEADLINE, read_lines, read_until

TO_OTHER_SCREEN, BACK = b"\x1b[?1049h", b"\x1b[?1049l"


@pytest.fixture(autouse=True)
def _terminal_that_pyte_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "screen")


def seen(shown: bytes, columns: int = 80, rows: int = 24) -> list[str]:
    """The lines of a screen that was sent this."""
    screen = pyte.Screen(columns, rows)
    pyte.ByteStream(screen).feed(shown)
    return [line.rstrip() for line in screen.display]


def look_for(terminal: Terminal, enough: Callable[[list[str]], bool]) -> list[str]:
    return seen(terminal.see(lambda shown: enough(seen(shown))))


@pytest.fixture
def clicks() -> str:
    ok("produce", "clicks", stdin=b"".join(b"%d\n" % n for n in range(1000)))
    ok("consume", "clicks", "-g", "billing", "-n", "400")
    return "clicks"


@pytest.mark.usefixtures("clicks")
def test_topics_groups_and_what_keys_do() -> None:
    ok("produce", "orders", stdin=b"1\n")
    with on_terminal("top", "--interval", "200ms") as terminal:
        lines = look_for(terminal, lambda lines: any(line.startswith("orders") for line in lines))
        assert lines[0].startswith("streamcli top  ")
        assert lines[1].startswith("2 topics, 2 parts, ")
        assert lines[3].split() == ["TOPIC", "PARTS", "IN/S", "BYTES/S", "OUT/S", "SIZE", "LAG", "IN/S"]
        assert [line.split()[0] for line in lines[4:6]] == ["clicks", "orders"]
        assert lines[4].split()[7] == "600"
        terminal.type(b"t")
        look_for(terminal, lambda lines: lines[3][:5] == "GROUP" and lines[4].split()[:3] == ["billing", "0", "1"])
        terminal.type(b"t/ord\r")
        look_for(terminal, lambda lines: "filter ord" in lines[23] and lines[4][:6] == "orders" and lines[5] == "")
        terminal.type(b"?")
        look_for(terminal, lambda lines: any("this help" in line for line in lines))
        terminal.type(b"qq")
        assert terminal.finish()[0] == 0


def test_a_rate_appears_while_records_come(clicks: str) -> None:
    def rate(lines: list[str]) -> float:
        """The rate; 0 as well while the line is being drawn, of which the trend comes last."""
        row = next((line.split() for line in lines if line.startswith(clicks)), [])
        shown = re.fullmatch(r"([0-9.]+)k?", row[2]) if len(row) > 2 and "█" in row[-1] else None
        return float(shown[1]) if shown else 0

    with on_terminal("top", "--interval", "200ms") as terminal:
        look_for(terminal, lambda lines: any(line.startswith(clicks) for line in lines))
        ok("produce", clicks, stdin=b"x\n" * 5000)
        look_for(terminal, lambda lines: rate(lines) > 0)


def test_it_fits_a_terminal_that_changes_its_size(clicks: str) -> None:
    with on_terminal("top") as terminal:
        look_for(terminal, lambda lines: any(line.startswith(clicks) for line in lines))
        before = len(terminal.shown)
        terminal.resize(120, 10)
        terminal.see(lambda shown: seen(shown[before:], 120, 10)[9].startswith("q quit"))


STREAMCLI_TOP = shlex.join([*STREAMCLI, "top"])
BEFORE_AND_AFTER = (
    f'before=$(stty -g); {STREAMCLI_TOP}; echo "status $?"; [ "$before" = "$(stty -g)" ] && echo same modes'
)


@pytest.mark.parametrize(("key", "status"), [(b"q", 0), (b"\x03", 130)], ids=["q", "Ctrl-C"])
def test_the_terminal_is_as_it_was_afterwards(key: bytes, status: int, clicks: str) -> None:
    with program_on_terminal(["bash", "-mc", BEFORE_AND_AFTER], dict(os.environ)) as terminal:
        look_for(terminal, lambda lines: any(line.startswith(clicks) for line in lines))
        terminal.type(key)
        shown = terminal.see(lambda shown: b"status " in shown and b"\n" in shown.partition(b"status ")[2])
        after = shown.rpartition(BACK)[2]
        assert f"status {status}\r\n".encode() in after
        assert b"same modes" in terminal.finish()[1]
    assert terminal.shown.count(TO_OTHER_SCREEN) == terminal.shown.count(BACK) == 1


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_restores_the_terminal(signum: signal.Signals, clicks: str) -> None:
    with on_terminal("top") as terminal:
        look_for(terminal, lambda lines: any(line.startswith(clicks) for line in lines))
        terminal.process.send_signal(signum)
        status, shown = terminal.finish()
    assert status == 128 + signum
    assert shown.count(TO_OTHER_SCREEN) == shown.count(BACK) == 1
    assert b"Traceback" not in shown


def test_an_error_restores_the_terminal_and_is_told_below(clicks: str) -> None:
    with on_terminal("top", clicks, "--interval", "200ms") as terminal:
        look_for(terminal, lambda lines: any(line.startswith(clicks) for line in lines))
        ok("topics", "delete", clicks, "-y")
        status, shown = terminal.finish()
    assert status == 4
    assert b"no such topic: clicks" in shown.rpartition(BACK)[2]


def test_stopped_and_brought_back(clicks: str) -> None:
    script = (
        f'before=$(stty -g); {STREAMCLI_TOP}; [ "$before" = "$(stty -g)" ] && echo same modes; fg; echo "status $?"'
    )
    with program_on_terminal(["bash", "-mc", script], dict(os.environ)) as terminal:
        look_for(terminal, lambda lines: any(line.startswith(clicks) for line in lines))
        terminal.type(b"\x1a")
        stopped = terminal.see(lambda shown: b"same modes" in shown)
        stopped = stopped.partition(b"same modes")[0]
        assert stopped.count(TO_OTHER_SCREEN) == stopped.count(BACK) == 1
        terminal.see(lambda shown: any(line.startswith(clicks) for line in seen(shown.rpartition(b"same modes")[2])))
        terminal.type(b"q")
        assert b"status 0" in terminal.finish()[1].rpartition(BACK)[2]


def test_a_terminal_without_block_characters(clicks: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("LC_ALL", "C"), ("PYTHONCOERCECLOCALE", "0"), ("PYTHONUTF8", "0"), ("NO_COLOR", "1")):
        monkeypatch.setenv(name, value)
    with on_terminal("top", "--interval", "100ms") as terminal:
        look_for(terminal, lambda lines: any(line.startswith(clicks) and line.endswith("__") for line in lines))
        assert terminal.shown.isascii()
        assert not re.search(rb"\x1b\[[0-9;]*3[0-7][0-9;]*m", terminal.shown)


@pytest.mark.parametrize("kind", ["dumb", "nonsense", ""])
def test_a_terminal_that_cannot_be_drawn_on(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ok("produce", "t", stdin=b"1\n")
    monkeypatch.setenv("TERM", kind)
    with on_terminal("top") as terminal:
        status, shown = terminal.finish()
    assert status == 2
    assert b"--once" in shown


def test_no_terminal() -> None:
    assert "--once" in refused(2, "top")
    assert "100ms" in refused(2, "top", "--once", "--interval", "1ms")


@pytest.mark.usefixtures("clicks")
def test_once() -> None:
    topics, groups = ok("top", "--once").decode().split("\n\n")
    title, row = topics.splitlines()
    assert title.split() == ["TOPIC", "PARTS", "IN/S", "BYTES/S", "OUT/S", "SIZE", "LAG"]
    assert row.split()[0:3] == ["clicks", "1", "17"]
    assert row.split()[-1] == "600"
    assert groups.splitlines()[1].split()[:2] == ["billing", "0"]
    refused(4, "top", "--once", "nosuch")
    refused(4, "top", "--once", "no*")
    assert ok("top", "--once", "cl*") == ok("top", "--once", "clicks")


@pytest.mark.usefixtures("clicks")
def test_once_as_json() -> None:
    topic, group = map(json.loads, ok("top", "--once", "--json").splitlines())
    assert topic["time"] == group["time"]
    for fields in (topic, group):
        del fields["time"]
    assert topic.pop("size") > 0
    assert topic.pop("bytes_in") > 0
    assert topic == {
        "kind": "topic",
        "topic": "clicks",
        "partitions": 1,
        "records": 1000,
        "records_in": 16.667,
        "records_out": 0.0,
        "lag": 600,
    }
    assert group == {
        "kind": "group",
        "group": "billing",
        "members": 0,
        "topics": 1,
        "partitions": 1,
        "lag": 600,
        "records_in": 16.667,
        "records_out": 0.0,
        "caught_up_in": None,
    }


def test_json_each_interval(clicks: str) -> None:
    with started("top", "--json", "--interval", "100ms") as process:
        first = read_lines(process.stdout, 2)
        assert [json.loads(line)["kind"] for line in first[:2]] == ["topic", "group"]
        ok("produce", clicks, stdin=b"x\n" * 5000)
        shown = read_until(process.stdout, lambda found: b'"records":6000' in found and found.endswith(b"\n"))
        found = [json.loads(line) for line in [*first, *shown.splitlines()] if line.startswith(b'{"kind":"topic"')]
        assert [fields["records"] for fields in found if fields["records_in"]] == [6000]
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE) == 143


@pytest.mark.usefixtures("clicks")
def test_json_ends_when_nobody_reads() -> None:
    with started("top", "--json", "--interval", "100ms") as process:
        read_lines(process.stdout, 1)
        process.stdout.close()
        assert process.wait(DEADLINE) == 0


@pytest.mark.usefixtures("log_directory")
def test_lag_is_that_of_groups_list_where_partitions_have_no_commit() -> None:
    ok("topics", "create", "spread", "-p", "3")
    for partition in ("0", "1"):
        ok("produce", "spread", "-p", partition, stdin=b"a\nb\n")

    def lags() -> list[object]:
        listed = json.loads(run("groups", "list", "--json").out)["lag"]
        return [listed, *(json.loads(line)["lag"] for line in run("top", "--once", "--json").out.splitlines())]

    ok("consume", "spread", "-g", "g", "-n", "1")
    assert lags() == [3, 3, 3]
    ok("groups", "undo", "g")
    assert lags() == [4, 4, 4]


@pytest.mark.usefixtures("clicks")
def test_what_cannot_be_opened_is_told_with_what_to_do(log_directory: Path) -> None:
    ok("produce", "broken", stdin=b"1\n")
    config = log_directory / "topics" / "broken" / "config.json"
    config.rename(log_directory / "kept")
    config.symlink_to(log_directory / "kept")
    result = run("top", "--once", "broken")
    assert result.status == 1
    assert f"({config}): remove it, or put there what it points at" in result.err
    assert "Errno" not in result.err


def test_what_cannot_be_read_hides_nothing_else(clicks: str, log_directory: Path) -> None:
    ok("produce", "broken", stdin=b"1\n")
    (log_directory / "topics" / "broken" / "config.json").write_text("{")
    result = run("top", "--once", "--json")
    assert [json.loads(line).get("topic") for line in result.out.splitlines()] == ["clicks", None]
    assert result.status == 1
    assert "broken is left out" in result.err
    with on_terminal("top") as terminal:
        lines = look_for(terminal, lambda lines: lines[23].startswith("q quit"))
        assert lines[22].startswith("broken is left out")
        assert lines[4].startswith(clicks)

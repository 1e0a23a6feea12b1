"""Progress: a bar or a counter on a terminal while it takes long, wiped away before anything else is said; nothing elsewhere."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyte
import pytest

from streamcli.cli import progress
from tests.support.command import ok, run
from tests.support.terminal import Terminal, program_on_terminal

# What would take long enough on a large log: the same, without the patience.
IMPATIENT = """
import sys
from streamcli.__main__ import main
from streamcli.cli import progress
progress.PATIENCE = progress.INTERVAL = 0
main()
"""
BAR = "━".encode()


@contextmanager
def impatient(*words: str, redirection: str = "") -> Iterator[Terminal]:
    command = f"{shlex.join([sys.executable, '-c', IMPATIENT, *words])} {redirection}"
    with program_on_terminal(["sh", "-c", command], dict(os.environ), columns=200) as terminal:
        yield terminal


def left_on(terminal: Terminal) -> list[str]:
    """The lines that are there when it is over."""
    screen = pyte.Screen(200, 24)
    pyte.ByteStream(screen).feed(terminal.finish()[1])
    return [line.rstrip() for line in screen.display if line.strip()]


@pytest.fixture
def damaged(log_directory: Path) -> str:
    """A topic of ten batches, one of them damaged."""
    for n in range(10):
        ok("produce", "t", "-k", f"key {n}", stdin=b"%0200d\n" % n)
    segment = log_directory / "topics" / "t" / "0" / f"{0:020}.log"
    data = bytearray(segment.read_bytes())
    data[data.index(b"0" * 100) + 50] ^= 1
    segment.write_bytes(data)
    return "t"


def test_a_bar_and_a_summary() -> None:
    for n in range(10):
        ok("produce", "t", stdin=b"%0200d\n" % n)
    with impatient("verify") as terminal:
        lines = left_on(terminal)
    assert BAR in terminal.shown
    assert lines[0].endswith("nothing is damaged")
    assert lines[1].startswith("checked in ")
    assert len(lines) == 2


def test_what_is_found_stands_on_lines_of_its_own(damaged: str) -> None:
    with impatient("verify", damaged) as terminal:
        lines = left_on(terminal)
    assert BAR in terminal.shown
    assert lines[0].startswith("t, partition 0: ")
    assert lines[1].startswith("streamcli: a problem found")
    assert lines[2].startswith("checked in ")
    with impatient("repair", damaged) as terminal:
        lines = left_on(terminal)
    assert BAR in terminal.shown
    assert lines[0].startswith("t, partition 0: ")
    assert lines[-1].startswith("1 problem, 1 mended in ")
    assert sum("problem" in line or "partition 0" in line for line in lines) == 2


def test_standard_output_gets_its_own_and_nothing_else(damaged: str, tmp_path: Path) -> None:
    with impatient("verify", damaged, "--json", redirection=f"> {tmp_path}/out") as terminal:
        lines = left_on(terminal)
    assert BAR in terminal.shown
    assert [line.partition(" ")[0] for line in lines] == ["checked"]
    assert [json.loads(line)["topic"] for line in (tmp_path / "out").read_text().splitlines()] == ["t"]


@pytest.mark.parametrize("words", [("verify",), ("repair",), ("topics", "clean")])
def test_nothing_where_standard_error_is_no_terminal_or_it_is_to_be_quiet(words: tuple[str, ...]) -> None:
    ok("produce", "t", stdin=b"a\n")
    with impatient(*words, redirection="2> /dev/null") as terminal:
        terminal.finish()
    assert b"\x1b" not in terminal.shown
    with impatient("-q", *words) as terminal:
        assert left_on(terminal) == []
    assert b"\x1b" not in terminal.shown


def test_what_is_done_at_once_shows_none() -> None:
    """At once: before the time from which on it is shown, however busy the machine is."""
    assert 0.1 < progress.PATIENCE < 2
    ok("produce", "t", stdin=b"a\n")
    command = [sys.executable, "-c", IMPATIENT.replace("progress.INTERVAL = 0", "3600"), "verify"]
    with program_on_terminal(command, dict(os.environ), columns=200) as terminal:
        status, shown = terminal.finish()
    assert status == 0
    assert b"nothing is damaged" in shown
    assert b"\x1b" not in shown


def test_compaction_counts_what_it_reads() -> None:
    ok("topics", "create", "t", "--compact")
    for _ in range(5):
        ok("produce", "t", "-k", "k", stdin=b"%0300d\n" % 1)
    with impatient("topics", "clean") as terminal:
        lines = left_on(terminal)
    assert b"kB" in terminal.shown.partition(b"compacted")[0]
    assert lines[0].startswith("t 0: compacted 1 segment, 5 records to 1")
    assert lines[1].startswith("1.")
    assert " freed in " in lines[1]


def test_produce_counts_what_has_come(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with impatient("produce", "t", redirection=f"< {fifo}") as terminal, fifo.open("wb", buffering=0) as pipe:
        pipe.write(b"a\nb\n")
        terminal.see(lambda shown: b"2 records" in shown)
        pipe.write(b"c\n")
        terminal.see(lambda shown: b"3 records" in shown)
        pipe.close()
        lines = left_on(terminal)
    assert lines[0].startswith("3 records, 6 B -> t in ")
    assert len(lines) == 1


def test_produce_of_a_file_has_a_bar_and_an_error_a_clean_line(tmp_path: Path) -> None:
    good, bad = tmp_path / "good", tmp_path / "bad"
    good.write_text('{"value":"a"}\n' * 1000)
    bad.write_text('{"value":"a"}\nnonsense\n')
    with impatient("produce", "t", "--json", str(good), str(bad)) as terminal:
        lines = left_on(terminal)
    assert BAR in terminal.shown
    assert lines[0].startswith("streamcli: record 2 of ")
    assert len(run("consume", "t").lines()) == 1001


DRAWN = """
from streamcli.cli import progress
progress.PATIENCE = progress.INTERVAL = 0
with progress.Progress(lambda: TOTAL, is_shown=True) as bar:
    bar.update(123_456_789, 12_345_678)
    bar.update(234_567_890, 23_456_789)
"""
ONE_LINE_UP = b"\x1b[1A"


@pytest.mark.parametrize("total", [456_789_012, None])
@pytest.mark.parametrize("columns", [20, 40, 60])
def test_it_takes_one_line_of_a_narrow_terminal(columns: int, total: int | None) -> None:
    command = [sys.executable, "-c", DRAWN.replace("TOTAL", str(total))]
    with program_on_terminal(command, dict(os.environ), columns=columns) as terminal:
        _, shown = terminal.finish()
    assert b"MB" in shown or "\N{HORIZONTAL ELLIPSIS}".encode() in shown
    assert (shown.count(b"\n"), shown.count(ONE_LINE_UP)) == (1, 1)  # when it is wiped

"""The benchmark runs, and what it writes has the shape it documents. How large the ratios are is no test."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from streamcli.cli.commands import COMMANDS
from tests.bench.inputs import INPUTS
from tests.bench.place import Place
from tests.bench.plot import draw
from tests.bench.publish import PAGE, PAGE_MARKERS, PLOT, PUBLISHED, README, README_MARKERS, replaced
from tests.bench.results import Findings, Result
from tests.bench.suite import SECTIONS, cases, chosen
from tests.bench.tables import manual, readme

ROOT = Path(__file__).parents[2]
EACH_KIND = (
    "produce-pipe/*",
    "consume-command/json",
    "start-topics-list",
    "follow-1000-*",
    "producers-8*",
    "idle-follow",
    "memory-consume/access",
    "peer-sqlite-consume",
    "option-consume-of-gzip",
)
"""Cases that between them use all that measures."""


@pytest.fixture(scope="module")
def small_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A run of each kind of case on 100 lines: the directory with what it wrote, and what it printed."""
    directory = tmp_path_factory.mktemp("bench")
    scratch = directory / "scratch"
    scratch.mkdir()
    only = [word for pattern in EACH_KIND for word in ("--only", pattern)]
    options = ["--records", "100", "--runs", "1", "--dir", str(scratch), "--json", "found.json", "--plot", "plot.svg"]
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.run", *only, *options],
        capture_output=True,
        text=True,
        timeout=240,
        check=True,
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert list(scratch.iterdir()) == [], "nothing is left behind"
    return directory, done.stdout


@pytest.fixture
def found(small_run: tuple[Path, str]) -> dict[str, Any]:
    return json.loads((small_run[0] / "found.json").read_text())


def test_each_case_gives_a_result_with_the_documented_fields(found: dict[str, Any]) -> None:
    expected = [(case.name, case.input) for case in chosen(cases(), list(EACH_KIND))]
    assert [(result["case"], result["input"]) for result in found["results"]] == expected
    for result in found["results"]:
        assert set(result) == {field.name for field in fields(Result)}
        assert len(result["ours"]["runs"]) == len(result["yardstick"]["runs"]) >= 1
        assert result["ours"]["command"]
        assert result["yardstick"]["command"]
        assert (result["met"] is None) == (result["target"] is None)
        if result["ratio"] is not None:
            assert result["ratio"]["least"] <= result["ratio"]["median"] <= result["ratio"]["greatest"]


def test_the_machine_is_described_and_not_named(found: dict[str, Any]) -> None:
    assert {"cores", "memory", "file_system", "system", "python", "records", "runs"} <= set(found["machine"])
    words = re.findall(r"[\w.-]+", json.dumps(list(found["machine"].values())))
    assert os.uname().nodename not in words  # as a word: a machine may be called by a letter


def test_the_table_has_a_row_and_the_command_lines_of_each_case(
    small_run: tuple[Path, str], found: dict[str, Any]
) -> None:
    for result in found["results"]:
        assert any(line.startswith(result["title"]) for line in small_run[1].splitlines())
        assert f"    {result['yardstick']['command']}\n" in small_run[1]


def test_results_are_read_back_as_they_were_written(found: dict[str, Any]) -> None:
    assert Findings.from_json(found).as_json() == found


def test_the_plot_is_svg_and_small_and_always_the_same(small_run: tuple[Path, str], found: dict[str, Any]) -> None:
    plot = small_run[0] / "plot.svg"
    assert ElementTree.parse(plot).getroot().tag == "{http://www.w3.org/2000/svg}svg"
    assert plot.stat().st_size < 100_000
    draw(Findings.from_json(found), str(small_run[0] / "again.svg"))
    assert (small_run[0] / "again.svg").read_bytes() == plot.read_bytes()


def test_tables_are_written_between_the_markers(found: dict[str, Any]) -> None:
    findings = Findings.from_json(found)
    text = replaced(README.read_text(), README_MARKERS, readme(findings))
    assert "| produce from a pipe | `cat access.log \\| cat > copy && sync copy` |" in text
    assert replaced(text, README_MARKERS, "") == replaced(README.read_text(), README_MARKERS, "")
    assert "\nconsume of gzip " in replaced(PAGE.read_text(), PAGE_MARKERS, manual(findings))


def test_what_is_published_is_made_of_the_published_results() -> None:
    if not os.path.exists(PUBLISHED):
        pytest.skip("no results are published")
    with open(PUBLISHED, encoding="utf-8") as file:
        findings = Findings.from_json(json.load(file))
    assert replaced(README.read_text(), README_MARKERS, readme(findings) + "\n") == README.read_text()
    assert replaced(PAGE.read_text(), PAGE_MARKERS, manual(findings) + "\n") == PAGE.read_text()
    assert ElementTree.parse(PLOT).getroot().tag == "{http://www.w3.org/2000/svg}svg"
    assert os.path.getsize(PLOT) < 100_000


def test_every_command_has_a_start_and_every_case_a_section() -> None:
    found = cases("localhost:9092")
    names = {case.name for case in found}
    assert {f"start-{name.replace(' ', '-')}" for name in COMMANDS if name != "completion"} <= names
    assert {case.section for case in found} == set(SECTIONS)
    assert len({(case.name, case.input) for case in found}) == len(found)


def test_patterns_of_grep_match_what_they_say(tmp_path: Path) -> None:
    place = Place(str(tmp_path / "place"), 100_000)
    for data in INPUTS:
        lines = place.lines(data.file)
        rare, regex, frequent = (
            int(place.shell(f"grep -c '{pattern}' {data.file}").output)
            for pattern in (data.rare, data.regex, data.frequent)
        )
        assert 0 < rare <= 2
        assert 0 < regex < lines / 1000
        assert lines / 2 < frequent < lines


def test_compression_is_a_table_with_each_codec(tmp_path: Path) -> None:
    script = os.path.join(os.path.dirname(__file__), "compression.py")
    command = [sys.executable, script, "--records", "100", "--runs", "1", "--directory", tmp_path]
    lines = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout.splitlines()
    assert [line.split(" | ")[1] for line in lines[2:]] == 2 * ["none", "gzip", "zstd", "lz4"]

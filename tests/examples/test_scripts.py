"""What holds for every example: safe shell, in README, and nothing left behind."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.project import README
from tests.examples.running import EXAMPLES, run_example
from tests.support.waiting import DEADLINE

SCRIPTS = sorted(path.name for path in EXAMPLES.glob("*.sh"))
PROGRAMS = sorted(path.name for path in EXAMPLES.iterdir() if path.suffix in (".sh", ".py"))


def code_of(name: str) -> str:
    """A script without its comments."""
    return re.sub(r"^\s*#.*$", "", (EXAMPLES / name).read_text(), flags=re.MULTILINE)


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_is_careful_and_waits_for_no_time(name: str) -> None:
    first, second = (EXAMPLES / name).read_text().split("\n")[:2]
    assert first == "#!/bin/sh"
    assert second.startswith("# ")
    assert re.search(r"^set -e?u$", code_of(name), re.MULTILINE)
    assert not re.search(r"\bsleep\b", code_of(name))


@pytest.mark.parametrize("name", PROGRAMS)
def test_an_example_stands_in_readme(name: str) -> None:
    assert f"examples/{name}" in README


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="no shellcheck here")
@pytest.mark.parametrize("name", SCRIPTS)
def test_shellcheck_has_nothing_to_say(name: str) -> None:
    command = ["shellcheck", str(EXAMPLES / name)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("name", ["live-top-pages.sh", "work-queue.sh", "table_of_readings.py"])
def test_a_show_leaves_nothing_behind(
    name: str, tmp_path: Path, log_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    result = run_example(name)
    assert (result.status, result.err) == (0, "")
    assert os.listdir(scratch) == []
    assert not log_directory.exists()


def test_a_show_whose_reader_has_seen_enough_has_no_complaint() -> None:
    command = ["sh", "-c", f"sh {EXAMPLES}/live-top-pages.sh | head -n 1"]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        command, env=os.environ | {"PATH": path}, capture_output=True, text=True, timeout=DEADLINE, check=False
    )
    assert (done.stdout, done.stderr) == ("08:00  1500 requests, 1.1 % failed\n", "")

"""examples/quickstart.sh, the first thing a new user runs."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.docs.project import ROOT, shell_environment
from tests.support.waiting import DEADLINE


def run_quickstart(scratch: Path, path: str | None = None) -> subprocess.CompletedProcess[str]:
    scratch.mkdir()
    environment = {**shell_environment(), "TMPDIR": str(scratch)}
    if path is not None:
        environment["PATH"] = path
    return subprocess.run(
        ["/bin/sh", str(ROOT / "examples" / "quickstart.sh"), "2000"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
        env=environment,
    )


def test_it_runs_shows_its_commands_and_cleans_up(tmp_path: Path) -> None:
    done = run_quickstart(tmp_path / "scratch")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("\nsame\n") == 2
    assert "$ streamcli produce -v clicks < access.log\n" in done.stdout
    assert "2,000 records" in done.stderr
    assert list((tmp_path / "scratch").iterdir()) == []


def test_it_leaves_the_users_own_log_directory_alone(tmp_path: Path, log_directory: Path) -> None:
    run_quickstart(tmp_path / "scratch")
    assert not log_directory.exists()


def test_it_fails_where_streamcli_does_not_work(tmp_path: Path) -> None:
    broken = tmp_path / "bin"
    broken.mkdir()
    (broken / "streamcli").write_text("#!/bin/sh\nexit 1\n")
    (broken / "streamcli").chmod(0o755)
    done = run_quickstart(tmp_path / "scratch", path=f"{broken}{os.pathsep}{os.environ['PATH']}")
    assert done.returncode != 0
    assert list((tmp_path / "scratch").iterdir()) == []

"""examples/spool-and-forward.sh: into a directory, and where there is a broker into a cluster."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.examples.running import run_example
from tests.kafka.broker import ADDRESS, WITHOUT_ADDRESS
from tests.support.command import ok


@pytest.fixture(params=["directory", "cluster"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "directory":
        return str(tmp_path / "centre")
    if ADDRESS not in os.environ:
        pytest.skip(WITHOUT_ADDRESS)
    return f"kafka://{os.environ[ADDRESS]}"


def test_what_comes_is_forwarded_once(target: str, t: str, log_directory: Path, tmp_path: Path) -> None:
    spool = str(tmp_path / "spool")
    for lines in (b"a\nb\n", b"c\n"):
        result = run_example("spool-and-forward.sh", spool, target, t, stdin=lines)
        assert (result.status, result.err) == (0, "")
        assert result.out.decode().splitlines()[-1].split()[:2] == [t, "0"]
    where = ("--url", target) if target.startswith("kafka:") else ("--dir", target)
    assert ok("consume", t, *where, "-F", "%s %h\n").decode() == "".join(
        f"{letter} host={os.uname().nodename}\n" for letter in "abc"
    )
    assert not log_directory.exists()


def test_what_comes_while_the_target_is_away_waits_in_the_spool(t: str, tmp_path: Path) -> None:
    spool, target = str(tmp_path / "spool"), tmp_path / "centre"
    target.write_text("in the way")
    result = run_example("spool-and-forward.sh", spool, str(target), t, stdin=b"a\n")
    assert result.status == 1
    assert "is not a directory" in result.err
    target.unlink()
    assert run_example("spool-and-forward.sh", spool, str(target), t, stdin=b"b\n").status == 0
    assert ok("consume", t, "--dir", str(target)) == b"a\nb\n"

"""The fuzzer that is guided by coverage: a moment for all targets, or STREAMCLI_FUZZ_SECONDS=600 spread over them."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from .run import MIXED
from .targets import TARGETS

SECONDS = float(os.environ.get("STREAMCLI_FUZZ_SECONDS", "0"))
SEED = "1"
RUN = Path(__file__).with_name("run.py")


@pytest.mark.skipif(find_spec("atheris") is None, reason="atheris is not installed: it has no wheel for this Python")
@pytest.mark.parametrize("name", TARGETS if SECONDS else [MIXED])
def test_nothing_is_found(name: str, tmp_path: Path):
    seconds = max(1, round(SECONDS / len(TARGETS))) if SECONDS else 12
    words = [sys.executable, str(RUN), name, str(seconds), str(tmp_path / "corpus"), *([] if SECONDS else [SEED])]
    done = subprocess.run(words, capture_output=True, text=True, timeout=seconds + 120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "broken" not in done.stdout


def test_the_harness_runs_where_there_is_no_atheris(tmp_path: Path):
    (tmp_path / "atheris.py").write_text("raise ImportError('not here')\n")
    words = [sys.executable, str(RUN), "config", "1"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert "inputs" in done.stdout

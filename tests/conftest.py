"""Every test gets a log directory of its own, and an environment that says nothing else to streamcli."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "streamcli",
    deadline=None,  # the machine may be busy; a test that hangs has deadlines of its own
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("streamcli")

_SILENT = ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "XDG_DATA_HOME", "STREAMCLI_NO_INOTIFY", "PYTHONPATH")


@pytest.fixture(autouse=True)
def log_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """STREAMCLI_DIR, not made yet. The working directory is a fresh one too."""
    for name in _SILENT:
        monkeypatch.delenv(name, raising=False)
    directory = tmp_path / "log"
    monkeypatch.setenv("STREAMCLI_DIR", str(directory))
    monkeypatch.setenv("TERM", "xterm-256color")
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return directory

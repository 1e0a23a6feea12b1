"""Every test gets a log directory of its own, and an environment that says nothing else to streamcli.

Tests on Apache Kafka share a broker, and take names for topics and groups that no other test has.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.kafka.broker import ADDRESS, JARS, WITHOUT_ADDRESS, WITHOUT_JARS, Broker, forget, running

settings.register_profile(
    "explore",
    deadline=None,  # the machine may be busy; a test that hangs has deadlines of its own
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
# The same examples each time, so that a run that fails can be run again; --hypothesis-profile=explore draws others.
settings.register_profile("streamcli", settings.get_profile("explore"), derandomize=True)
settings.load_profile("streamcli")

_SILENT = (
    "NO_COLOR",
    "FORCE_COLOR",
    "COLUMNS",
    "LINES",
    "XDG_DATA_HOME",
    "PYTHONPATH",
)


@pytest.fixture(autouse=True)
def log_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """STREAMCLI_DIR, not made yet. The working directory is a fresh one too."""
    for name in (*_SILENT, *(name for name in os.environ if name.startswith("STREAMCLI_"))):
        monkeypatch.delenv(name, raising=False)
    directory = tmp_path / "log"
    monkeypatch.setenv("STREAMCLI_DIR", str(directory))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("TERM", "xterm-256color")
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return directory


@pytest.fixture(scope="session")
def _prefix() -> Iterator[str]:
    """What the names of this process begin with; nothing called so is left on the broker."""
    prefix = f"test-{uuid.uuid4().hex[:8]}-"
    yield prefix
    if ADDRESS in os.environ:
        forget(os.environ[ADDRESS], prefix)


@pytest.fixture
def t(_prefix: str) -> str:
    """The name of a topic that is not there, on the broker neither; for several, add to it."""
    return f"{_prefix}{uuid.uuid4().hex[:8]}"


@pytest.fixture
def g(t: str) -> str:
    """The name of a group that is not there."""
    return f"{t}-group"


@pytest.fixture
def kafka(log_directory: Path, monkeypatch: pytest.MonkeyPatch) -> str:  # noqa: ARG001
    """The address of the broker, which STREAMCLI_URL says too, in place of STREAMCLI_DIR."""
    if ADDRESS not in os.environ:
        pytest.skip(WITHOUT_ADDRESS)
    monkeypatch.delenv("STREAMCLI_DIR")
    monkeypatch.setenv("STREAMCLI_URL", f"kafka://{os.environ[ADDRESS]}")
    return os.environ[ADDRESS]


@pytest.fixture(scope="session")
def _own_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    if JARS not in os.environ:
        pytest.skip(WITHOUT_JARS)
    with running(Path(os.environ[JARS]), tmp_path_factory.mktemp("kafka") / "broker") as broker:
        yield broker


@pytest.fixture
def own_broker(_own_broker: Broker) -> Broker:
    """A broker that may be killed, running; nobody's but that of the tests in this process, as each start takes seconds."""
    if not _own_broker.is_running:
        _own_broker.start()
    return _own_broker

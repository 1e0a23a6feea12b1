"""Each test runs on both engines."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True, params=["directory", "kafka"])
def engine(request: pytest.FixtureRequest) -> str:
    """What is behind the commands: STREAMCLI_DIR or STREAMCLI_URL."""
    request.getfixturevalue({"directory": "log_directory", "kafka": "kafka"}[request.param])
    return request.param


@pytest.fixture
def mortal(engine: str) -> tuple[str, ...]:
    """Flags for a member that will be killed: on Apache Kafka it is one until its session times out, here a second and a half."""
    return ("-X", "session.timeout.ms=1500", "-X", "heartbeat.interval.ms=300") if engine == "kafka" else ()

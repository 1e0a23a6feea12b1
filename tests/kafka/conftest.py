"""Every test here needs a broker."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _on_kafka(kafka: str) -> None:
    """STREAMCLI_URL is the broker's."""

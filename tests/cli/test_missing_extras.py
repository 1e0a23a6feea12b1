"""Without the package that Apache Kafka needs, each command says what to install."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.command import ok, refused

CLUSTER = "kafka://127.0.0.1:9"


@pytest.mark.parametrize(
    "words",
    [
        ["--url", CLUSTER, "produce", "t"],
        ["--url", CLUSTER, "consume", "t", "-g", "g"],
        ["--url", CLUSTER, "topics", "list"],
        ["--url", CLUSTER, "groups", "describe", "g"],
        ["--url", CLUSTER, "mirror", "t", "--to", "copy"],
        ["mirror", "t", "--to", CLUSTER],
        ["mirror", "t", "--to", CLUSTER, "--status"],
    ],
    ids=" ".join,
)
def test_without_confluent_kafka(words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ok("produce", "t", stdin=b"1\n")
    hook = "import sys\nsys.modules['confluent_kafka'] = None  # as if it were not installed\n"
    (tmp_path / "sitecustomize.py").write_text(hook, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert "install streamcli[kafka]" in refused(1, *words, stdin=b"x\n")

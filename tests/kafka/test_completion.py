"""Completion on a cluster offers its names, by what the line, the environment and the config file say."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamcli.cli.candidates import candidates
from tests.support.command import ok


def offered(*words: str) -> set[str]:
    return {word for word, _ in candidates(list(words), "").words}


def test_topics_partitions_and_groups_of_a_cluster_are_offered(t: str, g: str) -> None:
    ok("topics", "create", t, "-p", "3")
    ok("consume", t, "-g", g)
    assert t in offered("consume")
    assert g in offered("consume", t, "-g")
    assert g in offered("groups", "reset")
    assert offered("consume", t, "-p") == {"0", "1", "2"}


def test_the_line_says_which_cluster(t: str, kafka: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STREAMCLI_URL")
    ok("topics", "create", "on-disk", "--dir", str(tmp_path / "log"))
    ok("topics", "create", t, "--url", f"kafka://{kafka}")
    assert t in offered("consume", "--url", f"kafka://{kafka}", "-X", "client.id=me")
    monkeypatch.setenv("STREAMCLI_URL", f"kafka://{kafka}")
    assert offered("consume", "--dir", str(tmp_path / "log")) == {"on-disk"}

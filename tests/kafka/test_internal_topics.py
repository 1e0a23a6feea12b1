"""Topics in which a cluster keeps its own data: commits of groups, transactions."""

from __future__ import annotations

from tests.support.command import ok, refused, run

OWN = "__consumer_offsets"


def test_they_are_not_listed_nor_deleted(t: str, g: str) -> None:
    ok("produce", t, stdin=b"1\n")
    ok("consume", t, "-g", g)
    assert OWN.encode() not in ok("topics", "list")
    assert run("consume", "__*").status == 4
    for words in (["topics", "trim", OWN, "--before", "0"], ["topics", "delete", OWN, "-y"]):
        assert "the cluster's own" in refused(2, *words)
    assert ok("topics", "describe", OWN).startswith(f"topic {OWN}".encode())

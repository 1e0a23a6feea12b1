"""The topics commands."""

from __future__ import annotations

import json
from typing import Any

from tests.conformance.records import T0, a_second_apart, values
from tests.support.command import ok, refused, run


def described(topic: str) -> dict[str, Any]:
    return json.loads(ok("topics", "describe", topic, "--json"))


def extents(topic: str) -> list[tuple[int, int]]:
    """Log start and end offset of each partition."""
    return [(each["log_start_offset"], each["log_end_offset"]) for each in described(topic)["partitions"]]


def test_create_and_list(t: str) -> None:
    assert ok("topics", "create", f"{t}-b", f"{t}-a", "-p", "3") == b""
    assert ok("topics", "list", f"{t}-*").decode() == f"{t}-a\n{t}-b\n"
    assert ok("topics", "list", f"{t}-[b]").decode() == f"{t}-b\n"
    assert f"{t}-a" in ok("topics", "list").decode().splitlines()
    listed = [json.loads(line) for line in ok("topics", "list", f"{t}-*", "--json").splitlines()]
    assert [(row["topic"], row["partitions"]) for row in listed] == [(f"{t}-a", 3), (f"{t}-b", 3)]


def test_what_create_refuses(t: str) -> None:
    ok("topics", "create", t)
    line = refused(1, "topics", "create", t)
    assert f"{t} exists already" in line
    assert "--if-not-exists" in line
    ok("topics", "create", t, f"{t}-new", "--if-not-exists")
    assert ok("topics", "list", f"{t}*").decode() == f"{t}\n{t}-new\n"
    for flags in (["-p", "0"], ["-c", "nonsense=1"], ["--retention", "soon"], ["-c", "retention.ms=soon"]):
        refused(2, "topics", "create", f"{t}-x", *flags)
    refused(2, "topics", "create", f"{t}/x")
    assert "exists already" in refused(1, "topics", "create", f"{t}-twice", f"{t}-twice")
    assert run("topics", "list", f"{t}-x").out == b""


def test_config(t: str) -> None:
    retention = ("--retention", "90s", "--retention-bytes", "1G")
    policy = ("-c", "cleanup.policy=compact,delete")
    segments = ("--segment-bytes", "16M", "--segment-age", "2h")
    ok("topics", "create", t, *retention, *segments, "-c", "max.message.bytes=64K", *policy)
    found = described(t)
    config = {
        "retention.ms": 90_000,
        "retention.bytes": 1 << 30,
        "segment.bytes": 16 << 20,
        "segment.ms": 7_200_000,
        "cleanup.policy": "compact,delete",
        "max.message.bytes": 65536,
    }
    assert found["config"].items() >= config.items()
    assert sorted(found["set"]) == sorted(config)


def test_alter(t: str) -> None:
    ok("topics", "create", t, "--retention", "1h")
    ok("topics", "alter", t, "-p", "3", "-c", "max.message.bytes=1M", "--unset", "retention.ms")
    found = described(t)
    assert found["set"] == ["max.message.bytes"]
    assert found["config"]["max.message.bytes"] == 1 << 20
    assert len(found["partitions"]) == 3
    same = run("topics", "alter", t, "-p", "3")
    assert (same.status, same.out) == (0, b"")
    assert "nothing was changed" in same.err
    assert "has 3 partitions, and cannot have fewer" in refused(2, "topics", "alter", t, "-p", "2")
    assert f"no such topic: {t}-x" in refused(4, "topics", "alter", f"{t}-x", "-p", "2")


def test_describe(engine: str, t: str) -> None:
    a_second_apart(t, range(10), 2)
    found = described(t)
    assert found["topic"] == t
    assert found["offsets"] == 10
    assert found["size"] is None if engine == "kafka" else found["size"] > 0
    first, last = found["partitions"]
    assert (first["partition"], first["log_start_offset"], first["log_end_offset"]) == (0, 0, 5)
    assert (last["partition"], last["last_timestamp"]) == (1, T0 + 9000)
    assert first["first_timestamp"] == T0
    assert f"topic {t}: 2 partitions, 10 records" in ok("topics", "describe", t).decode()
    result = run("topics", "describe", f"{t}-x", t)
    assert result.status == 4
    assert f"no such topic: {t}-x" in result.err


def test_delete(t: str) -> None:
    ok("produce", t, "--partitions", "2", stdin=b"old\n")
    ok("topics", "create", f"{t}-other")
    assert "-y" in refused(2, "topics", "delete", t)
    refused(4, "topics", "delete", t, f"{t}-x", "-y")
    assert ok("topics", "list", f"{t}*").decode() == f"{t}\n{t}-other\n"
    assert ok("topics", "delete", t, f"{t}-other", "-y") == b""
    assert ok("topics", "list", f"{t}*") == b""
    refused(4, "consume", t)
    ok("produce", t, stdin=b"new\n")
    assert ok("consume", t, "-F", "%p %o %s\\n") == b"0 0 new\n"


def test_trim(t: str) -> None:
    a_second_apart(t, range(10), 2)
    ok("topics", "trim", t, "-p", "0", "--before", "2")
    assert extents(t) == [(2, 5), (0, 5)]
    assert sorted(values(t)) == sorted("468" + "13579")
    ok("topics", "trim", t, "--before", f"@{T0 + 6000}")
    assert extents(t) == [(3, 5), (3, 5)]
    (row,) = [json.loads(line) for line in ok("topics", "trim", t, "-p", "1", "--before", "end", "--json").splitlines()]
    assert (row["topic"], row["partition"], row["log_start_offset"]) == (t, 1, 5)
    assert values(t) == "68"
    assert "out of range" in refused(5, "consume", t, "-p", "0", "-o", "2")
    assert "is after the end" in refused(5, "topics", "trim", t, "--before", "99")
    assert "no such topic" in refused(4, "topics", "trim", f"{t}-x", "--before", "1")

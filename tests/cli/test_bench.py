"""bench: it measures, says what, and leaves nothing behind. How fast it is depends on the machine, and is no test."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from streamcli.cli.bench import percentile
from tests.security.forked import ok, run
from tests.support.command import started
from tests.support.locks import lock_held
from tests.support.waiting import DEADLINE, wait_until


def bench(*words: str) -> dict[str, Any]:
    return json.loads(ok("bench", *words, "--json"))


def bench_topics(log_directory: Path) -> list[Path]:
    return list((log_directory / "topics").glob("streamcli-bench-*"))


def test_throughput_of_both_sides_and_their_ratio(log_directory: Path) -> None:
    found = bench("consume", "--records", "50", "--size", "1K", "--partitions", "3")
    assert (found["bench"], found["records"], found["size"], found["partitions"]) == ("consume", 50, 1024, 3)
    for side in ("streamcli", "plain"):
        assert found[side]["bytes_per_second"] == pytest.approx(found[side]["records_per_second"] * 1025)
        assert found[side]["seconds"] > 0
    assert 0 < found["ratio"]["least"] <= found["ratio"]["median"] <= found["ratio"]["greatest"]
    assert "all records of both" in found["fsynced"]
    assert ok("topics", "list") == b""
    assert list((log_directory / "topics").iterdir()) == []


def test_latency_has_percentiles_where_there_are_enough_records() -> None:
    found = bench("latency", "--records", "150")
    for side in ("streamcli", "plain"):
        assert 0 < found[side]["p50"] <= found[side]["p99"] <= found[side]["greatest"]
        assert found[side]["p99.9"] is None
    assert found["records"] == 150
    assert ok("topics", "list") == b""


@pytest.mark.parametrize(
    ("count", "share", "expected"), [(1000, 0.999, 998), (999, 0.999, None), (2, 0.5, 0), (1, 0.5, None)]
)
def test_a_percentile_is_less_than_the_greatest(count: int, share: float, expected: int | None) -> None:
    assert percentile(list(range(count)), share) == expected


def test_a_table_says_what_is_measured() -> None:
    lines = ok("bench", "produce", "--records", "10").decode().splitlines()
    assert lines[0].startswith("produce: 3 runs in turn of 10 records, 101 bytes each with their newline, 1 partition;")
    assert [line.split("  ")[0] for line in lines[2:4]] == ["streamcli produce", "cat > FILE, fsync"]
    assert lines[4].startswith("ratio: ")
    assert lines[5] == "fsynced: all records of both, before the clock stopped"


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGKILL])
def test_stopped_or_killed_it_leaves_no_topic_for_long(signum: signal.Signals, log_directory: Path) -> None:
    ok("produce", "mine", stdin=b"x\n")
    ok("topics", "create", "streamcli-bench-mine")
    with started("bench", "latency", "--seconds", "100", "--records", "100000") as process:
        wait_until(
            lambda: any(path.stat().st_size for topic in bench_topics(log_directory) for path in topic.glob("plain")),
            "the bench to write",
        )
        process.send_signal(signum)
        status = process.wait(DEADLINE)
    if signum == signal.SIGINT:
        assert status == 128 + signum
    else:
        assert len(bench_topics(log_directory)) == 2
        bench("produce", "--records", "1")
    assert bench_topics(log_directory) == [log_directory / "topics" / "streamcli-bench-mine"]
    assert ok("consume", "mine") == b"x\n"
    assert ok("verify").endswith(b"nothing is damaged\n")  # and tells of no stranger


def test_one_bench_at_a_time_in_a_directory(log_directory: Path) -> None:
    ok("topics", "create", "t")
    with lock_held(log_directory / "bench.lock"):
        result = run("bench", "produce", "--records", "1", "--lock-timeout", "10ms")
    assert result.status == 7
    assert "bench.lock" in result.err


def test_what_is_refused_leaves_nothing(log_directory: Path) -> None:
    for words in (["walk"], ["produce", "--records", "0"], ["latency", "--size", "5"], ["consume", "--size", "1G"]):
        result = run("bench", *words)
        assert (result.status, result.out, result.err.count("\n")) == (2, b"", 1), result
    assert not log_directory.exists()
    assert run("bench", "produce", "--partitions", "0").status == 2
    assert ok("topics", "list") == b""


def test_where_a_process_fails_it_says_why(log_directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.fspath(log_directory))
    result = run("bench", "produce", "--records", "1")
    assert result.status == 1
    assert "cat" in result.err
    assert ok("topics", "list") == b""

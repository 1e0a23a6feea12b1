"""The benchmark runs, and gives every ratio. How large they are depends on the machine, and is no test."""

from __future__ import annotations

import json
import os
import subprocess
import sys

RUN = os.path.join(os.path.dirname(__file__), "run.py")
RATIOS = {
    "produce from a pipe",
    "produce FILE",
    "consume into wc -l",
    "consume -g, against without",
    "produce -K, 1 partition",
    "produce -K, 4 partitions",
    "echo x | produce",
    "consume -n 1",
    "topics list",
    "follow, 1000 records/s, p50 p99 p99.9",
    "follow, 50 records/s, p50 p99 p99.9",
    "produce, 100 lines",
    "consume, 100 lines",
    "produce, one line of 16 MiB",
    "consume, one line of 16 MiB",
}


def bench(directory, *words):
    directory.mkdir()
    command = [sys.executable, RUN, "--records", "100", "--runs", "1", "--dir", directory, *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


def test_every_ratio_is_there_and_nothing_is_left_behind(tmp_path):
    found = json.loads(bench(tmp_path / "bench", "--json"))
    assert {result["name"] for result in found["results"]} == RATIOS
    assert all(result["ratio"] > 0 for result in found["results"])
    assert os.listdir(tmp_path / "bench") == []


def test_compression_is_a_table_with_each_codec(tmp_path):
    script = os.path.join(os.path.dirname(__file__), "compression.py")
    command = [sys.executable, script, "--records", "100", "--runs", "1", "--directory", tmp_path]
    lines = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout.splitlines()
    assert [line.split(" | ")[1] for line in lines[2:]] == 2 * ["none", "gzip", "zstd", "lz4"]


def test_a_chosen_case_is_a_table(tmp_path):
    lines = bench(tmp_path / "bench", "consume").splitlines()
    assert lines[0].startswith("100 lines of 83 bytes, 1 runs; ")
    assert lines[-1].startswith("consume into wc -l ")

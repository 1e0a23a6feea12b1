"""The benchmark of cost that does not grow runs, on logs like those that appending makes; what it says of bytes read holds."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.bench.cost_cases import Place, make_log
from tests.bench.sparse_log import Shape
from tests.support.command import ok

ROOT = Path(__file__).parents[2]
COMMANDS = {
    "echo x | streamcli produce",
    "consume -n 1 -o N",
    "consume -n 1 --since T",
    "consume -n 1 -o -1",
    "tail -n 10",
    "topics describe",
    "groups describe",
}


def test_each_cost_is_there_and_nothing_is_left_behind(tmp_path: Path) -> None:
    options = "--log 9x256K --batch 4K --topics 2 --runs 1 --json --dir"
    command = [sys.executable, "-m", "tests.bench.cost", *options.split(), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=True, cwd=ROOT)
    found = json.loads(done.stdout)
    assert [log["segments"] for log in found["logs"]] == [9]
    assert {row["command"] for row in found["commands"]} == COMMANDS
    for row in found["commands"]:
        assert row["ratio"][0] == 1
        assert all(value > 0 for values in (row["seconds"], row["ratio"], row["peak"]) for value in values)
    for row in found["without_indexes"]["rows"]:
        first, second = row["most"]
        assert first < 1.3, "a segment is read once by the first command after its index was deleted"
        assert second < 0.3, "and not by the next"
    assert found["topics"]["json"]["seconds"] > 0
    assert [path.name for path in tmp_path.iterdir()] == ["work"]


def test_the_logs_are_as_if_appended(log_directory: Path) -> None:
    place = Place(str(log_directory.parent))
    make_log(place, "t", Shape(segments=3, segment_bytes=256 << 10, batch_bytes=4 << 10))
    partition = Path(place.partition("t"))
    assert ok("verify", "t").endswith(b": nothing is damaged\n")
    indexes = {path.name: path.read_bytes() for path in partition.glob("*.index")}
    assert len(indexes) == 3
    for name in indexes:
        (partition / name).unlink()
    ok("consume", "t", "-n", "1", "-o", "100", "-q")
    ok("produce", "t", stdin=b"y\n")
    assert {path.name: path.read_bytes() for path in partition.glob("*.index")} == indexes

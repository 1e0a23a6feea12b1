"""The script that makes the table of what breaks: our row is what is promised, and the others are there."""

from __future__ import annotations

import json
import os
import subprocess
import sys

SCRIPT = os.path.join(os.path.dirname(__file__), "damage.py")


def test_our_row_is_what_is_promised(tmp_path):
    command = [sys.executable, SCRIPT, "--rounds", "1", "--dir", tmp_path / "bench", "--json"]
    (tmp_path / "bench").mkdir()
    rows = json.loads(subprocess.run(command, capture_output=True, text=True, timeout=300, check=True).stdout)
    assert [row["name"].split(" ")[0] for row in rows] == ["streamcli", "a", "SQLite", "SQLite"]
    ours = rows[0]
    assert ours["kill"][0] == ours["power"][0] == 0
    assert ours["kill"][1] >= 1000
    assert ours["flip"] == "exactly its batch: offsets 1000 to 1199 of 2000, named; the rest is served"
    assert os.listdir(tmp_path / "bench") == []

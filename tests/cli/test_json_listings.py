"""streamcli-json(5) and what is printed hold each other to their word: each field is documented, and each that is is seen."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streamcli.cli.commands import COMMANDS
from streamcli.cli.manual_json import OBJECTS, REPLICATION
from tests.support.command import ok, run
from tests.support.json_fields import check_fields

RECORDS = r"""{"value":"plain","key":"k","headers":[["a","b"],["a",null]]}
{"value":null,"key_b64":"/w==","headers":[["a",{"b64":"/w=="}]]}
{"value_b64":"/w=="}
"""

# The commands whose lines, all together, show each field of an object. FILE stands for the partition's directory.
LISTINGS: dict[str, tuple[str, ...]] = {
    "consume, tail, table, dump --records": ("consume t", "tail t", "table t", "dump --records t"),
    "topics list": ("topics list",),
    "topics describe": ("topics describe t", "topics describe empty"),
    "topics clean": ("topics clean compacted short",),
    "topics trim": ("topics trim t --before 3",),
    "groups list": ("groups list",),
    "groups describe": ("groups describe g",),
    "groups log": ("groups log g",),
    "groups reset, groups undo": (
        "groups reset g --to 0 --dry-run",
        "groups reset g --to 0",
        "groups undo g",
    ),
    "groups wait": ("groups wait g",),
    "groups export": ("groups export g",),
    "verify": ("verify",),
    "repair": ("repair",),
    "dump, of a segment": ("dump t",),
    "dump, of an index": ("dump FILE/00000000000000000003.index",),
    "dump, of a checkpoint": ("dump FILE/checkpoint",),
    "dump, of a log-start": ("dump FILE/log-start",),
    "stats, of a topic": ("stats",),
    "stats, of a group": ("stats",),
    "stats, of all": ("stats",),
    "top, of a topic": ("top --once",),
    "top, of a group": ("top --once",),
    "mirror --status": ("mirror t --to other --status",),
    "doctor": ("doctor",),
    "bench": ("bench produce --records 100 --seconds 1", "bench latency --records 50 --seconds 1"),
}


@pytest.fixture
def directory(log_directory: Path) -> Path:
    """Topics and a group of which each listing has something to say."""
    ok("topics", "create", "t", "--segment-bytes", "1K")
    ok("topics", "create", "empty")
    ok("topics", "create", "compacted", "--compact")
    ok("topics", "create", "short", "--retention", "1ms", "--segment-bytes", "1K")
    ok("produce", "t", "--json", stdin=RECORDS.encode())
    for topic in ("t", "t", "short", "short"):
        ok("produce", topic, "-k", "k", stdin=b"x" * 900)
    ok("produce", "compacted", "-K", ":", stdin=b"a:1\na:2\n")
    ok("consume", "t", "-g", "g")
    return log_directory


def printed(command: str, directory: Path) -> Iterator[dict[str, Any]]:
    """The objects that a command prints, which has to be one a line."""
    words = command.replace("FILE", str(directory / "topics" / "t" / "0")).split(" ")
    as_json = [] if command.startswith("groups export") else ["--json"]
    for line in run(*words, *as_json).out.splitlines():
        found = json.loads(line)
        assert type(found) is dict
        yield found


@pytest.mark.parametrize("name", OBJECTS)
def test_each_field_is_documented_and_each_documented_one_is_seen(name: str, directory: Path) -> None:
    if name in ("verify", "repair", "topics trim", "dump, of a log-start"):
        ok("topics", "trim", "t", "--before", "1")
    if name in ("topics describe", "mirror --status"):
        ok("mirror", "t", "--to", "other", "--hold")
    if name == "dump, of a log-start":
        ok("topics", "trim", "t", "--before", "3")
    if name in ("verify", "repair"):
        segment = next((directory / "topics" / "compacted" / "0").glob("*.log"))
        segment.write_bytes(segment.read_bytes()[:-1] + b"\xff")
    fields = {field.name: field for field in OBJECTS[name]}
    kind = json.loads(fields["kind"].about) if name.startswith(("stats", "top,")) else None
    seen: set[str] = set()
    for command in LISTINGS[name]:
        objects = [found for found in printed(command, directory) if kind in (None, found.get("kind"))]
        assert objects, command
        seen |= check_fields(objects, OBJECTS[name], command)
    of_kafka = {f"partitions.{field.name}" for field in REPLICATION} if name == "topics describe" else set()
    assert seen == set(fields) - of_kafka


def test_each_command_with_json_has_its_objects_documented() -> None:
    listed = {command for name in OBJECTS for command in COMMANDS if re.search(rf"(^|, ){command}\b", name)}
    with_json = {name for name, command in COMMANDS.items() if any(flag.dest == "json" for flag in command.flags)}
    assert with_json - {"produce"} <= listed

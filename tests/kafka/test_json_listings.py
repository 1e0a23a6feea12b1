"""What listings of a cluster print with --json is what streamcli-json(5) says."""

from __future__ import annotations

import json

from streamcli.cli.manual_json import OBJECTS, REPLICATION
from tests.support.command import ok
from tests.support.json_fields import check_fields

LISTINGS = {
    "topics list": "topics list T --json",
    "topics describe": "topics describe T --json",
    "groups list": "groups list --json",
    "groups describe": "groups describe G --json",
    "groups reset, groups undo": "groups reset G --to 0 --dry-run --json",
    "groups wait": "groups wait G --json",
    "groups export": "groups export G",
    "topics trim": "topics trim T --before 1 --json",
}


def test_each_field_is_documented(t: str, g: str) -> None:
    # Into partition 0, which `topics trim` below trims: records without a key go to a partition drawn by chance.
    ok("topics", "create", t, "-p", "2")
    ok("produce", t, "-p", "0", stdin=b"a\nb\nc\n")
    ok("consume", t, "-g", g)
    ok("topics", "alter", t, "-p", "3")
    for name, listing in LISTINGS.items():
        words = listing.replace("T", t).replace("G", g).split(" ")
        if name == "topics trim":
            words += ["-p", "0"]
        objects = [json.loads(line) for line in ok(*words).splitlines()]
        seen = check_fields(objects, OBJECTS[name], name)
        if name == "topics describe":
            assert {f"partitions.{field.name}" for field in REPLICATION} <= seen

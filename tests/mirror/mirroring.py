"""What tests of mirrors share: records with all that can be in one, and what a place has, to compare."""

from __future__ import annotations

import json
from typing import Any

from tests.support.command import ok

Row = tuple[int, str]
"""Partition, and all of a record but topic and offset."""

TRICKY: list[dict[str, Any]] = [
    {"key": "k", "value": "plain", "timestamp": 1_700_000_000_000},
    {"key": "", "value": "", "timestamp": 1_700_000_000_001},
    {"key": None, "value": None, "timestamp": 1_700_000_000_002},
    {"key_b64": "AP8K", "value_b64": "/wAK", "timestamp": 1_700_000_000_001},
    {"key": "h", "value": "x", "timestamp": 1_700_000_000_003, "headers": [["a", "1"], ["a", None], ["b", ""], ["c", {"b64": "/w=="}]]},
    {"key": "long", "value": "v" * 2_000_000, "timestamp": 1_700_000_000_004},
]  # fmt: skip


def produce(topic: str, records: list[dict[str, Any]], *where: str) -> None:
    lines = "".join(json.dumps(record) + "\n" for record in records)
    ok("produce", topic, "--json", *where, stdin=lines.encode())


def rows(topic: str, *where: str) -> dict[int, list[str]]:
    """By partition, all of each record but topic and offset, in order."""
    found: dict[int, list[str]] = {}
    for line in ok("consume", topic, "--json", *where).splitlines():
        record = json.loads(line)
        del record["topic"], record["offset"]
        found.setdefault(record.pop("partition"), []).append(json.dumps(record))
    return found


def status(*words: str) -> list[dict[str, Any]]:
    """What mirror --status says, by partition."""
    return [json.loads(line) for line in ok("mirror", *words, "--status", "--json").splitlines()]

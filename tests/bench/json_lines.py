"""Input of the compression benchmark: JSON lines of some 150 bytes, the same in every run."""

from __future__ import annotations

import json
from random import Random

_BLOCK = 100_000

_SERVICES = ("checkout", "search", "users", "mail")
_LEVELS = (*["info"] * 8, "warn", "error")
_PATHS = ("/cart", "/cart/items", "/search", "/login", "/orders")


def write_json_lines(path: str, records: int) -> None:
    """Write `records` lines: up to 100,000 different ones, then the same again."""
    random = Random(7)
    lines = [_line(random, number) for number in range(min(records, _BLOCK))]
    with open(path, "wb") as out:
        for first in range(0, records, _BLOCK):
            out.writelines(lines[: records - first])


def _line(random: Random, number: int) -> bytes:
    record = {
        "time": f"2026-11-22T{number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02}.{random.randrange(1000):03}Z",
        "level": random.choice(_LEVELS),
        "service": random.choice(_SERVICES),
        "user": random.randrange(50_000),
        "request": f"{random.getrandbits(64):016x}",
        "path": random.choice(_PATHS),
        "status": random.choice((200, 200, 200, 201, 404, 500)),
        "ms": round(random.expovariate(1 / 40), 1),
    }
    return json.dumps(record, separators=(",", ":")).encode() + b"\n"

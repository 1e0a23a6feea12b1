"""JSON lines, the same in every run: of some 150 bytes for the compression benchmark, and of 1 KiB."""

from __future__ import annotations

import json
from random import Random

LONG_LINE = 1024
"""Bytes of a long line, with its newline."""

_BLOCK = 100_000
_LONG_BLOCK = 10_000

_SERVICES = ("checkout", "search", "users", "mail")
_LEVELS = (*["info"] * 8, "warn", "error")
_WORDS = ("order", "placed", "by", "customer", "with", "card", "ending", "from", "basket", "of", "items", "in", "stock")
_PATHS = ("/cart", "/cart/items", "/search", "/login", "/orders")


def write_json_lines(path: str, records: int) -> None:
    """Write `records` lines: up to 100,000 different ones, then the same again."""
    random = Random(7)
    lines = [_line(random, number) for number in range(min(records, _BLOCK))]
    with open(path, "wb") as out:
        for first in range(0, records, _BLOCK):
            out.writelines(lines[: records - first])


def write_long_json_lines(path: str, records: int) -> None:
    """Write `records` lines of 1 KiB: up to 10,000 different ones, then the same again."""
    random = Random(11)
    lines = [_long_line(random, number) for number in range(min(records, _LONG_BLOCK))]
    with open(path, "wb") as out:
        for first in range(0, records, _LONG_BLOCK):
            out.writelines(lines[: records - first])


def _long_line(random: Random, number: int) -> bytes:
    record = {
        "user": f"u{random.randrange(50_000):05}",
        "seq": number,
        **_fields(random, number),
        "headers": {"host": "shop.example.com", "agent": "Mozilla/5.0 (X11; Linux x86_64)", "accept": "*/*"},
        "note": "",
    }
    room = LONG_LINE - 1 - len(_encoded(record))
    words = " ".join(random.choices(_WORDS, k=room // 4))
    return _encoded(record | {"note": words[:room].ljust(room, ".")}) + b"\n"


def _encoded(record: dict[str, object]) -> bytes:
    return json.dumps(record, separators=(",", ":")).encode()


def _line(random: Random, number: int) -> bytes:
    return _encoded(_fields(random, number)) + b"\n"


def _fields(random: Random, number: int) -> dict[str, object]:
    return {
        "time": f"2026-11-22T{number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02}.{random.randrange(1000):03}Z",
        "level": random.choice(_LEVELS),
        "service": random.choice(_SERVICES),
        "user": random.randrange(50_000),
        "request": f"{random.getrandbits(64):016x}",
        "path": random.choice(_PATHS),
        "status": random.choice((200, 200, 200, 201, 404, 500)),
        "ms": round(random.expovariate(1 / 40), 1),
    }

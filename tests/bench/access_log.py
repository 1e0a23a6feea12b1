"""The input of the benchmark: access-log lines of 83 bytes, the same in every run."""

from __future__ import annotations

from random import Random

LINE = 83
"""Bytes of a line, with its newline."""

_BLOCK = 100_000
_PIECE = 1_000


def write_access_log(path: str, records: int) -> None:
    """Write `records` lines: up to 100,000 different ones, then the same again."""
    random = Random(83)
    with open(path, "wb") as out:
        for first in range(0, min(records, _BLOCK), _PIECE):
            count = min(_PIECE, records - first)
            out.write(b"".join(_line(random, first + number) for number in range(count)))
    with open(path, "rb") as source, open(path, "ab") as out:
        missing = (records - min(records, _BLOCK)) * LINE
        while missing > 0:
            piece = source.read(min(_PIECE * LINE, missing))
            out.write(piece)
            missing -= len(piece)


def _line(random: Random, number: int) -> bytes:
    client = f"10.{random.randrange(4)}.{random.randrange(256)}.{random.randrange(256)}"
    second = f"{number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02}"
    status = random.choice((200, 200, 200, 200, 304, 404, 500))
    size = random.randrange(100_000)
    start = f'{client} - - [22/Nov/2026:{second} +0000] "GET /'
    end = f' HTTP/1.1" {status} {size}\n'
    page = f"{random.randrange(10**9):0{LINE - len(start) - len(end)}}"
    return (start + page[: LINE - len(start) - len(end)] + end).encode()

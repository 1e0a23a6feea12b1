"""Records whose times are known, and what consume prints of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from tests.support.command import finish, ok, started
from tests.support.waiting import read_lines

K = TypeVar("K")
V = TypeVar("V")

T0 = 1_700_000_000_000
"""2023-11-14T22:13:20Z, in ms: the time of record 0."""


def a_second_apart(topic: str, numbers: range, partitions: int = 1) -> None:
    """Append records with these numbers as values, of times a second apart, to partitions in turn."""
    ok("produce", topic, "--json", "--partitions", str(partitions), stdin=b"".join(_lines(numbers, partitions)))


def one_by_one(topic: str, numbers: range, partitions: int) -> None:
    """The same, a batch each."""
    words = ("produce", topic, "--json", "--partitions", str(partitions), "--offsets", "--sync", "batch")
    with started(*words) as producer:
        for line in _lines(numbers, partitions):
            producer.stdin.write(line)
            read_lines(producer.stdout, 1)
        assert finish(producer) == (0, b"", "")


def _lines(numbers: range, partitions: int) -> list[bytes]:
    return [
        b'{"value":"%d","timestamp":%d,"partition":%d}\n' % (number, T0 + number * 1000, number % partitions)
        for number in numbers
    ]


def values(*words: str) -> str:
    """The values that consume prints, one after the other."""
    return ok("consume", *words, "-D", "").decode()


def at_once(ask: Callable[[K], V], questions: Iterable[K]) -> dict[K, V]:
    """The answer to each question, several of them asked at once: processes wait most of their time."""
    asked = list(questions)
    with ThreadPoolExecutor(4) as pool:
        return dict(zip(asked, pool.map(ask, asked), strict=True))

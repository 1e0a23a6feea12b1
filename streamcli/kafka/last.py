"""Where the last records of a topic begin. Only reading tells: offsets have gaps, and the cluster keeps no count."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import nlargest
from itertools import accumulate

from streamcli.kafka.fetch import Held
from streamcli.kafka.messages import KafkaSource

Collect = Callable[[list[Held]], Iterator[tuple[KafkaSource, list[int], list[int]]]]


def last_records(
    sources: Sequence[KafkaSource], firsts: Sequence[int], ends: Sequence[int], count: int, collect: Collect
) -> list[int]:
    """Where each partition's part of the last `count` records begins, in the order that a merged read has.

    firsts: each log's start. collect: reads ranges, and gives the offsets and times of the records in them.
    Each partition is read from `count` offsets before its end; from farther back where gaps left too few.
    """
    if count >= sum(ends) - sum(firsts):
        return list(firsts)
    starts = [max(first, end - count) for first, end in zip(firsts, ends, strict=True)]
    while True:
        found = _collected(sources, starts, ends, collect)
        chosen = nlargest(count, _ordered(found))
        begin = list(ends)
        for _, number, position in chosen:
            begin[number] = min(begin[number], found[number][position][0])
        short = [
            number
            for number, records in enumerate(found)
            if starts[number] > firsts[number]
            and len(records) < count
            and (not records or begin[number] == records[0][0])
        ]
        if not short:
            return begin
        for number in short:
            starts[number] = max(firsts[number], ends[number] - 8 * (ends[number] - starts[number]))


def _collected(
    sources: Sequence[KafkaSource], starts: Sequence[int], ends: Sequence[int], collect: Collect
) -> list[list[tuple[int, int]]]:
    """Of each partition the (offset, turn) of its records between start and end."""
    numbers = {source: number for number, source in enumerate(sources)}
    found: list[list[tuple[int, int]]] = [[] for _ in sources]
    reads = [Held(*place) for place in zip(sources, starts, ends, strict=True)]
    for source, offsets, times in collect(reads):
        records = found[numbers[source]]
        latest = records[-1][1] if records else 0
        records.extend(zip(offsets, list(accumulate(times, max, initial=latest))[1:], strict=True))
    return found


def _ordered(found: list[list[tuple[int, int]]]) -> Iterable[tuple[int, int, int]]:
    """What a record's place in the merged order goes by: its turn, its partition's number, its position there."""
    for number, records in enumerate(found):
        for position, (_, turn) in enumerate(records):
            yield turn, number, position

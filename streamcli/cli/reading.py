"""What consume and tail share: from flags to a read, and from a read to wanted batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from streamcli.cli.context import Context, complain, now_ms
from streamcli.cli.render import Filter
from streamcli.cli.values import parse_range, parse_time
from streamcli.engine.consume import END, TIME, Bound, Following, Range, SourceBatch, find_sources, merged, start_reads
from streamcli.record.errors import CorruptData, UsageError


class ReadRequest(NamedTuple):
    """What to read: `idle` in seconds; `limit` records at most, of those that `wanted` selects."""

    topics: list[str]
    partitions: list[int]
    range: Range
    follow: bool
    idle: float | None
    limit: int | None
    wanted: Filter
    skip_corrupt: bool


class Damage:
    """Corrupt data met while reading: an error at once, or with --skip-corrupt told, counted and passed by."""

    def __init__(self, *, skip: bool) -> None:
        self._skip = skip
        self.count = 0

    def __call__(self, error: CorruptData) -> None:
        if not self._skip:
            raise error
        self.count += 1
        complain(f"skipped {error}")


def read_range(offset: str | None, since: str | None, until: str | None) -> Range:
    """The range of -o, --since and --until; UsageError when they contradict each other."""
    now = now_ms()
    wanted = parse_range(offset, now) if offset is not None else Range()
    if since is not None:
        if offset is not None and not offset.startswith(":"):
            raise UsageError("--since and -o both say where to start: leave out one")
        wanted = wanted._replace(start=Bound(TIME, parse_time(since, now)))
    if until is not None:
        if wanted.stop.kind != END:
            raise UsageError("--until and -o both say where to stop: leave out one")
        wanted = wanted._replace(stop=Bound(TIME, parse_time(until, now)))
    return wanted


def read(
    context: Context, request: ReadRequest, damage: Damage, *, before_wait: Callable[[], None], hangup: int | None
) -> Iterator[SourceBatch]:
    """The wanted batches, `limit` records at most."""
    left = request.limit
    if left == 0:
        return
    for source, batch in _all_batches(context, request, damage, before_wait, hangup):
        chosen = request.wanted.select(batch)
        if chosen is None:
            continue
        if left is not None:
            chosen = chosen.take(0, min(left, chosen.count))
            left -= chosen.count
        yield SourceBatch(source, chosen)
        if left == 0:
            return


def _all_batches(
    context: Context, request: ReadRequest, damage: Damage, before_wait: Callable[[], None], hangup: int | None
) -> Iterator[SourceBatch]:
    directory = context.open()
    sources = find_sources(directory, request.topics, request.partitions, wait=request.follow)
    for source in sources:
        missing = source.log.missing()
        if missing:
            context.notice(
                f"{missing} bytes that were known to be on disk are missing at the end of {source.topic}, "
                f"partition {source.partition} ({source.log.directory}): was a file cut, or restored from a copy?"
            )
    reads = start_reads(sources, request.range, follow=request.follow)
    if not request.follow:
        yield from merged(reads, damage)
        return
    following = Following(
        directory,
        request.topics,
        request.partitions,
        on_damage=damage,
        before_wait=before_wait,
        idle=request.idle,
        hangup=hangup,
    )
    try:
        yield from following.batches(reads)
    finally:
        following.close()

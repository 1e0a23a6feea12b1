"""What consume and tail share: from flags to a read, and from a read to wanted batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from streamcli.cli.context import Context, complain, now_ms
from streamcli.cli.render import Filter
from streamcli.cli.values import parse_range, parse_time
from streamcli.engine.consume import PartitionRead, Source, SourceBatch, find_sources, merged, start_reads
from streamcli.record.errors import CorruptData, UsageError
from streamcli.record.lost import LostRecords
from streamcli.record.range import END, LAST, TIME, Bound, Range


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
    """Corrupt data met while reading: an error at once, or with --skip-corrupt told, counted and passed by.

    What was lost and repaired is told to `notice`.
    """

    def __init__(self, *, skip: bool, notice: Callable[[str], None]) -> None:
        self._skip = skip
        self._notice = notice
        self.skipped = 0

    def __call__(self, error: CorruptData) -> None:
        if isinstance(error, LostRecords):
            self._notice(str(error))
            return
        if not self._skip:
            raise error
        self.skipped += 1
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


def missing_notice(source: Source, size: int) -> str:
    """What to tell of a partition that has lost `size` bytes at its end."""
    return (
        f"{size} bytes that were known to be on disk are missing at the end of {source.topic}, partition "
        f"{source.partition} ({source.log.directory}): was a file cut, or restored from a copy?"
    )


class Reading:
    """One run of a reading command: the bounded part, then with `follow` what comes.

    before_wait is called when all that is there was given; hangup: a pipe whose reader's leaving ends a wait, wakeup: a
    descriptor that does when it can be read.
    """

    def __init__(
        self,
        context: Context,
        request: ReadRequest,
        *,
        before_wait: Callable[[], None],
        hangup: int | None,
        wakeup: int,
    ) -> None:
        self._wakeup = wakeup
        self._context = context
        self._request = request
        self._before_wait = before_wait
        self._hangup = hangup
        self._directory = context.open()
        self._sources = find_sources(self._directory, request.topics, request.partitions, wait=request.follow)
        self.damage = Damage(skip=request.skip_corrupt, notice=context.notice)

    def batches(self) -> Iterator[SourceBatch]:
        """The wanted batches of the request's range, `limit` records at most."""
        request = self._request
        left = request.limit
        if left == 0:
            return
        reads = start_reads(self._sources, request.range, follow=request.follow, on_missing=self._tell_missing)
        found = self._followed(reads) if request.follow else merged(reads, self.damage)
        for source, batch in self._wanted(found):
            chosen = batch if left is None else batch.take(0, min(left, batch.count))
            yield SourceBatch(source, chosen)
            if left is not None:
                left -= chosen.count
                if left == 0:
                    return

    def last_batches(self, count: int) -> Iterator[SourceBatch]:
        """The last `count` wanted records over all partitions, then with `follow` the wanted ones that come."""
        window = count
        while True:
            wanted = Range(Bound(LAST, window))
            reads = start_reads(self._sources, wanted, follow=False, on_missing=self._tell_missing)
            last = _last_of(self._wanted(merged(reads, self.damage)), count)
            if window >= _offsets_in(reads) or sum(taken.batch.count for taken in last) >= count:
                break
            for read in reads:
                read.cursor.close()
            window *= 8
        yield from last
        if self._request.follow:
            for read in reads:
                read.cursor.end = None
            yield from self._wanted(self._followed(reads))

    def _wanted(self, found: Iterator[SourceBatch]) -> Iterator[SourceBatch]:
        for source, batch in found:
            chosen = self._request.wanted.select(batch)
            if chosen is not None:
                yield SourceBatch(source, chosen)

    def _tell_missing(self, source: Source, size: int) -> None:
        self._context.notice(missing_notice(source, size))

    def _followed(self, reads: list[PartitionRead]) -> Iterator[SourceBatch]:
        from streamcli.engine.follow import Following

        request = self._request
        following = Following(
            self._directory,
            request.topics,
            request.partitions,
            on_damage=self.damage,
            before_wait=self._before_wait,
            idle=request.idle,
            hangup=self._hangup,
            wakeup=self._wakeup,
        )
        try:
            yield from following.batches(reads)
        finally:
            following.close()


def _offsets_in(reads: list[PartitionRead]) -> int:
    """How many offsets there are, from each log's start to the pinned end."""
    ends = [read.cursor.end for read in reads]
    return sum(end.offset - read.source.log.start() for read, end in zip(reads, ends, strict=True) if end is not None)


def _last_of(found: Iterator[SourceBatch], count: int) -> list[SourceBatch]:
    """The batches that hold the last `count` records of `found`, the first of them cut to fit."""
    kept: list[SourceBatch] = []
    held = 0
    for taken in found:
        kept.append(taken)
        held += taken.batch.count
        while kept and held - kept[0].batch.count >= count:
            held -= kept.pop(0).batch.count
    if kept and held > count:
        source, first = kept[0]
        kept[0] = SourceBatch(source, first.take(held - count, first.count))
    return kept

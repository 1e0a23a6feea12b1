"""What consume and tail share: from flags to a read, and from a read to wanted batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from streamcli.cli.context import Context, complain, now_ms
from streamcli.cli.filter import Filter
from streamcli.cli.values import naming, parse_range, parse_time
from streamcli.engine.consume import SourceBatch
from streamcli.engine.read_options import ReadOptions
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
    with naming("-o"):
        wanted = parse_range(offset, now) if offset is not None else Range()
    if since is not None:
        if offset is not None and not offset.startswith(":"):
            raise UsageError("--since and -o both say where to start: leave out one")
        with naming("--since"):
            wanted = wanted._replace(start=Bound(TIME, parse_time(since, now)))
    if until is not None:
        if wanted.stop.kind != END:
            raise UsageError("--until and -o both say where to stop: leave out one")
        with naming("--until"):
            wanted = wanted._replace(stop=Bound(TIME, parse_time(until, now)))
    return wanted


class Reading:
    """One run of a reading command: the bounded part, then with `follow` what comes.

    before_wait is called when all that is there was given, see Following; hangup: a pipe whose reader's leaving ends a wait, wakeup: a
    descriptor that does when it can be read.
    """

    def __init__(
        self,
        context: Context,
        request: ReadRequest,
        *,
        before_wait: Callable[[], float | None],
        hangup: int | None,
        wakeup: int,
    ) -> None:
        self._request = request
        self.damage = Damage(skip=request.skip_corrupt, notice=context.notice)
        self._reader = context.engine().reader(
            ReadOptions(
                request.topics,
                request.partitions,
                request.follow,
                request.idle,
                on_damage=self.damage,
                notice=context.notice,
                before_wait=before_wait,
                hangup=hangup,
                wakeup=wakeup,
            )
        )

    @property
    def topics(self) -> list[str]:
        """The topics that are read from the start on."""
        return self._reader.topics

    def batches(self) -> Iterator[SourceBatch]:
        """The wanted batches of the request's range, `limit` records at most."""
        request = self._request
        left = request.limit
        if left == 0:
            return
        reader = self._reader
        found = reader.followed(request.range) if request.follow else reader.bounded(request.range)
        for source, batch in self._wanted(found):
            chosen = batch if left is None else batch.take(0, min(left, batch.count))
            yield SourceBatch(source, chosen)
            if left is not None:
                left -= chosen.count
                if left == 0:
                    return

    def last(self, count: int) -> list[SourceBatch]:
        """The last `count` wanted records over all partitions."""
        window = count
        while True:
            wanted = Range(Bound(LAST, window))
            last = _last_of(self._wanted(self._reader.bounded(wanted)), count)
            if window >= self._reader.offsets() or sum(taken.batch.count for taken in last) >= count:
                return last
            window *= 8

    def after_last(self) -> Iterator[SourceBatch]:
        """The wanted records that come after those that `last` gave, for ever."""
        return self._wanted(self._reader.rest())

    def _wanted(self, found: Iterator[SourceBatch]) -> Iterator[SourceBatch]:
        for source, batch in found:
            chosen = self._request.wanted.select(batch)
            if chosen is not None:
                yield SourceBatch(source, chosen)


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

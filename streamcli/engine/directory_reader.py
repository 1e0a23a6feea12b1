"""Reading a log directory without a group: see engine.interface."""

from __future__ import annotations

from collections.abc import Iterator

from streamcli.engine.consume import PartitionRead, Source, SourceBatch, find_sources, merged, start_reads
from streamcli.engine.read_options import ReadOptions
from streamcli.record.range import Range
from streamcli.storage.directory import LogDirectory


class DirectoryReader:
    """See engine.interface."""

    def __init__(self, directory: LogDirectory, options: ReadOptions) -> None:
        self._directory = directory
        self._options = options
        self._sources = find_sources(directory, options.topics, options.partitions, wait=options.follow)
        self._reads: list[PartitionRead] = []

    @property
    def topics(self) -> list[str]:
        return list(dict.fromkeys(source.topic for source in self._sources))

    def bounded(self, wanted: Range) -> Iterator[SourceBatch]:
        for read in self._reads:
            read.cursor.close()
        self._reads = self._start(wanted, follow=False)
        return merged(self._reads, self._options.on_damage)

    def followed(self, wanted: Range) -> Iterator[SourceBatch]:
        return self._followed(self._start(wanted, follow=True))

    def rest(self) -> Iterator[SourceBatch]:
        for read in self._reads:
            read.cursor.go_on()
        return self._followed(self._reads)

    def offsets(self) -> int:
        ends = [(read.source, read.cursor.end) for read in self._reads]
        return sum(end.offset - source.log.start() for source, end in ends if end is not None)

    def _start(self, wanted: Range, *, follow: bool) -> list[PartitionRead]:
        return start_reads(self._sources, wanted, follow=follow, on_missing=self._tell_missing)

    def _tell_missing(self, source: Source, size: int) -> None:
        self._options.notice(missing_notice(source, size))

    def _followed(self, reads: list[PartitionRead]) -> Iterator[SourceBatch]:
        from streamcli.engine.follow import Following

        options = self._options
        following = Following(
            self._directory,
            options.topics,
            options.partitions,
            on_damage=options.on_damage,
            before_wait=options.before_wait,
            idle=options.idle,
            hangup=options.hangup,
            wakeup=options.wakeup,
        )
        try:
            yield from following.batches(reads)
        finally:
            following.close()


def missing_notice(source: Source, size: int) -> str:
    """What to tell of a partition that has lost `size` bytes at its end."""
    return (
        f"{size} bytes that were known to be on disk are missing at the end of {source.topic}, partition "
        f"{source.partition} ({source.log.directory}): was a file cut, or restored from a copy?"
    )

"""Reading from Python, without a group."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from itertools import chain
from types import TracebackType
from typing import NamedTuple, Self

from streamcli.engine.consume import SourceBatch, find_sources, merged, start_reads
from streamcli.engine.follow import Following
from streamcli.library.consumer_record import ConsumerRecord, records_of
from streamcli.library.damage import OnDamage, handler, tell_missing
from streamcli.record.range import Range
from streamcli.storage.directory import LogDirectory


class ReadRequest(NamedTuple):
    """topics: names and globs; partitions: those chosen, none for all; idle: seconds without a record after which following ends."""

    topics: list[str]
    partitions: list[int]
    range: Range
    follow: bool
    idle: float | None


class Reader:
    """The records of some topics, in order; `Directory.read` opens it. An iterator, to be used once.

        >>> with directory.producer("clicks") as producer:
        ...     producer.append_lines(b"GET /\\nGET /cart\\nPOST /order\\n")
        >>> [record.value for record in directory.read("clicks", start=1)]
        [b'GET /cart', b'POST /order']
        >>> list(directory.read("clicks", start=-1).values())
        [b'POST /order']

    Within a partition records come in the order in which they were appended; over several partitions and topics by time, batch
    by batch. Without `follow` it ends at the end as it was when it was opened. Every batch is checked against its
    checksum before a record of it is given: CorruptData, with file, position and offsets, where that fails.

    A few batches are in memory at a time, however long the log is, and up to three open files for each partition. These are
    closed at its end, by `close`, and at the end of a `with` block.
    """

    def __init__(self, directory: LogDirectory, request: ReadRequest, on_damage: OnDamage | None) -> None:
        self._on_damage = handler(on_damage)
        sources = find_sources(directory, request.topics, request.partitions, wait=request.follow)
        self._reads = start_reads(sources, request.range, follow=request.follow, on_missing=tell_missing)
        self._following: Following | None = None
        if request.follow:
            self._following = Following(
                directory,
                request.topics,
                request.partitions,
                on_damage=self._on_damage,
                before_wait=lambda: None,
                idle=request.idle,
            )
        self._batches = self._read()
        self._records = chain.from_iterable(map(records_of, self._batches))

    def __iter__(self) -> Iterator[ConsumerRecord]:
        return self._records

    def __next__(self) -> ConsumerRecord:
        return next(self._records)

    def values(self) -> Iterator[bytes | None]:
        """The values alone, which are several times as fast: to be used instead of the records, not among them."""
        return chain.from_iterable(taken.batch.values() for taken in self._batches)

    def close(self) -> None:
        """Close its files; no record comes any more."""
        self._batches.close()
        self._close_files()

    def _read(self) -> Generator[SourceBatch, None, None]:
        try:
            if self._following is None:
                yield from merged(self._reads, self._on_damage)
            else:
                yield from self._following.batches(self._reads)
        finally:
            self._close_files()

    def _close_files(self) -> None:
        for read in self._reads:
            read.cursor.close()
        if self._following is not None:
            self._following.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self.close()

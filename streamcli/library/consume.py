"""Consuming from Python as a member of a group."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Self

from streamcli.engine.consume import SourceBatch
from streamcli.engine.group import BoundedConsumer, FollowingConsumer, group_batches
from streamcli.engine.group_request import GroupEvents, GroupRequest
from streamcli.library.consumer_record import ConsumerRecord, records_of
from streamcli.library.damage import OnDamage, handler
from streamcli.library.process import ProcessGuard, now_ms, warn
from streamcli.record.errors import StreamcliError, UsageError
from streamcli.storage.directory import LogDirectory

if TYPE_CHECKING:
    from streamcli.engine.interface import Origin


class Consumer:
    """A member of a consumer group; `Directory.consume` opens it. An iterator over what the group has not done yet.

        >>> with directory.producer("orders") as producer:
        ...     producer.append_lines(b"one\\ntwo\\nthree\\n")
        >>> with directory.consume("orders", group="billing") as consumer:
        ...     for record in consumer:
        ...         print(record.value)
        ...         if record.value == b"two":
        ...             break
        b'one'
        b'two'
        >>> with directory.consume("orders", group="billing") as consumer:
        ...     print([record.value for record in consumer])
        [b'three']

    Leaving the block without an exception commits what iteration gave: the group goes on after it, here or in any process. After
    an exception nothing is committed since the last `commit`, and those records come again: at least once, as with the
    commands. A long run calls `commit` when something is done. An offset is committed only once the records before it are on disk.

    Its partitions are its own for the life of the block, by locks of the kernel which end with the process: no other member gets a
    record of them. Without `follow` it takes the partitions that are free, up to their ends as they were at the start. With
    `follow` it shares the topics' partitions with the members that come and go; a partition goes over between two batches, when
    the next record is asked for, and what was given of it and not committed comes again, at its next owner.
    """

    def __init__(self, directory: LogDirectory, request: GroupRequest, on_damage: OnDamage | None) -> None:
        self._guard = ProcessGuard("consumer")
        kind = FollowingConsumer if request.follow else BoundedConsumer
        self._consumer = kind(directory, request, GroupEvents(now_ms, warn))
        self._request = request
        self._on_damage = handler(on_damage)
        self._given: SourceBatch | None = None
        self._position = 0  # of the batch given, the offset after the last record that was
        self._done: dict[
            Origin, int
        ] = {}  # the offset after the last batch that was given of each partition that is held
        self._is_broken_off = False
        self._failure: Exception | None = None
        self._is_closed = False
        self._records = self._read()

    @property
    def group(self) -> str:
        """The group's name."""
        return self._request.group

    def __iter__(self) -> Iterator[ConsumerRecord]:
        return self._records

    def __next__(self) -> ConsumerRecord:
        return next(self._records)

    def commit(self) -> None:
        """Make what iteration gave so far the group's committed offsets, on disk: with the last record, so call it when that is done.

        It costs an fsync or two, some milliseconds: not to be called for each of many records. StreamcliError where the others do not see this
        member any more, OSError where the disk failed; after that every call fails, and nothing more is committed.
        """
        self._guard.check()
        if self._is_closed:
            raise UsageError("the consumer is closed")
        if self._failure is not None:
            raise StreamcliError(f"a commit failed before, and nothing was committed since: {self._failure}")
        owned = self._consumer.owned
        for read in owned.reads():
            if self._given is not None and self._given.source is read.source:
                owned.processed(read.source, self._position)
            elif not self._is_broken_off:
                owned.processed(read.source, read.cursor.offset)
            elif read.source in self._done:
                owned.processed(read.source, self._done[read.source])
        try:
            owned.commit()
        except (StreamcliError, OSError) as error:
            self._failure = error
            raise

    def close(self) -> None:
        """Leave the group, without a commit: the others take over its partitions at once. Twice is once."""
        if self._is_closed or not self._guard.is_here():
            return
        self._records.close()  # ValueError where another thread waits in it: then it goes on as it was
        self._is_closed = True
        self._consumer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None) -> None:
        try:
            if error is None and not self._is_closed:
                self.commit()
        finally:
            self.close()

    def _read(self) -> Generator[ConsumerRecord, None, None]:
        try:
            for taken in group_batches(
                self._consumer, self._request, on_damage=self._on_damage, before_wait=lambda: None
            ):
                self._given, self._position = taken, taken.batch.base_offset
                for record in records_of(taken):
                    self._position = record.offset + 1
                    yield record
                self._done[taken.source] = taken.batch.next_offset
                self._given = None
        except BaseException:
            self._is_broken_off = True  # a batch may have been read, with its cursor past it, that was never given
            raise

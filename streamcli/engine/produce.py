"""Producing: which partition, one append a batch, and the count of what is durable."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

from streamcli.engine.background_sync import BackgroundSync
from streamcli.engine.current_config import CurrentConfig
from streamcli.engine.partitioner import StickyPartitioner, partition_of
from streamcli.record.batch import Columns, first_without_key, pick, split_column
from streamcli.record.errors import NotFound, StreamcliError, UsageError
from streamcli.storage.append import Appender, RollPolicy
from streamcli.storage.config import LOG_APPEND_TIME, TopicConfig
from streamcli.storage.directory import LogDirectory
from streamcli.storage.durable import has_room
from streamcli.storage.format import CODEC_NONE

SYNC_EXIT, SYNC_BATCH, SYNC_NONE = "exit", "batch", "none"
SYNC_INTERVAL = 1.0
"""Seconds that a record waits for its fsync, at most, while a producer with SYNC_EXIT runs."""


class Placement(NamedTuple):
    """Where records of an appended chunk went: `indexes` of the chunk, at `base_offset` and on."""

    partition: int
    base_offset: int
    indexes: range | list[int]


class Producer:
    """Appends to one topic of a log directory.

    partition: the one to write to, None to go by key. sync: when records become durable: SYNC_BATCH before `append`
    returns, SYNC_EXIT at `finish` and within SYNC_INTERVAL while `tick` is called, SYNC_NONE never. clock: ms since
    the epoch; warn: takes a line for the user. compress: the codec, as in compression.type, which holds where it is None;
    UnsupportedBatch when that is not installed. is_stopping: asked while a partition is cleaned, which is then broken off.

    appended and durable count records of the input, from its beginning; `scattered` counts those after `appended`
    that were written to other partitions before one failed.
    """

    def __init__(
        self,
        directory: LogDirectory,
        topic: str,
        *,
        partition: int | None,
        sync: str,
        compress: str | None = None,
        clock: Callable[[], int],
        warn: Callable[[str], None],
        is_stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self._current = CurrentConfig(directory, topic)
        self._config = self._current.get()
        self._compress = compress
        self._codec = find_codec(compress or self._config.choice("compression.type"))
        directory.check_local()
        self._paths: Callable[[int], str] = lambda number: directory.partition_directory(topic, number)
        if partition is not None:
            self._paths(partition)
        self._fixed = partition
        self._sync = sync
        self._lock_timeout = directory.lock_timeout
        self._clock = clock
        self._warn = warn
        self._is_stopping = is_stopping
        self._sticky = StickyPartitioner()
        self._appenders: dict[int, Appender] = {}
        self._dirty: set[int] = set()
        self._background: BackgroundSync | None = None
        self._dirty_since: float | None = None
        self._sync_failed = False
        self.appended = 0
        self.durable = 0
        self.scattered = 0

    @property
    def config(self) -> TopicConfig:
        """The topic's config in force, about a second old at most."""
        found = self._current.get()
        if found is not self._config:
            self._take(found)
        return found

    def _take(self, config: TopicConfig) -> None:
        """Go on by another config."""
        self._config = config
        try:
            self._codec = find_codec(self._compress or config.choice("compression.type"))
        except StreamcliError as error:
            self._warn(f"{error}; record batches are written as before")
        for appender in self._appenders.values():
            appender.policy, appender.codec = RollPolicy.of(config), self._codec

    def first_refused(self, columns: Columns) -> int | None:
        """The index of the first record that the topic does not take: one without a key, where only the newest of each key is
        kept."""
        return first_without_key(columns) if self.config.compacts else None

    def append(self, columns: Columns, partitions: list[int | None] | None = None) -> list[Placement]:
        """Append a chunk of the input, in order; `partitions` has a record's own partition where it is to have one.

        OSError and StreamcliError leave `appended` at the last record before the first that was not written. UsageError, and
        nothing is written, where one is refused.
        """
        if self.first_refused(columns) is not None:
            raise UsageError("a record without a key is refused: the topic is compacted")
        if self._config.choice("message.timestamp.type") == LOG_APPEND_TIME:
            columns = columns._replace(timestamps=None)
        placements: list[Placement] = []
        try:
            for partition, indexes in self._in_order_if_tight(columns, list(self._split(columns, partitions))):
                part = columns if isinstance(indexes, range) else pick(columns, indexes)
                base_offset = self._appender(partition).append(part)
                self._dirty.add(partition)
                placements.append(Placement(partition, base_offset, indexes))
        except NotFound:
            self._lose_all()
            raise
        except BaseException:
            self._count_prefix(placements)
            raise
        self.appended += columns.record_count
        if self._dirty_since is None:
            self._dirty_since = time.monotonic()
        if self._sync == SYNC_BATCH:
            self._sync_all()
        self._clean_after_rolls()
        return placements

    def due_in(self) -> float | None:
        """Seconds until `tick` has something to do; None while it has not."""
        if self._background is not None:
            return 0.05
        if self._sync != SYNC_EXIT or self._dirty_since is None:
            return None
        return max(0.0, self._dirty_since + SYNC_INTERVAL - time.monotonic())

    def tick(self) -> None:
        """Start the fsync that is due, beside the appending, or take note of one that is done. OSError when it failed."""
        if self._background is not None and self._background.is_done():
            self._end_background()
        if self._background is None and self.due_in() == 0.0:
            self._background = BackgroundSync(
                [(self._appenders[partition], self._appenders[partition].begin_sync()) for partition in self._dirty],
                self.appended,
            )
            self._dirty.clear()
            self._dirty_since = None

    def finish(self) -> None:
        """Make all that was appended durable, as the sync policy says. OSError when that failed.

        After a failed fsync it does nothing: the kernel marks the lost pages clean, so another would seem to succeed.
        """
        if self._background is not None:
            self._end_background()
        if self._sync_failed:
            return
        if self._sync == SYNC_NONE:
            for appender in self._appenders.values():
                appender.check_there()
            self.durable = self.appended
        else:
            self._sync_all()

    def _clean_after_rolls(self) -> None:
        """Clean the partitions in which a segment was closed. What goes wrong with that is told, and hinders no producing."""
        rolled = [partition for partition, appender in self._appenders.items() if appender.has_rolled]
        if not rolled:
            return
        from streamcli.storage.clean import Cleaner, CleaningPolicy  # only where there is something to clean

        policy = CleaningPolicy.of(self._config)
        if (
            policy.compaction is not None and self._sync == SYNC_EXIT
        ):  # it may take longer than a record waits for its fsync
            if self._background is not None:
                self._end_background()
            self._sync_all()
        for partition in rolled:
            self._appenders[partition].has_rolled = False
            timeout = self._lock_timeout
            cleaner = Cleaner(self._paths(partition), policy, lock_timeout=timeout, is_stopping=self._is_stopping)
            try:
                for _ in cleaner.clean_after_roll(self._clock()):
                    pass
            except (StreamcliError, OSError) as error:
                self._warn(f"partition {partition} was not cleaned: {error}")

    def _lose_all(self) -> None:
        """The topic was deleted, with all that was durable in it."""
        self._sync_failed = True
        self.durable = 0

    def close(self) -> None:
        for appender in self._appenders.values():
            appender.close()

    def _sync_all(self) -> None:
        if self._sync_failed:
            return
        dirty, self._dirty = self._dirty, set()
        try:
            for partition in dirty:
                self._appenders[partition].sync()
        except NotFound:
            self._lose_all()
            raise
        except BaseException:
            self._sync_failed = True
            raise
        self.durable = self.appended
        self._dirty_since = None

    def _end_background(self) -> None:
        background, self._background = self._background, None
        assert background is not None
        try:
            self.durable = background.result()
        except NotFound:
            self._lose_all()
            raise
        except BaseException:
            self._sync_failed = True
            raise

    def _appender(self, partition: int) -> Appender:
        appender = self._appenders.get(partition)
        if appender is None:
            policy = RollPolicy.of(self._config)
            appender = self._appenders[partition] = Appender(
                self._paths(partition),
                policy,
                lock_timeout=self._lock_timeout,
                clock=self._clock,
                warn=self._warn,
                codec=self._codec,
            )
        return appender

    def _split(self, columns: Columns, partitions: list[int | None] | None) -> Iterable[tuple[int, range | list[int]]]:
        """(partition, indexes of its records), each partition once; a range stands for the whole chunk."""
        whole = range(columns.record_count)
        if self._fixed is not None:
            return [(self._fixed, whole)]
        count = self._config.partitions
        keys = None if columns.keys is None else split_column(columns.keys)
        if count == 1 and partitions is None:
            return [(0, whole)]
        if keys is None and partitions is None:
            key = columns.common_key
            return [(partition_of(key, count) if key else self._sticky.next(count), whole)]
        buckets: dict[int, list[int]] = {}
        sticky: int | None = None
        for index in whole:
            key = keys[index] if keys is not None else columns.common_key
            partition = partitions[index] if partitions is not None else None
            if partition is None and key:
                partition = partition_of(key, count)
            if partition is None:
                if sticky is None:
                    sticky = self._sticky.next(count)
                partition = sticky
            buckets.setdefault(partition, []).append(index)
        return buckets.items()

    def _in_order_if_tight(
        self, columns: Columns, split: list[tuple[int, range | list[int]]]
    ) -> list[tuple[int, range | list[int]]]:
        """The split, where it may not all fit on the disk as runs in the order of the input: then what was written before
        one fails is the input's beginning, and going on after it repeats nothing."""
        if len(split) == 1 or has_room(self._paths(split[0][0]), _space_for(columns, len(split))):
            return split
        partition_by_index = {index: partition for partition, indexes in split for index in indexes}
        runs: list[tuple[int, list[int]]] = []
        for index in range(columns.record_count):
            if not runs or runs[-1][0] != partition_by_index[index]:
                runs.append((partition_by_index[index], []))
            runs[-1][1].append(index)
        return [(partition, indexes) for partition, indexes in runs]

    def _count_prefix(self, placements: list[Placement]) -> None:
        written = sorted(index for placement in placements for index in placement.indexes)
        prefix = next((number for number, index in enumerate(written) if number != index), len(written))
        self.appended += prefix
        self.scattered = len(written) - prefix


def find_codec(name: str) -> int:
    """The number of a codec. UnsupportedBatch when it is not installed."""
    if name == "none":
        return CODEC_NONE
    from streamcli.storage.codec import NUMBERS, check_installed

    check_installed(NUMBERS[name])
    return NUMBERS[name]


def _space_for(columns: Columns, batches: int) -> int:
    """Bytes on disk that are enough for the columns in as many batches, each with a new block here and there."""
    joined = [column for column in (columns.values, columns.keys) if column is not None]
    size = sum(
        len(column) if not isinstance(column, list) else sum(map(len, filter(None, column))) for column in joined
    )
    headers = [*(columns.headers or []), columns.common_headers or []]
    size += sum(len(name) * 4 + len(value or b"") + 16 for own in headers for name, value in own)
    return size + 32 * columns.record_count + (batches << 16)

"""Cleaning a partition: retention, compaction, and trimming to an offset, beside its producers and readers.

One process at a time cleans a partition: it holds clean.lock. The append lock is held only for moments.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from streamcli.record.errors import Busy, OffsetOutOfRange
from streamcli.storage import layout
from streamcli.storage.append import Appender
from streamcli.storage.codec import NUMBERS
from streamcli.storage.compact import Compacted, CompactionPolicy, compact
from streamcli.storage.compaction_sources import dirty_ratio
from streamcli.storage.config import COMPACT, COMPACT_AND_DELETE, DELETE, TopicConfig
from streamcli.storage.format import CODEC_NONE
from streamcli.storage.hold import check_not_held
from streamcli.storage.layout import SegmentName
from streamcli.storage.leftovers import has_leftovers, remove_leftovers
from streamcli.storage.locks import ExclusiveLock
from streamcli.storage.log_start import read_log_start
from streamcli.storage.producer_state import keep_producers
from streamcli.storage.retention import Removed, RetentionPolicy, has_removed, is_expired, remove_before, remove_expired


class CleaningPolicy(NamedTuple):
    """What a topic's config says about its old records. retention, compaction: None where there is none; segment_ms: age at
    which a segment is closed; min_dirty_ratio: the share not compacted from which on writers compact."""

    retention: RetentionPolicy | None
    compaction: CompactionPolicy | None
    segment_ms: int
    min_dirty_ratio: float

    @classmethod
    def of(cls, config: TopicConfig) -> CleaningPolicy:
        """That of a topic."""
        policy = config.value("cleanup.policy")
        retention = compaction = None
        if policy in (DELETE, COMPACT_AND_DELETE):
            retention = RetentionPolicy(config.number("retention.ms"), config.number("retention.bytes"))
        if policy in (COMPACT, COMPACT_AND_DELETE):
            codec = NUMBERS.get(config.choice("compression.type"), CODEC_NONE)
            compaction = CompactionPolicy(config.number("delete.retention.ms"), config.number("segment.bytes"), codec)
        return cls(retention, compaction, config.number("segment.ms"), float(config.value("min.cleanable.dirty.ratio")))


class Cleaner:
    """Cleans one partition. lock_timeout: seconds that it waits for a lock; is_stopping: asked now and then while it
    compacts; what is not compacted then is left; on_read: told how many bytes it has read of each batch.

    Busy where another process cleans the partition; CorruptData where damage stands in the way.
    """

    def __init__(
        self,
        partition_directory: str,
        policy: CleaningPolicy,
        *,
        lock_timeout: float,
        is_stopping: Callable[[], bool] = lambda: False,
        on_read: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._directory = partition_directory
        self._policy = policy
        self._lock_timeout = lock_timeout
        self._is_stopping = is_stopping
        self._on_read = on_read

    def clean(self, appender: Appender, now: int) -> Iterator[Removed | Compacted]:
        """Apply the policy now; yields what was done. now: ms since the epoch.

        The active segment is closed where it is due, so that retention can take it, and for compaction where it holds
        anything.
        """
        with self._cleaning(self._lock_timeout) as lock:
            appender.recover()
            appender.roll_if(lambda name, first: self._is_roll_due(name, first, now))
            self._sweep(lock)
            yield from self._apply(self._policy, now, lock)

    def has_nothing_to_do(self) -> bool:
        """Whether the policy keeps everything, and nobody died over a trim."""
        return self._is_idle and not has_leftovers(self._directory) and not has_removed(self._directory)

    @property
    def _is_idle(self) -> bool:
        """Whether the policy keeps everything."""
        retention = self._policy.retention
        return self._policy.compaction is None and (retention is None or retention.is_unlimited)

    def clean_after_roll(self, now: int) -> Iterator[Removed | Compacted]:
        """What a writer does once it has closed a segment, unless somebody is about it already."""
        if self._is_idle:
            return
        try:
            with self._cleaning(0) as lock:
                policy = self._policy
                if policy.compaction is not None and dirty_ratio(self._directory) < policy.min_dirty_ratio:
                    policy = policy._replace(compaction=None)
                if policy.compaction is not None:
                    remove_leftovers(self._directory, lock)
                yield from self._apply(policy, now, lock)
        except Busy:
            return

    def trim(self, appender: Appender, offset: int) -> Removed:
        """Make `offset` the log start offset; OffsetOutOfRange beyond the end. All before it is on disk first. StreamcliError where
        a mirror holds something before it."""
        with self._cleaning(self._lock_timeout) as lock:
            check_not_held(self._directory, offset)
            appender.recover()
            if offset > appender.end:
                raise OffsetOutOfRange(
                    f"offset {offset} is after the end of the log, {appender.end} ({self._directory})"
                )
            start = max(offset, read_log_start(self._directory) or 0)  # a trim that died may not have come to its end
            appender.roll_if(lambda *_: appender.end == start)
            remove_leftovers(self._directory, lock)
            keep_producers(self._directory, lock)
            with lock:
                return remove_before(self._directory, start)

    @contextmanager
    def _cleaning(self, timeout: float) -> Iterator[ExclusiveLock]:
        """Be the one that cleans; gives the append lock, to be taken for a moment."""
        cleaning = ExclusiveLock(os.path.join(self._directory, layout.CLEAN_LOCK), timeout)
        try:
            with cleaning:
                lock = ExclusiveLock(os.path.join(self._directory, layout.LOCK), self._lock_timeout)
                try:
                    yield lock
                finally:
                    lock.close()
        finally:
            cleaning.close()

    def _sweep(self, lock: ExclusiveLock) -> None:
        """Finish what one that died was about."""
        remove_leftovers(self._directory, lock)
        with lock:
            remove_before(self._directory, read_log_start(self._directory) or 0)

    def _apply(self, policy: CleaningPolicy, now: int, lock: ExclusiveLock) -> Iterator[Removed | Compacted]:
        retention, compaction = policy.retention, policy.compaction
        keep_producers(
            self._directory, lock
        )  # the long walk, if one is due: without the lock that is held while removing
        if retention is not None and not retention.is_unlimited:
            while (removed := self._remove_expired(retention, now, lock)).segments:
                yield removed
        if compaction is not None:
            compacted = compact(
                self._directory,
                compaction,
                now=now,
                lock=lock,
                is_stopping=self._is_stopping,
                on_read=self._on_read,
            )
            if compacted is not None:
                yield compacted

    def _remove_expired(self, retention: RetentionPolicy, now: int, lock: ExclusiveLock) -> Removed:
        with lock:
            return remove_expired(self._directory, retention, now)

    def _is_roll_due(self, name: SegmentName, first_timestamp: int | None, now: int) -> bool:
        if self._policy.compaction is not None:
            return True
        if first_timestamp is not None and now - first_timestamp >= self._policy.segment_ms:
            return True
        retention = self._policy.retention
        return retention is not None and is_expired(self._directory, name, retention, now)

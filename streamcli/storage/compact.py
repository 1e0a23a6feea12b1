"""Compaction: of every key the newest record stays, at its offset. The model is the log cleaner of Apache Kafka.

What is compacted are the closed segments, all of them up to the active one. First it is found which records are the
newest of their key (storage.newest); then segments are written anew, from the oldest on, a group of small ones as
one, and each new file takes the place of its sources under the append lock:

    1. the new file, BASE-END.log, is on disk under a temporary name
    2. it is renamed, and the name is on disk: from here on its sources, which lie within BASE and END, are superseded
    3. the sources are removed

A crash leaves temporary files, or superseded ones that nobody reads any more: who compacts removes them first
(storage.leftovers). Readers that have a source open read it to its end. The oldest first, so that of a key an older record never
outlives a newer one; a tombstone so outlives what it deletes.

A record without a key stays. A tombstone gets its delete horizon when compaction first meets it, and goes once that
time has passed: who reads from the beginning, and takes no longer than that, learns of every deletion.

A segment is not touched where something in it is damaged: what it holds is for repair to say.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple

from streamcli.record.batch import RecordBatch
from streamcli.storage import durable, layout
from streamcli.storage.compaction_sources import Source, closed_segments, groups, stamp_of
from streamcli.storage.format import DELETE_HORIZONS, BatchHeader, InvalidBatch
from streamcli.storage.layout import SegmentName
from streamcli.storage.leftovers import remove_segment
from streamcli.storage.locks import ExclusiveLock
from streamcli.storage.newest import Survivors, newest_of_keys
from streamcli.storage.producer_state import keep_producers
from streamcli.storage.segment import Segment
from streamcli.storage.segment_writer import COPIED_WHOLE, SegmentWriter
from streamcli.storage.tail import max_timestamp_before

_NO_BODY = memoryview(b"")
KEY_MEMORY = 128 << 20
"""Bytes for the keys that are held at once."""


class CompactionPolicy(NamedTuple):
    """delete_retention_ms: how long a tombstone stays; segment_bytes: up to which small segments are put together; codec: of the
    topic, see storage.codec."""

    delete_retention_ms: int
    segment_bytes: int
    codec: int


class Compacted(NamedTuple):
    """What a compaction did: to how many segments, and how many records and bytes these had before and after."""

    segments: int
    records_before: int
    records: int
    bytes_before: int
    bytes: int


def compact(
    partition_directory: str,
    policy: CompactionPolicy,
    *,
    now: int,
    lock: ExclusiveLock,
    is_stopping: Callable[[], bool],
    on_read: Callable[[int], None] = lambda _: None,
) -> Compacted | None:
    """Compact the closed segments; None when there is nothing to do. To be called by one process at a time, which has removed
    what an earlier one left.

    now: ms since the epoch; lock: the append lock, taken for each file that is put in its place; is_stopping: asked
    now and then; it then leaves things as they were, or partly done; on_read: told how many bytes were read, of each batch.
    CorruptData where something is
    damaged, and then nothing was done.
    """
    return _Compaction(partition_directory, policy, now, lock, is_stopping, on_read).run()


class SourceChanged(Exception):
    """A source is not what was read any more."""


class _Stopped(Exception):
    """Somebody wants this to end."""


class _Compaction:
    """One run over a partition."""

    def __init__(
        self,
        directory: str,
        policy: CompactionPolicy,
        now: int,
        lock: ExclusiveLock,
        is_stopping: Callable[[], bool],
        on_read: Callable[[int], None],
    ) -> None:
        self._directory = directory
        self._policy = policy
        self._now = now
        self._lock = lock
        self._is_stopping = is_stopping
        self._on_read = on_read
        self._due: set[SegmentName] = set()
        self._counts: dict[SegmentName, int] = {}

    def run(self) -> Compacted | None:
        with suppress(_Stopped, FileNotFoundError):  # retention may be faster
            sources = closed_segments(self._directory)
            keep_producers(self._directory, self._lock)
            if any(source.name.end_offset is None or self._has_expired(source) for source in sources):
                survivors = newest_of_keys(lambda: self._read(sources), memory=KEY_MEMORY)
                return self._write(self._counted(sources, survivors), survivors)
        return None

    def _has_expired(self, source: Source) -> bool:
        """Whether a tombstone in a compacted segment has to go now."""
        marked = (batch for _, _, batch in self._batches(source, only=DELETE_HORIZONS) if batch is not None)
        return any(0 < horizon <= self._now for batch in marked for horizon in batch.columns.delete_horizons or ())

    def _read(self, sources: list[Source]) -> Iterator[RecordBatch]:
        """All batches, as the search for the newest needs them; it is seen along the way what is due."""
        self._counts = dict.fromkeys((source.name for source in sources), 0)
        for source in sources:
            for _, _, batch in self._batches(source):
                if batch is None:
                    continue
                self._counts[source.name] += batch.count
                horizons = self._horizons(batch)
                if horizons is not None and horizons != batch.columns.delete_horizons:
                    self._due.add(source.name)
                yield batch

    def _counted(self, sources: list[Source], survivors: Survivors) -> list[Source]:
        """The sources, with what is known of their records by now."""
        counted, first = [], 0
        for source in sources:
            count = self._counts[source.name]
            stale = count - survivors.count_between(first, count)
            is_due = source.name in self._due
            counted.append(source._replace(first=first, records=count, stale=stale, is_due=is_due))
            first += count
        return counted

    def _horizons(self, batch: RecordBatch) -> list[int] | None:
        """The delete horizons that a batch's tombstones have from now on, 0 for one that goes and for other records; None
        when it has no tombstones."""
        values = batch.columns.values
        if not isinstance(values, list) or None not in values:
            return None
        known = batch.columns.delete_horizons or [0] * batch.count
        new = self._now + self._policy.delete_retention_ms
        rows = zip(known, values, batch.keys(), strict=True)
        horizons = [(old or new) if value is None and key is not None else 0 for old, value, key in rows]
        return [horizon if horizon > self._now else 0 for horizon in horizons]

    def _batches(self, source: Source, only: int = 0) -> Iterator[tuple[BatchHeader, memoryview, RecordBatch | None]]:
        """The batches of a segment, with their bodies; None for one without records, or without one of the columns `only`.

        CorruptData where it is not whole: nothing is left out that could be read otherwise.
        """
        segment = Segment(self._directory, source.name)
        try:
            position, offset = 0, source.name.base_offset
            for header in segment.headers(0, source.size):
                if header.base_offset != offset:
                    break
                if self._is_stopping():
                    raise _Stopped
                wanted = header.record_count and (not only or header.columns & only)
                if wanted:
                    body = segment.body_of(header)
                    yield header, body, segment.batch_with(header, body)
                else:
                    yield header, _NO_BODY, None
                self._on_read(header.end - header.position)
                position, offset = header.end, header.next_offset
            if (position, offset) != (source.size, source.end):
                length = source.size - position
                raise segment.damaged("a closed segment is not whole", position, length, offset, source.end)
        except InvalidBatch as error:
            raise segment.damaged(str(error), header.position, None, header.base_offset, header.next_offset) from None
        finally:
            segment.close()

    def _write(self, sources: list[Source], survivors: Survivors) -> Compacted | None:
        done = []
        # Where one has changed no later one is written: a tombstone there may be what deletes a record here.
        with suppress(SourceChanged):
            for group in groups(sources, self._policy.segment_bytes):
                written = self._replace(group, survivors)
                if written is not None:
                    done.append(written)
        return Compacted(*map(sum, zip(*done, strict=True))) if done else None

    def _replace(self, group: list[Source], survivors: Survivors) -> Compacted | None:
        """Put one compacted segment in the place of a group; None where there is nothing to do."""
        name = SegmentName.of(group[0].name.base_offset, group[-1].end)
        if len(group) == 1 and not group[0].is_changed:
            if name != group[0].name:
                self._rename(group[0], name)
            return None
        path = layout.segment_path(self._directory, name)
        temporary = layout.temporary_name(path)
        latest = max_timestamp_before(self._directory, name.base_offset)
        writer = SegmentWriter(temporary, name.base_offset, latest, self._policy.codec)
        try:
            try:
                for source in group:
                    self._copy(source, survivors, writer)
                writer.finish(name.end_offset or 0)
            finally:
                writer.close()
            size = os.stat(temporary).st_size
            with self._lock:
                self._check_unchanged(group)
                if group[0].name == name:  # the index of that name would lead astray, after a power cut too
                    durable.remove_file(layout.index_path(self._directory, name))
                    durable.sync_directory(self._directory)
                durable.place_file(temporary, path)
                for source in group:
                    if source.name != name:
                        remove_segment(self._directory, source.name)
            self._put_index(name, bytes(writer.index))
        finally:
            durable.remove_file(temporary)
        before = sum(source.records for source in group), sum(source.size for source in group)
        return Compacted(len(group), before[0], writer.records, before[1], size)

    def _copy(self, source: Source, survivors: Survivors, writer: SegmentWriter) -> None:
        """Write what stays of a source."""
        number = source.first
        for header, body, batch in self._batches(source):
            if header.is_lost:
                writer.mark_lost(header)
            elif batch is None:
                writer.pass_by(header)
            else:
                indexes = self._staying(batch, survivors.indexes(number, batch.count))
                self._copy_batch(header, body, batch, indexes, writer)
                number += batch.count

    def _staying(self, batch: RecordBatch, newest: Sequence[int]) -> Sequence[int]:
        """Those of the newest records of their keys that are no tombstones, or not yet to go."""
        horizons = self._horizons(batch)
        if horizons is None:
            return newest
        rows = list(zip(horizons, batch.values(), batch.keys(), strict=True))
        return [i for i in newest if rows[i][0] or rows[i][1] is not None or rows[i][2] is None]

    def _copy_batch(
        self, header: BatchHeader, body: memoryview, batch: RecordBatch, indexes: Sequence[int], writer: SegmentWriter
    ) -> None:
        horizons = self._horizons(batch)
        is_whole = len(indexes) == batch.count and horizons == batch.columns.delete_horizons
        if not indexes:
            writer.pass_by(header)
        elif is_whole and header.body_length >= COPIED_WHOLE:
            writer.copy(header, body)
        else:
            part = batch if len(indexes) == batch.count else batch.select(indexes)
            writer.add(header, part, horizons and [horizons[i] for i in indexes])

    def _rename(self, source: Source, name: SegmentName) -> None:
        """Give a segment that stays as it is the name of a compacted one."""
        with self._lock:
            self._check_unchanged([source])
            old = source.name
            durable.place_file(layout.segment_path(self._directory, old), layout.segment_path(self._directory, name))
            with suppress(OSError):  # else it is made anew
                durable.rename_file(layout.index_path(self._directory, old), layout.index_path(self._directory, name))

    def _check_unchanged(self, group: list[Source]) -> None:
        """SourceChanged where somebody has removed or repaired a source since. Under the append lock."""
        for source in group:
            try:
                is_changed = stamp_of(layout.segment_path(self._directory, source.name)) != source.stamp
            except FileNotFoundError:
                is_changed = True
            if is_changed:
                raise SourceChanged

    def _put_index(self, name: SegmentName, index: bytes) -> None:
        with suppress(OSError):  # else it is made anew
            durable.replace_file(layout.index_path(self._directory, name), index)

"""Appending to a partition: lock, catch up, write one batch, roll, sync, checkpoint."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from streamcli.record.batch import Columns, pick
from streamcli.storage import durable, layout
from streamcli.storage.active_log import ActiveLog
from streamcli.storage.body import Body, EncodedBody, encode_body
from streamcli.storage.checkpoint import sync_checkpoint
from streamcli.storage.config import TopicConfig
from streamcli.storage.format import CODEC_NONE, BatchHeader
from streamcli.storage.layout import SegmentName
from streamcli.storage.locks import ExclusiveLock
from streamcli.storage.segment import Segment
from streamcli.storage.tail import Mark

if TYPE_CHECKING:  # else read by those alone that know of producers: 1 to 3 ms
    from streamcli.storage.learned_producers import LearnedProducers
    from streamcli.storage.producer_state import Known, Origin, ProducerTable

_NO_PRODUCER = (0, 0, 0)


class RollPolicy(NamedTuple):
    """When a segment is full: at `segment_bytes`, or for a record that is `segment_ms` younger than its first batch."""

    segment_bytes: int
    segment_ms: int

    @classmethod
    def of(cls, config: TopicConfig) -> RollPolicy:
        """That of a topic."""
        return cls(config.number("segment.bytes"), config.number("segment.ms"))


class SyncTicket(NamedTuple):
    """What an fsync of `fd` makes durable: the log up to `end`, and with it what `producers` says, if anything. `fd` is the
    ticket's own."""

    fd: int
    end: Mark
    producers: ProducerTable | None = None

    def wait(self) -> None:
        """Return once it is on disk; may run in another thread than the appender."""
        try:
            durable.sync_data(self.fd)
        finally:
            os.close(self.fd)


class Appended(NamedTuple):
    """What became of records: so many, the first ones, were there already; the others lie at `base_offset` and on, None where
    there are none."""

    already: int
    base_offset: int | None


class Appender:
    """Appends batches to one partition, among any number of other processes that do.

    clock: ms since the epoch, read under the lock, so that timestamps rise along the log; warn: takes a line for the
    user; codec: how bodies are compressed, see storage.codec. Not for several threads at once, but for a SyncTicket's `wait`
    and for `sync_checkpoint`.
    policy and codec may be replaced at any time. has_rolled: whether it closed a segment; to be reset by who looks at it.
    written: bytes of the batches that it appended.
    """

    def __init__(
        self,
        directory: str,
        policy: RollPolicy,
        *,
        lock_timeout: float,
        clock: Callable[[], int],
        warn: Callable[[str], None],
        codec: int = CODEC_NONE,
    ) -> None:
        self._directory = directory
        self.policy = policy
        self.codec = codec
        self._clock = clock
        self._learned: LearnedProducers | None = None  # of one that asks for it
        self.has_rolled = False
        self.written = 0
        self._lock = ExclusiveLock(os.path.join(directory, layout.LOCK), lock_timeout)
        self._log = ActiveLog(directory, warn)

    def append(self, columns: Columns) -> int:
        """Append one batch, whole or not at all, and return its base offset. On disk after `sync`.

        OSError (ENOSPC, EIO ...) leaves the records of the log as they were. After a failed fsync, and once the topic was
        deleted, that error is all that comes.
        """
        self._log.raise_what_failed()
        return self.append_encoded(encode_body(columns, self.codec))  # before the lock is taken: it is most of the work

    def append_encoded(self, body: EncodedBody) -> int:
        """The same, of columns that are encoded."""
        self._log.raise_what_failed()
        with self._lock:
            return self._append(self._log.catch_up(), body, _NO_PRODUCER).base_offset

    def append_missing(self, columns: Columns, origin: Origin, check: Callable[[], None] = lambda: None) -> Appended:
        """Append one batch of those records that are not there yet from their producer, as `append` does. Those that are there
        are on disk after `sync` too, whoever appended them.

        Any number of processes may append the same records: each is there once, in the order of the sequences. check: called
        under the append lock, before anything is appended; what it raises leaves the log as it was.
        """
        self._log.raise_what_failed()
        already = 0
        while True:
            found = self._producers().known().next_sequence(origin.producer_id)
            count = origin.known(found)
            already += count
            if count == columns.record_count:
                return Appended(already, None)
            if count:
                columns, origin = pick(columns, range(count, columns.record_count)), origin.after(count)
            body = encode_body(columns, self.codec)
            with self._lock:
                segment = self._log.catch_up()
                table = self._producers().learn(segment)
                if table.next_sequence(origin.producer_id) == found:
                    check()
                    header = self._append(segment, body, (origin.producer_id, origin.next_sequence, 0))
                    table.take(self._log.end.segment, header)
                    return Appended(already, header.base_offset)

    def count_known(self, origin: Origin) -> int:
        """How many of the records, the first ones, are there already, as far as this appender has seen."""
        return origin.known(self._producers().known().next_sequence(origin.producer_id))

    def next_sequence(self, producer_id: int) -> int:
        """The sequence at which a producer goes on in this partition, by what all processes have appended: 0 at first."""
        known = self.known_producers().get(producer_id)
        return 0 if known is None else known.sequence

    def known_producers(self) -> dict[int, Known]:
        """What the partition has of each producer by now, by producer id. Not to be changed."""
        self._log.raise_what_failed()
        learned = self._producers()
        learned.known()
        with self._lock:
            return learned.learn(self._log.catch_up()).producers

    def recover(self) -> None:
        """What an append does before it appends: find the end of the log, recover what a dead writer left, mend index and
        checkpoint. CorruptData when the log does not end in a whole batch."""
        self._log.raise_what_failed()
        with self._lock:
            self._log.open()
        self.sync()

    @property
    def end(self) -> int:
        """The offset after the last record that this appender has seen."""
        return self._log.end.offset

    def roll_if(self, is_due: Callable[[SegmentName, int | None], bool]) -> None:
        """Close the active segment, if it holds anything and `is_due` says so: of its name and its first timestamp (ms), under
        the append lock."""
        log = self._log
        log.raise_what_failed()
        with self._lock:
            segment = log.catch_up()
            if log.end.position and is_due(segment.name, log.first_timestamp):
                self._roll(segment)

    def go_on_at(self, offset: int) -> None:
        """Give out no offset before this one any more: those that were not written yet are marked as lost."""
        self._log.raise_what_failed()
        with self._lock:
            segment = self._log.catch_up()
            if self._log.end.offset < offset:
                self._log.mark_lost(segment, offset)
        self.sync()

    def sync(self) -> None:
        """Make everything up to this appender's last batch durable, and say so in the checkpoint.

        NotFound when the topic was deleted meanwhile.
        """
        self._log.raise_what_failed()
        if self._log.segment is None:
            return
        ticket = self.begin_sync()
        try:
            ticket.wait()
        except OSError as error:
            self._log.failed = error
            raise
        self.note_sync(ticket)
        self.sync_checkpoint()

    def check_there(self) -> None:
        """NotFound when the topic was deleted."""
        self._log.check_there()

    def begin_sync(self) -> SyncTicket:
        """What a sync started now covers; its `wait` does the work, then call `note_sync` and `sync_checkpoint`."""
        assert self._log.segment is not None
        producers = None if self._learned is None else self._learned.due()
        return SyncTicket(os.dup(self._log.segment.fd), self._log.end, producers)

    def note_sync(self, ticket: SyncTicket) -> None:
        """Note in the checkpoint that the ticket's part is on disk; `sync_checkpoint` then has that note on disk. NotFound when
        the topic was deleted."""
        self._log.check_there()
        self._log.note_synced(ticket.end)
        with self._lock:
            self._log.checkpoint(ticket.end)
            if ticket.producers is not None:
                from streamcli.storage.producer_state import write_producers

                with suppress(OSError):  # else who comes next walks over more headers
                    write_producers(self._directory, ticket.producers)

    def sync_checkpoint(self) -> None:
        """Return once the checkpoint is on disk: after a power cut what lies before it counts as promised. May run in another
        thread than the appender."""
        sync_checkpoint(self._directory)

    def close(self) -> None:
        self._log.close()
        self._lock.close()

    def _producers(self) -> LearnedProducers:
        if self._learned is None:
            from streamcli.storage.learned_producers import LearnedProducers  # 1 to 3 ms, for who knows of producers

            self._learned = LearnedProducers(self._log, self._lock)
        return self._learned

    def _append(self, segment: Segment, body: EncodedBody, producer: tuple[int, int, int]) -> BatchHeader:
        """Append a batch, in the next segment where one is due. Under the lock, after catching up."""
        log = self._log
        now = self._clock()
        newest = body.times[1] if body.times else now
        if log.first_timestamp is not None and newest - log.first_timestamp >= self.policy.segment_ms:
            segment = self._roll(segment)
        header, buffers = self._place(body, now, producer)
        if header.position > 0 and header.end > self.policy.segment_bytes:
            segment = self._roll(segment)
            header, buffers = self._place(body, now, producer)
        _write(segment, header, buffers)
        self.written += header.end - header.position
        log.add(header)
        return header

    def _place(self, body: EncodedBody, now: int, producer: tuple[int, int, int]) -> tuple[BatchHeader, Body]:
        end = self._log.end
        return body.batch(position=end.position, base_offset=end.offset, timestamp=now, producer=producer)

    def _roll(self, segment: Segment) -> Segment:
        rolled = self._log.roll(segment)
        self.has_rolled = True
        return rolled


def _write(segment: Segment, header: BatchHeader, buffers: Body) -> None:
    length = header.end - header.position
    try:
        with durable.naming_file(segment.fd):
            written = os.pwritev(segment.fd, buffers, header.position)
        if written != length:
            rest = b"".join(buffers)[written:]
            durable.write_all(segment.fd, rest, header.position + written)
    except OSError:
        durable.truncate(segment.fd, header.position)
        raise

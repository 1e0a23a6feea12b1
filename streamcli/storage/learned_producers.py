"""What an appender knows of the producers with an id, learned from the log as far as it has come."""

from __future__ import annotations

from streamcli.storage.active_log import ActiveLog
from streamcli.storage.locks import ExclusiveLock
from streamcli.storage.producer_state import ProducerTable, find_producers, has_producers, write_producers
from streamcli.storage.segment import Segment


class LearnedProducers:
    """Those of a partition. `log` is asked under `lock`, the append lock."""

    def __init__(self, log: ActiveLog, lock: ExclusiveLock) -> None:
        self._log = log
        self._lock = lock
        self._table: ProducerTable | None = None

    def known(self) -> ProducerTable:
        """What is known by now, of which `learn` knows more. Learned without the lock at first, as far as it can be: what lies
        before an end that was found under it stays."""
        if self._table is not None:
            return self._table
        with self._lock:
            segment, end = self._log.catch_up().again(), self._log.end.position
        table = kept = None
        try:
            table = find_producers(self._log.directory)
            if table.is_due:
                kept = table.copy()
            if table.place.segment == segment.base_offset:
                table.walk(segment, end)
        except FileNotFoundError:  # retention, or a compaction, was faster: it is learned under the lock
            table = kept = None
        finally:
            segment.close()
        with self._lock:
            segment = self._log.catch_up()
            if kept is not None:
                write_producers(self._log.directory, kept)
            self._table = table
            return self.learn(segment)

    def learn(self, segment: Segment) -> ProducerTable:
        """What the log has of the producers up to its end. Under the lock, after catching up."""
        table, end = self._table, self._log.end.position
        if table is None or table.place.segment != segment.base_offset or table.place.position > end:
            table = find_producers(self._log.directory, table)
            if table.place.position == 0 and not has_producers(self._log.directory):
                write_producers(self._log.directory, table)
        segment.forget()
        table.walk(segment, end)
        self._table = table
        return table

    def due(self) -> ProducerTable | None:
        """What is to be written once the log is on disk up to here; None while that would come too soon."""
        return self._table.copy() if self._table is not None and self._table.is_due else None

"""Dead letters: records that a command could not process, in a topic, with what is needed to put them back."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from streamcli.engine.consume import SourceBatch
from streamcli.engine.produce_request import ProduceRequest
from streamcli.engine.syncing import SYNC_BATCH
from streamcli.record.batch import Columns, Header, join_column
from streamcli.storage.config import TopicConfig

if TYPE_CHECKING:
    from streamcli.engine.interface import Engine


class Failure(NamedTuple):
    """Why: the last attempt's status and reason, how many attempts there were, and the end of the last one's standard error."""

    status: int
    reason: str
    attempts: int
    stderr: bytes


class DeadLetters:
    """Appends to the dead-letter topic, which is made when missing. Each record keeps key, value, headers and timestamp.

    Headers in front of its own say where it came from: dead-letter.topic, .partition, .offset, .group, .status, .reason,
    .attempts and .stderr.
    """

    def __init__(
        self, engine: Engine, topic: str, group: str, *, clock: Callable[[], int], warn: Callable[[str], None]
    ) -> None:
        self.topic = topic
        self._group = group
        engine.ensure_topic(topic, TopicConfig(1, {}))
        request = ProduceRequest(
            partition=None,
            sync=SYNC_BATCH,
            compress=None,
            offsets=False,
            copies=False,
            clock=clock,
            warn=warn,
            is_stopping=lambda: False,
        )
        self._producer = engine.producer(topic, request)

    def add(self, batches: list[SourceBatch], failure: Failure) -> None:
        """On disk when this returns."""
        for taken in batches:
            self._producer.append(self._letters(taken, failure))

    def _letters(self, taken: SourceBatch, failure: Failure) -> Columns:
        source, batch = taken
        common: list[Header] = [
            ("dead-letter.topic", source.topic.encode()),
            ("dead-letter.partition", b"%d" % source.partition),
            ("dead-letter.group", self._group.encode()),
            ("dead-letter.status", b"%d" % failure.status),
            ("dead-letter.reason", failure.reason.encode()),
            ("dead-letter.attempts", b"%d" % failure.attempts),
            ("dead-letter.stderr", failure.stderr),
        ]
        own: list[list[Header]] = [
            [("dead-letter.offset", b"%d" % offset), *headers]
            for offset, headers in zip(batch.offsets(), batch.headers(), strict=True)
        ]
        keys = batch.keys()
        return Columns(
            record_count=batch.count,
            values=join_column(batch.values()),
            keys=None if keys.count(None) == len(keys) else join_column(keys),
            common_headers=common,
            headers=own,
            timestamps=list(batch.timestamps()),
        )

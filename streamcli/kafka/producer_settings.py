"""The properties of librdkafka that a producer has."""

from __future__ import annotations

from typing import Any

from streamcli.kafka import linger
from streamcli.kafka.connection import Connection
from streamcli.record.errors import UsageError

_QUEUE = {"queue.buffering.max.messages": 50_000, "queue.buffering.max.kbytes": 65_536}
"""What librdkafka holds of what is not acknowledged: all the memory that a fast input takes. 5 requests of batch.num.messages."""

_OVERHEAD = 1_000
"""Bytes: more than a batch of one record takes beside its key and value."""

_BATCHING = (
    *("linger.ms", "queue.buffering.max.ms", "message.timeout.ms", "delivery.timeout.ms"),
    *("batch.size", "batch.num.messages", "queue.buffering.max.messages", "queue.buffering.max.kbytes"),
)
"""What kafka.linger counts on: a timeout is longer than linger.ms, and what may wait more than one request."""

_GREATEST_LIMIT = 1_000_000_000
"""Bytes: the most that librdkafka lets message.max.bytes be."""

_KEPT = (
    *("acks", "request.required.acks", "enable.idempotence", "enable.gapless.guarantee"),
    *("transactional.id", "delivery.report.only.error"),
)
_AS_OURS = {("acks", "all"), ("acks", "-1"), ("enable.idempotence", "true"), ("enable.gapless.guarantee", "true")}

BROKERS_LIMIT = 1_048_588
"""Bytes: max.message.bytes of a topic, unless it or its cluster has another."""


def producer_settings(
    connection: Connection,
    *,
    partitions: int = 1,
    largest: int = BROKERS_LIMIT,
    compress: str | None = None,
    wants_all: bool = False,
) -> dict[str, Any]:
    """The properties of a producer to a topic of so many partitions. largest: its max.message.bytes; compress: a codec; wants_all:
    reports of what is acknowledged too, not only of what failed.

    enable.gapless.guarantee: without it librdkafka sends the batches that were on their way behind a refused one once more, with a
    new epoch, before anybody can stop it: they would be in the partition, and the refused one not."""
    for name in _KEPT:
        given = connection.properties.get(name, "")
        if given and (name, given.lower()) not in _AS_OURS:
            raise UsageError(
                f"produce sets {name} itself, so that status 0 means acknowledged by all in-sync replicas, once: leave it out"
            )
    limit = largest + _OVERHEAD  # of a record that is a little too long the brokers decide, after those before it
    queue = dict(_QUEUE)
    queue["queue.buffering.max.kbytes"] = max(queue["queue.buffering.max.kbytes"], 2 * limit // 1024)
    ours: dict[str, Any] = {
        "message_max_bytes": min(limit, _GREATEST_LIMIT),
        "batch_size": max(1, min(linger.FULL_BYTES, largest - _OVERHEAD)),
        **{name.replace(".", "_"): value for name, value in queue.items()},
    }
    if lingers_here(connection, partitions):
        ours["linger_ms"] = linger.LIBRDKAFKAS
    ours = {name: value for name, value in ours.items() if name.replace("_", ".") not in connection.properties}
    if compress is not None:
        ours["compression_type"] = compress
    return connection.settings(
        **ours,
        acks="all",
        enable_idempotence=True,
        enable_gapless_guarantee=True,
        allow_auto_create_topics=False,
        delivery_report_only_error=not wants_all,
    )


def lingers_here(connection: Connection, partitions: int) -> bool:
    """Whether it is kafka.linger that says when to send. Of several partitions none may have a full request while no more records
    are taken."""
    return partitions == 1 and not connection.properties.keys() & set(_BATCHING)

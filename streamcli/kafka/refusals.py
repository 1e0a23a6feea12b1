"""Why a record is not acknowledged, in our words."""

from __future__ import annotations

from streamcli.kafka import librdkafka as lib
from streamcli.record.errors import NotFound, StreamcliError, UsageError

REASONS: dict[int, tuple[type[StreamcliError], str, str]] = {
    lib.TIMED_OUT: (
        StreamcliError,
        "the cluster gave no answer, or has too few in-sync replicas, for message.timeout.ms",
        ": is it up? more time: -X message.timeout.ms=...",
    ),
    lib.PURGED_QUEUE: (StreamcliError, "it was not sent any more", ""),
    lib.PURGED_IN_FLIGHT: (StreamcliError, "it was sent, and no answer waited for", ""),
    lib.UNKNOWN_PARTITION: (NotFound, "there is no such partition", ""),
    lib.TOO_LARGE: (
        StreamcliError,
        "larger than the topic takes, with its headers (max.message.bytes)",
        ": raise that with topics alter",
    ),
    lib.TOO_LARGE_BATCH: (
        StreamcliError,
        "its batch is larger than a segment of the topic (segment.bytes)",
        ": raise that with topics alter",
    ),
    lib.TOPIC_FORBIDDEN: (StreamcliError, "you may not write to the topic", ": ask for the ACL WRITE on it"),
    lib.CLUSTER_FORBIDDEN: (
        StreamcliError,
        "you may not write with idempotence",
        ": ask for the ACL IDEMPOTENT_WRITE on the cluster",
    ),
    lib.INVALID_RECORD: (
        UsageError,
        "the brokers refuse it: no key in a compacted topic, or a time out of bounds (message.timestamp.before.max.ms)",
        "",
    ),
    lib.INVALID_TIMESTAMP: (
        UsageError,
        "its time is out of the topic's bounds (message.timestamp.before.max.ms, message.timestamp.after.max.ms)",
        "",
    ),
}
"""By error of librdkafka or of the brokers: what is raised, why, and what to do."""

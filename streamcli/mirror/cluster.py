"""What both sides ask of an Apache Kafka cluster, and its errors: which of them pass with time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from typing import Any

from streamcli.kafka.connection import ClusterError, Connection, as_error, load
from streamcli.mirror.interface import Place, Progress, Unreachable

PATIENCE = 5.0
"""Seconds that a question may take before it is asked again."""

QUICK = {"reconnect.backoff.max.ms": "1000"}
"""What the user's properties may change: of ten seconds, which are the default, a mirror makes a cluster that is back wait five."""

_FINAL = (
    "TOPIC_AUTHORIZATION_FAILED",
    "GROUP_AUTHORIZATION_FAILED",
    "CLUSTER_AUTHORIZATION_FAILED",
    "TRANSACTIONAL_ID_AUTHORIZATION_FAILED",
    "INVALID_REPLICATION_FACTOR",
    "INVALID_CONFIG",
    "POLICY_VIOLATION",
    "UNSUPPORTED_VERSION",
    "_INVALID_ARG",
    "_UNSUPPORTED_FEATURE",
)
"""What is wrong with the rights or settings, and no matter of time."""


def verdict(error: Any, connection: Connection) -> Exception:
    """What to raise for a KafkaError: an error of ours, or Unreachable."""
    codes = load().KafkaError
    if error.code() in {getattr(codes, name) for name in _FINAL}:
        return as_error(error, connection, "mirror")
    return Unreachable(error.str() or error.name())


@contextmanager
def reaching(connection: Connection) -> Iterator[None]:
    """What librdkafka raises in the block as an error of ours, or as Unreachable."""
    confluent_kafka = load()
    try:
        yield
    except confluent_kafka.KafkaException as error:
        raise verdict(error.args[0], connection) from None
    except ClusterError as error:
        raise verdict(error.reason, connection) from None


def cluster_id(connection: Connection) -> str:
    """The cluster's id, the same at all of its addresses."""
    with reaching(connection):
        from confluent_kafka.admin import AdminClient

        return str(AdminClient(connection.settings()).list_topics(timeout=PATIENCE).cluster_id)


def make_consumer(connection: Connection, group: str, **settings: Any) -> Any:
    """A consumer that joins no group and commits nothing, and sees what `group` has committed. While a transaction is open that
    commits for the group, it waits for its end, or with isolation_level="read_uncommitted" takes what was committed before."""
    fixed = {"enable_auto_commit": False, "enable_partition_eof": True, "auto_offset_reset": "error"}
    with reaching(connection):
        return load().Consumer(
            connection.settings(**{"group_id": group, "isolation_level": "read_committed", **fixed, **settings})
        )


def committed_progress(consumer: Any, places: Iterable[Place]) -> dict[Place, Progress]:
    """What the consumer's group has committed, of those places where it has. The time is in the commit's metadata."""
    confluent_kafka = load()
    asked = [confluent_kafka.TopicPartition(*place) for place in places]
    found = consumer.committed(asked, timeout=PATIENCE) if asked else []
    for place in found:
        if place.error is not None:
            raise confluent_kafka.KafkaException(place.error)
    return {
        (place.topic, place.partition): Progress(place.offset, _time_in(place.metadata))
        for place in found
        if place.offset >= 0
    }


def _time_in(metadata: str | None) -> int | None:
    """None where somebody else has committed, as `groups reset` does."""
    return int(metadata) if metadata and metadata.isdecimal() else None


def progress_of(connection: Connection, group: str, places: Iterable[Place]) -> dict[Place, Progress]:
    """The same of a group, for who has no consumer, and does not go on there."""
    with (
        reaching(connection),
        closing(make_consumer(connection, group, isolation_level="read_uncommitted")) as consumer,
    ):
        return committed_progress(consumer, places)

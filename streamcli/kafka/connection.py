"""Clients of librdkafka: their properties, and their errors in our words."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from streamcli.engine.url import KafkaUrl
from streamcli.record.errors import NotFound, StreamcliError, UsageError

if TYPE_CHECKING:
    from types import ModuleType

CLIENT_ID = "streamcli"

LONGEST_TIMEOUT = 3600.0
"""Seconds that librdkafka waits for an answer at most."""

FIRST_WAIT = 0.5
"""Seconds until a client is asked for the first time what is wrong with its connections."""

Answer = TypeVar("Answer")


class ClusterError(StreamcliError):
    """What a cluster, or librdkafka, has said. reason: the KafkaError; status: of what that is here."""

    def __init__(self, message: str, reason: Any, status: int) -> None:
        self.reason = reason
        self.status = status
        super().__init__(message)


class Heard:
    """The newest error of its connections that librdkafka has told of: why no answer came. None: no error since the last answer."""

    def __init__(self) -> None:
        self.error: Any = None

    def take(self, error: Any) -> None:
        if error.code() != load().KafkaError._ALL_BROKERS_DOWN:  # which says not why
            self.error = error

    def is_hopeless(self) -> bool:
        """Whether trying again does not mend it."""
        return self.error is not None and self.error.code() in _refused(load().KafkaError)


class Connection(NamedTuple):
    """A cluster, and the properties of librdkafka that the user gave for it. timeout: seconds to wait for an answer."""

    url: KafkaUrl
    properties: dict[str, str]
    timeout: float
    heard: Heard

    def settings(self, **ours: Any) -> dict[str, Any]:
        """The properties of a client: what the user gave counts more than our defaults, and less than `ours`, which a promise
        stands on; names in `ours` have _ for a dot."""
        return {
            "bootstrap.servers": self.url.servers,
            "client.id": CLIENT_ID,
            "log_level": 2,  # it would log to standard error in words of its own
            **self.properties,
            **{name.replace("_", "."): value for name, value in ours.items()},
        }


def check_installed() -> None:
    """StreamcliError unless the package confluent_kafka is there, which is not imported for that."""
    if find_spec("confluent_kafka") is None:
        load()


def load() -> ModuleType:
    """The package confluent_kafka; StreamcliError when it is not installed."""
    try:
        import confluent_kafka
    except ImportError as error:
        raise StreamcliError(
            f"kafka:// needs the package confluent-kafka ({error}): install streamcli[kafka]"
        ) from None
    return confluent_kafka


@contextmanager
def told(connection: Connection, doing: str) -> Iterator[None]:
    """What librdkafka raises in the block as errors of ours. doing: what was to be done, as in `cannot DOING`."""
    try:
        yield
    except Exception as error:
        reason = reason_of(error)
        if reason is None:
            raise
        raise as_error(reason, connection, doing) from None


def reason_of(error: Exception) -> Any:
    """The KafkaError in a KafkaException, None in others. confluent_kafka is not imported to tell: who raises its exception has
    done that."""
    kafka = sys.modules.get("confluent_kafka")
    return error.args[0] if kafka is not None and isinstance(error, kafka.KafkaException) else None


def asked(client: Any, connection: Connection, doing: str, ask: Callable[[float], Answer]) -> Answer:
    """What `ask` returns, which gets the seconds that it may take. What trying again does not mend ends it early.

    The client has nothing assigned: to hear what is wrong it is polled.
    """
    deadline, patience = time.monotonic() + connection.timeout, FIRST_WAIT
    while True:
        left = deadline - time.monotonic()
        try:
            answer = ask(max(min(patience, left), 0.001))
        except Exception as error:
            reason = reason_of(error)
            if reason is None:
                raise
            client.poll(0)
            is_silent = reason.code() in _silent(load().KafkaError)
            if patience >= left or connection.heard.is_hopeless() or not is_silent:
                raise as_error(reason, connection, doing) from None
        else:
            connection.heard.error = None
            return answer
        patience *= 2


def bad_property(reason: str) -> UsageError:
    """The error for a property that librdkafka does not take. It repeats values of numbers and choices, and no secret."""
    return UsageError(f"{reason.strip()} (a property of librdkafka): see -X and --properties")


def as_error(error: Any, connection: Connection, doing: str) -> StreamcliError:
    """A KafkaError in our words. Messages of librdkafka name properties, and no value of one that holds a secret."""
    code = load().KafkaError
    if error.code() == code._INVALID_ARG:
        return bad_property(error.str())
    heard = connection.heard.error
    cause = heard if heard is not None and error.code() in _silent(code) else error
    reason = (cause.str() or cause.name()).partition(" (after ")[0]
    status, remedy = _status_and_remedy(cause.code())
    return ClusterError(f"cannot {doing}: {reason} ({connection.url}): {remedy}", error, status)


def is_gone(error: Any) -> bool:
    """Whether it says that there is no such topic, partition or group."""
    names = load().KafkaError
    gone = (
        names.UNKNOWN_TOPIC_OR_PART,
        names.GROUP_ID_NOT_FOUND,
        names._UNKNOWN_TOPIC,
        names._UNKNOWN_PARTITION,
    )
    return error.code() in gone


def refused_part(error: Any, connection: Connection, doing: str) -> ClusterError | None:
    """Why one part of an answer is missing, where the cluster says so; None where that is gone meanwhile. ClusterError is raised where
    no answer came: then all parts will be missing."""
    if is_gone(error):
        return None
    told = as_error(error, connection, doing)
    if error.code() < 0 or not isinstance(told, ClusterError):
        raise told
    return told


def _silent(code: Any) -> tuple[int, ...]:
    """That no answer came, and not why."""
    return (code._TRANSPORT, code._TIMED_OUT, code._ALL_BROKERS_DOWN)


def _refused(code: Any) -> tuple[int, ...]:
    """That there is no connection for this user."""
    return (code._AUTHENTICATION, code._SSL, code.SASL_AUTHENTICATION_FAILED)


def _status_and_remedy(code: int) -> tuple[int, str]:
    """By the number of an error: librdkafka's own are negative, the brokers' positive."""
    names = load().KafkaError
    if code in _refused(names):
        return StreamcliError.status, "see security.protocol, sasl.* and ssl.* of librdkafka, for --properties"
    if code < 0:
        return StreamcliError.status, "is the cluster up, and are its address and security.protocol right?"
    if code == names.UNKNOWN_TOPIC_OR_PART:
        return NotFound.status, "see `streamcli topics list`"
    denied = (names.TOPIC_AUTHORIZATION_FAILED, names.GROUP_AUTHORIZATION_FAILED, names.CLUSTER_AUTHORIZATION_FAILED)
    if code in denied:
        return StreamcliError.status, "ask those who run the cluster for an ACL"
    asked_wrong = {
        names.INVALID_CONFIG: "see the topic configs of Apache Kafka",
        names.INVALID_REPLICATION_FACTOR: "use --replication-factor, with no more than there are brokers",
        names.INVALID_PARTITIONS: "use another number of partitions",
        names.TOPIC_EXCEPTION: "use another name",
        names.POLICY_VIOLATION: "ask those who run the cluster what may be had",
    }
    if code in asked_wrong:
        return UsageError.status, asked_wrong[code]
    return StreamcliError.status, "the brokers' logs may say more"

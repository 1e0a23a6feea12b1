"""Errors that pass by themselves, and waiting for that.

While the leader of a partition or the coordinator of a group moves, or is not ready yet after that, brokers refuse what they are
asked. librdkafka asks again by itself where it fetches, produces and commits; for offsets, groups and topics the refusal goes to who
asked.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

from streamcli.kafka.connection import load

NOTHING_DONE = frozenset((6, 14, 16))
"""NOT_LEADER_OR_FOLLOWER, COORDINATOR_LOAD_IN_PROGRESS, NOT_COORDINATOR, by their numbers in Kafka's protocol: the broker that was asked
is not the one to do it."""

PASSING = NOTHING_DONE | frozenset((5, 8, 9, 15, 56, 74, 75, 78, 83, -195, -156, -137))
"""The same of questions that change nothing: LEADER_NOT_AVAILABLE, BROKER_NOT_AVAILABLE, REPLICA_NOT_AVAILABLE,
COORDINATOR_NOT_AVAILABLE, KAFKA_STORAGE_ERROR, FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH, OFFSET_NOT_AVAILABLE,
ELIGIBLE_LEADERS_NOT_AVAILABLE; of librdkafka that the connection to the broker ended before the answer (two of them), and that no
partition asked about has a leader."""

_LATE = frozenset((-185, -178))
"""Of librdkafka: that there was no answer in time, and that the answer is still to come."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 0.5
"""Seconds between two questions: each pause is twice the one before."""

Answer = TypeVar("Answer")


def is_passing(error: Any) -> bool:
    """Whether a KafkaError says that the same question may have an answer soon. Of None: False."""
    return error is not None and error.code() in PASSING


def is_late(error: Any) -> bool:
    """Whether a KafkaError, or None, says only that there was no answer in the time there was: of what was refused before, that is why."""
    return error is not None and error.code() in _LATE


def no_answer() -> Any:
    """The KafkaError for that."""
    errors = load().KafkaError
    return errors(errors._TRANSPORT)


def never() -> bool:
    return False


class Patience:
    """For so many seconds from the first pause on. is_over: asked before each pause whether nobody waits for the answer any more."""

    def __init__(self, seconds: float, is_over: Callable[[], bool] = never) -> None:
        self._seconds = seconds
        self._deadline: float | None = None
        self._is_over = is_over
        self._pause = _FIRST_PAUSE

    @property
    def left(self) -> float:
        """Seconds."""
        return self._seconds if self._deadline is None else max(0.0, self._deadline - time.monotonic())

    def pause(self) -> bool:
        """Sleep before asking again; False, at once, when the time is over."""
        if self._deadline is None:
            self._deadline = time.monotonic() + self._seconds
        left = self.left
        if not left or self._is_over():
            return False
        time.sleep(min(self._pause, left))
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)
        return True

    def settled(self, ask: Callable[[float], Answer], error: Callable[[Answer], Any]) -> Answer:
        """What `ask` returns, which gets the seconds that it may take, asked again while the error in it passes. error: the KafkaError,
        or None."""
        refused: Answer | None = None
        while is_passing(error(answer := ask(max(self.left, _FIRST_PAUSE)))) and self.pause():
            refused = answer
        return answer if refused is None or not is_late(error(answer)) else refused

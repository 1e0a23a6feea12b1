"""Errors that pass by themselves, and waiting for that.

While the leader of a partition or the coordinator of a group moves, or is not ready yet after that, a broker refuses what it is
asked, and has done nothing. librdkafka asks again by itself where it fetches, produces and commits; for offsets, groups and topics
the refusal goes to who asked.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

_PASSING = frozenset((5, 6, 8, 9, 14, 15, 16, 41, 56, 74, 75, 78, 83))
"""By their numbers in Kafka's protocol: LEADER_NOT_AVAILABLE, NOT_LEADER_OR_FOLLOWER, BROKER_NOT_AVAILABLE, REPLICA_NOT_AVAILABLE,
COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE, NOT_COORDINATOR, NOT_CONTROLLER, KAFKA_STORAGE_ERROR, FENCED_LEADER_EPOCH,
UNKNOWN_LEADER_EPOCH, OFFSET_NOT_AVAILABLE, ELIGIBLE_LEADERS_NOT_AVAILABLE."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 0.5
"""Seconds between two questions: each pause is twice the one before."""

Answer = TypeVar("Answer")


def is_passing(error: Any) -> bool:
    """Whether a KafkaError says that the same may be had soon, and that nothing was done. Of None: False."""
    return error is not None and error.code() in _PASSING


class Patience:
    """For so many seconds from now."""

    def __init__(self, seconds: float) -> None:
        self._deadline = time.monotonic() + seconds
        self._pause = _FIRST_PAUSE

    def pause(self) -> bool:
        """Sleep before asking again; False, at once, when the time is over."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            return False
        time.sleep(min(self._pause, left))
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)
        return True

    def settled(self, ask: Callable[[], Answer], error: Callable[[Answer], Any]) -> Answer:
        """What `ask` returns, asked again while the error in it passes. error: the KafkaError, or None."""
        while is_passing(error(answer := ask())) and self.pause():
            pass
        return answer

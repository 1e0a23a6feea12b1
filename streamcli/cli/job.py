"""A delivery to a command, and the runs of the command that it takes."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import NamedTuple

from streamcli.cli.intake import Delivery
from streamcli.cli.run_command import RunningCommand

LONGEST_BACKOFF = 300.0
"""Seconds that a pause before a retry grows to at most."""

_LONGEST_KEY = 64 << 10
_VARIABLES = ("TOPIC", "PARTITION", "OFFSET", "LAST_OFFSET", "KEY", "ATTEMPT", "DIR", "URL")


class CommandOptions(NamedTuple):
    """argv; batch: records at most in one run (None: what is there); linger, backoff, timeout: seconds; jobs: runs at once;
    retries: after the first attempt; dead_letter: the topic for what fails for good, None to stop there."""

    argv: list[str]
    batch: int | None
    linger: float
    each: bool
    jobs: int
    retries: int
    backoff: float
    timeout: float | None
    dead_letter: str | None

    @property
    def most(self) -> int | None:
        """Records at most in one run, None for no limit."""
        return 1 if self.each else self.batch

    def pause(self, attempt: int) -> float:
        """Seconds from an attempt, counted from 1, to the next."""
        return min(self.backoff * 2.0 ** min(attempt - 1, 30), max(self.backoff, LONGEST_BACKOFF))


class Job:
    """A delivery and its runs, one after the other. `attempt`: runs started; `retry_at`: when the next one is due."""

    def __init__(self, delivery: Delivery) -> None:
        self.delivery = delivery
        self.attempt = 0
        self.retry_at: float | None = None
        self.running: RunningCommand | None = None

    @property
    def is_started(self) -> bool:
        return self.attempt > 0

    def start(self, options: CommandOptions, where: dict[bytes, bytes], before: Callable[[], None] | None) -> None:
        self.attempt += 1
        self.retry_at = None
        environment = self._environment(options, where)
        self.running = RunningCommand(options.argv, self.delivery.data(), environment, options.timeout, before)

    def describe(self) -> str:
        source, delivery = self.delivery.source, self.delivery
        first, last = delivery.first_offset, delivery.last_offset
        offsets = f"offset {first}" if first == last else f"offsets {first} to {last}"
        return f"{source.topic}, partition {source.partition}, {offsets}"

    def _environment(self, options: CommandOptions, where: dict[bytes, bytes]) -> dict[bytes, bytes]:
        """Our environment, and what the command is told of its records."""
        ours = {b"STREAMCLI_" + name.encode() for name in _VARIABLES}
        environment = {name: value for name, value in os.environb.items() if name not in ours}
        delivery = self.delivery
        environment |= {
            **where,
            b"STREAMCLI_TOPIC": delivery.source.topic.encode(),
            b"STREAMCLI_PARTITION": b"%d" % delivery.source.partition,
            b"STREAMCLI_OFFSET": b"%d" % delivery.first_offset,
            b"STREAMCLI_LAST_OFFSET": b"%d" % delivery.last_offset,
            b"STREAMCLI_ATTEMPT": b"%d" % self.attempt,
        }
        key = delivery.batches[0].batch.keys()[0] if options.each else None
        if key is not None and b"\0" not in key and len(key) <= _LONGEST_KEY:
            environment[b"STREAMCLI_KEY"] = key
        return environment

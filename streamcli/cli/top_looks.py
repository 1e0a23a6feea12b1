"""How top looks: at a log directory at once; at a cluster beside what else it does, for that may not answer for long."""

from __future__ import annotations

import time
from typing import Protocol

from streamcli.engine.activity import Look, Observer


class Looks(Protocol):
    """Takes a look after the other. descriptor: can be read when a look may be done, None where that is at once, another one after
    `start`; cost: seconds of processor time that the last one took; away: why no answer came to the last one, empty where one did."""

    @property
    def descriptor(self) -> int | None: ...

    @property
    def cost(self) -> float: ...

    @property
    def away(self) -> str: ...

    def first(self) -> Look:
        """A look, waited for. StreamcliError where none can be had."""

    def start(self) -> None:
        """Look, unless the last look is not done yet."""

    def take(self) -> Look | None:
        """The look that is done since, None without. StreamcliError where it is of no use to look again."""

    def silence(self) -> str:
        """Since when nothing is answered, and why, for a person; empty where answers come."""

    def close(self) -> None: ...


class LooksAtOnce:
    """See Looks: at a log directory."""

    descriptor = None
    away = ""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._found: Look | None = None
        self.cost = 0.0

    def first(self) -> Look:
        return self._observer.look(time.monotonic())

    def start(self) -> None:
        started = time.process_time()
        self._found = self._observer.look(time.monotonic())
        self.cost = time.process_time() - started

    def take(self) -> Look | None:
        found, self._found = self._found, None
        return found

    def silence(self) -> str:
        return ""

    def close(self) -> None:
        return  # nothing is open

"""Looking at a cluster for top, in another process.

Keys and signals are heard while no answer comes, and a screen that is to tell of a cluster that goes away does not go with it:
asking about groups may abort the process that asks then (a fault of librdkafka 2.16, its issue 4605). Another is begun after it.
"""

from __future__ import annotations

import os
import pickle
import resource
import select
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from streamcli.cli.fork import SIZE, Fork, write_answer
from streamcli.cli.main import reason_of
from streamcli.engine.activity import Look, Observer
from streamcli.record.errors import NotFound, StreamcliError

_PATIENCE = 3.0
"""Seconds that an answer may take before it is told that none comes."""


class LooksBeside:
    """See top_looks.Looks. observe: makes what looks, in the other process."""

    def __init__(self, observe: Callable[[], Observer]) -> None:
        self._observe = observe
        self._process: _Process | None = None
        self._is_asked = False
        self._asked = 0.0
        self._unanswered: float | None = None
        """When the first look began that no answer came to since the last answer."""
        self.cost = 0.0
        self.away = ""

    @property
    def descriptor(self) -> int | None:
        return None if self._process is None else self._process.answers

    def first(self) -> Look:
        self.start()
        while True:
            if self._process is None:
                raise StreamcliError(self.away)
            select.select([self._process.answers], [], [])
            found = self._received()
            if isinstance(found, StreamcliError):
                raise found
            if found is not None:
                self.away = ""
                return found

    def start(self) -> None:
        if self._is_asked:
            return
        self._asked = time.monotonic()
        if self._unanswered is None:
            self._unanswered = self._asked
        if self._process is None:
            try:
                self._process = _Process(self._observe)
            except OSError as error:
                self.away = (
                    f"there can be no other process to ask with ({error.strerror}): see `ulimit -u`, or use --once"
                )
                return
        self._process.ask()
        self._is_asked = True

    def take(self) -> Look | None:
        found = self._received()
        if isinstance(found, NotFound):
            raise found
        if isinstance(found, StreamcliError):
            self.away = str(found)
            return None
        if found is not None:
            self.away = ""
        return found

    def silence(self) -> str:
        now = time.monotonic()
        if self._unanswered is None or not (self.away or (self._is_asked and now - self._asked >= _PATIENCE)):
            return ""
        return f"no answer for {now - self._unanswered:.0f}s" + (f": {self.away}" if self.away else "")

    def close(self) -> None:
        if self._process is not None:
            self._process.end()
            self._process = None

    def _received(self) -> Look | StreamcliError | None:
        """What came of the last look; None while nothing has."""
        if self._process is None:
            return None
        try:
            answer = self._process.answer()
        except EOFError:
            self.close()
            self._is_asked = False
            return StreamcliError("the process that asked has died: see LOOKING ON in streamcli-kafka(7)")
        if answer is None:
            return None
        self._is_asked, self.cost = False, answer.cost
        if answer.look is not None:
            self._unanswered = None
            return answer.look
        if answer.status is None:
            raise RuntimeError(answer.error)
        error = NotFound(answer.error) if answer.status == NotFound.status else StreamcliError(answer.error)
        error.status = answer.status
        return error


class _Answer(NamedTuple):
    """look: None where there is an error instead, with the exit status of a command that meets it, or None for a fault of ours.
    cost: seconds of processor time."""

    look: Look | None
    error: str
    status: int | None
    cost: float


class _Process:
    """A fork that looks each time it is asked to. It ends with this process, at the latest when its look is done. OSError where there
    can be none."""

    def __init__(self, observe: Callable[[], Observer]) -> None:
        self._fork = Fork(lambda asked, answer: _serve(observe, asked, answer))
        os.set_blocking(self.answers, False)
        self._read = bytearray()

    @property
    def answers(self) -> int:
        """Can be read once there is something of an answer."""
        return self._fork.answers

    def ask(self) -> None:
        """Have it look."""
        with suppress(BrokenPipeError):  # then `answer` tells
            os.write(self._fork.ask, b".")

    def answer(self) -> _Answer | None:
        """The answer, once all of it is there. EOFError where it has died."""
        with suppress(BlockingIOError):
            while piece := os.read(self.answers, 1 << 16):
                self._read += piece
                if len(self._read) >= SIZE.size and len(self._read) == SIZE.size + SIZE.unpack_from(self._read)[0]:
                    found: _Answer = pickle.loads(self._read[SIZE.size :])  # of our own process
                    self._read.clear()
                    return found
            raise EOFError
        return None

    def end(self) -> None:
        """At once: it has nothing in hand."""
        self._fork.kill()


def _serve(observe: Callable[[], Observer], asked: int, answer: int) -> None:
    """The other process's part. What librdkafka says of itself before it aborts is for nobody."""
    while os.open(os.devnull, os.O_RDWR) < 2:
        pass
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    observer = None
    while os.read(asked, 1):
        started, look, error, status = time.process_time(), None, "", None
        try:
            observer = observer or observe()
            look = observer.look(time.monotonic())
            look.left_out = {name: StreamcliError(reason_of(why)) for name, why in look.left_out.items()}
        except StreamcliError as why:
            error, status = str(why), why.status
        except Exception:  # noqa: BLE001  # raised where it is seen
            error = traceback.format_exc()
        write_answer(answer, pickle.dumps(_Answer(look, error, status, time.process_time() - started)))

"""The process that looks for top, and how long no answer came from it."""

from __future__ import annotations

import errno
import os
import select
import signal
import time
from collections.abc import Iterator

import pytest

from streamcli.cli.looks_beside import LooksBeside
from streamcli.engine.activity import Look
from streamcli.record.errors import StreamcliError
from tests.support.waiting import DEADLINE, wait_until


class Silent:
    """Answers once, and then no more."""

    def __init__(self) -> None:
        self._looks = iter([Look(1.0)])

    def look(self, _: float) -> Look:
        for look in self._looks:
            return look
        select.poll().poll(DEADLINE * 1000)
        raise AssertionError

    def look_twice(self, *_: object) -> tuple[Look, Look]:
        raise AssertionError


@pytest.fixture
def looks() -> Iterator[LooksBeside]:
    beside = LooksBeside(Silent)
    yield beside
    beside.close()


def test_a_silence_begins_where_it_was_asked_and_not_at_the_answer_before(
    looks: LooksBeside, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    assert looks.first().time == 1.0
    now += 600  # it was not asked: paused, or by a long interval
    looks.start()
    assert looks.silence() == ""
    now += 5
    looks.start()
    assert looks.take() is None
    assert looks.silence() == "no answer for 5s"


def test_where_no_other_process_can_be_had_another_is_tried(
    looks: LooksBeside, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> int:
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    before = set(os.listdir("/dev/fd"))
    with monkeypatch.context() as limit:
        limit.setattr(os, "fork", refuse)
        with pytest.raises(StreamcliError, match=r"no other process to ask with \(Resource temporarily unavailable\)"):
            looks.first()
    assert set(os.listdir("/dev/fd")) <= before
    assert looks.first().time == 1.0
    looks.start()
    assert looks._process is not None
    os.kill(looks._process._fork.pid, signal.SIGABRT)
    wait_until(lambda: looks.take() or looks.away, "its end")
    with monkeypatch.context() as limit:
        limit.setattr(os, "fork", refuse)
        looks.start()
        assert "no other process to ask with" in looks.silence()
    looks.start()
    assert wait_until(looks.take, "an answer of another one").time == 1.0
    assert looks.silence() == ""

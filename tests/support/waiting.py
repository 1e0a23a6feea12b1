"""Waiting for a condition, never for a time."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable
from typing import IO, Any

DEADLINE = 60.0
"""Seconds after which a condition counts as never to come; far above what a slow machine needs."""


def wait_until(condition: Callable[[], Any], what: str, deadline: float = DEADLINE) -> Any:
    """Look again until `condition()` is true, and return what it gave; AssertionError after `deadline` seconds."""
    end = time.monotonic() + deadline
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < end, f"waited {deadline:g} s for {what}"
        select.poll().poll(5)


def read_until(stream: IO[bytes], enough: Callable[[bytes], bool], deadline: float = DEADLINE) -> bytes:
    """Read what comes until `enough` of it came, or its end; AssertionError after `deadline` seconds."""
    end = time.monotonic() + deadline
    found = b""
    while not enough(found):
        assert is_ready(stream.fileno(), max(0, end - time.monotonic())), (
            f"waited {deadline:g} s, and got only {found!r}"
        )
        piece = os.read(stream.fileno(), 1 << 16)
        if not piece:
            break
        found += piece
    return found


def read_lines(stream: IO[bytes], count: int, deadline: float = DEADLINE) -> list[bytes]:
    """The next `count` lines, without their newlines, and whatever came with them."""
    return read_until(stream, lambda found: found.count(b"\n") >= count, deadline).splitlines()


def read_now(stream: IO[bytes]) -> bytes:
    """What is there to read, or comes in a moment; nothing, where nothing is."""
    return os.read(stream.fileno(), 1 << 16) if is_ready(stream.fileno(), 0.05) else b""


def is_ready(fd: int, seconds: float) -> bool:
    """Wait until `fd` can be read, or is at its end; False when that did not come. Any descriptor will do: select(2) takes
    none of 1024 and up."""
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(seconds * 1000))

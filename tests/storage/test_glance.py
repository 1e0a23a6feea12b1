"""Looking at a log again and again: the same as a look into it each time, whatever happened meanwhile."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from streamcli.storage.glance import Glances
from streamcli.storage.log import Log
from tests.support.command import ok

SMALL = ("-c", "segment.bytes=8K")


def agrees(glances: Glances) -> bool:
    state = glances.look()
    summary = Log(glances.directory).summary()
    return (state.start, state.end, state.size) == (summary.start, summary.end, summary.size)


def appended() -> None:
    """300 records of which each of three keys has some, in three segments."""
    for _ in range(3):
        ok("produce", "t", "-K", ":", stdin=b"".join(b"k%d:%0100d\n" % (n % 3, n) for n in range(100)))


CHANGES: dict[str, Callable[[], object]] = {
    "nothing": lambda: None,
    "an append": lambda: ok("produce", "t", "-k", "k", stdin=b"1\n"),
    "segments": appended,
    "a trim": lambda: ok("topics", "trim", "t", "--before", "350"),
    "compaction": lambda: (ok("topics", "alter", "t", "--compact"), ok("topics", "clean")),
}


@pytest.mark.parametrize("is_old", [False, True], ids=["at once", "later"])
def test_it_agrees_with_a_look_into_the_log(is_old: bool, log_directory: Path) -> None:
    ok("topics", "create", "t", *SMALL)
    appended()
    partition = log_directory / "topics" / "t" / "0"
    glances = Glances(str(partition))
    for name, change in CHANGES.items():
        if is_old:  # the directory's time is that of long ago, so it is believed
            os.utime(partition, (1, 1))
            assert agrees(glances), name
        change()
        assert agrees(glances), name
        assert agrees(glances), name


def test_what_was_written_is_counted_over_segments_and_beside_removal(log_directory: Path) -> None:
    ok("topics", "create", "t", *SMALL)
    glances = Glances(str(log_directory / "topics" / "t" / "0"))
    assert glances.look().written == 0
    appended()
    first = glances.look()
    assert first.written == first.size > 30_000
    ok("topics", "trim", "t", "--before", "200")
    assert glances.look().size < first.size
    appended()
    assert glances.look().written == 2 * first.size


def test_a_log_that_is_gone() -> None:
    ok("topics", "create", "t")
    glances = Glances(os.path.join(os.environ["STREAMCLI_DIR"], "topics", "t", "0"))
    glances.look()
    ok("topics", "delete", "t", "-y")
    with pytest.raises(FileNotFoundError):
        glances.look()

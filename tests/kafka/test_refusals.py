"""What is refused on a cluster beside what is refused on a log directory too: with which status, and in which words."""

from __future__ import annotations

from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition

from tests.support.command import finish, ok, refused, started
from tests.support.deliveries import numbers
from tests.support.groups import owners
from tests.support.waiting import read_lines, wait_until


def test_what_is_not_there(t: str) -> None:
    ok("topics", "create", t)
    for status, words, said in (
        (4, ("topics", "describe", f"{t}-*"), f"no topic matches '{t}-*'"),
        (4, ("topics", "trim", t, "-p", "9", "--before", "end"), "has no partition 9"),
        (2, ("topics", "alter", t, "--unset", "nonsense"), "no such topic config: nonsense"),
        (2, ("topics", "list", "-X", "no.such=1"), '"no.such"'),
        (2, ("consume", t, "-X", "fetch.max.bytes=-1"), "fetch.max.bytes"),
    ):
        assert said in refused(status, *words)


def test_a_commit_after_the_end(kafka: str, t: str, g: str) -> None:
    """As after records were lost; we commit no such thing, others may."""
    ok("produce", t, stdin=numbers(0, 3))
    other = Consumer({"bootstrap.servers": kafka, "group.id": g})
    other.commit(offsets=[TopicPartition(t, 0, 99)], asynchronous=False)
    other.close()
    assert "the committed offset 99 is after the end of the log" in refused(5, "consume", t, "-g", g)


def test_a_group_that_has_members_and_no_commits(t: str, g: str) -> None:
    ok("produce", t, stdin=b"1\n")
    with started("consume", t, "-g", g, "-f", "--commit", "none") as member:
        assert read_lines(member.stdout, 1) == [b"1"]
        assert "has no commits: name the topics to reset" in refused(4, "groups", "reset", g, "--to", "end")


def test_a_group_that_takes_nobody_in(t: str, g: str) -> None:
    """A member of an eager assignor gives up all it has before another one joins, and that takes as long as its command."""
    ok("produce", t, stdin=b"1\n")
    flags = ("-g", g, "-X", "partition.assignment.strategy=range", "-X", "heartbeat.interval.ms=300")
    script = "touch at-work; until [ -e go ]; do sleep 0.05; done"
    with started("consume", t, *flags, "-f", "-n", "1", "--", "sh", "-c", script) as member:
        wait_until(Path("at-work").exists, "the command")
        wait_until(lambda: owners(g), "the member's assignment")
        assert "did not take this member in" in refused(1, "consume", t, *flags, "--lock-timeout", "4s")
        Path("go").touch()
        assert finish(member).status == 0


def test_a_library_that_cannot_be_called(t: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "confluent_kafka"
    package.mkdir()
    (package / "__init__.py").touch()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert "install its wheel, with streamcli[kafka]" in refused(1, "produce", t, stdin=b"x\n")

"""topics alter: config and more partitions, at once or not at all, beside those who work on the topic."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import finish, ok, refused, run, started
from tests.support.restricted import restricted
from tests.support.tree import contents
from tests.support.waiting import read_lines, wait_until


def described(topic: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(ok("topics", "describe", topic, "--json"))
    return found


def settings(topic: str) -> dict[str, Any]:
    """What was set, and is not left at its default."""
    found = described(topic)
    return {name: found["config"][name] for name in found["set"]}


def test_setting_and_unsetting() -> None:
    ok("topics", "create", "t", "--retention", "7d", "--segment-bytes", "64K")
    ok("topics", "alter", "t", "-c", "cleanup.policy=delete,compact", "--segment-age", "1d", "--unset", "segment.bytes")
    set_now = {"retention.ms": 604_800_000, "cleanup.policy": "compact,delete", "segment.ms": 86_400_000}
    assert settings("t") == set_now
    ok("topics", "alter", "t", "--retention=unlimited", "--compact", "--unset", "segment.ms")
    assert settings("t") == {"retention.ms": -1, "cleanup.policy": "compact"}


def test_what_it_tells(log_directory: Path) -> None:
    ok("topics", "create", "t", "-c", "segment.ms=7d")
    told = run("topics", "alter", "t", "-p", "2", "--retention", "7d", "--unset", "segment.ms", "-v")
    assert (told.status, told.out) == (0, b"")
    assert told.err == "topic t: partitions 1 -> 2, retention.ms unlimited -> 7d, segment.ms 7d, the default now\n"
    config = log_directory / "topics" / "t" / "config.json"
    before = config.stat()
    told = run("topics", "alter", "t", "-p", "2", "--retention", "168h")
    assert (told.status, told.out) == (0, b"")
    assert "nothing was changed" in told.err
    assert (config.stat().st_ino, config.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


REFUSED = [
    ("cannot have fewer", ["-p", "1"]),
    ("number of partitions", ["-p", "10001"]),
    ("bad segment.bytes", ["-p", "3", "--segment-bytes", "1"]),
    ("no such topic config: segment.byte", ["--unset", "segment.byte"]),
    ("at once", ["--retention", "7d", "--unset", "retention.ms"]),
    ("given twice", ["--compact", "-c", "cleanup.policy=delete"]),
    ("nothing to alter", []),
]


def test_what_is_refused_changes_nothing(log_directory: Path) -> None:
    ok("topics", "create", "t", "-p", "2")
    before = contents(log_directory)
    for named, flags in REFUSED:
        assert named in refused(2, "topics", "alter", "t", *flags)
        assert contents(log_directory) == before


def test_a_topic_that_is_not_there(log_directory: Path) -> None:
    refused(4, "topics", "alter", "t", "-p", "2")
    assert not log_directory.exists()
    ok("topics", "create", "u")
    before = contents(log_directory)
    refused(4, "topics", "alter", "t", "-p", "2")
    refused(2, "topics", "alter", "a/b", "-p", "2")
    assert contents(log_directory) == before


def test_more_partitions() -> None:
    ok("topics", "create", "t")
    ok("topics", "alter", "t", "-p", "4")
    ok("topics", "create", "like", "-p", "4")
    lines = b"".join(b"%d:x\n" % number for number in range(100))
    placed = []
    for topic in ("t", "like"):
        ok("produce", topic, "-K", ":", stdin=lines)
        placed.append(sorted(ok("consume", topic, "-F", "%p %k\\n").splitlines()))
    assert placed[0] == placed[1]
    assert {line[:1] for line in placed[0]} == {b"0", b"1", b"2", b"3"}


def as_if_killed(log_directory: Path, partitions: int) -> None:
    """The topic t, as an alter leaves it that dies before the config is replaced."""
    ok("topics", "create", "t", "-p", str(partitions))
    config = log_directory / "topics" / "t" / "config.json"
    config.write_text(config.read_text().replace(f'"partitions": {partitions}', '"partitions": 1'))
    (log_directory / "topics" / "t" / "+9.0123456789ab").mkdir()


def test_partitions_that_the_config_does_not_know_yet(log_directory: Path) -> None:
    as_if_killed(log_directory, 3)
    ok("produce", "t", stdin=b"x\n" * 5)
    ok("verify")
    ok("repair")
    assert [each["log_end_offset"] for each in described("t")["partitions"]] == [5]
    ok("topics", "alter", "t", "-p", "5")
    assert [each["log_end_offset"] for each in described("t")["partitions"]] == [5, 0, 0, 0, 0]
    ok("verify")
    assert sorted(path.name for path in (log_directory / "topics" / "t").iterdir()) == [
        "0",
        "1",
        "2",
        "3",
        "4",
        "config.json",
    ]


def test_partitions_with_records_that_the_config_does_not_know_are_a_problem(log_directory: Path) -> None:
    ok("topics", "create", "t", "-p", "2")
    ok("produce", "t", "-p", "1", stdin=b"x\n")
    config = log_directory / "topics" / "t" / "config.json"
    config.write_text(config.read_text().replace('"partitions": 2', '"partitions": 1'))
    result = run("verify")
    assert result.status == 6
    assert "partition 1" in result.err + result.out.decode()
    ok("topics", "alter", "t", "-p", "2")
    assert ok("consume", "t") == b"x\n"


def test_a_config_that_cannot_be_written(log_directory: Path) -> None:
    ok("topics", "create", "t", "-c", "message.timestamp.type=LogAppendTime", "-c", "cleanup.policy=compact,delete")
    before = (log_directory / "topics" / "t" / "config.json").read_bytes()
    result = run("topics", "alter", "t", "-p", "3", "--retention=7d", under=restricted(f"file-size={len(before)}"))
    assert result.status == 1
    assert (log_directory / "topics" / "t" / "config.json").read_bytes() == before
    assert len(described("t")["partitions"]) == 1
    ok("verify")
    ok("topics", "alter", "t", "-p", "3", "--retention=7d")
    assert len(described("t")["partitions"]) == 3


def test_killed_at_any_time_it_can_be_run_again(log_directory: Path) -> None:
    ok("produce", "t", stdin=b"x\n")
    topic = log_directory / "topics" / "t"
    for seen in ("+", "30"):
        with started("topics", "alter", "t", "-p", "40") as altering:
            wait_until(
                lambda seen=seen, altering=altering: (
                    altering.poll() is not None or any(path.name.startswith(seen) for path in topic.iterdir())
                ),
                "a part of it to be done",
            )
            altering.send_signal(signal.SIGKILL)
            finish(altering)
        ok("verify")
        assert len(described("t")["partitions"]) in (1, 40)
    run("topics", "alter", "t", "-p", "40")
    assert len(described("t")["partitions"]) == 40
    assert not [path for path in topic.iterdir() if path.name.startswith("+")]
    ok("verify")


@pytest.mark.parametrize(
    ("command", "under"),
    [
        (["consume", "-f", "t"], restricted("no-inotify")),
        (["consume", "-f", "t"], []),
        (["consume", "-f", "?"], []),
        (["tail", "-f", "t", "-n", "1"], []),
    ],
)
def test_who_follows_reads_new_partitions_from_their_beginning(command: list[str], under: list[str]) -> None:
    ok("produce", "t", stdin=b"old\n")
    with started(*command, under=under) as follower:
        assert read_lines(follower.stdout, 1) == [b"old"]
        ok("topics", "alter", "t", "-p", "3")
        ok("produce", "t", "-p", "2", stdin=b"two\n")
        assert read_lines(follower.stdout, 1) == [b"two"]
        ok("produce", "t", "-p", "1", stdin=b"one\n")
        ok("produce", "t", "-p", "2", stdin=b"two\n")
        assert sorted(read_lines(follower.stdout, 2)) == [b"one", b"two"]


def test_a_group_takes_new_partitions() -> None:
    ok("produce", "t", stdin=b"old\n")
    with started("consume", "-f", "t", "-g", "g") as member:
        assert read_lines(member.stdout, 1) == [b"old"]
        ok("topics", "alter", "t", "-p", "2")
        ok("produce", "t", "-p", "1", stdin=b"new\n")
        assert read_lines(member.stdout, 1) == [b"new"]


def test_who_chose_partitions_or_a_bound_gets_no_others() -> None:
    ok("produce", "t", stdin=b"1\n")
    with started("consume", "-f", "t", "-p", "0") as chosen, started("consume", "-f", "t", "-o", ":2") as bound:
        assert read_lines(chosen.stdout, 1) == read_lines(bound.stdout, 1) == [b"1"]
        ok("topics", "alter", "t", "-p", "2")
        ok("produce", "t", "-p", "1", stdin=b"other\n")
        ok("produce", "t", "-p", "0", stdin=b"2\n")
        assert read_lines(chosen.stdout, 1) == [b"2"]
        assert finish(bound).out == b"2\n"

"""consume --group: where runs resume, and what exactly is committed."""

from __future__ import annotations

import signal
from contextlib import ExitStack
from pathlib import Path

import pytest

from streamcli.groups.journal import COMMIT, RESET, Commit, Journal
from tests.cli.test_signals import shell
from tests.support.command import finish, ok, refused, run, started
from tests.support.groups import described, offsets, owners, wait_for_members
from tests.support.locks import lock_held
from tests.support.waiting import DEADLINE, read_lines, read_until, wait_until


def numbered(*numbers: int) -> bytes:
    return b"".join(b"%d\n" % number for number in numbers)


def partitioned(topic: str, *records: bytes) -> None:
    """A topic with a partition for each of the arguments."""
    ok("topics", "create", topic, "-p", str(len(records)))
    for number, data in enumerate(records):
        ok("produce", topic, "-p", str(number), stdin=data)


def test_a_run_resumes_where_the_last_one_ended() -> None:
    ok("produce", "t", stdin=numbered(1, 2, 3))
    assert ok("consume", "t", "-g", "g") == numbered(1, 2, 3)
    assert ok("consume", "t", "-g", "g") == b""
    ok("produce", "t", stdin=numbered(4))
    assert ok("consume", "t", "-g", "g") == numbered(4)
    assert ok("consume", "t", "-g", "other") == numbered(1, 2, 3, 4)
    assert refused(3, "consume", "t", "-g", "g", "--fail-empty")


def test_count_commits_exactly_what_was_printed() -> None:
    partitioned("t", numbered(*range(50)), numbered(*range(100, 150)))
    seen = []
    for count in (1, 7, 0, 42, 49):
        lines = ok("consume", "t", "-g", "g", "-n", str(count)).splitlines()
        assert len(lines) == count
        seen += lines
        assert sum(offsets("g").values()) == len(seen)
    seen += ok("consume", "t", "-g", "g").splitlines()
    assert sorted(seen, key=int) == numbered(*range(50), *range(100, 150)).splitlines()


def test_count_after_a_filter_commits_what_was_passed_over_too() -> None:
    ok("produce", "t", stdin=numbered(*range(30)))
    assert ok("consume", "t", "-g", "g", "--grep", "5", "-n", "2") == numbered(5, 15)
    assert offsets("g") == {("t", 0): 16}
    assert ok("consume", "t", "-g", "g", "--grep", "nothing") == b""
    assert offsets("g") == {("t", 0): 30}


def test_a_reader_that_leaves_takes_only_what_was_written() -> None:
    ok("produce", "t", stdin=b"".join(b"%07d\n" % number for number in range(200_000)))
    done = shell("streamcli consume t -g g | head -n 1; exit ${PIPESTATUS[0]}")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"0000000\n", b"")
    committed = offsets("g").get(("t", 0), 0)
    assert 0 < committed < 200_000  # what the pipe took, of which head read a part
    rest = ok("consume", "t", "-g", "g")
    assert int(rest[:7]) == committed
    assert len(rest) == 8 * (200_000 - committed)


def test_every_byte_that_a_reader_took_is_accounted_for() -> None:
    """The reader takes half a record more than it can use: that record comes again."""
    ok("produce", "t", stdin=b"".join(b"%07d\n" % number for number in range(500_000)))  # more than a pipe holds
    with started("consume", "t", "-g", "g", "-F", r"%s\n") as consumer:
        read_until(consumer.stdout, lambda found: len(found) >= 100)
        consumer.stdout.close()
        assert consumer.wait(DEADLINE) == 0
        assert consumer.stderr.read() == b""
    committed = offsets("g")["t", 0]
    assert 12 <= committed < 500_000
    assert int(ok("consume", "t", "-g", "g", "-n", "1")) == committed


def test_commit_none_commits_nothing() -> None:
    ok("produce", "t", stdin=numbered(1, 2))
    for _ in range(2):
        assert ok("consume", "t", "-g", "g", "--commit", "none") == numbered(1, 2)
    assert offsets("g") == {}
    ok("consume", "t", "-g", "g", "-n", "1")
    assert ok("consume", "t", "-g", "g", "--commit", "none") == numbered(2)
    assert offsets("g") == {("t", 0): 1}


def test_where_a_group_without_a_commit_begins() -> None:
    ok("produce", "t", stdin=numbered(0, 1, 2, 3))
    assert ok("consume", "t", "-g", "a", "-o", "2") == numbered(2, 3)
    assert ok("consume", "t", "-g", "b", "-o", "-1") == numbered(3)
    assert ok("consume", "t", "-g", "c", "-o", "end") == b""
    assert offsets("c") == {("t", 0): 4}
    ok("produce", "t", stdin=numbered(4))
    for group in "abc":
        assert ok("consume", "t", "-g", group, "-o", "end") == numbered(4)


def test_a_group_takes_no_stop_and_no_partition() -> None:
    ok("produce", "t", stdin=numbered(1))
    assert "leave out where to stop" in refused(2, "consume", "t", "-g", "g", "-o", ":1")
    assert "leave out -p" in refused(2, "consume", "t", "-g", "g", "-p", "0")
    assert "needs a group" in refused(2, "consume", "t", "--", "cat")
    assert "bad group name" in refused(2, "consume", "t", "-g", "a/b")
    assert refused(4, "consume", "nonsense", "-g", "g")
    assert ok("groups", "list") == b""


def test_several_topics_and_globs() -> None:
    for topic in ("log-a", "log-b", "other"):
        ok("produce", topic, stdin=topic.encode() + b"\n")
    assert ok("consume", "log-*", "-g", "g") == b"log-a\nlog-b\n"
    assert ok("consume", "other", "log-a", "-g", "g") == b"other\n"
    assert offsets("g") == {("log-a", 0): 1, ("log-b", 0): 1, ("other", 0): 1}


def test_following_picks_up_new_topics_that_match() -> None:
    ok("produce", "log-a", stdin=b"a\n")
    with started("consume", "log-*", "-g", "g", "-f") as member:
        assert read_lines(member.stdout, 1) == [b"a"]
        ok("produce", "log-b", stdin=b"b\n")
        ok("produce", "other", stdin=b"no\n")
        assert read_lines(member.stdout, 1) == [b"b"]
        ok("produce", "log-a", stdin=b"a2\n")
        assert read_lines(member.stdout, 1) == [b"a2"]
        member.terminate()
        assert finish(member) == (143, b"", "")
    assert offsets("g") == {("log-a", 0): 2, ("log-b", 0): 1}


def test_two_members_share_the_partitions_of_a_topic_that_comes_later(log_directory: Path) -> None:
    with started("consume", "log-*", "-g", "g", "-f") as one, started("consume", "log-*", "-g", "g", "-f") as two:
        wait_for_members(log_directory, "g", 2)
        partitioned("log-a", b"0\n", b"1\n", b"2\n", b"3\n")
        lines = read_lines(one.stdout, 2) + read_lines(two.stdout, 2)
        assert sorted(lines) == [b"0", b"1", b"2", b"3"]
        assert len(owners("g")) == 2


@pytest.mark.parametrize(("signum", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_commits_and_releases_at_once(log_directory: Path, signum: int, status: int) -> None:
    partitioned("t", b"a\n", b"b\n")
    with started("consume", "t", "-g", "g", "-f") as one:
        read_lines(one.stdout, 2)
        with started("consume", "t", "-g", "g", "-f") as two:
            wait_until(lambda: len(owners("g")) == 2, "two owners")
            ok("produce", "t", "-p", "0", stdin=b"c\n")
            ok("produce", "t", "-p", "1", stdin=b"d\n")
            first, second = read_lines(one.stdout, 1), read_lines(two.stdout, 1)
            assert sorted(first + second) == [b"c", b"d"]
            one.send_signal(signum)
            assert finish(one) == (status, b"", "")
            assert offsets("g")["t", 0 if first == [b"c"] else 1] == 2
            ok("produce", "t", "-p", "0", stdin=b"e\n")
            ok("produce", "t", "-p", "1", stdin=b"f\n")
            assert sorted(read_lines(two.stdout, 2)) == [b"e", b"f"]
            two.send_signal(signum)
            assert finish(two) == (status, b"", "")
    assert offsets("g") == {("t", 0): 3, ("t", 1): 3}
    assert list((log_directory / "groups" / "g" / "members").iterdir()) == []


def test_following_ends_when_idle_or_at_its_count() -> None:
    ok("produce", "t", stdin=numbered(1, 2, 3))
    assert ok("consume", "t", "-g", "g", "-f", "-n", "2") == numbered(1, 2)
    assert ok("consume", "t", "-g", "g", "-f", "--idle", "50ms") == numbered(3)
    assert offsets("g") == {("t", 0): 3}


def test_a_bounded_run_takes_what_is_free_and_does_not_wait(log_directory: Path) -> None:
    partitioned("t", b"a\n", b"b\n")
    with started("consume", "t", "-g", "g", "-f", "--commit", "none") as member:
        read_lines(member.stdout, 2)
        assert ok("consume", "t", "-g", "g") == b""
        member.kill()
        member.wait(DEADLINE)
    members = log_directory / "groups" / "g" / "members"
    assert len(list(members.iterdir())) == 1
    assert sorted(ok("consume", "t", "-g", "g").splitlines()) == [b"a", b"b"]
    assert list(members.iterdir()) == []


def test_a_bounded_run_waits_for_whoever_is_moving_the_offsets(log_directory: Path) -> None:
    """A reset that saw no member alive holds the group's lock until its offsets are in the journal."""
    ok("produce", "t", stdin=numbered(1, 2))
    ok("consume", "t", "-g", "g")
    group = log_directory / "groups" / "g"
    with ExitStack() as running:
        with lock_held(group / "lock"):
            assert "lock" in refused(7, "consume", "t", "-g", "g", "--lock-timeout", "100ms")
            assert list((group / "members").iterdir()) == []
            waiting = running.enter_context(started("consume", "t", "-g", "g"))
            wait_for_members(log_directory, "g", 1)
            journal = Journal(str(group / "commits"), str(group / "commits.lock"), DEADLINE)
            journal.append([Commit(1, RESET, "t", 0, 1, "-")])
        assert finish(waiting) == (0, numbered(2), "")


def test_a_commit_past_the_end_of_the_log_is_refused_with_a_remedy(log_directory: Path) -> None:
    """As after the log was replaced by an older copy of it."""
    ok("produce", "t", stdin=numbered(1))
    ok("consume", "t", "-g", "g")
    group = log_directory / "groups" / "g"
    journal = Journal(str(group / "commits"), str(group / "commits.lock"), DEADLINE)
    journal.append([Commit(1, COMMIT, "t", 0, 5, "1-abcdef")])
    for follow in ([], ["-f"]):
        line = refused(5, "consume", "t", "-g", "g", *follow)
        assert "committed offset 5" in line
        assert "groups reset g t --to end" in line
    ok("groups", "reset", "g", "t", "--to", "beginning")
    assert ok("consume", "t", "-g", "g") == numbered(1)


def test_a_commit_before_the_start_of_the_log_warns_with_the_number() -> None:
    ok("topics", "create", "t", "--segment-bytes", "1K")
    for number in range(8):
        ok("produce", "t", stdin=b"%0400d\n" % number)
    ok("consume", "t", "-g", "g", "-n", "1")
    start = 4
    ok("topics", "trim", "t", "--before", str(start))
    result = run("consume", "t", "-g", "g")
    assert result.status == 0
    assert result.lines() == [b"%0400d" % number for number in range(start, 8)]
    assert f"streamcli: {start - 1} records of t, partition 0, are gone since offset 1 was committed" in result.err
    assert len(result.err.splitlines()) == 1
    assert ok("consume", "t", "-g", "g") == b""
    assert described("g")[0]["lag"] == 0


@pytest.mark.parametrize("command", [(), ("--", "cat")])
def test_damage_at_the_end_is_committed_past_when_its_extent_is_known(
    log_directory: Path, command: tuple[str, ...]
) -> None:
    """The header of the batch says where it ends: the next run has no more to do with it."""
    ok("produce", "t", stdin=numbered(1, 2))
    ok("produce", "t", stdin=numbered(3, 4))
    flip(log_directory, -1)
    assert refused(6, "consume", "t", "-g", "other", "-o", "2")
    result = run("consume", "t", "-g", "g", "--skip-corrupt", *command)
    assert (result.status, result.out) == (6, numbered(1, 2))
    assert offsets("g") == {("t", 0): 4}
    ok("produce", "t", stdin=numbered(5))
    assert ok("consume", "t", "-g", "g", *command) == numbered(5)


@pytest.mark.parametrize("command", [(), ("--", "cat")])
def test_damage_at_the_end_of_unknown_extent_is_not_committed_past(
    log_directory: Path, command: tuple[str, ...]
) -> None:
    """The records after it, once it is repaired, may have any offset from there on: each run tells of it."""
    ok("produce", "t", stdin=numbered(1, 2))
    size = segment(log_directory).stat().st_size
    ok("produce", "t", stdin=numbered(3, 4))
    flip(log_directory, size + 8)
    for expected in (numbered(1, 2), b"", b""):
        result = run("consume", "t", "-g", "g", "--skip-corrupt", *command)
        assert (result.status, result.out) == (6, expected)
        assert offsets("g") == {("t", 0): 2}


def segment(log_directory: Path) -> Path:
    return log_directory / "topics" / "t" / "0" / f"{0:020d}.log"


def flip(log_directory: Path, position: int) -> None:
    """Damage one byte of the topic t."""
    data = bytearray(segment(log_directory).read_bytes())
    data[position] ^= 0xFF
    segment(log_directory).write_bytes(data)

"""consume -f, and the end that is pinned without it."""

from __future__ import annotations

import signal
import subprocess

import pytest

from tests.support.command import finish, ok, refused, started
from tests.support.restricted import restricted
from tests.support.waiting import DEADLINE, read_lines, read_now, read_until


def leave(process: subprocess.Popen[bytes]) -> None:
    """The reader of a process's standard output goes away."""
    process.stdout.close()
    process.stdout = None


WAKE = pytest.mark.parametrize("under", [[], restricted("no-inotify")], ids=["inotify", "polling"])


@WAKE
def test_what_is_there_then_what_comes(under: list[str]) -> None:
    ok("produce", "t", stdin=b"1\n2\n")
    with started("consume", "-f", "t", under=under) as follower:
        assert read_lines(follower.stdout, 2) == [b"1", b"2"]
        ok("produce", "t", stdin=b"3\n")
        assert read_lines(follower.stdout, 1) == [b"3"]
        ok("produce", "t", stdin=b"4\n5\n")
        assert read_lines(follower.stdout, 2) == [b"4", b"5"]


@WAKE
def test_a_slow_pipe_is_never_held_back(under: list[str]) -> None:
    ok("topics", "create", "t")
    with started("produce", "t") as producer, started("consume", "t", "-f", under=under) as follower:
        for line in (b"first", b"second", b"third"):
            producer.stdin.write(line + b"\n")
            assert read_lines(follower.stdout, 1) == [line]
        assert producer.poll() is None
        producer.stdin.write(b"no newline yet")
        assert finish(producer).status == 0
        assert read_lines(follower.stdout, 1) == [b"no newline yet"]


def test_a_piece_of_a_line_waits_for_its_newline() -> None:
    ok("topics", "create", "t")
    with started("produce", "t", "--offsets") as producer:
        producer.stdin.write(b"whole\nhal")
        assert read_lines(producer.stdout, 1) == [b"0 0"]
        assert ok("consume", "t") == b"whole\n"
        producer.stdin.write(b"f\n")
        assert read_lines(producer.stdout, 1) == [b"0 1"]
        assert ok("consume", "t") == b"whole\nhalf\n"


@pytest.mark.parametrize("flags", [("-o", "end"), ("-o", "-0"), ("--since", "now")])
def test_only_what_comes(flags: tuple[str, ...]) -> None:
    ok("produce", "t", "--json", stdin=b'{"value":"old","timestamp":1}\n')
    with started("consume", "-f", "t", *flags) as follower, started("produce", "t", "--offsets") as producer:
        seen = b""
        while not seen:  # it may not have looked for the end yet
            producer.stdin.write(b"new\n")
            read_lines(producer.stdout, 1)
            if follower.poll() is not None:
                break
            seen = read_now(follower.stdout)
        assert seen.startswith(b"new\n")


def test_the_last_of_the_past_then_what_comes() -> None:
    ok("produce", "t", stdin=b"1\n2\n3\n")
    with started("consume", "-f", "t", "-o", "-2") as follower:
        assert read_lines(follower.stdout, 2) == [b"2", b"3"]
        ok("produce", "t", stdin=b"4\n")
        assert read_lines(follower.stdout, 1) == [b"4"]


def test_follow_ends_at_the_stop_offset() -> None:
    ok("produce", "t", stdin=b"0\n1\n")
    with started("consume", "-f", "t", "-o", "1:3") as follower:
        assert read_lines(follower.stdout, 1) == [b"1"]
        ok("produce", "t", stdin=b"2\n3\n")
        assert finish(follower) == (0, b"2\n", "")


def test_follow_ends_after_the_count() -> None:
    ok("produce", "t", stdin=b"0\n")
    with started("consume", "-f", "t", "-n", "2", "--grep", "[02]") as follower:
        assert read_lines(follower.stdout, 1) == [b"0"]
        ok("produce", "t", stdin=b"1\n2\n0\n")
        assert finish(follower) == (0, b"2\n", "")


def test_idle_ends_following() -> None:
    ok("produce", "t", stdin=b"a\n")
    assert ok("consume", "-f", "t", "--idle", "50ms") == b"a\n"
    assert ok("consume", "-f", "t", "-o", "end", "--idle", "0") == b""
    refused(3, "consume", "-f", "t", "-o", "end", "--idle", "1ms", "--fail-empty")
    refused(2, "consume", "t", "--idle", "1s")


@WAKE
def test_a_glob_picks_up_new_topics(under: list[str]) -> None:
    ok("produce", "log-a", stdin=b"a1\n")
    with started("consume", "-f", "log-*", under=under) as follower:
        assert read_lines(follower.stdout, 1) == [b"a1"]
        ok("produce", "other", stdin=b"not this\n")
        ok("produce", "log-b", stdin=b"b1\nb2\n")
        assert read_lines(follower.stdout, 2) == [b"b1", b"b2"]
        ok("topics", "create", "log-c", "-p", "3")
        ok("produce", "log-c", "-p", "2", stdin=b"c1\n")
        assert read_lines(follower.stdout, 1) == [b"c1"]
        ok("produce", "log-a", stdin=b"a2\n")
        assert read_lines(follower.stdout, 1) == [b"a2"]


def test_a_glob_waits_for_its_first_topic() -> None:
    ok("produce", "other", stdin=b"x\n")
    with started("consume", "-f", "log-*") as follower:
        ok("produce", "log-a", stdin=b"a1\n")
        assert read_lines(follower.stdout, 1) == [b"a1"]


def test_a_glob_waits_even_for_the_log_directory() -> None:
    with started("consume", "-f", "*", "-n", "1") as follower:
        ok("produce", "t", stdin=b"first\n")
        assert finish(follower) == (0, b"first\n", "")


def test_a_topic_that_is_deleted_and_made_again_under_a_glob() -> None:
    ok("produce", "log-a", stdin=b"old\n")
    with started("consume", "-f", "log-*") as follower:
        assert read_lines(follower.stdout, 1) == [b"old"]
        ok("topics", "delete", "log-a", "-y")
        ok("produce", "log-a", stdin=b"new\n")
        assert read_lines(follower.stdout, 1) == [b"new"]


def test_following_a_topic_that_is_deleted_ends_with_an_error() -> None:
    ok("produce", "t", stdin=b"1\n")
    with started("consume", "-f", "t") as follower:
        assert read_lines(follower.stdout, 1) == [b"1"]
        ok("topics", "delete", "t", "-y")
        result = finish(follower)
        assert result.status == 4
        assert result.err.startswith("streamcli: ")


@WAKE
def test_an_idle_follower_ends_when_its_reader_goes_away(under: list[str]) -> None:
    ok("produce", "t", stdin=b"1\n")
    with started("consume", "-f", "t", under=under) as follower:
        assert read_lines(follower.stdout, 1) == [b"1"]
        leave(follower)
        assert follower.wait(DEADLINE) == 0
        assert follower.stderr.read() == b""


def test_a_follower_ends_when_its_reader_goes_away_before_anything_came() -> None:
    ok("topics", "create", "t")
    with started("consume", "-f", "t") as follower:
        leave(follower)
        assert follower.wait(DEADLINE) == 0
        assert follower.stderr.read() == b""


def test_several_partitions_are_followed() -> None:
    ok("topics", "create", "t", "-p", "3")
    with started("consume", "-f", "t", "-p", "0", "-p", "2") as follower:
        ok("produce", "t", "-p", "1", stdin=b"not this\n")
        for partition in ("2", "0", "2"):
            ok("produce", "t", "-p", partition, stdin=partition.encode() + b"\n")
            assert read_lines(follower.stdout, 1) == [partition.encode()]


def test_a_follower_goes_from_segment_to_segment() -> None:
    ok("topics", "create", "t", "--segment-bytes", "1K")
    with started("consume", "-f", "t") as follower:
        for number in range(5):
            line = b"%d" % number * 700
            ok("produce", "t", stdin=line + b"\n")
            assert read_lines(follower.stdout, 1) == [line]
    assert b'"segments":5' in ok("topics", "describe", "t", "--json")


def test_the_end_is_pinned_while_another_produces() -> None:
    """consume into a full pipe stands still; what is appended meanwhile is not printed."""
    line = b"x" * 99 + b"\n"
    ok("produce", "t", stdin=line * 60_000)
    with started("consume", "t") as consumer:
        read_until(consumer.stdout, lambda found: len(found) > 0)
        consumer.send_signal(signal.SIGSTOP)
        ok("produce", "t", stdin=b"late\n" * 1000)
        consumer.send_signal(signal.SIGCONT)
        rest = finish(consumer)
    assert rest.status == 0
    assert b"late" not in rest.out
    assert ok("consume", "t", "-o", "60000").count(b"late\n") == 1000


def test_a_topic_that_appears_while_the_follower_is_busy_is_read() -> None:
    ok("topics", "create", "log-a")
    with started("consume", "-f", "log-*") as follower:
        ok("produce", "log-a", stdin=b"first\n")
        assert read_lines(follower.stdout, 1) == [b"first"]
        follower.send_signal(signal.SIGSTOP)
        ok("produce", "log-b", stdin=b"hello\n")
        ok("produce", "log-a", stdin=b"old\n")
        follower.send_signal(signal.SIGCONT)
        assert sorted(read_lines(follower.stdout, 2)) == [b"hello", b"old"]
        follower.send_signal(signal.SIGSTOP)
        ok("topics", "delete", "log-b", "-y")
        ok("produce", "log-b", stdin=b"fresh\n")
        follower.send_signal(signal.SIGCONT)
        assert read_lines(follower.stdout, 1) == [b"fresh"]

"""consume -f: what is there, then what comes."""

from __future__ import annotations

import signal

from tests.support.command import finish, ok, refused, started
from tests.support.waiting import DEADLINE, read_lines, read_now, wait_until


def test_what_is_there_then_what_comes(t: str) -> None:
    ok("produce", t, stdin=b"1\n2\n")
    with started("consume", "-f", t) as follower, started("produce", t) as producer:
        assert read_lines(follower.stdout, 2) == [b"1", b"2"]
        for line in (b"3", b"4"):
            producer.stdin.write(line + b"\n")
            assert read_lines(follower.stdout, 1) == [line]
        producer.stdin.write(b"no newline yet")
        assert finish(producer).status == 0
        assert read_lines(follower.stdout, 1) == [b"no newline yet"]


def test_only_what_comes(t: str) -> None:
    ok("produce", t, stdin=b"old\n")
    with started("consume", "-f", t, "-o", "end") as follower, started("produce", t, "--offsets") as producer:

        def seen() -> bytes:  # nothing, as long as it has not looked for the end
            producer.stdin.write(b"new\n")
            read_lines(producer.stdout, 1)
            return read_now(follower.stdout)

        assert wait_until(seen, "a record").startswith(b"new\n")


def test_the_last_of_the_past_then_what_comes(t: str) -> None:
    ok("produce", t, stdin=b"1\n2\n3\n")
    with started("consume", "-f", t, "-o", "-2", "-n", "3") as follower:
        assert read_lines(follower.stdout, 2) == [b"2", b"3"]
        ok("produce", t, stdin=b"4\n5\n")
        assert finish(follower) == (0, b"4\n", "")


def test_following_ends_at_the_stop_offset(t: str) -> None:
    ok("produce", t, stdin=b"0\n1\n")
    with started("consume", "-f", t, "-o", "1:3") as follower:
        assert read_lines(follower.stdout, 1) == [b"1"]
        ok("produce", t, stdin=b"2\n3\n")
        assert finish(follower) == (0, b"2\n", "")


def test_idle_ends_following(t: str) -> None:
    ok("produce", t, stdin=b"a\n")
    assert ok("consume", "-f", t, "--idle", "1ms") == b"a\n"
    refused(3, "consume", "-f", t, "-o", "end", "--idle", "1ms", "--fail-empty")


def test_a_glob_picks_up_new_topics(t: str) -> None:
    with started("consume", "-f", f"{t}-*") as follower:
        ok("produce", f"{t}-a", stdin=b"a1\n")
        assert read_lines(follower.stdout, 1) == [b"a1"]
        ok("produce", f"{t}x", stdin=b"not this\n")
        ok("topics", "create", f"{t}-b", "-p", "3")
        ok("produce", f"{t}-b", "-p", "2", stdin=b"b1\nb2\n")
        assert read_lines(follower.stdout, 2) == [b"b1", b"b2"]
        ok("produce", f"{t}-a", stdin=b"a2\n")
        assert read_lines(follower.stdout, 1) == [b"a2"]


def test_new_partitions_are_followed(t: str) -> None:
    ok("produce", t, stdin=b"0\n")
    with started("consume", "-f", t) as follower:
        assert read_lines(follower.stdout, 1) == [b"0"]
        ok("topics", "alter", t, "-p", "2")
        ok("produce", t, "-p", "1", stdin=b"1\n")
        assert read_lines(follower.stdout, 1) == [b"1"]


def test_chosen_partitions_are_followed(t: str) -> None:
    ok("topics", "create", t, "-p", "3")
    with started("consume", "-f", t, "-p", "0", "-p", "2") as follower:
        for partition in ("1", "2", "0"):
            ok("produce", t, "-p", partition, stdin=partition.encode() + b"\n")
        assert sorted(read_lines(follower.stdout, 2)) == [b"0", b"2"]


def test_following_a_topic_that_is_deleted_ends_with_an_error(t: str) -> None:
    ok("produce", t, stdin=b"1\n")
    with started("consume", "-f", t) as follower:
        assert read_lines(follower.stdout, 1) == [b"1"]
        ok("topics", "delete", t, "-y")
        result = finish(follower)
    assert result.status == 4
    assert result.err.startswith("streamcli: ")
    assert t in result.err


def test_an_idle_follower_ends_when_its_reader_goes_away(t: str) -> None:
    ok("produce", t, stdin=b"1\n")
    with started("consume", "-f", t) as follower:
        assert read_lines(follower.stdout, 1) == [b"1"]
        follower.stdout.close()
        follower.stdout = None
        assert follower.wait(DEADLINE) == 0
        assert follower.stderr.read() == b""


def test_a_signal_ends_following(t: str) -> None:
    ok("produce", t, stdin=b"1\n")
    with started("consume", "-f", t) as one, started("consume", "-f", t) as two:
        for follower, signum, status in ((one, signal.SIGINT, 130), (two, signal.SIGTERM, 143)):
            assert read_lines(follower.stdout, 1) == [b"1"]
            follower.send_signal(signum)
            assert finish(follower) == (status, b"", "")

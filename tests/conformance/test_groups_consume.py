"""consume -g: where runs resume, what exactly is committed, and how members share."""

from __future__ import annotations

import signal

from tests.support.command import finish, ok, refused, run, started
from tests.support.deliveries import committed, numbers, placed
from tests.support.groups import described, offsets, owners
from tests.support.waiting import DEADLINE, read_lines, read_until, wait_until


def test_a_run_resumes_where_the_last_one_ended(t: str, g: str) -> None:
    ok("produce", t, stdin=numbers(0, 3))
    assert ok("consume", t, "-g", g) == numbers(0, 3)
    assert ok("consume", t, "-g", g) == b""
    ok("produce", t, stdin=numbers(3, 5))
    assert ok("consume", t, "-g", g) == numbers(3, 5)
    assert ok("consume", t, "-g", f"{g}-other") == numbers(0, 5)
    refused(3, "consume", t, "-g", g, "--fail-empty")
    assert committed(g) == {0: 5}


def test_count_commits_exactly_what_was_printed(t: str, g: str) -> None:
    placed(t, [50, 50])
    seen = []
    for count in (1, 42):
        lines = ok("consume", t, "-g", g, "-n", str(count)).splitlines()
        assert len(lines) == count
        seen += lines
        assert sum(committed(g).values()) == len(seen)
    seen += ok("consume", t, "-g", g).splitlines()
    assert sorted(seen) == sorted(numbers(0, 50).split() * 2)
    assert committed(g) == {0: 50, 1: 50}


def test_what_a_filter_passes_over_is_committed_too(t: str, g: str) -> None:
    ok("produce", t, stdin=numbers(0, 30))
    assert ok("consume", t, "-g", g, "--grep", "5", "-n", "2") == b"5\n15\n"
    assert committed(g) == {0: 16}
    assert ok("consume", t, "-g", g, "--grep", "nothing") == b""
    assert committed(g) == {0: 30}


def test_a_reader_that_leaves_takes_only_what_was_written(t: str, g: str) -> None:
    ok("produce", t, stdin=b"".join(b"%07d\n" % number for number in range(200_000)))
    with started("consume", t, "-g", g) as consumer:
        read_until(consumer.stdout, lambda found: len(found) >= 100)
        consumer.stdout.close()
        assert consumer.wait(DEADLINE) == 0
        assert consumer.stderr.read() == b""
    offset = committed(g)[0]
    assert 12 <= offset < 200_000
    assert int(ok("consume", t, "-g", g, "-n", "1")) == offset


def test_commit_none_commits_nothing(t: str, g: str) -> None:
    ok("produce", t, stdin=numbers(1, 3))
    for _ in range(2):
        assert ok("consume", t, "-g", g, "--commit", "none") == numbers(1, 3)
    ok("consume", t, "-g", g, "-n", "1")
    assert ok("consume", t, "-g", g, "--commit", "none") == b"2\n"
    assert committed(g) == {0: 1}


def test_where_a_group_without_a_commit_begins(t: str, g: str) -> None:
    ok("produce", t, stdin=numbers(0, 4))
    assert ok("consume", t, "-g", f"{g}a", "-o", "2") == numbers(2, 4)
    assert ok("consume", t, "-g", f"{g}b", "-o", "-1") == b"3\n"
    assert ok("consume", t, "-g", f"{g}c", "-o", "end") == b""
    assert committed(f"{g}c") == {0: 4}
    ok("produce", t, stdin=b"4\n")
    for group in "abc":
        assert ok("consume", t, "-g", f"{g}{group}", "-o", "end") == b"4\n"


def test_what_a_group_does_not_take(t: str, g: str) -> None:
    ok("produce", t, stdin=b"1\n")
    assert "leave out where to stop" in refused(2, "consume", t, "-g", g, "-o", ":1")
    assert "leave out -p" in refused(2, "consume", t, "-g", g, "-p", "0")
    assert "needs a group" in refused(2, "consume", t, "--", "cat")
    assert "add -g" in refused(2, "consume", t, "--commit", "none")
    assert f"no such topic: {t}-x" in refused(4, "consume", f"{t}-x", "-g", g)


def test_several_topics_and_globs(t: str, g: str) -> None:
    for topic in (f"{t}-a", f"{t}-b", f"{t}x"):
        ok("produce", topic, stdin=topic.encode() + b"\n")
    assert sorted(ok("consume", f"{t}-*", "-g", g).decode().split()) == [f"{t}-a", f"{t}-b"]
    assert ok("consume", f"{t}x", f"{t}-a", "-g", g).decode().split() == [f"{t}x"]
    assert {(row["topic"], row["current_offset"]) for row in described(g)} == {
        (f"{t}-a", 1),
        (f"{t}-b", 1),
        (f"{t}x", 1),
    }


def test_following_picks_up_what_comes_and_new_topics(t: str, g: str) -> None:
    ok("produce", f"{t}-a", stdin=b"a\n")
    with started("consume", f"{t}-*", "-g", g, "-f") as member:
        assert read_lines(member.stdout, 1) == [b"a"]
        ok("produce", f"{t}-b", stdin=b"b\n")
        assert read_lines(member.stdout, 1) == [b"b"]
        ok("produce", f"{t}-a", stdin=b"a2\n")
        assert read_lines(member.stdout, 1) == [b"a2"]
        member.terminate()
        assert finish(member) == (143, b"", "")
    assert {(row["topic"], row["current_offset"]) for row in described(g)} == {(f"{t}-a", 2), (f"{t}-b", 1)}


def test_following_ends_when_idle_or_at_its_count(t: str, g: str) -> None:
    ok("produce", t, stdin=numbers(1, 4))
    assert ok("consume", t, "-g", g, "-f", "-n", "2") == numbers(1, 3)
    assert ok("consume", t, "-g", g, "-f", "--idle", "1ms") == b"3\n"  # what it is given has to come first
    assert ok("consume", t, "-g", g, "-f", "--idle", "1ms", "--", "cat") == b""
    assert committed(g) == {0: 3}


def test_two_members_share_and_a_signal_commits_and_hands_over(t: str, g: str) -> None:
    ok("topics", "create", t, "-p", "2")
    with started("consume", t, "-g", g, "-f") as one, started("consume", t, "-g", g, "-f") as two:
        wait_until(lambda: members(g) == 2, "two members with a partition each")
        ok("produce", t, "-p", "0", stdin=b"a\n")
        ok("produce", t, "-p", "1", stdin=b"b\n")
        first = read_lines(one.stdout, 1)
        assert sorted(first + read_lines(two.stdout, 1)) == [b"a", b"b"]
        one.send_signal(signal.SIGINT)
        assert finish(one) == (130, b"", "")
        assert committed(g)[0 if first == [b"a"] else 1] == 1
        ok("produce", t, "-p", "0", stdin=b"c\n")
        ok("produce", t, "-p", "1", stdin=b"d\n")
        assert sorted(read_lines(two.stdout, 2)) == [b"c", b"d"]
        two.send_signal(signal.SIGTERM)
        assert finish(two) == (143, b"", "")
    assert committed(g) == {0: 2, 1: 2}


def members(group: str) -> int:
    """Members that have a partition; 0 where the group is not there yet."""
    try:
        return len(owners(group))
    except AssertionError:
        return 0


def test_a_member_that_is_killed_is_replaced_and_nothing_is_lost(t: str, g: str, mortal: tuple[str, ...]) -> None:
    placed(t, [3, 3])
    with started("consume", t, "-g", g, "-f", "--commit", "none", *mortal) as member:
        assert len(read_lines(member.stdout, 6)) == 6
        member.kill()
        member.wait(DEADLINE)
    with started("consume", t, "-g", g, "-f", "-n", "6") as successor:
        result = finish(successor)
    assert (result.status, sorted(result.lines())) == (0, sorted(numbers(0, 3).split() * 2))
    assert committed(g) == {0: 3, 1: 3}


def test_runs_that_overlap_repeat_and_lose_nothing(t: str, g: str) -> None:
    placed(t, [3000, 3000])
    with started("consume", t, "-g", g) as one, started("consume", t, "-g", g) as two:
        results = [finish(one), finish(two)]
    assert [(result.status, result.err) for result in results] == [(0, "")] * 2
    rest = ok("consume", t, "-g", g)
    found = b"".join(result.out for result in results) + rest
    assert sorted(found.split()) == sorted(numbers(0, 3000).split() * 2)
    assert committed(g) == {0: 3000, 1: 3000}


def test_what_was_trimmed_away_is_told_with_its_count(t: str, g: str) -> None:
    ok("produce", t, stdin=numbers(0, 8))
    ok("consume", t, "-g", g, "-n", "1")
    ok("topics", "trim", t, "--before", "4")
    with started("consume", t, "-g", g) as consumer:
        result = finish(consumer)
    assert (result.status, result.out) == (0, numbers(4, 8))
    assert f"3 records of {t}, partition 0, are gone since offset 1 was committed" in result.err
    assert committed(g) == {0: 8}


def test_a_topic_made_while_a_member_lives_is_begun_at_its_beginning_by_the_next_member_too(t: str, g: str) -> None:
    """Whatever -o says, which is for what was there when the group began."""
    ok("produce", f"{t}-1", stdin=b"old\n")
    words = ["consume", f"{t}*", "-g", g, "-o", "end"]
    with started(*words, "-f") as member:
        wait_until(lambda: run("groups", "export", g).out, "where the group begins")
        ok("topics", "create", f"{t}-2")
        wait_until(lambda: offsets(g) == {(f"{t}-1", 0): 1, (f"{t}-2", 0): 0}, "the new topic")
        member.terminate()
        assert finish(member).status == 143
    ok("produce", f"{t}-2", stdin=b"new\n")
    assert ok(*words) == b"new\n"

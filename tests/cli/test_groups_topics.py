"""A group where topics come, go and come again: nothing is passed by, and nobody else's offsets are taken for its own."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from tests.support.command import finish, ok, run, started
from tests.support.waiting import read_lines, wait_until

UNTIL_GO = "until [ -e go ]; do sleep 0.02; done"
"""Shell: work until the test makes the file."""


def lag(group: str) -> int:
    return sum(
        json.loads(line)["lag"] for line in ok("groups", "list", "--json").splitlines() if group.encode() in line
    )


def committed(group: str) -> dict[tuple[str, int], int]:
    lines = map(json.loads, ok("groups", "export", group).splitlines())
    return {(line["topic"], line["partition"]): line["offset"] for line in lines}


@pytest.mark.parametrize("start", [("-o", "end"), ("--since", "now")])
def test_where_a_group_begins_is_settled_by_its_first_run_in_an_empty_partition_too(start: tuple[str, str]) -> None:
    ok("topics", "create", "t", "-p", "2")
    ok("produce", "t", "-p", "1", stdin=b"before\n")
    assert ok("consume", "t", "-g", "g", *start) == b""
    ok("produce", "t", "-p", "0", stdin=b"a\n")
    ok("produce", "t", "-p", "1", stdin=b"b\n")
    assert sorted(ok("consume", "t", "-g", "g", *start).split()) == [b"a", b"b"]


def test_the_last_n_of_a_group_are_over_all_partitions() -> None:
    ok("topics", "create", "t", "-p", "3")
    for number in range(9):
        ok("produce", "t", "-p", str(number % 3), stdin=b"%d\n" % number)
    assert sorted(ok("consume", "t", "-g", "g", "-o", "-4").split()) == [b"5", b"6", b"7", b"8"]
    assert ok("consume", "t", "-g", "g", "-o", "-4") == b""


@pytest.mark.parametrize("start", ["end", "5"])
def test_a_topic_that_is_made_later_is_read_from_its_beginning(start: str) -> None:
    ok("produce", "log1", stdin=b"0\n1\n2\n3\n4\n")
    script = f"cat; {UNTIL_GO}"
    with started("consume", "log*", "-g", "g", "-f", "-o", start, "--", "sh", "-c", script) as member:
        wait_until(lambda: run("groups", "export", "g").out, "the group to have begun")
        ok("produce", "log1", stdin=b"at work\n")
        assert read_lines(member.stdout, 1) == [b"at work"]
        ok("produce", "log2", stdin=b"1\n2\n3\n")  # while the command works
        Path("go").touch()
        assert read_lines(member.stdout, 3) == [b"1", b"2", b"3"]
        wait_until(lambda: lag("g") == 0, "all to be committed")


def test_a_topic_made_anew_is_no_continuation() -> None:
    ok("produce", "t", stdin=b"1\n2\n3\n")
    ok("consume", "t", "-g", "g")
    ok("topics", "delete", "t", "-y")
    ok("produce", "t", stdin=b"a\nb\nc\nd\n")
    assert committed("g") == {}
    assert ok("consume", "t", "-g", "g", "-o", "end") == b""
    ok("topics", "delete", "t", "-y")
    ok("topics", "create", "t")
    ok("produce", "t", stdin=b"x\n")
    assert ok("consume", "t", "-g", "g") == b"x\n"


def test_a_follower_goes_on_with_the_topic_made_anew() -> None:
    ok("produce", "t", stdin=b"1\n2\n3\n")
    with started("consume", "t*", "-g", "g", "-f", "-o", "end") as member:
        wait_until(lambda: run("groups", "export", "g").out, "the group to have begun")
        ok("produce", "t", stdin=b"4\n")
        assert read_lines(member.stdout, 1) == [b"4"]
        ok("topics", "delete", "t", "-y")
        ok("produce", "t", stdin=b"a\nb\n")
        assert read_lines(member.stdout, 2) == [b"a", b"b"]
        wait_until(lambda: committed("g") == {("t", 0): 2}, "the new topic's commit")


def test_a_follower_of_a_topic_that_is_gone_says_so() -> None:
    ok("produce", "t", stdin=b"1\n")
    with started("consume", "t", "-g", "g", "-f") as member:
        assert read_lines(member.stdout, 1) == [b"1"]
        ok("topics", "delete", "t", "-y")
        _, err = member.communicate(timeout=60)
    assert member.returncode == 4
    assert b"topic t was deleted while it was being consumed" in err


def test_a_topic_that_is_deleted_takes_no_other_along() -> None:
    for topic in ("ta", "tb"):
        ok("produce", topic, stdin=b"1\n2\n")
    script = f"touch at-$STREAMCLI_TOPIC; {UNTIL_GO}; cat > $STREAMCLI_TOPIC"
    with started("consume", "t*", "-g", "g", "-j", "2", "--", "sh", "-c", script) as run_of_group:
        wait_until(lambda: Path("at-ta").exists() and Path("at-tb").exists(), "the commands to work")
        ok("topics", "delete", "ta", "-y")
        Path("go").touch()
        assert run_of_group.wait(60) == 0
    assert Path("tb").read_text() == "1\n2\n"
    assert committed("g") == {("tb", 0): 2}


def test_members_of_different_topics_each_see_to_theirs() -> None:
    for topic in ("a1", "b1"):
        ok("produce", topic, stdin=b"1\n")
    with started("consume", "a*", "-g", "g", "-f") as one, started("consume", "b*", "-g", "g", "-f") as other:
        assert read_lines(one.stdout, 1) == [b"1"]
        assert read_lines(other.stdout, 1) == [b"1"]
        ok("produce", "a2", stdin=b"of a\n")
        ok("produce", "b2", stdin=b"of b\n")
        assert read_lines(one.stdout, 1) == [b"of a"]
        assert read_lines(other.stdout, 1) == [b"of b"]


def test_a_members_file_that_somebody_wrote_to_is_put_right(log_directory: Path) -> None:
    ok("topics", "create", "t", "-p", "2")
    with started("consume", "t", "-g", "g", "-f") as member:
        members = log_directory / "groups" / "g" / "members"
        ok("produce", "t", stdin=b"1\n")
        assert read_lines(member.stdout, 1) == [b"1"]
        next(members.iterdir()).write_bytes(b"")
        with started("consume", "t", "-g", "g", "-f") as other:
            wait_until(lambda: len(list(members.iterdir())) == 2, "another member")
            other.terminate()
            other.wait(60)
        ok("produce", "t", stdin=b"2\n")
        assert read_lines(member.stdout, 1) == [b"2"]


def test_what_a_crash_left_of_a_commit_is_told(log_directory: Path) -> None:
    ok("produce", "t", stdin=b"1\n2\n")
    ok("consume", "t", "-g", "g")
    path = log_directory / "groups" / "g" / "commits"
    os.truncate(path, path.stat().st_size - 2)
    result = run("consume", "t", "-g", "g")
    assert (result.status, result.out) == (0, b"1\n2\n")
    assert "a commit that did not finish" in result.err
    assert ok("consume", "t", "-g", "g") == b""


def test_a_group_whose_members_and_commits_were_removed_does_not_begin_anew(log_directory: Path) -> None:
    ok("produce", "t", stdin=b"1\n2\n")
    ok("consume", "t", "-g", "g")
    group = log_directory / "groups" / "g"
    shutil.rmtree(group / "members")
    (group / "commits").unlink()
    result = run("consume", "t", "-g", "g")
    assert (result.status, result.out) == (6, b"")
    assert "the group's commits are gone" in result.err


def test_a_dead_letter_topic_is_not_made_for_a_run_that_cannot_begin() -> None:
    ok("produce", "t", stdin=b"1\n")
    assert run("consume", "nope", "-g", "g", "--dead-letter", "dead", "--", "true").status == 4
    assert ok("topics", "list") == b"t\n"


def test_what_a_killed_member_noted_of_a_topic_does_not_count_for_another_of_that_name() -> None:
    """It was never committed: the kill came first."""
    ok("produce", "t", stdin=b"0\n1\n2\n3\n")
    script = "cat; [ $STREAMCLI_OFFSET -lt 2 ] || kill -9 $PPID"
    with started("consume", "t", "-g", "g", "--each", "--", "sh", "-c", script) as killed:
        assert finish(killed).status == -9
    ok("topics", "delete", "t", "-y")
    ok("produce", "t", stdin=b"a\nb\nc\nd\n")
    assert ok("consume", "t", "-g", "g") == b"a\nb\nc\nd\n"

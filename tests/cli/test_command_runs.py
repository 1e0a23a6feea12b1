"""consume -g -- COMMAND: what each run gets, and what is committed of it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.support.command import Result, finish, ok, refused, run, started
from tests.support.deliveries import NOTE, Run, committed, deliver, extents, numbers, placed, runs
from tests.support.waiting import read_lines, wait_until


def test_a_run_gets_what_is_there_and_its_output_is_ours():
    ok("produce", "t", stdin=b"one\r\n\n\x00\xff\nlast")
    assert ok("consume", "t", "-g", "g", "--", "cat") == b"one\r\n\n\x00\xff\nlast\n"
    assert committed("g") == {0: 4}
    assert ok("consume", "t", "-g", "g", "--", "cat") == b""


@pytest.mark.parametrize("appends", [[10], [1] * 10, [4, 3, 3], [2, 8]])
def test_batch_cuts_exactly_whatever_the_batches_of_the_log_are(appends: list[int]):
    begin = 0
    for count in appends:
        ok("produce", "t", stdin=numbers(begin, begin + count))
        begin += count
    result = deliver("t", "-g", "g", "--batch", "3", script=NOTE + "cat")
    assert result == (0, numbers(0, 10), "")
    assert extents() == [(0, 2), (3, 5), (6, 8), (9, 9)]
    assert committed("g") == {0: 10}


def test_a_run_gets_8_mib_at_most_unless_a_record_is_longer():
    ok("produce", "t", stdin=b"x" * 99 + b"\n")
    ok("produce", "t", stdin=(b"x" * 99 + b"\n") * 200_000)
    ok("produce", "t", "--whole", stdin=b"y" * (9 << 20))
    assert deliver("t", "-g", "g", script="wc -c >> sizes") == (0, b"", "")
    sizes = [int(line) for line in Path("sizes").read_text().split()]
    assert sum(sizes) == 200_001 * 100 + (9 << 20) + 1
    assert [size > 8 << 20 for size in sizes] == [False] * (len(sizes) - 1) + [True]
    assert all(size > 6 << 20 for size in sizes[:-2])
    assert committed("g") == {0: 200_002}


def test_a_run_gets_all_that_is_there_in_however_many_batches():
    with started("produce", "t", "--offsets", "--sync", "batch") as producer:
        for number in range(100):
            producer.stdin.write(b"%d\n" % number)
            read_lines(producer.stdout, 1)
        finish(producer)
    assert deliver("t", "-g", "g", script="wc -l >> sizes").status == 0
    assert Path("sizes").read_text().split() == ["100"]


def test_what_grows_in_its_format_is_cut_too():
    ok("produce", "t", stdin=b"\n" * 300_000)
    assert deliver("t", "-g", "g", "--json", script=NOTE + "wc -c >> sizes; cat").status == 0
    sizes = [int(line) for line in Path("sizes").read_text().split()]
    assert len(sizes) > 2
    assert max(sizes) <= 8 << 20
    found = runs()
    assert [noted.first for noted in found] == [0, *(noted.last + 1 for noted in found[:-1])]
    assert found[-1].last == 299_999


def test_each_is_one_record_with_its_key():
    ok("produce", "t", "-K", ":", "-Z", stdin=b"a:1\nno key\n:3\nb c:4\n")
    script = NOTE + 'printf "[%s] %s\\n" "${STREAMCLI_KEY-none}" "$(cat)"'
    result = run(
        *("consume", "t", "-g", "g", "--each", "--", "sh", "-c", script), env={**os.environ, "STREAMCLI_KEY": "stale"}
    )
    assert result == (0, b"[a] 1\n[none] no key\n[none] 3\n[b c] 4\n", "")
    assert extents() == [(0, 0), (1, 1), (2, 2), (3, 3)]


def test_a_key_that_no_environment_can_hold_is_left_out():
    ok("produce", "t", "-K", ":", stdin=b"a\x00b:1\n" + b"k" * 100_000 + b":2\n\xff:3\n")
    result = deliver("t", "-g", "g", "--each", script='printf "%s|" "${STREAMCLI_KEY-none}"; cat')
    assert result == (0, b"none|1\nnone|2\n\xff|3\n", "")


def test_the_command_is_told_where_its_records_lie(log_directory: Path):
    placed("t", [2, 3])
    result = deliver("t", "-g", "g", script=NOTE + 'echo "$STREAMCLI_DIR"')
    assert result.out == f"{log_directory}\n".encode() * 2
    assert sorted(runs()) == [Run("t", 0, 0, 1, 1), Run("t", 1, 0, 2, 1)]


def test_the_directory_is_told_to_commands_in_it(tmp_path: Path):
    os.chdir(tmp_path)
    ok("--dir", "here", "produce", "t", stdin=b"1\n")
    command = ("sh", "-c", 'cd / && printf %s "$STREAMCLI_DIR"')
    assert ok("--dir", "here", "consume", "t", "-g", "g", "--", *command) == bytes(tmp_path / "here")


def test_formats_shape_what_the_command_reads():
    ok("produce", "t", "-K", ":", stdin=b"a:1\nb:2\n")
    assert ok("consume", "t", "-g", "f", "-F", "%o %k=%s;", "--", "cat") == b"0 a=1;1 b=2;"
    assert ok("consume", "t", "-g", "z", "-0", "--", "cat") == b"1\x002\x00"
    assert ok("consume", "t", "-g", "k", "-K", "=", "--", "cat") == b"a=1\nb=2\n"
    lines = ok("consume", "t", "-g", "j", "--json", "--", "cat").splitlines()
    assert [json.loads(line)["key"] for line in lines] == ["a", "b"]


@pytest.mark.parametrize("options", [(), ("--batch", "2"), ("--each",), ("-j", "3"), ("-j", "3", "--batch", "3")])
def test_n_is_exact_over_partitions_and_what_is_left_comes_next(options: tuple[str, ...]):
    placed("t", [5, 1, 5])
    first = deliver("t", "-g", "g", "-n", "7", *options, script="cat")
    assert (first.status, len(first.lines())) == (0, 7)
    assert sum(committed("g").values()) == 7
    rest = ok("consume", "t", "-g", "g", "--", "cat").splitlines()
    assert sorted(first.lines() + rest) == sorted([b"0", b"1", b"2", b"3", b"4"] * 2 + [b"0"])
    assert ok("consume", "t", "-g", "g", "-n", "0", "--", "cat") == b""


def test_records_that_are_not_wanted_are_committed():
    ok("produce", "t", stdin=numbers(0, 5))
    ok("produce", "t", stdin=numbers(5, 50))
    assert ok("consume", "t", "-g", "g", "--grep", "^[37]$", "--", "cat") == b"3\n7\n"
    assert committed("g") == {0: 50}
    assert ok("consume", "t", "-g", "none", "--grep", "x", "--", "cat") == b""
    assert committed("none") == {0: 50}


def test_n_counts_wanted_records_and_commits_up_to_the_last():
    ok("produce", "t", stdin=numbers(0, 30))
    assert ok("consume", "t", "-g", "g", "--grep", "5$", "-n", "2", "--", "cat") == b"5\n15\n"
    assert committed("g") == {0: 16}


def test_a_following_group_commits_what_it_does_not_want():
    ok("produce", "t", stdin=numbers(0, 5))
    with started("consume", "t", "-g", "g", "-f", "--grep", "x", "--", "cat"):
        wait_until(
            lambda: run("groups", "describe", "g", "--json").status == 0 and committed("g") == {0: 5}, "a commit"
        )


def test_nothing_to_deliver_runs_nothing():
    ok("topics", "create", "t")
    assert deliver("t", "-g", "g", script=NOTE) == (0, b"", "")
    assert runs() == []
    assert "nothing to read" in refused(3, "consume", "t", "-g", "g", "--fail-empty", "--", "cat")


def test_linger_fills_runs():
    options = ("--linger", "1h", "--batch", "3")
    ok("topics", "create", "t")
    with started("consume", "t", "-g", "g", "-f", "-n", "6", *options, "--", "sh", "-c", NOTE) as consumer:
        for number in range(6):
            ok("produce", "t", stdin=b"%d\n" % number)
        result = finish(consumer)
    assert result.status == 0, result
    assert extents() == [(0, 2), (3, 5)]


def test_linger_ends_when_its_time_is_up():
    ok("produce", "t", stdin=b"1\n")
    with started("consume", "t", "-g", "g", "-f", "--linger", "50ms", "--", "sh", "-c", NOTE):
        wait_until(runs, "a run that is not full")


def test_a_bounded_run_does_not_linger_for_what_cannot_come():
    ok("produce", "t", stdin=b"1\n")
    assert deliver("t", "-g", "g", "--linger", "1h", script="cat") == (0, b"1\n", "")


def test_idle_ends_following_once_the_command_is_done():
    ok("produce", "t", stdin=b"1\n")
    result = deliver("t", "-g", "g", "-f", "--idle", "10ms", script="sleep 0.3; cat")
    assert result == (0, b"1\n", "")
    assert committed("g") == {0: 1}


def test_what_comes_while_a_command_runs_is_delivered_next():
    ok("produce", "t", stdin=b"1\n")
    script = "case $STREAMCLI_OFFSET in 0) touch at-work; until [ -e go ]; do sleep 0.01; done;; esac; cat"
    with started("consume", "t", "-g", "g", "-f", "-n", "3", "--", "sh", "-c", script) as consumer:
        wait_until(Path("at-work").exists, "the first run")
        ok("produce", "t", stdin=b"2\n3\n")
        Path("go").touch()
        assert finish(consumer) == (0, b"1\n2\n3\n", "")


def test_a_busy_partition_does_not_starve_the_others():
    placed("t", [40, 1, 1])
    deliver("t", "-g", "g", "--batch", "1", script=NOTE)
    assert {noted.partition for noted in runs()[:3]} == {0, 1, 2}


def test_many_partitions_with_parts_left_over_lose_and_repeat_nothing():
    placed("t", [7] * 20)
    result = deliver("t", "-g", "g", "--batch", "3", script=NOTE)
    assert result == (0, b"", "")
    found = sorted((noted.partition, noted.first, noted.last) for noted in runs())
    assert found == [(partition, *extent) for partition in range(20) for extent in ((0, 2), (3, 5), (6, 6))]


def parallel(jobs: int) -> Result:
    """Runs of which each waits until `jobs` are at work, and notes a second one of its partition."""
    script = (
        'mkdir "busy.$STREAMCLI_PARTITION" || touch overlap; touch "here.$STREAMCLI_PARTITION"\n'
        f'until [ "$(ls -d here.* | wc -l)" -ge {jobs} ]; do sleep 0.01; done; rmdir "busy.$STREAMCLI_PARTITION"; cat'
    )
    return deliver("t", "-g", "g", "-j", str(jobs), "--batch", "2", script=script)


def test_j_runs_partitions_at_once_and_never_two_of_one():
    placed("t", [6, 6, 6])
    result = parallel(3)
    assert (result.status, len(result.lines())) == (0, 18)
    assert not Path("overlap").exists()
    assert committed("g") == {0: 6, 1: 6, 2: 6}


def test_the_command_gets_its_three_streams_and_nothing_else():
    placed("t", [1, 1, 1])
    script = 'for fd in /proc/$$/fd/*; do [ -h "$fd" ] && printf "%s " "${fd##*/}"; done; echo'
    found = deliver("t", "-g", "g", "--each", script=script)
    if os.path.isdir("/proc/self/fd"):
        assert found == (0, b"0 1 2 \n" * 3, "")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("t",), "needs a group"),
        (("t", "-g", "g", "--batch", "0"), "--batch"),
        (("t", "-g", "g", "-j", "0"), "-j"),
        (("t", "-g", "g", "--each", "--batch", "2"), "--each"),
        (("t", "-g", "g", "--commit", "none"), "--commit none"),
        (("t", "-g", "g", "-p", "0"), "-p"),
        (("t", "-g", "g", "--dead-letter", "a/b"), "a/b"),
        (("t", "-g", "g", "--dead-letter", "t"), "among the topics"),
        (("t*", "-g", "g", "--dead-letter", "t.dead"), "among the topics"),
    ],
)
def test_what_makes_no_sense_is_refused(words: tuple[str, ...], reason: str):
    ok("produce", "t", stdin=b"1\n")
    assert reason in refused(2, "consume", *words, "--", "cat")


@pytest.mark.parametrize("options", [("--idle", "1ms"), ("--grep", "1"), ("--linger", "1ms")])
def test_while_a_command_works_we_sleep(options: tuple[str, ...]):
    ok("produce", "t", stdin=b"2\n1\n")
    if not os.path.exists("/proc/self/status"):
        return
    wakes = "grep ^voluntary /proc/$PPID/status | tr -dc 0-9; echo;"
    result = deliver("t", "-g", "g", "-f", "-n", "1", *options, script=f"{wakes} sleep 0.5; {wakes}")
    before, after = (int(line) for line in result.lines())
    assert after - before < 200

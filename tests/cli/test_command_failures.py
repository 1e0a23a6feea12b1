"""consume -g -- COMMAND: commands that fail, hang, flood, fork, and do not read."""

from __future__ import annotations

import os
import resource
from itertools import pairwise
from pathlib import Path

import pytest

from streamcli.cli.run_command import RunningCommand
from streamcli.record.errors import StreamcliError
from tests.support.command import finish, ok, refused, run, started
from tests.support.deliveries import NOTE, Run, committed, deliver, extents, numbers, placed, runs
from tests.support.waiting import wait_until


def test_a_failed_run_is_tried_again_and_counts_its_attempts():
    ok("produce", "t", stdin=b"1\n2\n")
    script = NOTE + 'cat; [ "$STREAMCLI_ATTEMPT" = 3 ]'
    result = deliver("t", "-g", "g", "--backoff", "1ms", script=script)
    assert (result.status, result.out) == (0, b"1\n2\n" * 3)
    assert [noted.attempt for noted in runs()] == [1, 2, 3]
    first, second = result.err.splitlines()
    assert first == "streamcli: sh failed (t, partition 0, offsets 0 to 1): status 1: again in 0.001 s"
    assert second.endswith("again in 0.002 s")
    assert committed("g") == {0: 2}


def test_the_pause_doubles():
    ok("produce", "t", stdin=b"1\n")
    result = deliver("t", "-g", "g", "--backoff", "20ms", "--retries", "4", script="date +%s%N >> times; exit 1")
    assert result.status == 1
    times = [int(line) / 1e9 for line in Path("times").read_text().split()]
    pauses = [later - earlier for earlier, later in pairwise(times)]
    assert len(pauses) == 4
    assert all(pause >= least for pause, least in zip(pauses, [0.02, 0.04, 0.08, 0.16], strict=True))


def test_thousands_of_retries_are_no_error():
    ok("produce", "t", stdin=b"1\n")
    script = 'echo >> attempts; [ "$(wc -l < attempts)" -gt 40 ]'
    assert deliver("t", "-g", "g", "-q", "--backoff", "0s", "--retries", "100000", script=script) == (0, b"", "")


@pytest.mark.parametrize("retries", [0, 1, 3])
def test_without_a_dead_letter_topic_the_run_stops_and_what_was_done_stays_done(retries: int):
    ok("produce", "t", stdin=numbers(0, 9))
    script = NOTE + '[ "$STREAMCLI_OFFSET" -lt 6 ]'
    options = ("--batch", "3", "--retries", str(retries), "--backoff", "1ms")
    result = deliver("t", "-g", "g", *options, script=script)
    assert result.status == 1
    times = "once" if retries == 0 else f"{retries + 1} times"
    last = result.err.splitlines()[-1]
    assert last.startswith(f"streamcli: sh failed {times} (t, partition 0, offsets 6 to 8): status 1: nothing of it is")
    assert extents() == [(0, 2), (3, 5)] + [(6, 8)] * (retries + 1)
    assert committed("g") == {0: 6}
    assert ok("consume", "t", "-g", "g", "--", "cat") == numbers(6, 9)


def test_a_failure_lets_the_runs_beside_it_end_and_commits_them():
    placed("t", [2, 2])
    fails = "until [ -e at-work ]; do sleep 0.01; done; echo $$ > pid; exit 1"
    works = 'touch at-work; until [ -s pid ]; do sleep 0.01; done; while kill -0 "$(cat pid)"; do sleep 0.01; done; cat'
    script = f'if [ "$STREAMCLI_PARTITION" = 0 ]; then {fails}; else {works}; fi 2>/dev/null'
    result = deliver("t", "-g", "g", "-j", "2", "--retries", "0", script=script)
    assert (result.status, result.out) == (1, b"0\n1\n")
    assert committed("g") == {1: 2}


@pytest.mark.parametrize(
    ("status", "reason"),
    [("exit 77", "status 77"), ("kill -9 $$", "killed by SIGKILL"), ("kill $$", "killed by SIGTERM")],
)
def test_how_a_command_ended_is_said(status: str, reason: str):
    ok("produce", "t", stdin=b"1\n")
    err = refused(1, "consume", "t", "-g", "g", "--retries", "0", "--", "sh", "-c", status)
    assert f"sh failed once (t, partition 0, offset 0): {reason}: " in err


def test_a_command_that_is_not_there_or_cannot_be_run():
    ok("produce", "t", stdin=b"1\n")
    err = refused(1, "consume", "t", "-g", "g", "--", "no-such-command", "word")
    assert (
        err
        == "streamcli: cannot run 'no-such-command': No such file or directory: its records are not committed; mend it and run again"
    )
    Path("data").write_text("")
    assert "Permission denied" in refused(1, "consume", "t", "-g", "g", "--", "./data")
    assert committed("g") == {}


@pytest.mark.parametrize("script", ["exit {}", "exec <&-; exit {}", "head -c 10 >&2; exit {}"])
@pytest.mark.parametrize("status", [0, 1])
def test_a_command_need_not_read_its_input(script: str, status: int):
    ok("produce", "t", stdin=b"x" * 79 + b"\n" + b"y" * 3_000_000)
    result = deliver("t", "-g", "g", "--retries", "0", script=script.format(status))
    assert result.status == status, result.err
    assert committed("g") == ({} if status else {0: 2})


def test_a_flood_on_both_outputs_passes_through():
    ok("produce", "t", stdin=b"1\n")
    size = 50_000_000
    script = f"head -c {size} /dev/zero >&2 & head -c {size} /dev/zero; wait"
    result = deliver("t", "-g", "g", script=script)
    assert (result.status, len(result.out), len(result.err)) == (0, size, size)


def test_a_flood_without_end_is_ended_by_the_timeout():
    ok("produce", "t", stdin=b"1\n")
    words = ("consume", "t", "-g", "g", "--timeout", "200ms", "--retries", "0", "--", "sh", "-c", "yes >&2")
    with open(os.devnull, "wb") as nowhere, started(*words, stderr=nowhere) as consumer:
        assert finish(consumer).status == 1


def test_nobody_reading_our_standard_error_does_not_stop_the_work():
    ok("produce", "t", stdin=b"1\n2\n")
    ours, theirs = os.pipe()
    os.close(ours)
    with started(
        "consume", "t", "-g", "g", "--each", "--", "sh", "-c", "echo hello >&2; cat", stderr=theirs
    ) as consumer:
        os.close(theirs)
        assert finish(consumer)[:2] == (0, b"1\n2\n")
    assert committed("g") == {0: 2}


def test_a_child_that_stays_behind_with_our_standard_error_holds_nobody_up():
    ok("produce", "t", stdin=b"1\n2\n")
    script = NOTE + "sleep 1000 > out & echo $! >> sleepers; echo said >&2; cat"
    with started("consume", "t", "-g", "g", "--each", "--", "sh", "-c", script) as consumer:
        assert finish(consumer) == (0, b"1\n2\n", "said\nsaid\n")
    for pid in Path("sleepers").read_text().split():
        os.kill(int(pid), 9)


def is_gone(pid: int) -> bool:
    """Whether a process has ended, reaped or not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except FileNotFoundError:
        return True


TIMEOUTS = ("0.3", "1.2", "5", "15")
"""Seconds. A command that was ended before it was at work shows nothing: then it is given more time."""


def test_out_of_time_ends_the_command_and_what_it_started():
    ok("produce", "t", stdin=b"1\n")
    script = "trap \"\" TERM; echo $$ >> pids; sh -c 'echo $$ >> pids; while :; do sleep 1; done' & while :; do sleep 1; done"
    for timeout in TIMEOUTS:
        Path("pids").unlink(missing_ok=True)
        result = deliver(
            "t", "-g", "g", "--timeout", f"{timeout}s", "--retries", "1", "--backoff", "1ms", script=script
        )
        assert result.status == 1
        assert f"sh failed 2 times (t, partition 0, offset 0): no end after {timeout} s" in result.err
        pids = [int(word) for word in Path("pids").read_text().split()] if Path("pids").exists() else []
        wait_until(lambda pids=pids: all(is_gone(pid) for pid in pids), "the end of all")
        assert committed("g") == {}
        if len(pids) == 4:
            return
    raise AssertionError("its commands were never all at work")


def test_a_command_that_obeys_sigterm_leaves_no_stubborn_child():
    ok("produce", "t", stdin=b"1\n")
    script = '(trap "" TERM; echo > stubborn; while :; do sleep 1; done) & echo $! > pid; wait'
    for timeout in TIMEOUTS:
        for name in ("stubborn", "pid"):
            Path(name).unlink(missing_ok=True)
        assert deliver("t", "-g", "g", "--timeout", f"{timeout}s", "--retries", "0", script=script).status == 1
        if Path("stubborn").exists() and Path("pid").exists() and Path("pid").read_text():
            wait_until(lambda: is_gone(int(Path("pid").read_text())), "the end of the child")
            return
    raise AssertionError("the child was never at work")


def test_in_time_is_in_time():
    ok("produce", "t", stdin=b"1\n")
    assert deliver("t", "-g", "g", "--timeout", "1h", script="cat") == (0, b"1\n", "")


def test_what_is_before_damage_is_delivered_first(log_directory: Path):
    ok("produce", "t", stdin=b"1\n")
    whole = next(log_directory.glob("topics/t/0/*.log"))
    position = whole.stat().st_size
    ok("produce", "t", stdin=b"2\n")
    ok("produce", "t", stdin=b"3\n")
    data = bytearray(whole.read_bytes())
    damaged = data.index(b"2\n", position)
    data[damaged] ^= 1
    whole.write_bytes(data)
    result = run("consume", "t", "-g", "g", "--", "cat")
    assert (result.status, result.out) == (6, b"1\n")
    assert committed("g") == {0: 1}
    assert run("consume", "t", "-g", "g", "--skip-corrupt", "--", "cat")[:2] == (6, b"3\n")
    assert committed("g") == {0: 3}


def test_the_first_attempt_counts_anew_in_the_next_run():
    ok("produce", "t", stdin=b"1\n")
    for _ in range(2):
        assert deliver("t", "-g", "g", "--retries", "0", script=NOTE + "exit 1").status == 1
    assert runs() == [Run("t", 0, 0, 0, 1)] * 2


def test_no_descriptor_is_left_where_there_is_no_room_for_the_input() -> None:
    before = sorted(os.listdir("/dev/fd"))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(StreamcliError, match="no room for the input of 'cat'"):
            RunningCommand(["cat"], [b"x" * 8192], dict(os.environb), None, lambda: None)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert sorted(os.listdir("/dev/fd")) == before

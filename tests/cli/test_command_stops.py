"""consume -g -- COMMAND: signals, and partitions that change hands, while a command is at work."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.support.command import finish, ok, run, started
from tests.support.deliveries import NOTE, committed, numbers, placed, runs
from tests.support.waiting import DEADLINE, wait_until

AT_WORK = 'touch "at-work.$STREAMCLI_PARTITION"; until [ -e go ]; do sleep 0.01; done; '


def at_work(*partitions: int) -> None:
    """Wait until the commands of these partitions are at work."""
    wait_until(lambda: all(Path(f"at-work.{partition}").exists() for partition in partitions), "a command at work")


@pytest.mark.parametrize("follow", [(), ("-f",)])
@pytest.mark.parametrize(("signum", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_lets_the_command_end_commits_and_leaves(follow: tuple[str, ...], signum: int, status: int):
    ok("produce", "t", stdin=numbers(0, 6))
    words = ("consume", "t", "-g", "g", *follow, "--batch", "3", "--", "sh", "-c", NOTE + AT_WORK + "cat")
    with started(*words) as consumer:
        at_work(0)
        consumer.send_signal(signum)
        assert not [noted for noted in runs() if noted.first]
        Path("go").touch()
        assert finish(consumer) == (status, numbers(0, 3), "")
    assert len(runs()) == 1
    assert committed("g") == {0: 3}
    assert ok("consume", "t", "-g", "g", "--", "cat") == numbers(3, 6)


def test_a_signal_to_a_member_that_waits_for_records_ends_it_at_once():
    ok("produce", "t", stdin=b"1\n")
    with started("consume", "t", "-g", "g", "-f", "--", "cat") as consumer:
        wait_until(
            lambda: run("groups", "describe", "g", "--json").status == 0 and committed("g") == {0: 1}, "a commit"
        )
        consumer.terminate()
        assert finish(consumer) == (143, b"1\n", "")


def test_a_signal_does_not_wait_for_a_retry():
    ok("produce", "t", stdin=b"1\n")
    words = ("consume", "t", "-g", "g", "--backoff", "1h", "--", "sh", "-c", NOTE + "exit 1")
    with started(*words) as consumer:
        assert b"again in 3600 s" in consumer.stderr.readline()
        consumer.terminate()
        assert finish(consumer).status == 143
    assert committed("g") == {}


def test_a_second_signal_ends_the_command_and_commits_nothing_of_it():
    ok("produce", "t", stdin=numbers(0, 6))
    script = (
        'if [ "$STREAMCLI_OFFSET" = 3 ]; then trap "sleep 0.2; echo ended > ended; exit 0" TERM; '
        + AT_WORK
        + "fi; cat >/dev/null"
    )
    with started("consume", "t", "-g", "g", "--batch", "3", "--", "sh", "-c", script) as consumer:
        at_work(0)
        consumer.terminate()
        wait_until(lambda: more_signals(consumer), "the end")
        assert Path("ended").exists()  # before us, however many signals came: the partition was not given up under it
        assert finish(consumer)[:2] == (143, b"")
    assert committed("g") == {0: 3}


def more_signals(consumer: subprocess.Popen[bytes]) -> bool:
    """Signal again, and again while the command is being ended; True when the process has ended."""
    if not Path("ended").exists():
        consumer.terminate()
    return consumer.poll() is not None


def test_the_command_is_in_a_process_group_of_its_own():
    ok("produce", "t", stdin=b"1\n")
    with started("consume", "t", "-g", "g", "--", "sh", "-c", AT_WORK + "cat", start_new_session=True) as consumer:
        at_work(0)
        os.killpg(consumer.pid, signal.SIGINT)  # what Ctrl-C does
        Path("go").touch()
        assert finish(consumer) == (130, b"1\n", "")
    assert committed("g") == {0: 1}


def test_a_partition_that_is_lost_is_finished_first_and_goes_over_then():
    placed("t", [4, 4])
    script = NOTE + AT_WORK + "cat"
    words = ("consume", "t", "-g", "g", "-f", "-j", "2", "--batch", "2", "--")
    with started(*words, "sh", "-c", script) as first:
        at_work(0, 1)
        with started(*words, "sh", "-c", "echo $STREAMCLI_PARTITION >> second; cat") as second:
            wait_until(lambda: members() == 2, "both members")
            assert not Path("second").exists()
            Path("go").touch()
            wait_until(lambda: committed("g") == {0: 4, 1: 4}, "all of it")
            first.terminate()
            second.terminate()
            outputs = [finish(first), finish(second)]
    assert [result.status for result in outputs] == [143, 143]
    assert sorted(outputs[0].lines() + outputs[1].lines()) == sorted([b"0", b"1", b"2", b"3"] * 2)


def members() -> int:
    """How many members the group has, by the files that they lock."""
    return len(list(Path(os.environ["STREAMCLI_DIR"]).glob("groups/g/members/[0-9]*")))


def test_n_counts_again_what_a_lost_partition_takes_along():
    placed("t", [3, 3])
    words = ("consume", "t", "-g", "g", "-f")
    with started(*words, "-n", "7", "-j", "2", "--linger", "2s", "--", "cat") as first:
        wait_until(lambda: members() == 1, "the first member")
        with started(*words, "--", "cat") as second:
            wait_until(lambda: members() == 2, "the second member")
            wait_until(lambda: sum(committed("g").values()) == 6, "the records of both")
            for partition in ("0", "1"):
                ok("produce", "t", "-p", partition, stdin=numbers(3, 13))
            result = finish(first)
            second.terminate()
            finish(second)
    assert (result.status, len(result.lines())) == (0, 7)


def test_the_command_of_a_killed_member_holds_no_partition():
    ok("produce", "t", stdin=b"1\n")
    with started("consume", "t", "-g", "g", "--", "sh", "-c", AT_WORK) as killed:
        at_work(0)
        killed.kill()
        killed.wait(DEADLINE)
        assert ok("consume", "t", "-g", "g", "--", "cat") == b"1\n"
    Path("go").touch()

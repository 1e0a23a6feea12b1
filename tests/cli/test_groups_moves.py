"""Moving a group's committed offsets: under the group's lock, never past what is on disk, always to be taken back."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from streamcli.groups.journal import FEWEST_KEPT, LONGEST, Commit, Journal, encode_journal, shortened
from tests.support.command import STREAMCLI, ok, refused, run, started
from tests.support.waiting import DEADLINE, wait_until


def test_a_reset_counts_from_where_the_group_is_when_nobody_can_move_it(log_directory: Path) -> None:
    """A run that is at work when the reset begins is refused, or its commits are what the reset counts from."""
    ok("produce", "t", stdin=b"1\n2\n3\n4\n")
    ok("consume", "t", "-g", "g", "-n", "1")
    lock = log_directory / "groups" / "g" / "lock"
    with subprocess.Popen(
        ["flock", str(lock), "sh", "-c", "echo held; read wait"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdin is not None
        assert holder.stdout.readline() == b"held\n"
        with started("groups", "reset", "g", "--to", "current") as reset:
            wait_until(lambda: _waits_for_lock(reset.pid), "the reset to wait for the group's lock")
            journal = Journal(str(log_directory / "groups/g/commits"), str(log_directory / "groups/g/commits.lock"), 30)
            journal.append([Commit(1, "commit", "t", 0, 3, "another")])
            holder.stdin.write(b"\n")
            holder.stdin.close()
            out, err = reset.communicate(timeout=DEADLINE)
    assert (reset.returncode, err) == (0, b"")
    assert out.splitlines()[1].split() == [b"t", b"0", b"3", b"3"]


def _waits_for_lock(pid: int) -> bool:
    with open("/proc/locks", encoding="ascii") as file:
        return any("->" in line and f" {pid} " in line for line in file)


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize("words", [("reset", "g", "--to", "end"), ("import", "g")])
def test_the_log_is_on_disk_before_the_offset_is(tmp_path: Path, words: tuple[str, ...]) -> None:
    ok("produce", "t", stdin=b"1\n")
    ok("consume", "t", "-g", "g")
    ok("produce", "t", "--sync", "none", stdin=b"2\n")
    trace = tmp_path / "trace"
    offsets = json.dumps({"topic": "t", "partition": 0, "offset": 2}).encode()
    watched = ["strace", "-f", "-y", "-e", "trace=fdatasync", "-o", str(trace)]
    ok("groups", *words, stdin=offsets, under=watched)
    synced = [
        line.partition("<")[2].partition(">")[0] for line in trace.read_text().splitlines() if "fdatasync(" in line
    ]
    names = [os.path.basename(path) for path in synced]
    assert names.index("00000000000000000000.log") < names.index("commits")


def test_import_takes_no_offset_after_the_end() -> None:
    ok("produce", "t", stdin=b"1\n2\n")
    ok("consume", "t", "-g", "g", "-n", "1")
    lines = b'{"topic":"t","partition":0,"offset":3}\n'
    assert "ends at 2" in refused(5, "groups", "import", "g", stdin=lines)
    assert b'"offset":1' in ok("groups", "export", "g")


def test_an_undo_finds_what_to_go_back_to_however_many_partitions_there_are() -> None:
    """A journal of so many partitions that a rewrite keeps the fewest entries of each."""
    commits = [Commit(time, "commit", "t" * 249, number, time, "m") for time in range(1, 5) for number in range(2000)]
    kept = shortened(commits, FEWEST_KEPT)
    assert len(encode_journal(kept)) > LONGEST // 2
    assert {(commit.partition, commit.offset) for commit in kept} == {(n, o) for n in range(2000) for o in (3, 4)}


def test_wait_waits_for_a_run_that_has_committed_nothing_yet() -> None:
    ok("produce", "t", stdin=b"1\n2\n")
    os.mkfifo("fifo")
    with started("consume", "t", "-g", "g", "--", "sh", "-c", "read line; cat fifo") as consumer:
        wait_until(lambda: b'"lag":2' in run("groups", "list", "--json").out, "the run to have begun")
        assert run("groups", "wait", "g", "--timeout", "10ms").status == 7
        with started("groups", "wait", "g") as waiting:
            with open("fifo", "wb"):
                pass
            assert waiting.wait(DEADLINE) == 0
        assert consumer.wait(DEADLINE) == 0


def test_a_group_that_a_process_died_making_hides_no_other(log_directory: Path) -> None:
    ok("produce", "t", stdin=b"1\n")
    ok("consume", "t", "-g", "g")
    (log_directory / "groups" / "half").mkdir()
    assert ok("groups", "list") == b"g\n"
    assert b'"group":"g"' in ok("groups", "list", "--json")
    assert b"group g" in ok("groups", "describe", "--all")


def test_a_damaged_group_hides_no_other(log_directory: Path) -> None:
    ok("produce", "t", stdin=b"1\n")
    for name in "abc":
        ok("consume", "t", "-g", name)
    (log_directory / "groups" / "b" / "commits").write_bytes(b"?")
    for words in (("list", "--json"), ("describe", "--all", "--json")):
        result = run("groups", *words)
        assert result.status == 6
        assert [json.loads(line)["group"] for line in result.out.splitlines()] == ["a", "c"]
        assert "the group's commits are damaged" in result.err


@pytest.mark.parametrize(
    "flags",
    [
        ("--batch", "2"),
        ("--linger", "1s"),
        ("--each",),
        ("-j", "2"),
        ("--retries", "1"),
        ("--backoff", "1ms"),
        ("--timeout", "1s"),
        ("--dead-letter", "dead"),
    ],
    ids=lambda flags: flags[0],
)
def test_a_flag_of_a_command_needs_one(flags: tuple[str, ...]) -> None:
    ok("produce", "t", stdin=b"1\n")
    assert "add -- COMMAND" in refused(2, "consume", "t", "-g", "g", *flags)


def test_commit_needs_a_group() -> None:
    ok("produce", "t", stdin=b"1\n")
    assert "add -g" in refused(2, "consume", "t", "--commit", "none")


def test_a_time_limit_holds_for_a_command_whose_errors_nobody_reads() -> None:
    ok("produce", "t", stdin=b"1\n")
    ok("topics", "create", "dead")
    script = "echo $$ >> pids; exec yes >&2"  # one that is ended before it has said so is tried again
    words = ["consume", "t", "-q", "-g", "g", "--timeout", "200ms", "--retries", "1000", "--backoff", "1ms"]
    process = subprocess.Popen([*STREAMCLI, *words, "--", "sh", "-c", script], stderr=subprocess.PIPE)
    try:
        pids = Path("pids")
        wait_until(lambda: pids.exists() and b"\n" in pids.read_bytes(), "the command to run")
        pid = pids.read_text().splitlines()[0]
        wait_until(lambda: not os.path.exists(f"/proc/{pid}"), "the command to be ended")
    finally:
        process.kill()
        process.communicate(timeout=DEADLINE)

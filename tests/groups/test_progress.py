"""What the commands of an owner have done is not done again when it is killed before it commits that."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from crc32c import crc32c

from streamcli.groups.journal import RESET, Commit, Journal
from streamcli.groups.orphan import NOTE_SIZE
from streamcli.groups.progress import base_of, decode_progress, encode_progress
from tests.groups.swarm import commits, group_directory, lease_path
from tests.support.command import finish, ok, run, started
from tests.support.deliveries import NOTE, committed, extents, numbers
from tests.support.waiting import DEADLINE, wait_until

STOPS_AT_12 = NOTE + 'if [ "$STREAMCLI_OFFSET" = 12 ] && ! [ -e go ]; then touch at-work; exec sleep 1000; fi; cat'


@pytest.mark.parametrize("sync", ["exit", "none"])
@pytest.mark.parametrize("follow", [(), ("-f",)])
def test_a_kill_repeats_the_run_at_work_and_no_other(follow: tuple[str, ...], sync: str) -> None:
    """Also of records that nobody has fsynced."""
    with started("produce", "t", "--sync", sync) as producer:
        assert producer.stdin is not None
        producer.stdin.write(numbers(0, 20))
        wait_until(lambda: run("consume", "t").lines() == numbers(0, 20).splitlines(), "the records")
        words = ("consume", "t", "-g", "g", "--each", *follow, "--", "sh", "-c", STOPS_AT_12)
        with started(*words, stdout=subprocess.DEVNULL) as killed:
            wait_until(Path("at-work").exists, "the command of record 12")
            killed.kill()
            killed.wait(DEADLINE)
        Path("go").touch()
        assert ok("consume", "t", "-g", "g", "--each", "--", "sh", "-c", NOTE + "cat") == numbers(12, 20)
    assert extents() == [(number, number) for number in [*range(13), *range(12, 20)]]
    assert committed("g") == {0: 20}


def test_an_offset_that_was_moved_counts_more_than_what_was_done() -> None:
    ok("produce", "t", stdin=numbers(0, 20))
    with started("consume", "t", "-g", "g", "--each", "--", "sh", "-c", STOPS_AT_12) as killed:
        wait_until(Path("at-work").exists, "the command of record 12")
        killed.kill()
        killed.wait(DEADLINE)
    ok("groups", "reset", "g", "t", "--to", "2")
    assert ok("consume", "t", "-g", "g", "-n", "1") == b"2\n"


def journal() -> Journal:
    path = str(group_directory() / "commits")
    return Journal(path, f"{path}.lock", DEADLINE)


@pytest.fixture
def newest() -> Commit:
    """The newest entry of group g, which has committed 10 of 20 records."""
    ok("produce", "t", stdin=numbers(0, 20))
    ok("consume", "t", "-g", "g", "-n", "10")
    return journal().newest()["t", 0]


def leave_note(note: bytes) -> None:
    """Leave a lease's file as an owner that was killed does."""
    lease_path(("t", 0)).write_bytes(b"1-abcdef\n" + bytes(NOTE_SIZE).replace(b"\0", b" ") + note)


def other_boot(note: bytes) -> bytes:
    words = note.split(b" ")
    text = b" ".join([*words[:2], b"00000000-0000-4000-8000-000000000000"])
    return b"%s %08x\n" % (text, crc32c(text))


def test_the_next_owner_commits_what_was_done_and_goes_on_there(newest: Commit) -> None:
    leave_note(encode_progress(15, base_of(newest)))
    assert ok("consume", "t", "-g", "g", "-n", "1", "--commit", "none") == b"15\n"
    assert committed("g") == {0: 10}
    assert ok("consume", "t", "-g", "g", "-n", "0") == b""
    assert committed("g") == {0: 15}
    assert ok("consume", "t", "-g", "g", "--", "cat") == numbers(15, 20)


@pytest.mark.parametrize("damage", ["boot", "base", "crc", "cut", "nonsense", "behind"])
def test_a_note_that_says_nothing_is_passed_over(newest: Commit, damage: str) -> None:
    note = encode_progress(15, base_of(newest))
    notes = {
        "boot": other_boot(note),
        "base": encode_progress(15, base_of(newest._replace(time=newest.time - 1))),
        "crc": note.replace(b"15 ", b"16 ", 1),
        "cut": note[:-3],
        "nonsense": b"\xff\0 \n" + bytes(200),
        "behind": encode_progress(5, base_of(newest)),
    }
    leave_note(notes[damage])
    assert ok("consume", "t", "-g", "g") == numbers(10, 20)


def test_a_group_that_was_reset_to_where_it_was_begins_there(newest: Commit) -> None:
    leave_note(encode_progress(15, base_of(newest)))
    ok("groups", "reset", "g", "--to", "current")
    assert ok("consume", "t", "-g", "g", "-n", "1") == b"10\n"


def test_a_note_before_any_commit() -> None:
    assert base_of(None) == "-"
    assert decode_progress(encode_progress(3, "-"), "-") == 3
    assert decode_progress(encode_progress(3, "-"), base_of(Commit(1, RESET, "t", 0, None, "-"))) is None
    assert decode_progress(b"", "-") is None


def test_without_an_id_of_the_boot_each_run_is_committed_at_once() -> None:
    """A note could not be told from one before a power cut."""
    ok("produce", "t", stdin=numbers(0, 6))
    script = (
        "from streamcli.storage import durable; durable.boot_id = lambda: durable.NO_BOOT_ID\n"
        "from streamcli.cli.main import main; main()"
    )
    words = [sys.executable, "-c", script, "consume", "t", "-g", "g", "--each", "--", "sh", "-c", STOPS_AT_12 + "; :"]
    assert subprocess.run(words, timeout=DEADLINE, check=False, stdout=subprocess.DEVNULL).returncode == 0
    assert [commit.offset for commit in commits()] == [1, 2, 3, 4, 5, 6]


def test_what_is_done_after_a_failed_commit_is_kept(log_directory: Path) -> None:
    """The journal is no file any more when the first commit is due: the member ends, and its runs are not done again."""
    ok("produce", "t", stdin=numbers(0, 3))
    ok("consume", "t", "-g", "g", "-n", "1")
    path = log_directory / "groups" / "g" / "commits"
    script = NOTE + f"mv {path} {path}.aside; cat"
    result = run("consume", "t", "-g", "g", "--", "sh", "-c", script)
    assert (result.status, result.out) == (6, numbers(1, 3))
    os.rename(f"{path}.aside", path)
    assert ok("consume", "t", "-g", "g", "--", "cat") == b""
    assert committed("g") == {0: 3}
    with started("consume", "t", "-g", "g") as last:
        assert finish(last) == (0, b"", "")

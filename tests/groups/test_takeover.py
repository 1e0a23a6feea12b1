"""What the next owner of a partition finds: records that lie there, and a command that its last owner left at work."""

from __future__ import annotations

import signal
from pathlib import Path

from tests.groups.swarm import assignment, commits, holder, is_settled
from tests.support.command import finish, ok, started
from tests.support.waiting import DEADLINE, read_lines, wait_until

LASTING = """
for earlier in $(cat leaders); do
    grep -q '^State:.[^ZX]' /proc/$earlier/status && echo overlap >> leaders
done
echo $$ >> leaders
sleep 1000 &
echo $! >> children
wait
"""


def test_records_that_lay_in_a_partition_are_consumed_by_its_next_owner() -> None:
    """Nothing is written after the takeover, so nothing but the takeover tells of them."""
    ok("topics", "create", "t", "-p", "2")
    with started("consume", "t", "-g", "g", "-f") as one, started("consume", "t", "-g", "g", "-f") as two:
        wait_until(lambda: is_settled(2, 2), "both to have a partition")
        one.send_signal(signal.SIGSTOP)
        for partition in range(2):
            ok("produce", "t", "-p", str(partition), stdin=b"%d\n" % partition)
        kept = next(number for (_, number), member in assignment().items() if member.startswith(f"{two.pid}-"))
        assert read_lines(two.stdout, 1) == [b"%d" % kept]
        one.kill()
        assert read_lines(two.stdout, 1) == [b"%d" % (1 - kept)]
        two.terminate()
        assert finish(two).status == 143
    assert {commit.place: commit.offset for commit in commits()} == {("t", 0): 1, ("t", 1): 1}


def test_a_command_that_outlives_its_killed_member_ends_before_the_next_owner_begins() -> None:
    """It and what it started: the records are delivered again, never to two at a time."""
    leaders, children = Path("leaders"), Path("children")
    leaders.touch()
    children.touch()
    ok("produce", "t", stdin=b"1\n")
    words = ("consume", "t", "-g", "g", "-f", "--", "sh", "-c", LASTING)
    with started(*words, stderr=None) as one:
        wait_until(lambda: written(children), "the command to begin")
        with started(*words, stderr=None) as two:
            one.kill()
            one.wait(DEADLINE)
            wait_until(lambda: len(written(children)) == 2, "the command to begin again")
            assert (holder(("t", 0)) or "").startswith(f"{two.pid}-")
            wait_until(lambda: not is_running(written(children)[0]), "what the first one started to end")
            two.kill()
            two.wait(DEADLINE)
        assert is_running(written(leaders)[1])
        assert ok("consume", "t", "-g", "g") == b"1\n"
        assert not is_running(written(leaders)[1])
        wait_until(lambda: not is_running(written(children)[1]), "what the second one started to end")
    assert "overlap" not in written(leaders)


def written(path: Path) -> list[str]:
    return path.read_text().split()


def is_running(pid: str) -> bool:
    """Whether a process is there that has not ended: one that nobody asked for its status has."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in "ZX"

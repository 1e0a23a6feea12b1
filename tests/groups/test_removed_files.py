"""Locks whose files were removed by hand while they were held: a lease, and a member's own file."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path

import pytest

from streamcli.groups import lease as lease_module
from streamcli.groups.lease import lease_holder, take_lease
from streamcli.groups.member import GroupDirectory
from streamcli.storage.directory import LogDirectory
from tests.groups.swarm import commits, group_directory, holder, lease_path
from tests.support.command import finish, ok, refused, started
from tests.support.groups import offsets
from tests.support.waiting import read_lines, wait_until

PLACE = ("t", 0)


@pytest.fixture
def group(log_directory: Path) -> GroupDirectory:
    ok("produce", "t", stdin=b"a\n")
    ok("consume", "t", "-g", "g")
    return GroupDirectory(LogDirectory(str(log_directory), lock_timeout=1), "g")


def test_a_lease_that_is_taken_is_the_file_at_its_path(group: GroupDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Removed between its being locked and its being had: who comes then must not have it too."""
    path, removed = lease_path(PLACE), []

    def remove_once(*_: object) -> bool:
        if len(removed) < 2:
            path.unlink()
            if not removed:
                path.touch()  # the second time it stays away
            removed.append(path)
        return True

    monkeypatch.setattr(lease_module, "end_orphan", remove_once)
    lease = take_lease(group.path, PLACE, "1-aaaaaa")
    assert lease is not None
    assert len(removed) == 2
    assert lease.is_held()
    assert take_lease(group.path, PLACE, "2-bbbbbb") is None
    assert lease_holder(group.path, PLACE) == "1-aaaaaa"
    path.unlink()
    assert not lease.is_held()
    other = take_lease(group.path, PLACE, "2-bbbbbb")
    assert other is not None
    assert not lease.is_held()
    for taken in (lease, other):
        taken.release()
    assert lease_holder(group.path, PLACE) is None


def test_a_member_that_lost_its_leases_file_commits_nothing_until_it_has_it_again(group: GroupDirectory) -> None:
    assert group.journal.committed() == {PLACE: 1}
    with started("consume", "t", "-g", "g", "-f") as member:
        wait_until(lambda: (holder(PLACE) or "").startswith(f"{member.pid}-"), "the member to hold it")
        lease_path(PLACE).unlink()
        ok("produce", "t", stdin=b"b\n")
        assert member.stderr is not None
        assert b"the lease of t, partition 0, was removed while it was held" in member.stderr.readline()
        assert read_lines(member.stdout, 2) == [b"b", b"b"]  # what it printed without the right to, and again with it
        wait_until(lambda: offsets("g") == {PLACE: 2}, "the commit")
        ok("produce", "t", stdin=b"c\n")
        assert read_lines(member.stdout, 1) == [b"c"]
        member.terminate()
        assert finish(member) == (143, b"", "")
    assert [commit.offset for commit in commits()] == [1, 2, 3]


@pytest.mark.parametrize("follow", [(), ("-f",)])
def test_a_lease_removed_while_a_command_works_is_left_to_who_took_it(
    group: GroupDirectory, follow: tuple[str, ...]
) -> None:
    assert group.journal.committed() == {PLACE: 1}
    ok("produce", "t", stdin=b"b\n")
    gates = [Path("first"), Path("second")]
    for gate in gates:
        os.mkfifo(gate)
    with ExitStack() as running:
        words = ("consume", "t", "-g", "g")
        one = running.enter_context(started(*words, *follow, "--", "sh", "-c", f"cat; cat {gates[0]}"))
        assert read_lines(one.stdout, 1) == [b"b"]
        lease_path(PLACE).unlink()
        two = running.enter_context(started(*words, "--", "sh", "-c", f"cat; cat {gates[1]}"))
        assert read_lines(two.stdout, 1) == [b"b"]
        os.close(os.open(gates[0], os.O_WRONLY))
        assert one.stderr is not None
        assert b"was removed while it was held" in one.stderr.readline()
        assert offsets("g") == {PLACE: 1}
        os.close(os.open(gates[1], os.O_WRONLY))
        assert finish(two) == (0, b"", "")
        assert offsets("g") == {PLACE: 2}
        if follow:
            one.terminate()
        assert finish(one) == (143 if follow else 0, b"", "")
    assert [commit.offset for commit in commits()] == [1, 2]


@pytest.mark.parametrize("command", [(), ("--", "cat")])
def test_a_member_whose_file_was_removed_says_so_and_ends(group: GroupDirectory, command: tuple[str, ...]) -> None:
    with started("consume", "t", "-g", "g", "-f", *command) as member:
        wait_until(lambda: (holder(PLACE) or "").startswith(f"{member.pid}-"), "the member to hold it")
        (name,) = group.living_members()
        (group_directory() / "members" / name).unlink()
        status, out, err = finish(member)
    assert (status, out) == (1, b"")
    assert f"the file of this member was removed while it ran ({group_directory()}/members/{name})" in err
    assert len(err.splitlines()) == 1
    ok("produce", "t", stdin=b"b\n")
    assert ok("consume", "t", "-g", "g", "-f", "-n", "1") == b"b\n"


def test_a_member_whose_file_was_removed_does_not_commit_over_a_reset(group: GroupDirectory) -> None:
    ok("produce", "t", stdin=b"b\n")
    gate = Path("gate")
    os.mkfifo(gate)
    with started("consume", "t", "-g", "g", "--", "sh", "-c", f"cat; cat {gate}") as member:
        assert read_lines(member.stdout, 1) == [b"b"]
        (name,) = group.living_members()
        (group_directory() / "members" / name).unlink()
        ok("groups", "reset", "g", "--to", "0")
        os.close(os.open(gate, os.O_WRONLY))
        status, out, err = finish(member)
    assert (status, out) == (1, b"")
    assert "was removed while it ran" in err
    assert ok("consume", "t", "-g", "g") == b"a\nb\n"


def test_a_group_deleted_under_a_member_whose_file_was_removed(group: GroupDirectory) -> None:
    with started("consume", "t", "-g", "g", "-f", "--commit", "none") as member:
        wait_until(lambda: (holder(PLACE) or "").startswith(f"{member.pid}-"), "the member to hold it")
        (name,) = group.living_members()
        (group_directory() / "members" / name).unlink()
        wait_until(lambda: member.poll() is not None, "the member's end")
        ok("groups", "delete", "g")
        assert "was removed while it ran" in finish(member).err
    assert "no such group" in refused(4, "groups", "describe", "g")

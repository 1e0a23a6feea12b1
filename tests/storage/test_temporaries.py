"""What a process that died was making or removing does not stay for ever, and is never swept from under a living one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from streamcli.groups.member import GroupDirectory, Membership
from streamcli.storage.config import TopicConfig
from streamcli.storage.directory import LogDirectory
from tests.crash.interposer import Call, Interposer, Perform
from tests.support.command import ok


def left(log_directory: Path) -> list[str]:
    return sorted(path.name for path in log_directory.rglob("+*"))


def test_a_format_file_that_was_being_made_is_swept(log_directory: Path) -> None:
    log_directory.mkdir()
    (log_directory / "+format.json.0123456789ab").write_bytes(b"{")
    ok("produce", "t", stdin=b"1\n")
    assert left(log_directory) == []


def test_a_link_in_the_way_is_removed_and_what_it_leads_to_is_not(log_directory: Path, tmp_path: Path) -> None:
    ok("topics", "create", "t")
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "file").write_bytes(b"mine")
    os.symlink(mine, log_directory / "topics" / "+t.0123456789ab")
    ok("topics", "create", "u")
    assert left(log_directory) == []
    assert (mine / "file").read_bytes() == b"mine"


def test_two_processes_make_a_log_directory_and_the_first_sweeps(log_directory: Path) -> None:
    is_first = True

    def meanwhile(call: Call, perform: Perform) -> Any:
        nonlocal is_first
        if call.name == "rename" and is_first:
            is_first = False
            LogDirectory(str(log_directory), lock_timeout=1, create=True).create_topic("t", TopicConfig(1, {}))
        return perform()

    with Interposer(meanwhile):
        directory = LogDirectory(str(log_directory), lock_timeout=1, create=True)
    assert not is_first
    assert directory.topics() == ["t"]
    assert left(log_directory) == []


def test_a_checkpoint_that_was_being_made_is_swept(log_directory: Path) -> None:
    ok("produce", "t", stdin=b"1\n")
    partition = log_directory / "topics" / "t" / "0"
    (partition / "checkpoint").rename(partition / "+checkpoint.0123456789ab")
    ok("produce", "t", stdin=b"2\n")
    assert left(log_directory) == []
    assert (partition / "checkpoint").exists()


def test_what_is_left_of_groups_is_swept(log_directory: Path) -> None:
    ok("produce", "t", stdin=b"1\n2\n")
    ok("consume", "-g", "g", "t", "-n", "1")
    group = log_directory / "groups" / "g"
    (group / "members" / "+1-abcdef.0123456789ab").touch()
    (group / "+generation.json.0123456789ab").touch()
    (group / "+commits.0123456789ab").touch()
    gone = log_directory / "groups" / "+gone.0123456789ab"
    gone.mkdir()
    (gone / "commits").touch()
    assert ok("consume", "-g", "g", "t") == b"2\n"
    assert left(log_directory) == ["+gone.0123456789ab"]
    ok("consume", "-g", "another", "t")
    assert left(log_directory) == []


@pytest.mark.parametrize("moment", ["open", "pwrite", "rename"])
def test_a_member_that_comes_stays_though_its_file_is_swept(log_directory: Path, moment: str) -> None:
    ok("produce", "t", stdin=b"1\n")
    ok("consume", "-g", "g", "t")
    group = GroupDirectory(LogDirectory(str(log_directory), lock_timeout=1), "g")
    moments = []

    def meanwhile(call: Call, perform: Perform) -> Any:
        result = perform()
        if not moments and call.name == moment:
            moments.append(moment)
            with group.coordinate():
                group.sweep_dead()
        return result

    with Interposer(meanwhile):
        membership = Membership(group, ["t"], is_assigned=False)
    assert moments
    assert list(group.living_members()) == [membership.member]
    assert left(log_directory) == []
    membership.leave()

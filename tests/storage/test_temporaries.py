"""What a process that died was making or removing does not stay for ever, and is never swept from under a living one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

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

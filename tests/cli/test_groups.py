"""The groups commands: looking at groups, and moving their committed offsets."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from streamcli.groups.journal import COMMIT, IMPORT, RESET, UNDO, Commit
from streamcli.groups.member import GroupDirectory
from streamcli.storage.directory import LogDirectory
from tests.support.command import finish, ok, refused, run, started
from tests.support.groups import described, offsets, wait_for_members
from tests.support.tree import contents
from tests.support.waiting import DEADLINE, read_lines, wait_until

LINES = b"".join(b"line %d\n" % number for number in range(10))


@pytest.fixture
def group(log_directory: Path) -> Path:
    """Topic `clicks` with 10 records, of which group `g` has consumed 4; returns the group's directory."""
    ok("produce", "clicks", stdin=LINES)
    ok("consume", "clicks", "-g", "g", "-n", "4")
    return log_directory / "groups" / "g"


def table(out: bytes) -> list[list[str]]:
    return [line.split() for line in out.decode().splitlines()]


def test_list_names_the_groups_in_order(group: Path) -> None:  # noqa: ARG001
    ok("consume", "clicks", "-g", "a")
    assert ok("groups", "list") == b"a\ng\n"
    found = [json.loads(line) for line in ok("groups", "list", "--json").splitlines()]
    assert found == [{"group": "a", "members": [], "lag": 0}, {"group": "g", "members": [], "lag": 6}]


# The first time the names are asked for, `a` is among them: a group that is no more when it is looked at.
WITH_ONE_THAT_GOES = """
from streamcli.cli.main import main
from streamcli.engine.directory_groups import DirectoryGroups
names, gone = DirectoryGroups.names, ["a"]
DirectoryGroups.names = lambda groups: [*(gone.pop() for _ in gone[:]), *names(groups)]
main()
"""


@pytest.mark.parametrize("words", [["list", "--json"], ["describe", "--all", "--json"]])
def test_a_group_that_is_deleted_while_all_are_listed_is_left_out(group: Path, words: list[str]) -> None:  # noqa: ARG001
    command = [sys.executable, "-c", WITH_ONE_THAT_GOES, "groups", *words]
    done = subprocess.run(command, capture_output=True, timeout=DEADLINE, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert [json.loads(line)["group"] for line in done.stdout.splitlines()] == ["g"]


def test_no_directory_no_groups(log_directory: Path) -> None:
    assert ok("groups", "list") == b""
    assert not log_directory.exists()


def test_describe_as_a_table_and_as_json(group: Path) -> None:  # noqa: ARG001
    first, titles, row = table(ok("groups", "describe", "g"))
    assert first == ["group", "g,", "generation", "0,", "members", "0"]
    assert titles == ["TOPIC", "PARTITION", "CURRENT-OFFSET", "LOG-END-OFFSET", "LAG", "MEMBER", "RATE", "CAUGHT-UP-IN"]
    assert row == ["clicks", "0", "4", "10", "6", "-", "-", "-"]
    (state,) = described("g")
    assert state == {
        "group": "g",
        "topic": "clicks",
        "partition": 0,
        "current_offset": 4,
        "log_end_offset": 10,
        "lag": 6,
        "member": None,
        "rate": None,
    }


def test_describe_all(group: Path) -> None:  # noqa: ARG001
    ok("consume", "clicks", "-g", "a")
    assert [line for line in ok("groups", "describe", "--all").splitlines() if line.startswith(b"group ")] == [
        b"group a, generation 0, members 0",
        b"group g, generation 0, members 0",
    ]
    assert "takes a group, or --all" in refused(2, "groups", "describe")
    assert "takes a group, or --all" in refused(2, "groups", "describe", "g", "--all")


def test_describe_shows_partitions_without_a_commit_and_hides_deleted_topics() -> None:
    ok("topics", "create", "two", "-p", "2")
    ok("produce", "two", "-p", "1", stdin=b"a\n")
    ok("consume", "two", "-g", "g")
    states = [(state["partition"], state["current_offset"], state["lag"]) for state in described("g")]
    assert states == [(0, None, None), (1, 1, 0)]
    ok("produce", "two", "-p", "0", stdin=b"a\nb\n")
    assert json.loads(ok("groups", "list", "--json"))["lag"] == 2
    ok("topics", "delete", "two", "-y")
    assert described("g") == []


def test_describe_shows_who_consumes_and_how_fast(group: Path) -> None:
    with started("consume", "clicks", "-g", "g", "-f") as member:
        read_lines(member.stdout, 6)
        wait_until(lambda: offsets("g") == {("clicks", 0): 10}, "the commit")
        (state,) = described("g")
        assert state["member"].startswith(f"{member.pid}-")
        assert state["rate"] > 0
        assert state["lag"] == 0
        assert json.loads(ok("groups", "list", "--json"))["members"] == [state["member"]]
        assert b"generation 1, members 1\n" in ok("groups", "describe", "g")
        member.terminate()
        assert finish(member).status == 143
    assert described("g")[0]["member"] is None
    assert list((group / "members").iterdir()) == []


@pytest.mark.parametrize(
    ("entries", "rate"),
    [
        ([(30, COMMIT, 100), (20, COMMIT, 200), (10, RESET, 0), (5, COMMIT, 50)], 10),  # 150 records in 15 s
        ([(30, COMMIT, 100), (20, RESET, 900), (10, IMPORT, 1900), (5, UNDO, 900)], None),
        ([(30, COMMIT, 100), (20, RESET, 0), (10, COMMIT, 0)], 0),
        ([(30, COMMIT, 100), (20, UNDO, None), (10, COMMIT, 50)], None),
        ([(3600, COMMIT, 0), (10, COMMIT, 3590)], 1),  # an hourly job
        ([(3600, COMMIT, 0), (3590, COMMIT, 100)], None),  # long ago
    ],
)
def test_the_rate_is_that_of_consumption(
    log_directory: Path, entries: list[tuple[int, str, int | None]], rate: float | None
) -> None:
    """entries: seconds ago, kind, offset. A reset is where the next commit starts from, and no progress."""
    ok("produce", "t", stdin=LINES)
    group = GroupDirectory(LogDirectory(str(log_directory), lock_timeout=1), "g", create=True)
    now = time.time_ns() // 1_000_000
    for ago, kind, offset in entries:
        group.journal.append([Commit(now - ago * 1000, kind, "t", 0, offset, "1-a" if kind == COMMIT else "-")])
    assert described("g")[0]["rate"] == rate


@pytest.mark.parametrize(
    ("to", "offset"),
    [("beginning", 0), ("end", 10), ("7", 7), ("current", 4), ("+3", 7), ("-3", 1), ("+99", 10), ("-99", 0)],
)
def test_reset(group: Path, to: str, offset: int) -> None:
    before = contents(group)
    shown = ok("groups", "reset", "g", "--to", to, "--dry-run")
    assert table(shown) == [["TOPIC", "PARTITION", "FROM", "TO"], ["clicks", "0", "4", str(offset)]]
    assert contents(group) == before
    assert ok("groups", "reset", "g", f"--to={to}") == shown
    assert offsets("g") == {("clicks", 0): offset}
    assert ok("consume", "clicks", "-g", "g") == b"".join(LINES.splitlines(True)[offset:])


def test_reset_by_time() -> None:
    records = b"".join(b'{"value":"%d","timestamp":%d}\n' % (time, time) for time in (1000, 2000, 3000))
    for line in records.splitlines(True):
        ok("produce", "t", "--json", stdin=line)
    ok("consume", "t", "-g", "g")
    ok("groups", "reset", "g", "--to", "@2000")
    assert ok("consume", "t", "-g", "g") == b"2000\n3000\n"
    ok("groups", "reset", "g", "--to", "@1h")
    assert ok("consume", "t", "-g", "g") == b""
    ok("groups", "reset", "g", "--to", "@1970-01-01T00:00:03Z")
    assert ok("consume", "t", "-g", "g") == b"3000\n"


def test_reset_of_some_topics_and_of_one_never_consumed(group: Path) -> None:  # noqa: ARG001
    ok("produce", "orders", stdin=b"a\nb\n")
    ok("groups", "reset", "g", "orders", "--to", "1")
    assert offsets("g") == {("clicks", 0): 4, ("orders", 0): 1}
    assert ok("consume", "orders", "-g", "g") == b"b\n"


@pytest.mark.parametrize(
    ("status", "words", "said"),
    [
        (2, [], "--to"),
        (2, ["--to", "soon"], "bad offset 'soon'"),
        (2, ["--to", ""], "bad offset ''"),
        (2, ["--to", "@nonsense"], "nonsense"),
        (4, ["nonsense", "--to", "end"], "no such topic: nonsense"),
        (5, ["--to", "11"], "clicks, partition 0 has 0 to 10"),
    ],
)
def test_reset_refusals_change_nothing(group: Path, status: int, words: list[str], said: str) -> None:
    before = contents(group)
    assert said in refused(status, "groups", "reset", "g", *words)
    assert contents(group) == before


@pytest.mark.parametrize("words", [["reset", "g", "--to", "end"], ["delete", "g"], ["undo", "g"], ["import", "g"]])
def test_moving_offsets_is_refused_while_members_live(group: Path, words: list[str]) -> None:
    exported = ok("groups", "export", "g")
    with started("consume", "clicks", "-g", "g", "-f", "--commit", "none") as member:
        read_lines(member.stdout, 6)
        line = refused(7, "groups", *words, stdin=exported)
        assert f"(pid {member.pid})" in line
        assert "stop them" in line
        member.kill()
        member.wait()
    assert ok("groups", "export", "g") == exported
    assert run("groups", *words, stdin=exported).status == 0
    assert (group / "commits").exists() == (words[0] != "delete")


def test_delete_begins_anew(group: Path) -> None:
    ok("groups", "delete", "g")
    assert not group.exists()
    assert list(group.parent.iterdir()) == []
    assert ok("consume", "clicks", "-g", "g") == LINES
    refused(4, "groups", "delete", "g", "nonsense")
    assert ok("groups", "list") == b"g\n"


def test_log_is_the_history(group: Path) -> None:  # noqa: ARG001
    ok("groups", "reset", "g", "--to", "1")
    ok("groups", "undo", "g")
    lines = [line.split(" ") for line in ok("groups", "log", "g").decode().splitlines()]
    assert [(line[1], line[2], line[3]) for line in lines] == [
        ("commit", "clicks:0", "4"),
        ("reset", "clicks:0", "1"),
        ("undo", "clicks:0", "4"),
    ]
    found = [json.loads(line) for line in ok("groups", "log", "g", "--json").splitlines()]
    assert [sorted(entry) for entry in found] == [["kind", "member", "offset", "partition", "time", "topic"]] * 3
    assert [entry["offset"] for entry in found] == [4, 1, 4]


def test_undo_takes_back_a_reset_of_all_partitions_and_undo_again_brings_it_back() -> None:
    ok("topics", "create", "two", "-p", "2")
    for partition in "01":
        ok("produce", "two", "-p", partition, stdin=LINES)
    ok("consume", "two", "-g", "g", "-n", "15")
    before = offsets("g")
    ok("groups", "reset", "g", "--to", "beginning")
    assert set(offsets("g").values()) == {0}
    rows = table(ok("groups", "undo", "g"))[1:]
    assert {(row[0], int(row[1])): int(row[3]) for row in rows} == before == offsets("g")
    ok("groups", "undo", "g")
    assert set(offsets("g").values()) == {0}


def test_undo_of_the_only_commit_leaves_none_and_more_is_refused(group: Path) -> None:  # noqa: ARG001
    assert table(ok("groups", "undo", "g"))[1] == ["clicks", "0", "4", "-"]
    assert offsets("g") == {}
    assert ok("consume", "clicks", "-g", "g") == LINES
    ok("consume", "clicks", "-g", "new", "-n", "0")
    assert "no commits to take back" in refused(1, "groups", "undo", "new")


def test_export_and_import_move_a_group(group: Path) -> None:  # noqa: ARG001
    exported = ok("groups", "export", "g")
    assert exported == b'{"topic":"clicks","partition":0,"offset":4}\n'
    ok("groups", "import", "copy", stdin=exported)
    assert offsets("copy") == {("clicks", 0): 4}
    assert ok("consume", "clicks", "-g", "copy") == LINES[4 * 7 :]


@pytest.mark.parametrize(
    ("status", "data", "said"),
    [
        (1, b"", "no offsets"),
        (1, b"nonsense\n", "line 1"),
        (1, b"[]\n", "line 1"),
        (1, b'{"topic":"clicks","partition":0,"offset":-1}\n', "line 1"),
        (1, b'{"topic":"clicks","partition":0,"offset":1}\n{"topic":"clicks","partition":0}\n', "line 2"),
        (4, b'{"topic":"clicks","partition":1,"offset":1}\n', "partition"),
        (4, b'{"topic":"nonsense","partition":0,"offset":1}\n', "nonsense"),
    ],
)
def test_import_is_all_or_nothing(group: Path, status: int, data: bytes, said: str) -> None:
    before = contents(group)
    assert said in refused(status, "groups", "import", "g", stdin=data)
    assert contents(group) == before


def test_wait_returns_when_the_group_has_caught_up(group: Path) -> None:  # noqa: ARG001
    ok("groups", "wait", "g", "--lag", "6")
    assert "lag of 6 records" in refused(7, "groups", "wait", "g", "--timeout", "50ms")
    assert "lag of 6 records" in refused(7, "groups", "wait", "g", "--lag", "5", "--timeout", "0s")
    with started("groups", "wait", "g", "--timeout", "60s") as waiting:
        assert waiting.poll() is None
        ok("consume", "clicks", "-g", "g", "-n", "3")
        assert waiting.poll() is None
        ok("consume", "clicks", "-g", "g")
        assert finish(waiting) == (0, b"", "")


def test_a_group_that_is_not_there() -> None:
    ok("produce", "t", stdin=b"a\n")
    for words in (["describe"], ["log"], ["undo"], ["export"], ["wait"], ["reset", "--to", "end"], ["delete"]):
        line = refused(4, "groups", words[0], "nonsense", *words[1:])
        assert "no such group: nonsense" in line
        assert "groups list" in line
    assert "bad group name" in refused(2, "groups", "describe", "a/b")


def test_a_member_that_was_killed_is_no_member(log_directory: Path, group: Path) -> None:
    with started("consume", "clicks", "-g", "g", "-f", "--commit", "none") as member:
        read_lines(member.stdout, 6)
        wait_for_members(log_directory, "g", 1)
    assert len(list((group / "members").iterdir())) == 1
    assert json.loads(ok("groups", "list", "--json"))["members"] == []
    ok("groups", "reset", "g", "--to", "end")

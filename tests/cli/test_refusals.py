"""What is refused: a clear message, the documented status, and nothing lost or half made."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.support.command import durable, finish, ok, refused, run, started
from tests.support.locks import lock_held
from tests.support.restricted import restricted
from tests.support.tree import contents
from tests.support.waiting import read_lines

BAD_NAMES = ["", ".", "..", "a/b", "../up", "/etc/passwd", "a b", "é", "a\n", "a+b", "x" * 250, "a:b"]


@pytest.mark.parametrize("name", BAD_NAMES, ids=repr)
@pytest.mark.parametrize(
    "command", [["produce"], ["topics", "create"], ["topics", "describe"], ["topics", "delete", "-y"]]
)
def test_a_bad_topic_name(command: list[str], name: str, log_directory: Path) -> None:
    message = refused(2, *command, name, stdin=b"x\n")
    assert "topic name" in message or "NAME is missing" in message or "TOPIC is missing" in message
    assert contents(log_directory.parent) == {"work": None}


@pytest.mark.parametrize("name", ["..", "a/b", "../../etc", "a b"])
def test_a_bad_topic_name_to_read(name: str, log_directory: Path) -> None:
    ok("produce", "t", stdin=b"x\n")
    before = contents(log_directory)
    assert "topic name" in refused(2, "consume", name)
    assert "topic name" in refused(2, "tail", name)
    assert contents(log_directory) == before


def test_all_names_are_checked_before_the_first_topic_is_made() -> None:
    refused(2, "topics", "create", "good", "b/ad")
    assert run("topics", "list").out == b""


EVERY_COMMAND = [
    ["produce", "t"],
    ["consume", "t"],
    ["consume", "*"],
    ["tail", "t"],
    ["topics", "list"],
    ["topics", "describe", "t"],
    ["topics", "create", "new"],
    ["topics", "delete", "t", "-y"],
]
COMMANDS = pytest.mark.parametrize("command", EVERY_COMMAND, ids=" ".join)


@COMMANDS
def test_a_directory_of_a_newer_format(command: list[str], log_directory: Path) -> None:
    ok("produce", "t", stdin=b"x\n")
    path = log_directory / "format.json"
    found = json.loads(path.read_text())
    path.write_text(json.dumps({**found, "version": found["version"] + 1}))
    before = contents(log_directory)
    message = refused(1, *command, stdin=b"y\n")
    assert "format 2" in message
    assert str(path) in message
    assert contents(log_directory) == before


@COMMANDS
@pytest.mark.parametrize("text", ["", "{}", "[]", "nonsense", '{"version":"1"}', "[" * 5000, '{"version":true}'])
def test_a_format_file_that_says_nothing(command: list[str], text: str, log_directory: Path) -> None:
    log_directory.mkdir()
    (log_directory / "format.json").write_text(text)
    before = contents(log_directory)
    refused(1, *command, stdin=b"y\n")
    assert contents(log_directory) == before


@COMMANDS
def test_a_directory_that_is_not_a_log_directory(command: list[str], log_directory: Path) -> None:
    log_directory.mkdir()
    (log_directory / "thesis.tex").write_text("my only copy")
    before = contents(log_directory)
    message = refused(1, *command, stdin=b"y\n")
    assert "not a log directory" in message
    assert str(log_directory) in message
    assert contents(log_directory) == before


@COMMANDS
def test_a_file_instead_of_a_directory(command: list[str], log_directory: Path) -> None:
    log_directory.write_text("a file")
    message = refused(1, *command, stdin=b"y\n")
    assert "not a directory" in message
    assert log_directory.read_text() == "a file"


def test_an_empty_directory_becomes_a_log_directory(log_directory: Path) -> None:
    log_directory.mkdir()
    ok("produce", "t", stdin=b"x\n")
    assert ok("consume", "t") == b"x\n"


def test_what_does_not_exist(log_directory: Path) -> None:
    for command in (["consume", "t"], ["tail", "t"], ["topics", "describe", "t"], ["topics", "delete", "t", "-y"]):
        assert str(log_directory) in refused(4, *command)
    assert not log_directory.exists()
    listed = run("topics", "list")
    assert (listed.status, listed.out) == (0, b"")
    ok("produce", "t", stdin=b"x\n")
    before = contents(log_directory)
    for command in (
        ["consume", "u"],
        ["tail", "u"],
        ["topics", "describe", "t", "u"],
        ["topics", "delete", "u", "t", "-y"],
    ):
        message = run(*command).err
        assert "no such topic: u" in message
        assert run(*command).status == 4
    assert "partition 1" in refused(4, "consume", "t", "-p", "1")
    assert "partition 1" in refused(4, "produce", "t", "-p", "1", stdin=b"y\n")
    assert "partition 1" in refused(4, "tail", "t", "-p", "1")
    assert contents(log_directory) == before


@pytest.fixture
def log_with_a_record(log_directory: Path) -> Path:
    ok("produce", "t", stdin=b"x\n")
    return log_directory


def set_writable(directory: Path, writable: bool) -> None:
    for path in [directory, *directory.rglob("*")]:
        mode = path.stat().st_mode & 0o777
        os.chmod(path, mode | 0o200 if writable else mode & ~0o222)


READING = [
    (["consume", "t"], b"x\n"),
    (["consume", "t", "-o", "-1"], b"x\n"),
    (["consume", "-f", "t", "--idle", "10ms"], b"x\n"),
    (["tail", "t"], b"x\n"),
    (["topics", "list"], b"t\n"),
]


def test_a_read_only_directory_can_be_read(log_with_a_record: Path) -> None:
    set_writable(log_with_a_record, False)
    before = contents(log_with_a_record)
    under = restricted("modes")
    for command, out in READING:
        assert ok(*command, under=under) == out
    assert b"log_end_offset" in ok("topics", "describe", "t", "--json", under=under)
    for command in (["produce", "t"], ["produce", "new"], ["topics", "create", "new"], ["topics", "delete", "t", "-y"]):
        message = refused(1, *command, stdin=b"y\n", under=under)
        assert "Permission denied" in message
        assert str(log_with_a_record) in message
    assert contents(log_with_a_record) == before
    set_writable(log_with_a_record, True)


def test_a_directory_without_permission(log_with_a_record: Path) -> None:
    before = contents(log_with_a_record)
    log_with_a_record.chmod(0)
    for command in EVERY_COMMAND:
        message = refused(1, *command, stdin=b"y\n", under=restricted("modes"))
        assert "Permission denied" in message
    log_with_a_record.chmod(0o700)
    assert contents(log_with_a_record) == before


def test_a_place_where_no_directory_can_be_made(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    message = refused(1, "produce", "t", stdin=b"x\n", under=restricted("modes"))
    assert "Permission denied" in message
    tmp_path.chmod(0o700)
    assert contents(tmp_path) == {"work": None}


def test_a_file_of_input_without_permission(tmp_path: Path, log_directory: Path) -> None:
    file = tmp_path / "secret"
    file.write_bytes(b"x\n")
    file.chmod(0)
    assert "secret" in refused(2, "produce", "t", str(file), under=restricted("modes"))
    assert not log_directory.exists()


WITHOUT_LOCKS = restricted("no-flock")


def test_a_file_system_without_locks_can_be_read(log_with_a_record: Path) -> None:
    before = contents(log_with_a_record)
    for command, out in READING:
        assert ok(*command, under=WITHOUT_LOCKS) == out
    assert contents(log_with_a_record) == before


@pytest.mark.parametrize(
    "command", [["produce", "t"], ["produce", "new"], ["topics", "create", "new"], ["topics", "delete", "t", "-y"]], ids=" ".join
)  # fmt: skip
def test_a_file_system_without_locks_is_not_written(command: list[str], log_with_a_record: Path) -> None:
    before = contents(log_with_a_record)
    message = refused(1, *command, stdin=b"y\n", under=WITHOUT_LOCKS)
    assert "locks do not work" in message
    assert str(log_with_a_record) in message
    assert contents(log_with_a_record) == before


def test_a_new_directory_where_locks_do_not_work_gets_no_topic(log_directory: Path) -> None:
    assert "locks do not work" in refused(1, "produce", "t", stdin=b"y\n", under=WITHOUT_LOCKS)
    assert run("topics", "list").out == b""
    assert not [name for name in contents(log_directory) if name.startswith("topics/")]


def test_a_busy_partition(log_with_a_record: Path) -> None:
    before = contents(log_with_a_record)
    path = log_with_a_record / "topics/t/0/lock"
    with lock_held(path):
        message = refused(7, "produce", "t", "--lock-timeout", "50ms", stdin=b"y\n")
        assert "busy" in message
        assert str(path) in message
        assert "--lock-timeout" in message
        assert refused(7, "--lock-timeout", "0", "produce", "t", stdin=b"y\n")
        assert refused(7, "topics", "delete", "t", "-y", "--lock-timeout", "50ms")
        assert ok("consume", "t") == b"x\n"
        assert ok("topics", "list") == b"t\n"
    assert contents(log_with_a_record) == before
    ok("produce", "t", stdin=b"y\n")


def test_a_busy_partition_that_is_free_in_time(log_with_a_record: Path) -> None:
    with started("produce", "t", "--offsets") as producer:
        with lock_held(log_with_a_record / "topics/t/0/lock"):
            producer.stdin.write(b"y\n")
        assert read_lines(producer.stdout, 1) == [b"0 1"]
        assert finish(producer) == (0, b"", "")


def test_a_partition_that_gets_busy_under_a_producer(log_with_a_record: Path) -> None:
    with started("produce", "t", "--sync", "batch", "--offsets", "--lock-timeout", "50ms") as producer:
        producer.stdin.write(b"1\n2\n")
        read_lines(producer.stdout, 2)
        with lock_held(log_with_a_record / "topics/t/0/lock"):
            producer.stdin.write(b"3\n")
            result = finish(producer)
    assert result.status == 8
    assert durable(result.err) == 2
    assert ok("consume", "t") == b"x\n1\n2\n"


def test_a_busy_log_directory(log_with_a_record: Path) -> None:
    before = contents(log_with_a_record)
    with lock_held(log_with_a_record / "lock"):
        for command in (["topics", "create", "u"], ["topics", "delete", "t", "-y"], ["produce", "u"]):
            assert "busy" in refused(7, *command, "--lock-timeout", "50ms", stdin=b"y\n")
        ok("produce", "t", stdin=b"y\n")
    assert {name for name in contents(log_with_a_record) if "/t/" not in name} == {
        name for name in before if "/t/" not in name
    }


def test_a_topic_whose_config_is_damaged(log_with_a_record: Path) -> None:
    path = log_with_a_record / "topics/t/config.json"
    for text in (
        "",
        "{}",
        "[]",
        '{"partitions":0,"config":{}}',
        '{"partitions":"1","config":{}}',
        '{"partitions":1,"config":{"x":1}}',
    ):
        path.write_text(text)
        for command in EVERY_COMMAND[:4]:
            assert str(path) in refused(1, *command, stdin=b"y\n")


@pytest.mark.parametrize("command", ["produce", "consume", "table"])
def test_two_delimiters(command: str) -> None:
    assert "-D and -0 each say" in refused(2, command, "t", "-D", "x", "-0")

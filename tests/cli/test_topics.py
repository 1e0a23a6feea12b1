"""The topics commands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.command import finish, ok, refused, run, started
from tests.support.terminal import on_terminal
from tests.support.tree import contents


def listed(*words: str) -> list[dict]:
    return [json.loads(line) for line in ok(*words, "--json").splitlines()]


def test_create_and_list() -> None:
    assert ok("topics", "create", "b", "a", "c.d_e-F9") == b""
    assert ok("topics", "list") == b"a\nb\nc.d_e-F9\n"
    assert ok("topics", "list", "[ab]") == b"a\nb\n"
    assert ok("topics", "list", "*d*") == b"c.d_e-F9\n"
    assert ok("topics", "list", "none*") == b""


def test_the_longest_name() -> None:
    name = "x" * 249
    ok("produce", name, stdin=b"x\n")
    assert ok("topics", "list") == name.encode() + b"\n"
    assert ok("consume", name) == b"x\n"
    ok("topics", "delete", name, "-y")


@pytest.mark.parametrize("name", ["lock", "format.json", "config.json", "0", "-x", "--", "topics", "...", "_", "a-"])
def test_names_that_look_like_something_else(name: str) -> None:
    ok("topics", "create", "--", name)
    ok("produce", "--", name, stdin=b"x\n")
    assert ok("topics", "list") == name.encode() + b"\n"
    assert ok("consume", "--", name) == b"x\n"
    ok("topics", "delete", "-y", "--", name)
    assert ok("topics", "list") == b""


CREATED = [
    ([], {}),
    (["-p", "3"], {}),
    (["--partitions=100"], {}),
    (["--segment-bytes", "64K"], {"segment.bytes": 65536}),
    (["--segment-age", "90s"], {"segment.ms": 90_000}),
    (["-c", "max.message.bytes=1M"], {"max.message.bytes": 1 << 20}),
    (["-c", "segment.ms=1500", "-c", "segment.bytes=2048"], {"segment.ms": 1500, "segment.bytes": 2048}),
    (["-c", "segment.ms=2h"], {"segment.ms": 7_200_000}),
    (
        ["-c", "retention.ms=7d", "-c", "retention.bytes=64M"],
        {"retention.ms": 604_800_000, "retention.bytes": 64 << 20},
    ),
    (["-c", "retention.ms=unlimited", "-c", "retention.bytes=-1"], {"retention.ms": -1, "retention.bytes": -1}),
    (["-c", "cleanup.policy=delete,compact"], {"cleanup.policy": "compact,delete"}),
    (["-c", "min.cleanable.dirty.ratio=0.1"], {"min.cleanable.dirty.ratio": 0.1}),
    (["--retention", "90s", "--retention-bytes", "1G"], {"retention.ms": 90_000, "retention.bytes": 1 << 30}),
    (["--retention", "unlimited", "--retention-bytes", "-1"], {"retention.ms": -1, "retention.bytes": -1}),
    (["--compact"], {"cleanup.policy": "compact"}),
    (
        ["--compact", "-c", "cleanup.policy=compact", "-c", "segment.ms=1s", "--segment-age", "1s"],
        {"segment.ms": 1000, "cleanup.policy": "compact"},
    ),
    (["--compact", "-c", "cleanup.policy=delete,compact", "--retention=1h"], {"cleanup.policy": "compact,delete"}),
]
DEFAULTS = {
    "segment.bytes": 1 << 30,
    "segment.ms": 604_800_000,
    "max.message.bytes": 16 << 20,
    "cleanup.policy": "delete",
}


@pytest.mark.parametrize(("flags", "config"), CREATED, ids=lambda value: " ".join(value))
def test_create_options(flags: list[str], config: dict[str, object]) -> None:
    ok("topics", "create", "t", *flags)
    partitions = {"-p": 3, "--partitions=100": 100}.get(flags[0] if flags else "", 1)
    (topic,) = listed("topics", "list")
    assert topic["topic"] == "t"
    assert topic["partitions"] == partitions
    assert topic["config"].items() >= (DEFAULTS | config).items()
    (described,) = listed("topics", "describe", "t")
    assert described["config"] == topic["config"]
    assert [each["partition"] for each in described["partitions"]] == list(range(partitions))


@pytest.mark.parametrize(
    "flags",
    [
        ["-p", "0"],
        ["-p", "-1"],
        ["-p", "100001"],
        ["-p", "many"],
        ["-c", "segment.bytes"],
        ["-c", "nonsense=1"],
        ["-c", "segment.bytes=lots"],
        ["-c", "segment.bytes=1"],
        ["-c", "segment.ms=0"],
        ["-c", "max.message.bytes=0"],
        ["-c", "max.message.bytes=1T"],
        ["-c", "cleanup.policy=keep"],
        ["-c", "retention.ms=-2"],
        ["-c", "segment.ms=unlimited"],
        ["-c", "min.cleanable.dirty.ratio=2"],
        ["-c", "min.cleanable.dirty.ratio=half"],
        ["-c", "segment.ms=1h", "-c", "segment.ms=2h"],
        ["--compact", "-c", "cleanup.policy=delete"],
        ["--retention", "7d", "-c", "retention.ms=unlimited"],
        ["--retention-bytes", "1G", "-c", "retention.bytes=2G"],
        ["--segment-bytes", "1G", "-c", "segment.bytes=2G"],
        ["--segment-bytes", "1"],
        ["--retention", "7"],
        ["--retention", "-2"],
        ["--segment-bytes", "64Q"],
        ["--segment-age", "5"],
        ["--segment-age", "-5s"],
    ],
    ids=" ".join,
)
def test_bad_create_options(flags: list[str], log_directory: Path) -> None:
    refused(2, "topics", "create", "t", *flags)
    assert not log_directory.exists()


def test_settings_that_do_nothing_are_told() -> None:
    result = run("topics", "create", "t", "--compact", "--retention", "7d")
    assert result.status == 0
    assert "retention.ms does nothing while cleanup.policy is compact" in result.err
    assert run("topics", "create", "u", "--compact", "--retention", "7d", "-q").err == ""


def test_a_topic_that_exists() -> None:
    ok("produce", "t", stdin=b"x\n")
    result = run("topics", "create", "t", "u", "-p", "2")
    assert result.status == 1
    assert "topic t exists" in result.err
    assert "--if-not-exists" in result.err
    ok("topics", "create", "t", "v", "-p", "2", "--if-not-exists")
    assert [(each["topic"], each["partitions"]) for each in listed("topics", "list") if each["topic"] != "u"] == [
        ("t", 1),
        ("v", 2),
    ]
    assert ok("consume", "t") == b"x\n"


def test_describe() -> None:
    ok("topics", "create", "t", "-p", "2", "--segment-bytes", "1K")
    line = '{"value":"%s","timestamp":%d,"partition":1}\n'
    ok("produce", "t", "--json", stdin=(line % ("x" * 800, 1_700_000_000_000)).encode())
    ok("produce", "t", "--json", stdin=(line % ("y" * 800, 1_700_000_001_000)).encode())
    (described,) = listed("topics", "describe", "t")
    empty, full = described["partitions"]
    assert empty == {
        "partition": 0,
        "log_start_offset": 0,
        "log_end_offset": 0,
        "size": 0,
        "segments": 1,
        "first_timestamp": None,
        "last_timestamp": None,
    }
    size = full.pop("size")
    assert 1600 < size < 2000
    assert full == {
        "partition": 1,
        "log_start_offset": 0,
        "log_end_offset": 2,
        "segments": 2,
        "first_timestamp": 1_700_000_000_000,
        "last_timestamp": 1_700_000_001_000,
    }
    assert described["set"] == ["segment.bytes"]
    assert (described["offsets"], described["size"], described["segments"]) == (2, size, 3)
    assert (described["first_timestamp"], described["last_timestamp"]) == (1_700_000_000_000, 1_700_000_001_000)
    text = ok("topics", "describe", "t").decode().splitlines()
    assert text[:2] == ["topic t: 2 partitions, 2 records", "set: segment.bytes=1K"]
    assert text[2].startswith("default: cleanup.policy=delete retention.ms=unlimited")
    assert [line.split() for line in text[-4:-2]] == [
        ["P", "START", "END", "SIZE", "SEGS", "FIRST", "LAST"],
        ["0", "0", "0", "0", "B", "1", "-", "-"],
    ]
    times = ["2023-11-14T22:13:20Z", "2023-11-14T22:13:21Z"]
    assert text[-2].split() == ["1", "0", "2", f"{size / 1000:.1f}", "kB", "2", *times]
    assert text[-1].split() == ["all", f"{size / 1000:.1f}", "kB", "3", *times]


def test_a_description_fits_a_terminal() -> None:
    settings = {"cleanup.policy": "compact,delete", "retention.ms": "400d", "segment.ms": "3661s"}
    flags = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    ok("topics", "create", "t", "-p", "1000", *flags)
    line = b'{"key":"k","value":"x","partition":999,"timestamp":%d}\n'
    ok("produce", "t", "--json", stdin=line % 1_700_000_000_000 + line % 1_900_000_000_000)
    text = ok("topics", "describe", "t").decode()
    assert max(map(len, text.splitlines())) <= 80
    for name, value in settings.items():
        assert f"{name}={value}" in text.split()


def test_describe_several_and_one_missing() -> None:
    ok("topics", "create", "a", "b")
    assert [each["topic"] for each in listed("topics", "describe", "b", "a")] == ["b", "a"]
    result = run("topics", "describe", "missing", "a")
    assert result.status == 4
    assert "missing" in result.err


def test_delete_needs_a_yes_where_nobody_can_be_asked(log_directory: Path) -> None:
    ok("produce", "t", stdin=b"x\n")
    before = contents(log_directory)
    assert "-y" in refused(2, "topics", "delete", "t", stdin=b"y\n")
    assert contents(log_directory) == before


def test_delete_all_or_none_of_what_is_named() -> None:
    ok("topics", "create", "a", "b")
    refused(4, "topics", "delete", "a", "missing", "b", "-y")
    assert ok("topics", "list") == b"a\nb\n"
    assert ok("topics", "delete", "a", "b", "-y") == b""
    assert ok("topics", "list") == b""


def test_deleted_is_gone_from_the_disk_and_starts_anew(log_directory: Path) -> None:
    ok("produce", "t", "--partitions", "3", stdin=b"old\n")
    ok("topics", "delete", "t", "--yes")
    assert contents(log_directory / "topics") == {}
    ok("produce", "t", stdin=b"new\n")
    assert ok("consume", "t", "-F", "%o %s\\n") == b"0 new\n"


def test_the_same_topic_twice_in_one_command() -> None:
    result = run("topics", "create", "t", "t")
    assert result.status == 1
    assert "exists" in result.err
    result = run("topics", "delete", "t", "t", "-y")
    assert result.status in (0, 4)
    assert "Traceback" not in result.err
    assert ok("topics", "list") == b""


@pytest.mark.parametrize(
    ("answer", "status", "left"), [(b"y", 0, b""), (b"yes", 0, b""), (b"n", 1, b"t\n"), (b"", 1, b"t\n")]
)
def test_delete_asks_on_a_terminal(answer: bytes, status: int, left: bytes) -> None:
    ok("produce", "t", stdin=b"x\n")
    with on_terminal("topics", "delete", "t") as terminal:
        terminal.see(lambda shown: b"[y/N]" in shown)
        terminal.type(answer + b"\n")
        assert terminal.finish()[0] == status
    assert ok("topics", "list") == left


def test_ctrl_c_at_the_question_deletes_nothing() -> None:
    ok("produce", "t", stdin=b"x\n")
    with on_terminal("topics", "delete", "t") as terminal:
        terminal.see(lambda shown: b"[y/N]" in shown)
        terminal.process.send_signal(2)
        status, shown = terminal.finish()
    assert status == 130
    assert b"Traceback" not in shown
    assert ok("consume", "t") == b"x\n"


def test_consuming_a_topic_while_it_is_deleted_gives_what_was_there_or_says_so() -> None:
    data = b"x" * 99 + b"\n"
    ok("produce", "t", stdin=data * 60_000)
    with started("consume", "t") as consumer:
        assert consumer.stdout.read(1) == b"x"
        ok("topics", "delete", "t", "-y")
        result = finish(consumer)
    assert result.status in (0, 4)
    assert "Traceback" not in result.err
    assert (b"x" + result.out == data * 60_000) == (result.status == 0)

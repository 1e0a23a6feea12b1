"""produce: what is acknowledged when, and how far it got when something is wrong."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.command import STREAMCLI, durable, finish, ok, refused, run, started
from tests.support.waiting import DEADLINE, read_lines, wait_until

MIB = 1 << 20


@pytest.mark.parametrize("sync", ["exit", "batch", "none"])
def test_every_sync_policy_takes_everything(sync: str) -> None:
    data = b"".join(b"%d\n" % number for number in range(5000))
    places = ok("produce", "t", "--sync", sync, "--offsets", stdin=data)
    assert places == b"".join(b"0 %d\n" % number for number in range(5000))
    assert ok("consume", "t") == data


def test_a_sync_policy_that_is_none() -> None:
    assert "exit, batch, none" in refused(2, "produce", "t", "--sync", "always")


@pytest.mark.parametrize("sync", ["exit", "batch"])
def test_offsets_are_printed_while_the_input_goes_on(sync: str) -> None:
    with started("produce", "t", "--sync", sync, "--offsets") as producer:
        for number in range(3):
            producer.stdin.write(b"x\ny\n")
            assert read_lines(producer.stdout, 2) == [b"0 %d" % (2 * number), b"0 %d" % (2 * number + 1)]
        assert finish(producer) == (0, b"", "")


def test_offsets_name_where_each_record_is() -> None:
    ok("topics", "create", "t", "-p", "4")
    data = b"".join(b"k%d:v%d\n" % (number % 17, number) for number in range(500))
    places = ok("produce", "t", "-K", ":", "--offsets", stdin=data).splitlines()
    found = ok("consume", "t", "-F", "%p %o %k:%s\\n").splitlines()
    assert sorted(b"%s %s" % pair for pair in zip(places, data.splitlines(), strict=True)) == sorted(found)


@pytest.mark.parametrize("flags", [(), ("-0",), ("-K", ":"), ("--whole",), ("--rate", "100000")])
def test_tee_copies_the_input(flags: tuple[str, ...]) -> None:
    data = b"a:1\n\0b\xff\r\n\n" * 1000
    assert ok("produce", "t", "--tee", *flags, stdin=data) == data


def test_tee_gives_a_last_line_as_it_came() -> None:
    assert ok("produce", "t", "--tee", stdin=b"a\nb") == b"a\nb"


def test_tee_gives_what_is_appended_at_once() -> None:
    with started("produce", "t", "--tee") as producer:
        producer.stdin.write(b"line\n")
        assert read_lines(producer.stdout, 1) == [b"line"]
        assert ok("consume", "t") == b"line\n"


def test_producing_goes_on_when_the_reader_of_tee_goes_away() -> None:
    with started("produce", "t", "--tee") as producer:
        producer.stdin.write(b"1\n")
        assert read_lines(producer.stdout, 1) == [b"1"]
        producer.stdout.close()
        producer.stdout = None
        producer.stdin.write(b"2\n")
        wait_until(lambda: ok("consume", "t") == b"1\n2\n", "the second record")
        producer.stdin.write(b"3\n")
        assert finish(producer) == (0, b"", "")
    assert ok("consume", "t") == b"1\n2\n3\n"


def test_producing_goes_on_when_the_reader_of_offsets_goes_away() -> None:
    with started("produce", "t", "--sync", "batch", "--offsets") as producer:
        producer.stdin.write(b"1\n")
        assert read_lines(producer.stdout, 1) == [b"0 0"]
        producer.stdout.close()
        producer.stdout = None
        producer.stdin.write(b"2\n3\n")
        result = finish(producer)
    # Either all was taken and it says so, or it says how much: never a quiet 0 with records left behind.
    assert (result.status, ok("consume", "t")) == (0, b"1\n2\n3\n")


def test_rate_bounds_the_records_a_second() -> None:
    began = time.monotonic()
    ok("produce", "t", "--rate", "200", stdin=b"x\n" * 100)
    assert time.monotonic() - began >= 0.4
    assert ok("consume", "t") == b"x\n" * 100
    refused(2, "produce", "t", "--rate", "0")


def test_summary_and_quiet() -> None:
    result = run("produce", "t", "-v", stdin=b"x\n" * 12_345)
    assert result.status == 0
    assert result.err.startswith("12,345 records, 24.7 kB -> t in ")
    assert run("produce", "t", "-v", stdin=b"x\n").err.startswith("1 record, ")


def test_progress_of_what_is_quick_says_nothing() -> None:
    assert ok("produce", "t", "--progress", stdin=b"x\n") == b""


def test_the_topic_and_the_directory_are_made(log_directory) -> None:
    ok("--dir", str(log_directory / "deep" / "er"), "produce", "t", stdin=b"x\n")
    assert ok("--dir", str(log_directory / "deep" / "er"), "consume", "t") == b"x\n"
    assert not (log_directory / "topics").exists()


def test_the_topic_is_made_for_no_input_too() -> None:
    ok("produce", "t")
    assert ok("topics", "list") == b"t\n"


def test_no_create(log_directory) -> None:
    refused(4, "produce", "t", "--no-create", stdin=b"x\n")
    assert not log_directory.exists()
    ok("produce", "other")
    assert "no such topic: t" in refused(4, "produce", "t", "--no-create", stdin=b"x\n")
    ok("produce", "other", "--no-create", stdin=b"x\n")
    assert ok("topics", "list") == b"other\n"


def test_partitions_counts_for_a_new_topic_only() -> None:
    ok("produce", "t", "--partitions", "3", "-p", "2", stdin=b"x\n")
    again = run("produce", "t", "--partitions", "5", "-p", "0", stdin=b"y\n")
    assert again.status == 0
    assert "has 3 partitions: --partitions changes nothing" in again.err
    refused(4, "produce", "t", "-p", "3", stdin=b"z\n")
    refused(2, "produce", "new", "--partitions", "0")
    assert ok("topics", "list") == b"t\n"


def test_a_partition_that_is_not_there_makes_no_topic() -> None:
    refused(4, "produce", "new", "-p", "1", stdin=b"x\n")
    assert ok("topics", "list") == b""


@pytest.mark.parametrize("flags", [(), ("-K", ":"), ("-Z",)])
@pytest.mark.parametrize("end", [b"\n", b""])
def test_a_record_too_long_is_named_and_what_is_before_it_is_there(flags: tuple[str, ...], end: bytes) -> None:
    ok("topics", "create", "t", "-c", "max.message.bytes=1000")
    before = [b"short", b"x" * 1000, b""]
    data = b"".join(line + b"\n" for line in before) + b"y" * 1001 + end
    result = run("produce", "t", *flags, stdin=data + (b"after\n" if end else b""))
    assert (result.status, result.out) == (8, b"")
    assert len(result.err.splitlines()) == 1
    assert "record 4 of standard input" in result.err
    assert "1000 bytes" in result.err
    assert durable(result.err) == 3
    assert ok("consume", "t") == b"".join(line + b"\n" for line in before)
    ok("produce", "t", stdin=b"next\n")
    assert ok("consume", "t", "-o", "3") == b"next\n"


@pytest.mark.parametrize("flags", [("-D", "--"), ("-0",), ("--whole",)])
def test_too_long_whatever_ends_a_record(flags: tuple[str, ...]) -> None:
    ok("topics", "create", "t", "-c", "max.message.bytes=10")
    end = {"-D": b"--", "-0": b"\0", "--whole": b""}[flags[0]]
    result = run("produce", "t", *flags, stdin=b"x" * 11 + end)
    assert result.status == 8
    assert "record 1 of standard input" in result.err
    assert durable(result.err) == 0
    ok("produce", "t", *flags, stdin=b"x" * 10 + end)
    assert ok("consume", "t") == b"x" * 10 + b"\n"


def test_too_long_in_json_counts_key_and_value() -> None:
    ok("topics", "create", "t", "-c", "max.message.bytes=10")
    lines = b'{"key":"12345","value":"12345"}\n{"key":"12345","value":"123456"}\n'
    result = run("produce", "t", "--json", stdin=lines)
    assert result.status == 8
    assert "record 2 of standard input" in result.err
    assert ok("consume", "t") == b"12345\n"


def test_the_default_limit_is_16_mib() -> None:
    longest = b"x" * (16 * MIB)
    ok("produce", "t", stdin=longest + b"\nshort\n")
    assert ok("consume", "t", "-F", "%S ") == b"%d 5 " % len(longest)
    result = run("produce", "t", stdin=b"a\n" + longest + b"x\n")
    assert result.status == 8
    assert "record 2 of standard input" in result.err
    assert durable(result.err) == 1


def test_a_record_too_long_is_refused_before_all_of_it_came() -> None:
    ok("topics", "create", "t", "-c", "max.message.bytes=100")
    with started("produce", "t") as producer:
        producer.stdin.write(b"good\n" + b"x" * 5000)
        assert producer.wait(DEADLINE) == 8


def test_too_long_in_a_file_names_the_file(tmp_path) -> None:
    ok("topics", "create", "t", "-c", "max.message.bytes=5")
    good, bad = tmp_path / "good", tmp_path / "bad"
    good.write_bytes(b"1\n2\n")
    bad.write_bytes(b"3\ntoolong\n")
    result = run("produce", "t", str(good), str(bad))
    assert result.status == 8
    assert f"record 2 of {bad}" in result.err
    assert durable(result.err) == 3
    assert "start at record 4 of the input" in result.err


def test_a_topic_deleted_under_a_producer() -> None:
    with started("produce", "t", "--sync", "batch", "--offsets") as producer:
        producer.stdin.write(b"1\n2\n")
        assert read_lines(producer.stdout, 2) == [b"0 0", b"0 1"]
        ok("topics", "delete", "t", "-y")
        producer.stdin.write(b"3\n")
        result = finish(producer)
    assert (result.status, result.out) == (8, b"")
    assert "deleted" in result.err
    assert durable(result.err) == 0, "what was durable went with the topic"
    assert ok("topics", "list") == b""


def test_a_topic_deleted_and_made_again_under_a_producer() -> None:
    with started("produce", "t", "--sync", "batch", "--offsets") as producer:
        producer.stdin.write(b"1\n")
        assert read_lines(producer.stdout, 1) == [b"0 0"]
        ok("topics", "delete", "t", "-y")
        ok("produce", "t", stdin=b"new\n")
        producer.stdin.write(b"2\n")
        result = finish(producer)
    assert result.status == 8
    assert ok("consume", "t") == b"new\n"


def test_a_reader_of_offsets_that_leaves_ends_the_printing_only() -> None:
    with started("produce", "t", "--offsets", "--sync", "batch") as producer:
        producer.stdin.write(b"1\n")
        assert read_lines(producer.stdout, 1) == [b"0 0"]
        producer.stdout.close()
        producer.stdout = None
        producer.stdin.write(b"2\n3\n")
        assert finish(producer).status == 0
    assert ok("consume", "t") == b"1\n2\n3\n"


_PEAK_OF = """
import os, sys
pid = os.fork()
if not pid:
    os.execv(sys.argv[1], sys.argv[1:])
_, status, used = os.wait4(pid, 0)
print(used.ru_maxrss, file=sys.stderr)
sys.exit(os.waitstatus_to_exitcode(status))
"""
"""Linux counts to a process what the one that started it took before: a small one has to do that, not the tests'."""


def peak_memory(*words: str, stdin: str = os.devnull) -> int:
    """KiB that a run of streamcli took at most."""
    with open(stdin, "rb") as given:
        command = [sys.executable, "-S", "-c", _PEAK_OF, *STREAMCLI, *words]
        done = subprocess.run(
            command, stdin=given, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=DEADLINE, check=True
        )
    return int(done.stderr)


def test_short_records_take_little_memory(tmp_path: Path) -> None:
    """A chunk of a million records is never a million objects at once."""
    lines = tmp_path / "lines"
    lines.write_bytes(b"\n" * 2_000_000)
    assert peak_memory("produce", "t", "-K", ":", stdin=str(lines)) < 100 << 10
    assert peak_memory("produce", "plain", stdin=str(lines)) < 100 << 10
    for topic in ("t", "plain"):
        assert peak_memory("consume", topic, "--json") < 100 << 10

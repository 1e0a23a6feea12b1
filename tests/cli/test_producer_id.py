"""produce --producer-id: run again with the same input, it adds what is missing, and nothing twice."""

from __future__ import annotations

import json
import os
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from streamcli.storage.layout import PRODUCERS
from tests.support.command import STREAMCLI, durable, ok, refused, run, started
from tests.support.waiting import DEADLINE, wait_until

RUN = 10_000


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "log"
    monkeypatch.setenv("STREAMCLI_DIR", str(path))
    return path


def numbered(count: int, first: int = 0) -> bytes:
    return b"".join(b"%d\n" % number for number in range(first, count))


def keyed(count: int) -> bytes:
    return b"".join(b"k%d:%d\n" % (number % 13, number) for number in range(count))


def enveloped(count: int) -> bytes:
    rows = (
        {"partition": n % 3, "key": None, "value": str(n)} if n % 2 else {"key": f"k{n % 7}", "value": str(n)}
        for n in range(count)
    )
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


SHAPES = {
    "lines": ([], numbered),
    "nul": (["-0"], lambda count: numbered(count).replace(b"\n", b"\0")),
    "one key": (["-k", "k"], numbered),
    "headers": (["-H", "a=b", "-z", "gzip"], numbered),
    "keys": (["-K", ":"], keyed),
    "json": (["--json"], enveloped),
    "one partition": (["-p", "1"], numbered),
    "batches": (["--sync", "batch"], numbered),
    "unsynced": (["--sync", "none"], numbered),
}


def values(topic: str = "t") -> list[list[int]]:
    """Those of each partition."""
    found: dict[int, list[int]] = {}
    for line in ok("consume", topic, "--json").splitlines():
        row = json.loads(line)
        found.setdefault(row["partition"], []).append(int(row["value"]))
    return list(found.values())


def assert_each_once_in_order(count: int) -> None:
    found = values()
    assert all(part == sorted(part) for part in found)
    assert sorted(number for part in found for number in part) == list(range(count))


@pytest.mark.parametrize(("shape", "partitions"), [*((shape, 3) for shape in SHAPES), ("lines", 1), ("keys", 1)])
def test_a_run_after_one_that_was_cut_short_adds_what_is_missing(shape: str, partitions: int) -> None:
    """The input of the first is the beginning of that of the second, as what had arrived before a failure is."""
    words, lines = SHAPES[shape]
    ok("topics", "create", "t", "-p", str(partitions))
    for count in (2500, 25_000, 25_001):
        ok("produce", "t", "--producer-id", "x", *words, stdin=lines(count))
    assert_each_once_in_order(25_001)


def test_files_are_one_input_in_their_order(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a", "b", "c")]
    for number, path in enumerate(paths):
        path.write_bytes(numbered(100 * number + 100, 100 * number))
    ok("produce", "t", "--producer-id", "x", *map(str, paths[:2]))
    ok("produce", "t", "--producer-id", "x", *map(str, paths))
    assert_each_once_in_order(300)


def test_whole_files_are_records(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / str(number)).write_bytes(b"%d" % number)
    for names in (["0"], ["0", "1", "2"], ["0", "1", "2"]):
        ok("produce", "t", "--whole", "--producer-id", "x", *(str(tmp_path / name) for name in names))
    assert values() == [[0, 1, 2]]


def test_names_and_runs_without_one_do_not_know_of_each_other() -> None:
    for name in ("x", "y"):
        ok("produce", "t", "--producer-id", name, stdin=numbered(3))
    ok("produce", "t", stdin=numbered(3))
    ok("produce", "t", "--producer-id", "x", stdin=numbered(3))
    ok("produce", "u", "--producer-id", "x", stdin=numbered(3))
    assert (len(values()[0]), values("u")) == (9, [[0, 1, 2]])


def test_it_is_told_how_many_were_there() -> None:
    assert (
        "3 records (0 there already), 6 B -> t"
        in run("-v", "produce", "t", "--producer-id", "x", stdin=numbered(3)).err
    )
    assert (
        "5 records (3 there already), 10 B -> t"
        in run("-v", "produce", "t", "--producer-id", "x", stdin=numbered(5)).err
    )
    assert "there already" not in run("-v", "produce", "t", stdin=numbered(3)).err


def test_offsets_has_a_line_for_each_record_of_the_input() -> None:
    ok("produce", "t", "--producer-id", "x", stdin=numbered(2))
    ok("produce", "t", stdin=b"other\n")
    assert ok("produce", "t", "--producer-id", "x", "--offsets", stdin=numbered(4)) == b"0 -\n0 -\n0 3\n0 4\n"


def test_tee_copies_all_of_the_input() -> None:
    for count in (2, 4):
        assert ok("produce", "t", "--producer-id", "x", "--tee", stdin=numbered(count)) == numbered(count)


def test_what_is_there_takes_no_time_of_a_rate() -> None:
    """At two records a second the 40,000 would take hours."""
    ok("produce", "t", "--producer-id", "x", stdin=numbered(40_000))
    ok("produce", "t", "--producer-id", "x", "--rate", "2", stdin=numbered(40_001))
    assert_each_once_in_order(40_001)


def test_unkeyed_records_change_partition_by_their_index() -> None:
    ok("produce", "t", "--partitions", "3", "--producer-id", "x", stdin=numbered(RUN * 4 + 5))
    runs = {tuple(number // RUN for number in part[::RUN]) for part in values()}
    assert runs == {(0, 3), (1, 4), (2,)}


@pytest.mark.parametrize("shape", ["lines", "keys", "json"])
def test_more_partitions_move_no_record_that_is_there(shape: str) -> None:
    """Partitions are added twice, and each time records were missing that belong where they went before."""
    words, lines = SHAPES[shape]
    ok("topics", "create", "t", "-p", "3")
    ok("produce", "t", "--producer-id", "x", *words, stdin=lines(25_000))
    ok("topics", "alter", "t", "-p", "4")
    ok("produce", "t", "--producer-id", "x", *words, stdin=lines(25_000))
    assert len(values()) == 3
    ok("produce", "t", "--producer-id", "x", *words, stdin=lines(36_000))
    ok("topics", "alter", "t", "-p", "7")
    for _ in range(2):
        ok("produce", "t", "--producer-id", "x", *words, stdin=lines(60_000))
    assert_each_once_in_order(60_000)


def test_partitions_that_come_while_it_runs() -> None:
    ok("topics", "create", "t", "-p", "1")
    words = ["produce", "t", "--producer-id", "x", "-K", ":", "--offsets"]
    lines = keyed(100_000).splitlines(keepends=True)
    with started(*words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"".join(lines[:300]))
        process.stdin.flush()
        for _ in range(300):
            process.stdout.readline()
        ok("topics", "alter", "t", "-p", "4")
        rest = enumerate(lines[300:], 301)

        def given() -> int | None:
            """Give it the next record; how many it has had, once one went to a new partition."""
            count, line = next(rest)
            process.stdin.write(line)
            return count if process.stdout.readline()[:1] != b"0" else None

        count = wait_until(given, "the new partitions to be used")
        process.kill()
    ok(*words[:-1], stdin=keyed(count + 600))
    assert_each_once_in_order(count + 600)


def test_a_growing_file_is_gone_on_with(tmp_path: Path) -> None:
    """As cron does it: each time from the beginning. The last line is being written when it is read."""
    log = tmp_path / "access.log"
    words = ["produce", "t", "--producer-id", "access", "--growing", str(log)]
    with log.open("ab", buffering=0) as file:
        file.write(b"1\n2\n3")
        ok(*words)
        assert values() == [[1, 2]]
        file.write(b"4\n")
        ok(*words)
        ok(*words)
        assert values() == [[1, 2, 34]]
        file.write(b"5")
        ok(*words[:-2], words[-1])
        assert values() == [[1, 2, 34, 5]]


def test_a_line_that_was_read_half_written_is_told() -> None:
    ok("produce", "t", "--producer-id", "x", stdin=b"1\n2\n3")
    told = refused(2, "produce", "t", "--producer-id", "x", stdin=b"1\n2\n34\n5\n")
    assert told.startswith("streamcli: record 3 is not the one that x had there before: ")
    assert told.endswith("; 0 of its records were appended")


@pytest.mark.parametrize(("given", "told"), [
    (numbered(20, 5), "record 10 is not the one that x had there before"),
    (numbered(5), "the input ends after 5 records, and x had 10 before"),
    (b"", "the input ends after 0 records, and x had 10 before"),
])  # fmt: skip
def test_another_input_under_a_used_name_is_refused(given: bytes, told: str) -> None:
    ok("produce", "t", "--producer-id", "x", stdin=numbered(10))
    assert told in refused(2, "produce", "t", "--producer-id", "x", stdin=given)
    assert values() == [list(range(10))]


def test_another_key_is_another_record() -> None:
    ok("produce", "t", "--producer-id", "x", "-k", "a", stdin=numbered(3))
    assert "record 3 is not the one" in refused(2, "produce", "t", "--producer-id", "x", "-k", "b", stdin=numbered(3))


@pytest.mark.parametrize(
    "words", [["--producer-id", ""], ["--growing"], ["--growing", "--whole", "--producer-id", "x"]]
)
def test_flags_that_say_nothing_are_refused(words: list[str]) -> None:
    refused(2, "produce", "t", *words, stdin=numbered(3))


def test_two_at_once_with_one_input(tmp_path: Path) -> None:
    """Each in pieces of its own: one reads the file, one a pipe that is filled bit by bit."""
    lines = tmp_path / "lines"
    lines.write_bytes(keyed(300_000))
    words = [*STREAMCLI, "produce", "t", "--partitions", "3", "--producer-id", "x", "-K", ":"]
    script = 'dd bs=1000 status=none < "$0" | "$@"'
    both = [
        subprocess.Popen(["sh", "-c", script, str(lines), *words]),
        subprocess.Popen([*words, str(lines)]),
        subprocess.Popen([*words, str(lines)]),
    ]
    assert [process.wait(DEADLINE) for process in both] == [0, 0, 0]
    assert_each_once_in_order(300_000)


def test_a_failure_counts_what_was_there_as_durable() -> None:
    ok("produce", "t", "--producer-id", "x", stdin=numbered(5))
    ok("topics", "alter", "t", "-c", "max.message.bytes=10")
    result = run("produce", "t", "--producer-id", "x", stdin=numbered(7) + b"much too long\n")
    assert (result.status, durable(result.err)) == (8, 7)
    assert values() == [list(range(7))]


@pytest.mark.parametrize("cleaning", [["topics", "trim", "t", "--before", "end"], ["topics", "clean", "t"]])
def test_a_run_after_retention_adds_nothing_twice(cleaning: list[str]) -> None:
    ok("topics", "create", "t", "-p", "2", "--segment-bytes", "4K", "--retention-bytes", "8K")
    for count in (5000, 12_000):
        ok("produce", "t", "--producer-id", "x", "-K", ":", stdin=keyed(count))
        run(*cleaning)
    before = values()
    assert 0 < sum(map(len, before)) < 12_000 or cleaning[1] == "trim"
    ok("produce", "t", "--producer-id", "x", "-K", ":", stdin=keyed(12_000))
    assert values() == before
    ok("produce", "t", "--producer-id", "x", "-K", ":", stdin=keyed(12_001))
    assert sum(map(len, values())) in (sum(map(len, before)) + 1, *range(1, 12_000))


def test_compaction_forgets_nobody(directory: Path) -> None:
    ok("topics", "create", "t", "-p", "2", "--compact", "--segment-bytes", "4K")
    for _ in range(3):
        ok("produce", "t", "--producer-id", "x", "-K", ":", stdin=keyed(9000))
        run("topics", "clean", "t")
    assert sorted(number for part in values() for number in part) == list(range(9000 - 13, 9000))
    for path in (directory / "topics" / "t").glob(f"*/{PRODUCERS}"):
        assert path.stat().st_size < 400


def test_the_ids_are_in_dump() -> None:
    ok("produce", "t", "--producer-id", "x", stdin=numbered(5))
    rows = [json.loads(line) for line in ok("dump", "t", "--json").splitlines()]
    assert Counter((row["producer_id"], row["producer_epoch"], row["producer_sequence"]) for row in rows) == {
        (0x2D711642B726B044, 0, 5): 1
    }


def test_a_killed_run_and_another() -> None:
    """What the first has appended, and not yet fsynced, counts for the second once that has fsynced it."""
    with started("produce", "t", "--producer-id", "x", stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write(numbered(1000))
        process.stdin.flush()
        wait_until(lambda: run("consume", "t").out == numbered(1000), "the records are in the log")
        process.kill()
    log = Path(os.environ["STREAMCLI_DIR"], "topics", "t", "0")
    ok("produce", "t", "--producer-id", "x", stdin=numbered(1000))
    assert values() == [list(range(1000))]
    assert b"%020d" % (log / "00000000000000000000.log").stat().st_size in (log / "checkpoint").read_bytes()

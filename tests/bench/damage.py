"""What breaks when things break: streamcli's row, and those of the peers that are at hand, as a Markdown table.

    python tests/bench/damage.py [--rounds N] [--dir DIR] [--json]

Three experiments, on small data made in a temporary directory in DIR:

    kill -9      a writer is killed in its work, N times: records it had acknowledged that are not there
    power loss   the same, and what was not fsynced when it died is dropped. Of streamcli's segment that is all behind the
                 checkpoint, which is written once what is before it is on disk; of SQLite's write-ahead log with
                 synchronous=NORMAL all of it, for only SQLite's checkpoint fsyncs it; with FULL nothing, it is fsynced at
                 each commit. Pages that were not fsynced may survive a real power cut: this is the greatest loss there can be
    flipped bit  one bit of one record's payload, on disk: what readers are given and told

The peers are a plain file that lines are appended to, and SQLite through Python's sqlite3.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import NamedTuple

from streamcli.storage.checkpoint import read_checkpoint, write_checkpoint

STREAMCLI = [sys.executable, "-m", "streamcli"]
BATCHES, IN_BATCH = 10, 200
AT_LEAST = 1000
"""Records that a writer acknowledges before it is killed."""

_OTHER_BOOT = "00000000-0000-0000-0000-000000000000"
_SQLITE_WRITER = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("PRAGMA journal_mode=WAL")
database.execute("PRAGMA synchronous=" + sys.argv[2])
for line in sys.stdin.buffer:
    database.execute("INSERT INTO t VALUES (?)", (line[:-1],))
    print(flush=True)
"""
_FILE_WRITER = """
import os, sys
fd = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
for line in sys.stdin.buffer:
    os.write(fd, line)
    print(flush=True)
"""


class Row(NamedTuple):
    """kill, power: acknowledged records lost, and of how many (None: not tried); flip: in words."""

    name: str
    kill: tuple[int, int]
    power: tuple[int, int] | None
    flip: str


def record(number: int) -> bytes:
    return b"record %07d %s" % (number, b"payload " * 8)


def acknowledged_when_killed(writer: list[str]) -> int:
    """Feed a writer, which prints a line for each record it acknowledges, and kill it in its work: how many it printed."""
    with subprocess.Popen(writer, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        feeder = threading.Thread(target=_feed, args=[process])
        feeder.start()
        assert process.stdout is not None
        count = 0
        while count < AT_LEAST and process.stdout.readline():
            count += 1
        process.kill()
        count += process.stdout.read().count(b"\n")
        feeder.join()
    return count


def _feed(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    number = 0
    with suppress(BrokenPipeError):
        while True:
            process.stdin.write(b"".join(record(number + more) + b"\n" for more in range(100)))
            number += 100
    with suppress(BrokenPipeError):
        process.stdin.close()


def count_lost(there: list[bytes], acknowledged: int) -> int:
    """How many of the first `acknowledged` records are not in their place."""
    return sum(1 for number in range(acknowledged) if number >= len(there) or there[number] != record(number))


def streamcli(directory: Path, *words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "STREAMCLI_DIR": str(directory)}
    return subprocess.run([*STREAMCLI, *words], input=stdin, capture_output=True, check=False, env=environment)


def consumed(directory: Path, *words: str) -> list[bytes]:
    return streamcli(directory, "consume", "t", *words).stdout.splitlines()


def our_kill(directory: Path) -> tuple[int, int, int]:
    """(acknowledged, of these lost by the kill, and by a power cut after it)."""
    acknowledged = acknowledged_when_killed([*STREAMCLI, "--dir", str(directory), "produce", "t", "--offsets"])
    by_kill = count_lost(consumed(directory), acknowledged)
    partition = directory / "topics" / "t" / "0"
    known = read_checkpoint(str(partition))
    assert known is not None
    os.truncate(partition / f"{known.segment:020d}.log", known.position)
    write_checkpoint(str(partition), known._replace(boot_id=_OTHER_BOOT))
    streamcli(directory, "produce", "t", stdin=b"after\n")
    return acknowledged, by_kill, count_lost(consumed(directory), acknowledged)


def flip_bit(path: Path, payload: bytes) -> None:
    """Flip a bit of the payload, wherever in the file it is."""
    data = bytearray(path.read_bytes())
    data[data.index(payload) + len(payload) // 2] ^= 0x10
    path.write_bytes(data)


class Flip(NamedTuple):
    """What a flipped bit did. lost: numbers of the records that are not given out; wrong: records given out altered;
    named: the offsets in the error, first and last; status: of a read, and of one with --skip-corrupt."""

    lost: list[int]
    wrong: int
    named: tuple[int, int] | None
    statuses: tuple[int, int]
    lost_after_repair: list[int]
    is_right_after_repair: bool


def our_flip(directory: Path) -> Flip:
    for batch in range(BATCHES):
        lines = b"".join(record(batch * IN_BATCH + number) + b"\n" for number in range(IN_BATCH))
        streamcli(directory, "produce", "t", stdin=lines)
    victim = BATCHES * IN_BATCH // 2 + 7
    flip_bit(directory / "topics" / "t" / "0" / f"{0:020d}.log", record(victim))
    refused, skipped = streamcli(directory, "consume", "t"), streamcli(directory, "consume", "t", "--skip-corrupt")
    found = re.search(rb"offsets (\d+) to (\d+)", refused.stderr)
    lost, wrong = compare(skipped.stdout.splitlines())
    repaired = streamcli(directory, "repair").returncode == 0 and streamcli(directory, "verify").returncode == 0
    after = streamcli(directory, "consume", "t")
    lost_after, wrong_after = compare(after.stdout.splitlines())
    return Flip(
        lost,
        wrong,
        (int(found[1]), int(found[2])) if found else None,
        (refused.returncode, skipped.returncode),
        lost_after,
        repaired and not wrong_after,
    )


def compare(there: list[bytes]) -> tuple[list[int], int]:
    """(numbers of the records that are missing, how many there are that nobody wrote)."""
    written = {record(number): number for number in range(BATCHES * IN_BATCH)}
    found = {written.get(line) for line in there}
    return [number for number in written.values() if number not in found], sum(line not in written for line in there)


def flip_in_words(flip: Flip) -> str:
    if flip.wrong or flip.named is None:
        return "silently wrong"
    first, last = flip.named
    exactly = flip.lost == list(range(first, last + 1)) == flip.lost_after_repair and flip.is_right_after_repair
    what = "exactly its batch" if exactly else f"{len(flip.lost)} records"
    return f"{what}: offsets {first} to {last} of {BATCHES * IN_BATCH}, named; the rest is served"


def our_row(place: Callable[[], Path], rounds: int) -> Row:
    killed = [our_kill(place()) for _ in range(rounds)]
    total = sum(acknowledged for acknowledged, _, _ in killed)
    flip = flip_in_words(our_flip(place()))
    return Row(
        "streamcli", (sum(lost for _, lost, _ in killed), total), (sum(lost for *_, lost in killed), total), flip
    )


def file_rows(place: Callable[[], Path], rounds: int) -> Iterator[Row]:
    lost = total = 0
    for _ in range(rounds):
        path = place().with_suffix(".txt")
        acknowledged = acknowledged_when_killed([sys.executable, "-c", _FILE_WRITER, str(path)])
        lost += count_lost(path.read_bytes().splitlines(), acknowledged)
        total += acknowledged
    path = place().with_suffix(".txt")
    path.write_bytes(b"".join(record(number) + b"\n" for number in range(BATCHES * IN_BATCH)))
    flip_bit(path, record(1007))
    wrong = compare(path.read_bytes().splitlines())[1]
    # Never fsynced: all of it may be gone.
    yield Row("a file, `>>`", (lost, total), (total, total), "silently wrong" if wrong else "noticed")


def sqlite_rows(place: Callable[[], Path], rounds: int) -> Iterator[Row]:
    for synchronous in ("NORMAL", "FULL"):
        lost = total = dropped = 0
        for _ in range(rounds):
            path = new_database(place().with_suffix(".db"))
            writer = [sys.executable, "-c", _SQLITE_WRITER, str(path), synchronous]
            acknowledged = acknowledged_when_killed(writer)
            total += acknowledged
            cut = path.with_suffix(".cut.db")
            shutil.copy(path, cut)
            if synchronous == "FULL":
                shutil.copy(f"{path}-wal", f"{cut}-wal")
            lost += count_lost(rows_of(path), acknowledged)
            dropped += count_lost(rows_of(cut), acknowledged)
        name = f"SQLite {sqlite3.sqlite_version}, WAL, {synchronous}"
        yield Row(name, (lost, total), (dropped, total), sqlite_flip(new_database(place().with_suffix(".db"))))


def new_database(path: Path) -> Path:
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE t (value BLOB)")
        database.commit()
    return path


def rows_of(path: Path) -> list[bytes]:
    with closing(sqlite3.connect(path)) as database:
        return [value for (value,) in database.execute("SELECT value FROM t ORDER BY rowid")]


def sqlite_flip(path: Path) -> str:
    with closing(sqlite3.connect(path)) as database:
        rows = [(record(number),) for number in range(BATCHES * IN_BATCH)]
        database.executemany("INSERT INTO t VALUES (?)", rows)
        database.commit()
    flip_bit(path, record(1007))
    with closing(sqlite3.connect(path)) as database:
        (checked,) = database.execute("PRAGMA integrity_check").fetchone()
    wrong = compare(rows_of(path))[1]
    return "silently wrong" if wrong and checked == "ok" else f"noticed: {checked}"


def table(rows: list[Row]) -> str:
    """The rows in Markdown."""
    lines = [
        "| | `kill -9`: acknowledged lost | power loss: acknowledged lost | one bit flipped in a stored payload |",
        "|---|---|---|---|",
    ]
    for row in rows:
        counts = ["-" if pair is None else f"{pair[0]:,} of {pair[1]:,}" for pair in (row.kill, row.power)]
        lines.append(f"| {row.name} | {counts[0]} | {counts[1]} | {row.flip} |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description="what is lost, and what is noticed, when things break")
    parser.add_argument("--rounds", type=int, default=10, help="writers killed for each row")
    parser.add_argument("--dir", help="where the temporary directory is made")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="streamcli-damage-", dir=arguments.dir) as directory:
        numbers = iter(range(1_000_000))

        def place() -> Path:
            return Path(directory, str(next(numbers)))

        rows = [
            our_row(place, arguments.rounds),
            *file_rows(place, arguments.rounds),
            *sqlite_rows(place, arguments.rounds),
        ]
    print(json.dumps([row._asdict() for row in rows]) if arguments.json else table(rows))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

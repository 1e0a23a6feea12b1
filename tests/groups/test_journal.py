"""The journal of commits: what a crash leaves is passed over, everything else that is wrong is an error."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from crc32c import crc32c
from hypothesis import given
from hypothesis import strategies as st

from streamcli.groups import journal as journal_module
from streamcli.groups.journal import (
    COMMIT,
    FIRST_LINE,
    KEPT_PER_PARTITION,
    RESET,
    UNDO,
    Commit,
    DamagedCommits,
    Journal,
    decode_journal,
    encode_journal,
    encode_line,
    newest,
    shortened,
)
from streamcli.storage.layout import is_topic_name
from tests.support.restricted import restricted
from tests.support.waiting import DEADLINE

NAMES = st.text("abcXYZ019._-", min_size=1, max_size=12).filter(is_topic_name)
ENTRIES = st.builds(
    Commit,
    st.integers(0, 1 << 44),
    st.sampled_from([COMMIT, RESET, UNDO]),
    NAMES,
    st.integers(0, 10_000),
    st.none() | st.integers(0, (1 << 63) - 1),
    NAMES,
)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    made = Journal(str(tmp_path / "commits"), str(tmp_path / "commits.lock"), DEADLINE)
    made.create()
    return made


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "commits"


def commit(offset: int | None, partition: int = 0, time: int = 1700000000000, member: str = "12-abc") -> Commit:
    return Commit(time, COMMIT, "clicks", partition, offset, member)


def committed(journal: Journal) -> dict[tuple[str, int], int]:
    return journal.committed()


def test_a_line_in_literal_bytes() -> None:
    """The man page shows this one."""
    text = b"1700000000000 commit 4242-d3ad1e clicks:0=120,clicks:1=98"
    entries = [Commit(1700000000000, "commit", "clicks", *place, "4242-d3ad1e") for place in ((0, 120), (1, 98))]
    assert encode_line(entries) == text + b" %08x\n" % crc32c(text) == text + b" 9b511cec\n"


@given(st.lists(ENTRIES))
def test_round_trip(entries: list[Commit]) -> None:
    data = encode_journal(entries)
    assert decode_journal(data, "commits") == (entries, len(data))


def test_the_last_entry_of_a_partition_counts(journal: Journal) -> None:
    journal.append([commit(5), commit(7, partition=1)])
    journal.append([commit(6)])
    assert committed(journal) == {("clicks", 0): 6, ("clicks", 1): 7}
    journal.append([commit(None)])
    assert committed(journal) == {("clicks", 1): 7}
    journal.append([])
    assert [entry.offset for entry in journal.read()] == [5, 7, 6, None]


def test_a_last_line_torn_anywhere_is_passed_over_and_cut(journal: Journal, path: Path) -> None:
    journal.append([commit(5)])
    whole = path.read_bytes()
    torn = encode_line([commit(6), commit(9, partition=1)])
    for length in range(len(torn)):
        path.write_bytes(whole + torn[:length])
        assert committed(journal) == {("clicks", 0): 5}
        journal.append([commit(8)])
        assert path.read_bytes() == whole + encode_line([commit(8)])


@pytest.mark.parametrize("ending", [b"", b"\n"])
def test_blocks_never_written_are_passed_over_and_cut(journal: Journal, path: Path, ending: bytes) -> None:
    journal.append([commit(5)])
    whole = path.read_bytes()
    line = encode_line([commit(6)])[:-1]
    for lost in (slice(0, len(line)), slice(0, 10), slice(10, 20), slice(10, len(line))):
        holed = bytearray(line)
        holed[lost] = bytes(len(holed[lost]))
        path.write_bytes(whole + holed + ending)
        assert committed(journal) == {("clicks", 0): 5}
        journal.append([commit(8)])
        assert path.read_bytes() == whole + encode_line([commit(8)])


def test_any_altered_byte_is_an_error(journal: Journal, path: Path) -> None:
    for offset in (5, 6, 7):
        journal.append([commit(offset)])
    whole = path.read_bytes()
    for position, byte in enumerate(whole):
        for other in {byte ^ (1 << bit) for bit in range(8)} | {0, 0xFF, 0x0A, 0x20} - {byte}:
            altered = whole[:position] + bytes([other]) + whole[position + 1 :]
            with pytest.raises(DamagedCommits, match=r"line \d"):
                decode_journal(altered, str(path))
    path.write_bytes(whole[:-1] + b"X")
    with pytest.raises(DamagedCommits, match="line 4"):
        journal.append([commit(8)])
    assert path.read_bytes() == whole[:-1] + b"X"


def test_every_line_and_half_line_removed_at_the_front_or_in_the_middle(journal: Journal, path: Path) -> None:
    """What is removed whole cannot be seen; but never is an entry read that was not written."""
    for offset in (5, 6, 7):
        journal.append([commit(offset)])
    whole = path.read_bytes()
    starts = [0, *(position + 1 for position, byte in enumerate(whole) if byte == 0x0A)]
    for begin in range(len(whole)):
        for end in range(begin + 1, len(whole)):
            cut = whole[:begin] + whole[end:]
            if whole.startswith(cut):
                continue  # a shorter journal, that nothing tells from one to which less was committed
            is_lines = begin in starts[1:] and end in starts
            try:
                found, _ = decode_journal(cut, str(path))
            except DamagedCommits:
                assert not is_lines
            else:
                assert newest(found) == {("clicks", 0): 7}, (begin, end)


@pytest.mark.parametrize("content", [None, b"", b"\n", b"streamcli-commits 2\n", FIRST_LINE[:-1]])
def test_no_journal_or_an_empty_one_is_damage(journal: Journal, path: Path, content: bytes | None) -> None:
    journal.append([commit(5)])
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    for use in (journal.read, lambda: journal.append([commit(6)])):
        with pytest.raises(DamagedCommits, match="import its offsets") as raised:
            use()
        assert raised.value.status == 6
        assert str(path) in str(raised.value)
    assert (path.read_bytes() if path.exists() else None) == content


@pytest.mark.parametrize(
    ("partitions", "size"),
    [(1, 10_000), (300, 100_000), (6000, 300_000)],
    ids=["short lines", "lines over 4 KiB", "lines over 64 KiB"],
)
def test_a_torn_end_is_found_whatever_the_length_of_the_lines(
    journal: Journal, path: Path, partitions: int, size: int
) -> None:
    offset = 0
    while path.stat().st_size < size:
        offset += 1
        journal.append([commit(offset, partition=number) for number in range(partitions)])
    whole = path.stat().st_size
    with path.open("ab") as file:
        file.write(b"170000")
    journal.append([commit(offset + 1)])
    assert path.stat().st_size == whole + len(encode_line([commit(offset + 1)]))
    assert committed(journal)["clicks", 0] == offset + 1
    assert len(committed(journal)) == partitions


def test_damage_near_the_end_of_a_long_journal_names_its_line(journal: Journal, path: Path) -> None:
    path.write_bytes(FIRST_LINE + b"".join(encode_line([commit(offset)]) for offset in range(1000)))
    whole = path.read_bytes()
    path.write_bytes(whole[:-100] + b"?" + whole[-99:])
    with pytest.raises(DamagedCommits, match=r"line 1000\b"):
        journal.append([commit(8)])


@given(st.lists(ENTRIES, max_size=60), st.integers(1, 8))
def test_shortened_keeps_the_newest_of_each_partition_in_order(entries: list[Commit], keep: int) -> None:
    kept = shortened(entries, keep)
    remaining = iter(entries)
    assert all(any(entry is candidate for candidate in remaining) for entry in kept)
    for place in {entry.place for entry in entries}:
        assert [e for e in kept if e.place == place] == [e for e in entries if e.place == place][-keep:]
    assert newest(kept) == newest(entries)


def test_a_long_journal_is_rewritten(journal: Journal, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "LONGEST", 4096)
    rare = commit(3, partition=9)
    journal.append([rare])
    sizes = []
    for offset in range(300):
        journal.append([commit(offset, time=1700000000000 + offset)])
        sizes.append(path.stat().st_size)
    assert max(sizes) <= 4096
    assert any(after < before for before, after in pairwise(sizes))
    assert committed(journal) == {("clicks", 0): 299, ("clicks", 9): 3}
    offsets = [entry.offset for entry in journal.read() if entry.partition == 0]
    assert offsets == list(range(offsets[0], 300))
    assert len(offsets) >= KEPT_PER_PARTITION


def test_rewriting_does_not_happen_at_every_commit_of_very_many_partitions(
    journal: Journal, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "LONGEST", 1024)
    journal.append([commit(1, partition=number) for number in range(500)])
    files = set()
    for offset in range(60):
        journal.append([commit(offset)])
        files.add(path.stat().st_ino)
    assert len(files) <= 60 * 64 // 1024 + 2
    assert len(committed(journal)) == 500


APPENDER = """
import sys
from streamcli.groups.journal import COMMIT, Commit, Journal
path, name, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
journal = Journal(path, path + ".lock", 60)
print("ready", flush=True)
for offset in range(1, count + 1):
    journal.append([Commit(offset, COMMIT, "t", partition, offset, name) for partition in (0, 1, int(name) + 2)])
    print(offset, flush=True)
"""


def appender(path: Path, name: int, count: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", APPENDER, str(path), str(name), str(count)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_processes_append_at_once(journal: Journal, path: Path) -> None:
    count = 60
    processes = [appender(path, number, count) for number in range(6)]
    for process in processes:
        out, err = process.communicate(timeout=DEADLINE)
        assert (process.returncode, err) == (0, b""), out
    entries = journal.read()
    assert len(entries) == 6 * count * 3
    for number in range(6):
        assert [entry.offset for entry in entries if entry.partition == number + 2] == list(range(1, count + 1))
    lines = path.read_bytes().splitlines()[1:]
    assert len(lines) == 6 * count


def test_killed_while_appending_loses_nothing_acknowledged(journal: Journal, path: Path) -> None:
    """Ten processes, one after the other, each killed wherever it is once it has acknowledged some."""
    for name in range(10):
        before = committed(journal).get(("t", name + 2), 0)
        process = appender(path, name, 100_000)
        assert process.stdout is not None
        acknowledged = 0
        for line in process.stdout:
            acknowledged = 0 if line == b"ready\n" else int(line)
            if acknowledged >= 3 + name:
                break
        process.send_signal(signal.SIGKILL)
        rest = process.stdout.read().rpartition(b"\n")[0].splitlines()  # communicate() would pass by what is buffered
        acknowledged = max([acknowledged, *(int(line) for line in rest)])
        process.communicate(timeout=DEADLINE)
        found = committed(journal)["t", name + 2]
        assert before == 0
        assert found in (acknowledged, acknowledged + 1)
    assert len(committed(journal)) == 12


def test_a_full_disk_leaves_what_was_there(journal: Journal, path: Path) -> None:
    journal.append([commit(5)])
    whole = path.read_bytes()
    line = encode_line([Commit(1, COMMIT, "t", partition, 1, "0") for partition in range(3)])
    for limit in range(len(whole), len(whole) + len(line), 7):
        limited = [*restricted(f"file-size={limit}"), sys.executable, "-c", APPENDER, str(path), "0", "1"]
        done = subprocess.run(limited, capture_output=True, timeout=DEADLINE, check=False)
        assert done.returncode == 1
        assert os.strerror(errno.EFBIG).encode() in done.stderr
        assert done.stdout == b"ready\n"
        assert path.read_bytes() == whole
    assert committed(journal) == {("clicks", 0): 5}

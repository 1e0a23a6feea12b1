"""A group's commits: one journal, its last entry for a partition is the committed offset.

    commits := "streamcli-commits 1\n" line*
    line    := TIME " " KIND " " MEMBER " " PLACE ("," PLACE)* " " CRC "\n"
    PLACE   := TOPIC ":" PARTITION "=" OFFSET

TIME is ms since the epoch; KIND is `commit`, or `reset`, `undo`, `import` for what a person did; OFFSET is the next
to be consumed, or `-` where the commit was taken back; CRC is the CRC-32C of the line before its last space, in 8
hexadecimal digits. One file for the group and one line for an append, so that a commit of many partitions costs one
fsync and is whole or not there.

A crash leaves a last line without its newline, or with blocks that were never written, which are NUL bytes: it is
passed over, and cut off at the next commit. It leaves no more than one such line, since what stands before a line is on
disk before that is written. Any other line that fails is damage, and is never passed over: the
commits it held may be the newest, and going on from older ones would be silent repetition. For the same reason the
file is made with the group, and its first line with it: no file, or an empty one, is damage too.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import groupby
from typing import NamedTuple

from crc32c import crc32c

from streamcli.groups.assignment import TopicPartition
from streamcli.record.errors import CorruptData, StreamcliError
from streamcli.storage import durable, layout
from streamcli.storage.format import MAX_OFFSET
from streamcli.storage.layout import is_topic_name
from streamcli.storage.locks import ExclusiveLock
from streamcli.storage.opening import open_file, read_file

COMMIT, RESET, UNDO, IMPORT, VOID = "commit", "reset", "undo", "import", "void"
"""VOID takes back what was committed of a topic that was deleted, when another of its name is made."""

FIRST_LINE = b"streamcli-commits 1\n"

LONGEST = 1 << 20
"""Bytes of journal: each time it grows past a multiple of this, it is rewritten with the newest entries of each partition."""

_SECTOR = 512
"""Bytes that a disk writes as a whole."""

KEPT_PER_PARTITION = 8
"""Entries of a partition that a rewrite keeps, for `groups log` and `groups undo`; fewer where they fill half of LONGEST."""

FEWEST_KEPT = 2
"""How few: the last, and the one that an undo goes back to."""


class Commit(NamedTuple):
    """One entry. time: ms since the epoch; offset: the next to consume, None where there is no commit any more."""

    time: int
    kind: str
    topic: str
    partition: int
    offset: int | None
    member: str

    @property
    def place(self) -> TopicPartition:
        return self.topic, self.partition

    def encode_place(self) -> str:
        return f"{self.topic}:{self.partition}={'-' if self.offset is None else self.offset}"


def encode_line(commits: list[Commit]) -> bytes:
    """One line with entries of one time, kind and member."""
    first = commits[0]
    places = ",".join(commit.encode_place() for commit in commits)
    text = f"{first.time} {first.kind} {first.member} {places}".encode()
    return b"%s %08x\n" % (text, crc32c(text))


def decode_line(line: bytes) -> list[Commit] | None:
    """The entries in a line without its newline, None when it is damaged."""
    text, _, crc = line.rpartition(b" ")
    words = text.split(b" ")
    if len(words) != 4 or crc != b"%08x" % crc32c(text):
        return None
    try:
        text_of_time, kind, member, places = (word.decode() for word in words)
        if not (kind.isprintable() and member.isprintable()):
            return None
        time = int(text_of_time)
        if not 0 <= time < 2**63:
            return None
        return [_decode_place(place, time, kind, member) for place in places.split(",")]
    except ValueError:
        return None


def _decode_place(text: str, time: int, kind: str, member: str) -> Commit:
    topic, _, rest = text.partition(":")
    partition, _, offset = rest.partition("=")
    commit = Commit(time, kind, topic, int(partition), None if offset == "-" else int(offset), member)
    if not is_topic_name(topic) or not 0 <= commit.partition < 2**31 or not 0 <= (commit.offset or 0) <= MAX_OFFSET:
        raise ValueError(f"no partition or offset: {text}")
    return commit


class DamagedCommits(StreamcliError):
    """A journal that cannot be trusted: where the group stands is not known."""

    status = CorruptData.status

    def __init__(self, what: str, path: str, remedy: str, *, line: int | None = None) -> None:
        self.path = path
        where = path if line is None else f"{path}, line {line}"
        super().__init__(
            f"the group's commits are {what} ({where}): nothing is consumed, so that nothing is repeated or passed by; {remedy}"
        )


def _damaged(path: str, number: int) -> DamagedCommits:
    remedy = (
        "`streamcli repair` goes on from the other lines, keeping a copy; or delete the group and import its offsets"
    )
    return DamagedCommits("damaged", path, remedy, line=number)


def decode_journal(data: bytes, path: str, left_out: int = 0) -> tuple[list[Commit], int]:
    """(entries, bytes of them). What a crash left at the end is not among them; DamagedCommits for any other damage.

    left_out: bytes of the file that are missing in `data` after its first line.
    """
    if not data.startswith(FIRST_LINE):
        raise _damaged(path, 1)
    commits: list[Commit] = []
    position = len(FIRST_LINE)
    lines = data[position:].split(b"\n")
    for number, line in enumerate(lines[:-1]):
        found = decode_line(line)
        if found is None:
            is_last = number == len(lines) - 2 and not lines[-1]
            if is_last and _has_unwritten_blocks(line, position + left_out):
                return commits, position
            raise _damaged(path, number + 2)
        commits += found
        position += len(line) + 1
    is_whole = decode_line(lines[-1][:-1]) is not None  # but for the newline, which is another byte
    if is_whole and not _is_unwritten_block(lines[-1][-1:], position + left_out + len(lines[-1]) - 1):
        raise _damaged(path, len(lines) + 1)
    return commits, position


def _has_unwritten_blocks(line: bytes, position: int) -> bool:
    """Whether a crash lost part of the line that lies at a position: a single NUL byte is not that but damage, unless it is
    the end of a sector."""
    return b"\0\0" in line or _is_unwritten_block(line[:1], position + 1)


def _is_unwritten_block(byte: bytes, boundary: int) -> bool:
    """Whether a byte beside this boundary is all that a line has in its sector, and was never written."""
    return byte == b"\0" and boundary % _SECTOR == 0


class Journal:
    """The commits of the group at `directory`. Appending is safe among processes."""

    def __init__(self, path: str, lock_path: str, lock_timeout: float) -> None:
        self._path = path
        self._lock_path = lock_path
        self._lock_timeout = lock_timeout
        self._on_disk: tuple[int, int] | None = None  # the file, and how much of it, after our last append

    @property
    def path(self) -> str:
        return self._path

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold off every commit, as an append does for its moment."""
        lock = ExclusiveLock(self._lock_path, self._lock_timeout)
        try:
            with lock:
                yield
        finally:
            lock.close()

    def create(self) -> None:
        """Make it, without an entry, unless it is there. Under the group's lock."""
        if not os.path.lexists(self._path):
            durable.replace_file(self._path, FIRST_LINE)

    def replace(self, commits: list[Commit]) -> str:
        """Put these in the place of all entries, while `locked`; returns the file with a copy of what was there, on disk."""
        kept = layout.free_name(f"{self._path}.damaged")
        durable.replace_file(kept, self.read_bytes())
        durable.replace_file(self._path, encode_journal(commits))
        return kept

    def read(self) -> list[Commit]:
        """All entries, oldest first; none when nothing was ever committed."""
        return decode_journal(self.read_bytes(), self._path)[0]

    def newest(self) -> dict[TopicPartition, Commit]:
        """The last entry of each partition that has one."""
        return {commit.place: commit for commit in self.read()}

    def committed(self) -> dict[TopicPartition, int]:
        """The committed offset of each partition that has one."""
        return newest(self.read())

    def unfinished(self) -> int:
        """Bytes at the end that are no whole line and do not count: an append that did not finish."""
        if not self._unfinished():
            return 0
        with self.locked():  # not of one that is just being written
            return self._unfinished()

    def _unfinished(self) -> int:
        data = self.read_bytes()
        return len(data) - decode_journal(data, self._path)[1]

    def append(self, commits: Iterable[Commit], *, still: Callable[[Commit], bool] = lambda _: True) -> list[Commit]:
        """Add entries of one time, kind and member, all or none of them, on disk when this returns.

        still: asked of each when nobody else can append; those that it refuses are left out. Returns those added.
        """
        entries = list(commits)
        if not entries:
            return []
        with self.locked():
            entries = [entry for entry in entries if still(entry)]
            if entries:
                self._append(encode_line(entries))
        return entries

    def _append(self, data: bytes) -> None:
        try:
            fd = open_file(self._path, os.O_RDWR)
        except FileNotFoundError:
            raise self.gone() from None
        try:
            end = self._end_of_lines(fd)
            status = os.fstat(fd)
            if status.st_size != end:
                durable.truncate(fd, end)
            if self._on_disk != (status.st_ino, status.st_size):
                durable.sync_data(fd)  # the line of a member that was killed, or the cut at a torn one
            self._on_disk = None
            try:
                durable.write_all(fd, data, end)
            except BaseException:
                durable.truncate(fd, end)
                raise
            durable.sync_data(fd)
            self._on_disk = (status.st_ino, end + len(data))
        finally:
            os.close(fd)
        if end // LONGEST != (end + len(data)) // LONGEST:
            self._rewrite()

    def _rewrite(self) -> None:
        commits, _ = decode_journal(self.read_bytes(), self._path)
        keep = KEPT_PER_PARTITION
        while len(data := encode_journal(shortened(commits, keep))) > LONGEST // 2 and keep > FEWEST_KEPT:
            keep //= 2
        durable.replace_file(self._path, data)

    def _end_of_lines(self, fd: int) -> int:
        """Where the last whole line ends: what follows was left by a crash."""
        size = os.fstat(fd).st_size
        for window in (4 << 10, 64 << 10):
            start = size - window
            tail = os.pread(fd, window, max(start, 0))
            lines = tail[tail.find(b"\n") + 1 :]
            if start > 0 and b"\n" in lines:
                with suppress(DamagedCommits):  # it is raised below, with the right number of the line
                    left_out = size - len(lines) - len(FIRST_LINE)
                    return decode_journal(FIRST_LINE + lines, self._path, left_out)[1] + left_out
        return decode_journal(self.read_bytes(), self._path)[1]

    def read_bytes(self) -> bytes:
        """The file as it is; DamagedCommits when it is gone."""
        try:
            return read_file(self._path)
        except FileNotFoundError:
            raise self.gone() from None

    def gone(self) -> DamagedCommits:
        """What to raise where there has been a journal."""
        return DamagedCommits("gone", self._path, "put the file back, or delete the group and import its offsets")


def encode_journal(commits: list[Commit]) -> bytes:
    """A whole journal; entries of one time, kind and member that follow each other become one line."""
    lines = groupby(commits, key=lambda commit: (commit.time, commit.kind, commit.member))
    return FIRST_LINE + b"".join(encode_line(list(line)) for _, line in lines)


def newest(commits: Iterable[Commit]) -> dict[TopicPartition, int]:
    """The committed offset of each partition that has one."""
    last = {commit.place: commit.offset for commit in commits}
    return {place: offset for place, offset in last.items() if offset is not None}


def shortened(commits: list[Commit], keep: int) -> list[Commit]:
    """The `keep` newest entries of each partition, in their order."""
    seen: dict[TopicPartition, int] = {}
    kept: list[Commit] = []
    for commit in reversed(commits):
        seen[commit.place] = seen.get(commit.place, 0) + 1
        if seen[commit.place] <= keep:
            kept.append(commit)
    return kept[::-1]

"""A group's commits: one journal, its last entry for a partition is the committed offset.

    commits := line*
    line    := TIME " " KIND " " MEMBER " " PLACE ("," PLACE)* " " CRC "\n"
    PLACE   := TOPIC ":" PARTITION "=" OFFSET

TIME is ms since the epoch; KIND is `commit`, or `reset`, `undo`, `import` for what a person did; OFFSET is the next
to be consumed, or `-` where the commit was taken back; CRC is the CRC-32C of the line before its space, in 8
hexadecimal digits. One file for the group and one line for an append, so that a commit of many partitions costs one
fsync and is whole or not there.

A crash leaves a last line without its newline, or with blocks that were never written, which are NUL bytes: it is
passed over, and cut off at the next commit. Any other line that fails is damage, and is never passed over: the
commits it held may be the newest, and going on from older ones would be silent repetition.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from itertools import groupby
from typing import NamedTuple

from crc32c import crc32c

from streamcli.groups.assignment import TopicPartition
from streamcli.record.errors import StreamcliError
from streamcli.storage import durable
from streamcli.storage.locks import ExclusiveLock

COMMIT, RESET, UNDO, IMPORT = "commit", "reset", "undo", "import"

LONGEST = 1 << 20
"""Bytes of journal over which it is rewritten with the newest entries of each partition."""

KEPT_PER_PARTITION = 8
"""Entries of a partition that a rewrite keeps, for `groups log` and `groups undo`."""


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
        time, kind, member, places = (word.decode() for word in words)
        return [_decode_place(place, int(time), kind, member) for place in places.split(",")]
    except ValueError:
        return None


def _decode_place(text: str, time: int, kind: str, member: str) -> Commit:
    topic, _, rest = text.partition(":")
    partition, _, offset = rest.partition("=")
    return Commit(time, kind, topic, int(partition), None if offset == "-" else int(offset), member)


def decode_journal(data: bytes, path: str) -> tuple[list[Commit], int]:
    """(entries, bytes of them). What a crash left at the end is not among them; StreamcliError for any other damage."""
    commits: list[Commit] = []
    position = 0
    lines = data.split(b"\n")
    for number, line in enumerate(lines[:-1]):
        found = decode_line(line)
        if found is None:
            if number == len(lines) - 2 and not lines[-1] and b"\0" in line:
                break
            raise StreamcliError(
                f"the group's commits are damaged ({path}, line {number + 1}): nothing is consumed, so that nothing is "
                "repeated or passed by; remove that line, or give the offsets with `streamcli groups reset`"
            )
        commits += found
        position += len(line) + 1
    return commits, position


class Journal:
    """The commits of the group at `directory`. Appending is safe among processes."""

    def __init__(self, path: str, lock_path: str, lock_timeout: float) -> None:
        self._path = path
        self._lock_path = lock_path
        self._lock_timeout = lock_timeout

    def read(self) -> list[Commit]:
        """All entries, oldest first; none when nothing was ever committed."""
        try:
            with open(self._path, "rb") as file:
                return decode_journal(file.read(), self._path)[0]
        except FileNotFoundError:
            return []

    def committed(self) -> dict[TopicPartition, int]:
        """The committed offset of each partition that has one."""
        return newest(self.read())

    def append(self, commits: Iterable[Commit]) -> None:
        """Add entries of one time, kind and member, all or none of them, on disk when this returns."""
        entries = list(commits)
        if not entries:
            return
        data = encode_line(entries)
        lock = ExclusiveLock(self._lock_path, self._lock_timeout)
        try:
            with lock:
                self._append(data)
        finally:
            lock.close()

    def _append(self, data: bytes) -> None:
        is_new = not os.path.exists(self._path)
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            end = _end_of_lines(fd)
            durable.truncate(fd, end)
            try:
                durable.write_all(fd, data, end)
            except BaseException:
                durable.truncate(fd, end)
                raise
            durable.sync_data(fd)
        finally:
            os.close(fd)
        if is_new:
            durable.sync_directory(os.path.dirname(self._path))
        if end + len(data) > LONGEST:
            self._rewrite()

    def _rewrite(self) -> None:
        with open(self._path, "rb") as file:
            commits, _ = decode_journal(file.read(), self._path)
        kept = groupby(shortened(commits), key=lambda commit: (commit.time, commit.kind, commit.member))
        durable.replace_file(self._path, b"".join(encode_line(list(line)) for _, line in kept))


def _end_of_lines(fd: int) -> int:
    """Where the last whole line ends: what follows was left by a crash."""
    size = os.fstat(fd).st_size
    for window in (4 << 10, 64 << 10, size):
        start = max(0, size - window)
        tail = os.pread(fd, size - start, start)
        end = tail.rfind(b"\n") + 1
        begin = tail.rfind(b"\n", 0, max(end - 1, 0)) + 1
        if begin or start == 0:
            damaged = b"\0" in tail[begin:end]
            return start + (begin if damaged else end)
    return 0


def newest(commits: Iterable[Commit]) -> dict[TopicPartition, int]:
    """The committed offset of each partition that has one."""
    last = {commit.place: commit.offset for commit in commits}
    return {place: offset for place, offset in last.items() if offset is not None}


def shortened(commits: list[Commit]) -> list[Commit]:
    """The newest entries of each partition, in their order."""
    seen: dict[TopicPartition, int] = {}
    kept: list[Commit] = []
    for commit in reversed(commits):
        seen[commit.place] = seen.get(commit.place, 0) + 1
        if seen[commit.place] <= KEPT_PER_PARTITION:
            kept.append(commit)
    return kept[::-1]

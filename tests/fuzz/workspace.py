"""A log directory for the targets to break: one topic, whose files are put back before each input."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache

from streamcli.groups.journal import COMMIT, Commit
from streamcli.groups.member import GroupDirectory
from streamcli.record.batch import Columns
from streamcli.record.errors import StreamcliError
from streamcli.storage import layout
from streamcli.storage.append import Appender, RollPolicy
from streamcli.storage.config import TopicConfig
from streamcli.storage.directory import LogDirectory
from streamcli.storage.log import Log

NOW = 1_700_000_000_000
TOPIC = "t"
GROUP = "g"

# Columns of every form.
BATCHES = [
    Columns(2, b"one\ntwo\n"),
    Columns(3, [None, b"a\nb", b""], keys=[b"k", None, b"\0"], timestamps=[NOW + 5, NOW - 3, NOW]),
    Columns(2, b"x\ny\n", keys=b"k\nl\n", headers=[[("h", b"v"), ("n", None)], []]),
    Columns(1, b"z\n", common_key=b"key", common_headers=[("source", b"test")]),
    Columns(2, b"p\nq\n", offset_deltas=[0, 3]),
    Columns(1, [b"\xff\xfe\x00"], timestamps=[-1]),
]
# Long enough for several index entries.
LONG = Columns(4, b"".join(b"%d%s\n" % (number, b"." * 9_000) for number in range(4)))


class Workspace:
    """`directory` has topic t, of one partition with its log in `partition`, and group g."""

    def __init__(self) -> None:
        # In memory, where it can be had: an fsync for each input would leave time for few.
        memory = "/dev/shm"
        self.root = tempfile.mkdtemp(prefix="streamcli-fuzz.", dir=memory if os.access(memory, os.W_OK) else None)
        atexit.register(shutil.rmtree, self.root, ignore_errors=True)
        self.path = os.path.join(self.root, "log")
        self.directory = LogDirectory(self.path, lock_timeout=30, create=True)
        self.directory.create_topic(TOPIC, TopicConfig(1, {}))
        self.partition = self.directory.partition_directory(TOPIC, 0)
        self.group = GroupDirectory(self.directory, GROUP, create=True)
        self.log = Log(self.partition)

    def append(self, *batches: Columns, codec: int = 0) -> None:
        appender = Appender(
            self.partition,
            RollPolicy(1 << 40, 1 << 60),
            lock_timeout=30,
            clock=lambda: NOW,
            warn=lambda line: None,
            codec=codec,
        )
        try:
            for columns in batches:
                appender.append(columns)
            appender.sync()
        finally:
            appender.close()

    def partition_files(self) -> dict[str, bytes]:
        return {name: read(os.path.join(self.partition, name)) for name in os.listdir(self.partition)}

    def set_partition_files(self, files: dict[str, bytes]) -> None:
        """Make the partition hold these files, and no other."""
        for name in set(os.listdir(self.partition)) - set(files):
            os.unlink(os.path.join(self.partition, name))
        for name, data in files.items():
            write(os.path.join(self.partition, name), data)


@cache
def workspace() -> Workspace:
    """This process's own."""
    return Workspace()


def read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def write(path: str, data: bytes) -> None:
    with open(path, "wb") as file:
        file.write(data)


@contextmanager
def clear_error() -> Iterator[None]:
    """What users can meet is an answer too; anything else goes on to fail the test."""
    with suppress(StreamcliError):
        yield


def good_log(*batches: Columns, codec: int = 0) -> dict[str, bytes]:
    """The files of a partition with these batches."""
    place = workspace()
    place.set_partition_files({layout.LOCK: b"", f"{0:020d}{layout.SEGMENT_SUFFIX}": b""})
    place.append(*batches, codec=codec)
    return place.partition_files()


def good_journal() -> bytes:
    """The journal of a group with some commits."""
    group = workspace().group
    path = os.path.join(group.path, layout.COMMITS_FILE)
    with suppress(FileNotFoundError):
        os.unlink(path)
    group.journal.create()
    group.journal.append([Commit(NOW, COMMIT, TOPIC, 0, 5, "1234-abcdef")])
    group.journal.append([Commit(NOW + 1, "reset", TOPIC, number, 2 * number, "-") for number in range(3)])
    group.journal.append([Commit(NOW + 2, "undo", TOPIC, number, None, "-") for number in range(2)])
    return read(path)

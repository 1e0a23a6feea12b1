"""Log directories in which things go wrong, made for real: by other processes, limits of the kernel, and damage on disk."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from tests.support.command import ok, started
from tests.support.groups import owners
from tests.support.locks import lock_held
from tests.support.restricted import restricted
from tests.support.waiting import wait_until

Under = list[str]
"""What to put in front of the command line."""


def make_log(directory: Path) -> None:
    """clicks: 3 partitions, empty; orders: 3 records, consumed by billing, and one of them by late; users: compacted, a
    record of ann."""
    at = ("--dir", str(directory))
    ok(*at, "topics", "create", "clicks", "-p", "3")
    ok(*at, "topics", "create", "users", "--compact")
    ok(*at, "produce", "users", "-K", ":", stdin=b"ann:1\n")
    ok(*at, "produce", "orders", stdin=b"a\nb\nc\n")
    ok(*at, "consume", "orders", "-g", "billing")
    ok(*at, "groups", "import", "late", stdin=b'{"topic":"orders","partition":0,"offset":1}\n')


def _segment(directory: Path, topic: str) -> Path:
    return directory / "topics" / topic / "0" / f"{0:020d}.log"


def as_it_is(_: Path) -> AbstractContextManager[Under]:
    return nullcontext([])


@contextmanager
def damaged(directory: Path) -> Iterator[Under]:
    """A byte in the middle of orders is another, and a batch comes after it."""
    ok("produce", "orders", stdin=b"d\n")
    path = _segment(directory, "orders")
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(data)
    yield []


@contextmanager
def damaged_commits(directory: Path) -> Iterator[Under]:
    path = directory / "groups" / "billing" / "commits"
    path.write_bytes(path.read_bytes().replace(b"orders", b"border") + b"more\n")
    yield []


@contextmanager
def lost_commits(directory: Path) -> Iterator[Under]:
    (directory / "groups" / "billing" / "commits").unlink()
    yield []


@contextmanager
def older_log(directory: Path) -> Iterator[Under]:
    """orders as it was before the records that billing has committed."""
    kept = directory.with_name("kept")
    shutil.copytree(directory / "topics" / "orders", kept, dirs_exist_ok=True)
    ok("produce", "orders", stdin=b"d\n")
    ok("consume", "orders", "-g", "billing")
    shutil.rmtree(directory / "topics" / "orders")
    kept.rename(directory / "topics" / "orders")
    yield []


@contextmanager
def produced_before(_: Path) -> Iterator[Under]:
    """clicks has three records of an input with a name."""
    ok("produce", "clicks", "--producer-id", "web", stdin=b"1\n2\n3\n")
    yield []


@contextmanager
def partition_held(directory: Path) -> Iterator[Under]:
    with lock_held(directory / "topics" / "orders" / "0" / "lock"):
        yield []


@contextmanager
def directory_held(directory: Path) -> Iterator[Under]:
    with lock_held(directory / "lock"):
        yield []


@contextmanager
def group_alive(_: Path) -> Iterator[Under]:
    with started("consume", "-f", "orders", "-g", "billing"):
        wait_until(lambda: owners("billing"), "a member")
        yield []


def _with_file(name: str, text: str) -> Callable[[Path], AbstractContextManager[Under]]:
    @contextmanager
    def situation(directory: Path) -> Iterator[Under]:
        (directory / name).write_text(text)
        yield []

    return situation


newer_format = _with_file("format.json", json.dumps({"format": "streamcli log directory", "version": 9}))
no_format = _with_file("format.json", "{}")
damaged_config = _with_file("topics/orders/config.json", "{}")
unknown_config = _with_file("topics/orders/config.json", '{"partitions": 1, "config": {"retension.ms": 1}}')


@contextmanager
def somebody_elses(directory: Path) -> Iterator[Under]:
    (directory / "format.json").unlink()
    yield []


@contextmanager
def linked(directory: Path) -> Iterator[Under]:
    """A symbolic link where a topic belongs."""
    (directory / "topics" / "clicks").rename(directory / "elsewhere")
    (directory / "topics" / "clicks").symlink_to(directory / "elsewhere")
    yield []


@contextmanager
def in_the_way(directory: Path) -> Iterator[Under]:
    (directory / "topics" / "new").write_text("a file")
    yield []


def _under(*restrictions: str) -> Callable[[Path], AbstractContextManager[Under]]:
    return lambda _: nullcontext(restricted(*restrictions))


no_locks = _under("no-flock")
small_files = _under("file-size=4000")
failing_disk = _under("failing-fsync")


@contextmanager
def forbidden(directory: Path) -> Iterator[Under]:
    _segment(directory, "orders").chmod(0)
    yield restricted("modes")


@contextmanager
def gone_partition(directory: Path) -> Iterator[Under]:
    shutil.rmtree(directory / "topics" / "orders" / "0")
    yield []

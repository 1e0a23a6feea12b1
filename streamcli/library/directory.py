"""Opening a log directory from Python: its topics, and producers, readers and consumers of these."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import get_args

from streamcli.engine.alter import Alteration
from streamcli.engine.alter import alter_topic as alter
from streamcli.engine.ensure_topic import create_topic, ensure_topic
from streamcli.engine.group_request import GroupRequest
from streamcli.library.bounds import Start, Stop, range_of
from streamcli.library.consume import Consumer
from streamcli.library.damage import OnDamage
from streamcli.library.produce import Producer, Sync
from streamcli.library.read import Reader, ReadRequest
from streamcli.library.topic import TopicDescription, describe, make_config
from streamcli.record.errors import UsageError
from streamcli.storage.config import Value, setting_named
from streamcli.storage.directory import LogDirectory, TopicExists
from streamcli.storage.layout import check_topic_name, default_directory

Topics = str | Iterable[str]
"""A topic's name, or a glob of names, or several of these."""


def open(path: str | os.PathLike[str] | None = None, *, lock_timeout: float = 30.0) -> Directory:
    """The log directory at `path`; by default STREAMCLI_DIR, else ~/.local/share/streamcli, as for the commands, whose config file
    is not read.

    Nothing is made: the directory is, with its first topic. lock_timeout: seconds to wait for a lock before Busy is raised.
    StreamcliError where there is something that is no log directory, or a newer one than this streamcli knows.
    """
    return Directory(os.fspath(path) if path is not None else default_directory(), lock_timeout)


class Directory:
    """A log directory; `open` gives it. It holds nothing open, and may be used by several threads.

        >>> directory.create_topic("users", partitions=2, config={"cleanup.policy": "compact"})
        >>> directory.topics()
        ['users']
        >>> directory.describe_topic("users").config["cleanup.policy"]
        'compact'
        >>> directory.alter_topic("users", config={"segment.bytes": 64 << 20})
        >>> directory.delete_topic("users")

    Topic config has Kafka's names; a value is an int (bytes, ms, -1 for unlimited), a float or a str.
    """

    def __init__(self, path: str, lock_timeout: float) -> None:
        self.path = path
        self.lock_timeout = lock_timeout
        self._log_directory = LogDirectory(path, lock_timeout=lock_timeout)

    def topics(self, pattern: str = "*") -> list[str]:
        """The names of the topics that match a glob, sorted."""
        return self._log_directory.topics(pattern)

    def create_topic(
        self,
        topic: str,
        partitions: int = 1,
        config: Mapping[str, Value] | None = None,
        *,
        exist_ok: bool = False,
    ) -> None:
        """Make a topic, at once for everyone, and on disk. UsageError for a name or value that cannot be; TopicExists where it is
        there, unless that is `exist_ok`: it is left as it is then."""
        wanted = make_config(partitions, config or {})
        check_topic_name(topic)
        try:
            create_topic(self._made(), topic, wanted)
        except TopicExists:
            if not exist_ok:
                raise

    def describe_topic(self, topic: str) -> TopicDescription:
        """The config of a topic, and what its partitions hold now. NotFound when there is none."""
        return describe(self._log_directory, check_topic_name(topic))

    def alter_topic(
        self,
        topic: str,
        *,
        partitions: int | None = None,
        config: Mapping[str, Value] | None = None,
        unset: Iterable[str] = (),
    ) -> None:
        """Give a topic more partitions, other config, or the default one for the names in `unset`. Who works on it takes notice
        about a second later. NotFound when there is none; UsageError for fewer partitions, and nothing has changed then."""
        settings = make_config(1, config or {}).overrides
        names = frozenset(setting_named(name).name for name in unset)
        alter(self._log_directory, check_topic_name(topic), Alteration(partitions, settings, names))

    def delete_topic(self, topic: str) -> None:
        """Remove a topic with all its records. NotFound when there is none."""
        self._log_directory.delete_topic(check_topic_name(topic))

    def producer(
        self,
        topic: str,
        *,
        partition: int | None = None,
        partitions: int = 1,
        create: bool = True,
        sync: Sync = "exit",
        linger: float = 0.1,
    ) -> Producer:
        """A producer to a topic, which is created when missing, with `partitions`, unless `create` is False: then NotFound.

        partition: the one for all records; by default their keys say so. sync: when records are on disk: "exit" when `flush` or
        the block says so, and about a second after they were appended; "batch" before each batch is taken for written; "none"
        when the system sees fit. linger: seconds that a record waits for others to share its batch; 0: each is a batch.
        """
        check_topic_name(topic)
        if sync not in get_args(Sync):
            raise UsageError(f"bad sync {sync!r}: use one of {', '.join(get_args(Sync))}")
        if partition is not None:
            _check_partition(partition)
        if create:
            ensure_topic(self._made(), topic, make_config(partitions, {}), partition=partition)
        return Producer(self._log_directory, topic, partition=partition, sync=sync, linger=linger)

    def read(
        self,
        topics: Topics,
        *,
        start: Start = "beginning",
        stop: Stop = "end",
        partitions: Iterable[int] = (),
        follow: bool = False,
        idle: float | None = None,
        on_damage: OnDamage | None = None,
    ) -> Reader:
        """The records of topics from `start` on and before `stop`, without a group.

        start, stop: an offset in each partition; a datetime for the first record of that time or later; "beginning" and "end". A
        negative start is the last so many records of the whole. partitions: only these. follow: go on with what comes, woken by
        the kernel, for ever or until nothing came for `idle` seconds; new topics that match a glob too. on_damage: called with
        a CorruptData instead of raising it; returns to go past the damage.

        NotFound for a topic or partition that is not there, OffsetOutOfRange for an offset that is not.
        """
        wanted = range_of(start, stop)
        chosen = [_check_partition(partition) for partition in partitions]
        request = ReadRequest(_names(topics), chosen, wanted, follow, _checked_idle(idle, follow=follow))
        return Reader(self._log_directory, request, on_damage)

    def consume(
        self,
        topics: Topics,
        group: str,
        *,
        start: Start = "beginning",
        follow: bool = False,
        idle: float | None = None,
        on_damage: OnDamage | None = None,
    ) -> Consumer:
        """Join a consumer group, and get the records that it has not committed yet.

        start: where it begins in partitions without a commit, as in `read`. follow, idle, on_damage: as in `read`. The group is made
        when missing. NotFound for a topic that is not there.
        """
        idle = _checked_idle(idle, follow=follow)
        wanted = range_of(start, "end")
        request = GroupRequest(group, _names(topics), wanted, follow, commits=True, idle=idle, hangup=None)
        return Consumer(self._made() if follow else self._log_directory, request, on_damage)

    def _made(self) -> LogDirectory:
        if not self._log_directory.exists:
            self._log_directory = LogDirectory(self.path, lock_timeout=self.lock_timeout, create=True)
        return self._log_directory


def _names(topics: Topics) -> list[str]:
    names = [topics] if isinstance(topics, str) else list(topics)
    if not names:
        raise UsageError("no topic was named")
    return names


def _check_partition(partition: int) -> int:
    if type(partition) is not int:
        raise TypeError(f"a partition is an int, not {partition!r}")
    return partition


def _checked_idle(idle: float | None, *, follow: bool) -> float | None:
    if idle is not None and not follow:
        raise UsageError("idle says when following ends: add follow=True")
    return idle

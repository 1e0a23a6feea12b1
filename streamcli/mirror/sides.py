"""What is mirrored to what."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import NamedTuple

from streamcli.engine.url import KafkaUrl
from streamcli.kafka.connection import Connection
from streamcli.mirror.interface import Place, Progress, Source, Target, Wanted
from streamcli.mirror.name import Pair, group_of
from streamcli.mirror.outage import Outage
from streamcli.record.errors import UsageError
from streamcli.storage.directory import LogDirectory


class Sides(NamedTuple):
    """source, target: each the path of a log directory or the address of a cluster, and not both the latter."""

    source: KafkaUrl | str
    target: KafkaUrl | str

    @classmethod
    def of(cls, source: KafkaUrl | str, target: KafkaUrl | str | None) -> Sides:
        """UsageError for a target that is missing, or that cannot be one of this source."""
        if target is None:
            raise UsageError("mirror needs --to: a log directory, or kafka://HOST:PORT")
        if isinstance(source, KafkaUrl) and isinstance(target, KafkaUrl):
            raise UsageError(
                f"{source} and {target} are both clusters, and mirror needs a log directory on one side: use Apache Kafka's "
                "MirrorMaker (connect-mirror-maker.sh), or mirror through a log directory"
            )
        if isinstance(source, str) and isinstance(target, str) and os.path.realpath(source) == os.path.realpath(target):
            raise UsageError(f"{source} cannot be mirrored to itself: choose another --to")
        return cls(source, target)

    @property
    def home(self) -> str:
        """The log directory that the mirror keeps its account in: the one that it writes, else the one that it reads."""
        found = self.target if isinstance(self.target, str) else self.source
        assert isinstance(found, str)
        return os.path.realpath(found)

    @property
    def cluster(self) -> KafkaUrl | None:
        """The side that is one."""
        return next((side for side in self if isinstance(side, KafkaUrl)), None)


class Opening:
    """Opens both sides. connection: to the one that is a cluster; lock_timeout: seconds."""

    def __init__(self, sides: Sides, connection: Connection | None, lock_timeout: float) -> None:
        self._sides = sides
        self._connection = connection
        self._lock_timeout = lock_timeout

    def pair(self) -> Pair:
        """Both sides by names that stay. Unreachable where a cluster does not answer."""
        home = self._sides.home
        if self._connection is None:
            assert isinstance(self._sides.source, str)
            return Pair(home, f"from {os.path.realpath(self._sides.source)}")
        from streamcli.mirror.cluster import cluster_id

        found = cluster_id(self._connection)
        return Pair(home, f"{'from' if isinstance(self._sides.target, str) else 'to'} cluster {found}")

    def opposite(self, pair: Pair) -> Pair:
        """The pair of a mirror that brings back what the one of `pair` takes there."""
        if self._connection is None:
            assert isinstance(self._sides.source, str)
            return Pair(os.path.realpath(self._sides.source), f"from {pair.home}")
        way, _, place = pair.other.partition(" ")
        return Pair(pair.home, f"{'to' if way == 'from' else 'from'} {place}")

    def source(self, wanted: Wanted) -> Source:
        """The side to read."""
        if isinstance(self._sides.source, str):
            from streamcli.mirror.directory_source import DirectorySource

            return DirectorySource(LogDirectory(self._sides.source, lock_timeout=self._lock_timeout), wanted)
        assert self._connection is not None
        from streamcli.mirror.cluster_source import ClusterSource

        return ClusterSource(self._connection, wanted)

    def target(self, name: str, outage: Outage, clock: Callable[[], int], warn: Callable[[str], None]) -> Target:
        """The side to write, for the mirror of this name. clock: ms since the epoch; warn: takes a line for the user."""
        if self._connection is not None and isinstance(self._sides.target, KafkaUrl):
            from streamcli.mirror.cluster_target import ClusterTarget

            return ClusterTarget(self._connection, name, outage.note)
        from streamcli.mirror.directory_target import DirectoryTarget

        directory = LogDirectory(self._sides.home, lock_timeout=self._lock_timeout, create=True)
        return DirectoryTarget(directory, name, clock=clock, warn=warn)

    def progress(self, name: str, places: Iterable[Place]) -> dict[Place, Progress]:
        """What the target says of the mirror of this name, of those places where it says something."""
        if self._connection is not None and isinstance(self._sides.target, KafkaUrl):
            from streamcli.mirror.cluster import progress_of

            return progress_of(self._connection, group_of(name), places)
        from streamcli.mirror.directory_target import progress_in

        return progress_in(LogDirectory(self._sides.home, lock_timeout=self._lock_timeout), name, places)

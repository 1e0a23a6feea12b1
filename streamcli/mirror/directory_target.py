"""A log directory that is mirrored to: progress in the header of each record batch.

The mirror is a producer with an id (see storage.producer_state), its sequences are the source's offsets. An append leaves out
what is there already, under the append lock: so even two mirrors of one name at once put no record there twice.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager

from streamcli.engine.consume import SourceBatch
from streamcli.engine.current_config import CurrentConfig
from streamcli.engine.ensure_topic import ensure_topic
from streamcli.engine.produce import find_codec
from streamcli.mirror.interface import Place, Progress, Unreachable
from streamcli.mirror.name import group_of
from streamcli.record.errors import Busy, StreamcliError
from streamcli.storage.append import Appender, RollPolicy
from streamcli.storage.clean import Cleaner, CleaningPolicy
from streamcli.storage.config import TopicConfig
from streamcli.storage.directory import LogDirectory
from streamcli.storage.log import Log
from streamcli.storage.producer_state import Origin, find_next_sequence, producer_id_of

SYNC_INTERVAL = 1.0
"""Seconds that a record waits for its fsync, at most, as with `produce`."""

_MOST_BYTES = 32 << 20
"""Bytes that are appended from one fsync to the next, about, as with `produce`."""

_FULL = (errno.ENOSPC, errno.EDQUOT)


class DirectoryTarget:
    """See mirror.interface. name: the mirror's; clock: ms since the epoch; warn: takes a line for the user."""

    is_atomic = False

    def __init__(
        self, directory: LogDirectory, name: str, *, clock: Callable[[], int], warn: Callable[[str], None]
    ) -> None:
        self._directory = directory
        self._producer_id = producer_id_of(group_of(name))
        self._clock = clock
        self._warn = warn
        self._timestamp = 0
        self._configs: dict[str, CurrentConfig] = {}
        self._taken: dict[Place, TopicConfig] = {}
        self._appenders: dict[Place, Appender] = {}
        self._dirty: set[Place] = set()
        self._dirty_since: float | None = None
        self._dirty_bytes = 0

    @property
    def where(self) -> str:
        return self._directory.path

    def connect(self) -> None:
        self.close()
        self._directory.check_local()

    def prepare(self, topic: str, config: TopicConfig) -> None:
        with self._reaching():
            made = ensure_topic(self._directory, topic, config)
            if made.partitions < config.partitions:
                self._directory.alter_topic(topic, lambda found: found._replace(partitions=config.partitions))

    def progress(self, places: Iterable[Place]) -> dict[Place, Progress]:
        with self._reaching():
            found = {place: self._appender(place).next_sequence(self._producer_id) for place in places}
        for place, sequence in found.items():
            if sequence:
                self._appenders[place].sync()  # one that died may have left it to be done
        paths = {place: self._directory.partition_directory(*place) for place in found}
        return {
            place: Progress(sequence, _last_time(paths[place], self._producer_id))
            for place, sequence in found.items()
            if sequence
        }

    def write(self, taken: SourceBatch) -> int:
        source, batch = taken
        place = (source.topic, source.partition)
        columns = batch.columns._replace(offset_deltas=None, delete_horizons=None)
        self._timestamp = batch.max_timestamp  # of all of them, where they have no timestamps of their own
        with self._reaching():
            appender = self._up_to_date(place)
            before = appender.written
            appender.append_missing(columns, Origin(self._producer_id, batch.offsets(), batch.next_offset))
        self._dirty.add(place)
        size = appender.written - before
        self._dirty_bytes += size
        self._dirty_since = self._dirty_since or time.monotonic()
        return size

    def is_full(self) -> bool:
        return self._dirty_bytes >= _MOST_BYTES or self.due_in() == 0.0

    def due_in(self) -> float | None:
        if self._dirty_since is None:
            return None
        return max(0.0, self._dirty_since + SYNC_INTERVAL - time.monotonic())

    def commit(self) -> None:
        dirty, self._dirty = sorted(self._dirty), set()
        self._dirty_since, self._dirty_bytes = None, 0
        for place in dirty:
            self._appenders[place].sync()
        for place in dirty:
            if self._appenders[place].has_rolled:
                self._appenders[place].has_rolled = False
                self._clean(*place)

    def keep_progress(self, places: Iterable[Place]) -> None:
        """It stays as long as the partition."""

    def close(self) -> None:
        for appender in self._appenders.values():
            appender.close()
        self._appenders.clear()
        self._dirty.clear()
        self._dirty_since, self._dirty_bytes = None, 0

    def _up_to_date(self, place: Place) -> Appender:
        """The appender, by the topic's config in force, about a second old at most."""
        appender, config = self._appender(place), self._config(place[0])
        if config is not self._taken[place]:
            appender.policy, appender.codec = RollPolicy.of(config), find_codec(config.choice("compression.type"))
            self._taken[place] = config
        return appender

    def _appender(self, place: Place) -> Appender:
        appender = self._appenders.get(place)
        if appender is None:
            config = self._taken[place] = self._config(place[0])
            appender = self._appenders[place] = Appender(
                self._directory.partition_directory(*place),
                RollPolicy.of(config),
                lock_timeout=self._directory.lock_timeout,
                clock=lambda: self._timestamp,
                warn=self._warn,
                codec=find_codec(config.choice("compression.type")),
            )
        return appender

    def _config(self, topic: str) -> TopicConfig:
        current = self._configs.get(topic)
        if current is None:
            current = self._configs[topic] = CurrentConfig(self._directory, topic)
        return current.get()

    def _clean(self, topic: str, partition: int) -> None:
        """Apply the topic's retention, as any writer does; what goes wrong with that is told, and hinders nothing."""
        try:
            policy = CleaningPolicy.of(self._config(topic))
            path = self._directory.partition_directory(topic, partition)
            for _ in Cleaner(path, policy, lock_timeout=self._directory.lock_timeout).clean_after_roll(self._clock()):
                pass
        except (StreamcliError, OSError) as error:
            self._warn(f"{topic}, partition {partition} was not cleaned: {error}")

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        """What passes with time is Unreachable: a full disk, a lock that another holds. Never a failed fsync: what the kernel has
        dropped then would seem to be there."""
        try:
            yield
        except Busy as error:
            raise Unreachable(str(error)) from None
        except OSError as error:
            if error.errno not in _FULL:
                raise
            raise Unreachable(f"{error.strerror} ({self.where})") from None


def progress_in(directory: LogDirectory, name: str, places: Iterable[Place]) -> dict[Place, Progress]:
    """The progress of the mirror of this name, for who does not write: nothing is locked or changed."""
    producer_id = producer_id_of(group_of(name))
    found = {}
    for topic, partition in places:
        if directory.has_partition(topic, partition):
            path = directory.partition_directory(topic, partition)
            sequence = find_next_sequence(path, producer_id)
            if sequence:
                found[topic, partition] = Progress(sequence, _last_time(path, producer_id))
    return found


def _last_time(partition_directory: str, producer_id: int) -> int | None:
    """The time of the log's last record, if it is that producer's."""
    log = Log(partition_directory)
    end = log.end()
    last = next(log.headers_backwards(log.start(), end), None)
    if last is None or last.producer_id != producer_id:
        return None
    with closing(log.cursor(last.base_offset, end)) as cursor:
        batch = cursor.take() if cursor.peek() else None
    return None if batch is None else batch.timestamps()[-1]

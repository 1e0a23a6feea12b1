"""Producing: which partition, one append a batch, and the count of what is durable."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import TYPE_CHECKING, cast

from streamcli.engine.current_config import CurrentConfig
from streamcli.engine.divided import Divided, Share
from streamcli.engine.partitioner import Partitioner, Placement, Split, runs_in_order, say_where
from streamcli.engine.syncing import Syncing
from streamcli.record.batch import Column, Columns, Joinable, first_without_key, pick
from streamcli.record.errors import NotFound, StreamcliError, UsageError
from streamcli.storage.append import Appender, RollPolicy
from streamcli.storage.body import encode_body
from streamcli.storage.config import LOG_APPEND_TIME, TopicConfig
from streamcli.storage.directory import LogDirectory
from streamcli.storage.durable import has_room
from streamcli.storage.format import CODEC_NONE

if TYPE_CHECKING:
    from streamcli.engine.encoded import EncodedChunk, Encoding
    from streamcli.engine.named_input import NamedInput


class Producer:
    """Appends to one topic of a log directory.

    partition: the one to write to, None to go by key. sync: when records become durable: SYNC_BATCH before `append`
    returns, SYNC_EXIT at `finish` and within SYNC_INTERVAL while `tick` is called, SYNC_NONE never. clock: ms since
    the epoch; warn: takes a line for the user. compress: the codec, as in compression.type, which holds where it is None;
    UnsupportedBatch when that is not installed. is_stopping: asked while a partition is cleaned, which is then broken off.
    name: of the input, of which only those records are appended that are not there yet, by this name.

    appended and durable count records of the input, from its beginning; `scattered` counts those after `appended`
    that were written to other partitions before one failed; `already` those among the appended that were there before.
    """

    def __init__(
        self,
        directory: LogDirectory,
        topic: str,
        *,
        partition: int | None,
        sync: str,
        compress: str | None = None,
        clock: Callable[[], int],
        warn: Callable[[str], None],
        is_stopping: Callable[[], bool] = lambda: False,
        name: str | None = None,
    ) -> None:
        self._current = CurrentConfig(directory, topic)
        self._config = self._current.get()
        self._compress = compress
        self._codec = find_codec(compress or self._config.choice("compression.type"))
        directory.check_local()
        self._paths: Callable[[int], str] = lambda number: directory.partition_directory(topic, number)
        if partition is not None:
            self._paths(partition)
        self._fixed = partition
        self._lock_timeout = directory.lock_timeout
        self._clock = clock
        self._warn = warn
        self._is_stopping = is_stopping
        self._partitioner = Partitioner(partition)
        self._appenders: dict[int, Appender] = {}
        self._syncing = Syncing(sync, self._appenders)
        self.appended = 0
        self.scattered = 0
        self.already = 0
        self._name = name
        self._input: NamedInput | None = None  # of one with a name, once it has begun

    @property
    def config(self) -> TopicConfig:
        """The topic's config in force, about a second old at most."""
        found = self._current.get()
        if found is not self._config:
            self._take(found)
        return found

    def _take(self, config: TopicConfig) -> None:
        """Go on by another config."""
        self._config = config
        try:
            self._codec = find_codec(self._compress or config.choice("compression.type"))
        except StreamcliError as error:
            self._warn(f"{error}; record batches are written as before")
        for appender in self._appenders.values():
            appender.policy, appender.codec = RollPolicy.of(config), self._codec

    @property
    def divides_among(self) -> int | None:
        """Among how many partitions `append` takes records Divided; None where it does not."""
        return self._config.partitions if self._fixed is None and self._name is None else None

    def first_refused(self, columns: Columns | Divided) -> int | None:
        """The index of the first record that the topic does not take: one without a key, where only the newest of each key is
        kept."""
        if not self.config.compacts or isinstance(columns, Divided):
            return None
        return first_without_key(columns)

    def append(self, columns: Columns | Divided, partitions: list[int | None] | None = None) -> list[Placement]:
        """Append a chunk of the input, in order; `partitions` has a record's own partition where it is to have one.

        OSError and StreamcliError leave `appended` at the last record before the first that was not written. UsageError, and
        nothing is written, where one is refused.
        """
        if self.first_refused(columns) is not None:
            raise UsageError("a record without a key is refused: the topic is compacted")
        return self._place_all(self._append_parts(columns, partitions), columns.record_count)

    @property
    def durable(self) -> int:
        """How many records of the input, from its beginning, are on disk."""
        return self._syncing.durable

    @property
    def encoder(self) -> Producer | None:
        """Itself: see engine.interface. What is there already is known only where it is appended."""
        return self if self._name is None else None

    def encode(self, columns: Columns | Divided, partitions: list[int | None] | None = None) -> EncodedChunk | None:
        from streamcli.engine.encoded import EncodedChunk, EncodedShare

        if self.first_refused(columns) is not None:
            return None
        encoding = self._encoding(
            self._config
        )  # from here on the config is not looked at again: all records go by this one
        found: list[tuple[int, Collection[int], Columns]]
        if isinstance(columns, Divided):
            if columns.partitions != encoding.partitions:
                return None
            found = [(share.partition, share.indexes, share.columns) for share in columns.shares()]
        else:
            columns = self._stamped(columns)
            split = self._split(columns, partitions)
            if len(split) > 1 and not say_where(columns, partitions):
                return None  # what was written before one failed could not be told from their indexes
            found = [(number, own, columns if isinstance(own, range) else pick(columns, own)) for number, own in split]
        shares = [EncodedShare(number, own, encode_body(part, self._codec)) for number, own, part in found]
        return EncodedChunk(encoding, columns.record_count, shares)

    def append_encoded(self, chunk: EncodedChunk) -> bool:
        if chunk.encoding != self._encoding(self.config):
            return False
        shares = chunk.shares
        space = sum(share.body.length + (1 << 16) for share in shares)
        if len(shares) > 1 and not has_room(self._paths(shares[0].partition), space):
            return False
        self._place_all(
            (Placement(at, self._appender(at).append_encoded(body), indexes) for at, indexes, body in shares),
            chunk.record_count,
        )
        return True

    def _encoding(self, config: TopicConfig) -> Encoding:
        from streamcli.engine.encoded import Encoding

        return Encoding(config.partitions, self._codec, self._is_log_append_time(), config.compacts)

    def _is_log_append_time(self) -> bool:
        return self._config.choice("message.timestamp.type") == LOG_APPEND_TIME

    def _stamped(self, columns: Columns) -> Columns:
        """With the timestamps that the topic takes."""
        return columns._replace(timestamps=None) if self._is_log_append_time() else columns

    def _place_all(self, parts: Iterable[Placement], count: int) -> list[Placement]:
        """Take note of what becomes of a chunk of so many records."""
        placements: list[Placement] = []
        before = self._written()
        try:
            for placement in parts:
                placements.append(placement)
                self._syncing.wrote_to(placement.partition)
        except NotFound:
            self._syncing.lose_all()
            raise
        except BaseException:
            self._count_prefix(placements)
            raise
        self.appended += count
        self._syncing.took_chunk(self._written() - before, self.appended)
        self._clean_after_rolls()
        return placements

    def check_end(self) -> None:
        """To be called at the end of an input with a name. OtherInput where it had more records in an earlier run."""
        if self._name is not None:
            self._named_input(self._name).check_end(self.appended)

    def _named_input(self, name: str) -> NamedInput:
        if self._input is None:
            from streamcli.engine.named_input import NamedInput  # only for who uses it

            self._input = NamedInput(
                name,
                fixed=self._fixed,
                partitions=lambda: self._current.now().partitions,
                appender=self._appender,
                directory=self._paths,
            )
        return self._input

    def _append_parts(self, columns: Columns | Divided, partitions: list[int | None] | None) -> Iterator[Placement]:
        """Append a chunk, partition by partition."""
        if isinstance(columns, Divided):
            shares = list(columns.shares())
            if self._have_room(shares):
                for share in shares:
                    base_offset = self._appender(share.partition).append(share.columns)
                    yield Placement(share.partition, base_offset, share.indexes)
                return
            columns = columns.whole()
        columns = self._stamped(columns)
        if self._name is not None:
            for placement in self._named_input(self._name).append(self.appended, columns, partitions):
                if placement.base_offset is None:
                    self.already += len(placement.indexes)
                yield placement
            return
        for partition, indexes in self._in_order_if_tight(columns, self._split(columns, partitions)):
            part = columns if isinstance(indexes, range) else pick(columns, indexes)
            yield Placement(partition, self._appender(partition).append(part), indexes)

    def _have_room(self, shares: list[Share]) -> bool:
        """Whether all of them are sure to fit on the disk, where one may fail after others were written."""
        space = sum(_space_for(share.columns, 1) for share in shares)
        return len(shares) == 1 or has_room(self._paths(shares[0].partition), space)

    def _written(self) -> int:
        """Bytes of batches so far."""
        return sum(appender.written for appender in self._appenders.values())

    def due_in(self) -> float | None:
        """Seconds until `tick` has something to do; None while it has not."""
        return self._syncing.due_in()

    def tick(self) -> None:
        """Start the fsync that is due, beside the appending, or take note of one that is done. OSError when it failed."""
        self._syncing.tick(self.appended)

    def finish(self) -> None:
        """Make all that was appended durable, as the sync policy says. OSError when that failed; after that it does nothing."""
        self._syncing.finish(self.appended)

    def _clean_after_rolls(self) -> None:
        """Clean the partitions in which a segment was closed. What goes wrong with that is told, and hinders no producing."""
        rolled = [partition for partition, appender in self._appenders.items() if appender.has_rolled]
        if not rolled:
            return
        from streamcli.storage.clean import Cleaner, CleaningPolicy  # only where there is something to clean

        policy = CleaningPolicy.of(self._config)
        if policy.compaction is not None:  # it may take longer than a record waits for its fsync
            self._syncing.catch_up(self.appended)
        for partition in rolled:
            self._appenders[partition].has_rolled = False
            timeout = self._lock_timeout
            cleaner = Cleaner(self._paths(partition), policy, lock_timeout=timeout, is_stopping=self._is_stopping)
            try:
                for _ in cleaner.clean_after_roll(self._clock()):
                    pass
            except (StreamcliError, OSError) as error:
                self._warn(f"partition {partition} was not cleaned: {error}")

    def close(self) -> None:
        for appender in self._appenders.values():
            appender.close()

    def _appender(self, partition: int) -> Appender:
        appender = self._appenders.get(partition)
        if appender is None:
            policy = RollPolicy.of(self._config)
            appender = self._appenders[partition] = Appender(
                self._paths(partition),
                policy,
                lock_timeout=self._lock_timeout,
                clock=self._clock,
                warn=self._warn,
                codec=self._codec,
            )
        return appender

    def _split(self, columns: Columns, partitions: list[int | None] | None) -> list[Split]:
        return self._partitioner.split(columns, partitions, self._config.partitions)

    def _in_order_if_tight(self, columns: Columns, split: list[Split]) -> list[Split]:
        """The split, where it may not all fit on the disk as runs in the order of the input: then what was written before
        one fails is the input's beginning, and going on after it repeats nothing."""
        if len(split) == 1 or has_room(self._paths(split[0][0]), _space_for(columns, len(split))):
            return split
        return runs_in_order(split, columns.record_count)

    def _count_prefix(self, placements: list[Placement]) -> None:
        written = sorted(index for placement in placements for index in placement.indexes)
        prefix = next((number for number, index in enumerate(written) if number != index), len(written))
        self.appended += prefix
        self.scattered = len(written) - prefix


def find_codec(name: str) -> int:
    """The number of a codec. UnsupportedBatch when it is not installed."""
    if name == "none":
        return CODEC_NONE
    from streamcli.storage.codec import NUMBERS, check_installed

    check_installed(NUMBERS[name])
    return NUMBERS[name]


def _space_for(columns: Columns, batches: int) -> int:
    """Bytes on disk that are enough for the columns in as many batches, each with a new block here and there."""
    joined = [column for column in (columns.values, columns.keys) if column is not None]
    size = sum(map(_bytes_in, joined))
    headers = [*(columns.headers or []), columns.common_headers or []]
    size += sum(len(name) * 4 + len(value or b"") + 16 for own in headers for name, value in own)
    return size + 32 * columns.record_count + (batches << 16)


def _bytes_in(column: Column) -> int:
    if not isinstance(column, list):
        return len(column)
    elements = column if isinstance(column, Joinable) else filter(None, column)
    return sum(map(len, cast("Iterable[bytes]", elements)))

"""What commands ask of an engine: the log directory's, or Apache Kafka's.

An engine hands out and takes the same things whatever is behind it: `SourceBatch` and `Columns`. Commands that look into
a log directory's files (verify, repair, dump ...) do not come here: they have no meaning elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Set

    from streamcli.engine.activity import Observer
    from streamcli.engine.alter import Alteration
    from streamcli.engine.consume import SourceBatch
    from streamcli.engine.divided import Divided
    from streamcli.engine.encoded import EncodedChunk
    from streamcli.engine.group_admin import Description, Move, Target
    from streamcli.engine.group_request import GroupEvents, GroupRequest
    from streamcli.engine.partitioner import Placement
    from streamcli.engine.produce_request import ProduceRequest
    from streamcli.engine.read_options import ReadOptions, TableOptions
    from streamcli.engine.stats import Stock
    from streamcli.engine.topic_state import TopicSettings, TopicState, Trimmed
    from streamcli.groups.assignment import TopicPartition
    from streamcli.record.batch import Columns, RecordBatch
    from streamcli.record.errors import CorruptData
    from streamcli.record.range import Bound, Range
    from streamcli.storage.config import TopicConfig
    from streamcli.storage.watch import Wake


class Producer(Protocol):
    """Appends to one topic.

    appended and durable count records of the input, from its beginning; `scattered` counts those after `appended` that were
    written all the same before one failed; `already` those among the appended that were there before.
    """

    scattered: int
    already: int

    @property
    def appended(self) -> int:
        """See above."""

    @property
    def durable(self) -> int:
        """See above."""

    @property
    def config(self) -> TopicConfig:
        """The topic's config in force."""

    @property
    def divides_among(self) -> int | None:
        """Among how many partitions it takes records that are Divided; None where it takes none of these."""

    @property
    def encoder(self) -> Encoder | None:
        """What appends by another process's help; None where it cannot."""

    def first_refused(self, columns: Columns | Divided) -> int | None:
        """The index of the first record that the topic does not take; None where it takes all."""

    def append(self, columns: Columns | Divided, partitions: list[int | None] | None = None) -> list[Placement]:
        """Append a chunk of the input, in order; `partitions` has a record's own partition where it is to have one. Returns where
        records went, if the request asks for offsets.

        OSError and StreamcliError leave `appended` at the last record before the first that was not written.
        """

    def due_in(self) -> float | None:
        """Seconds until `tick` has something to do; None while it has not."""

    def tick(self) -> None:
        """Do what is due. OSError and StreamcliError when records turn out to be lost."""

    def finish(self) -> None:
        """Make all that was appended durable, as the request says, and count. OSError and StreamcliError when that failed."""

    def check_end(self) -> None:
        """To be called at the end of the input. OtherInput where it had more records in an earlier run under its name."""


class Encoder(Protocol):
    """Two halves of a producer's `append`, of which the first may be done in a fork of the process."""

    def encode(self, columns: Columns | Divided, partitions: list[int | None] | None = None) -> EncodedChunk | None:
        """What `append` would write; None where it is not known before it is written."""

    def append_encoded(self, chunk: EncodedChunk) -> bool:
        """Append it, with the errors of `append`; False, and nothing is done, where `append` would write something else by now."""


class Origin(Protocol):
    """A partition, of whatever engine."""

    @property
    def topic(self) -> str: ...

    @property
    def partition(self) -> int: ...


class Timed(Protocol):
    """What comes next in a partition."""

    @property
    def max_timestamp(self) -> int: ...


class Reads(Protocol):
    """The reading of one partition, of whatever engine: see PartitionRead."""

    @property
    def source(self) -> Origin: ...

    @property
    def offset(self) -> int: ...

    def peek(self, on_damage: Callable[[CorruptData], None], /) -> Timed | None: ...

    def take(self, on_damage: Callable[[CorruptData], None], /) -> SourceBatch | None: ...

    def unread(self, first: int, rest: RecordBatch, /) -> None: ...

    def is_drained(self) -> bool: ...

    def is_in(self, directories: Set[str], /) -> bool: ...


class Reader(Protocol):
    """The records of some topics, without a group. NotFound, when it is made, where a topic or partition is not there."""

    @property
    def topics(self) -> list[str]:
        """The topics that are read from the start on."""

    def bounded(self, wanted: Range) -> Iterator[SourceBatch]:
        """The records of a range, by time over all partitions, up to the ends as they are now. OffsetOutOfRange for an offset
        that is not there."""

    def followed(self, wanted: Range) -> Iterator[SourceBatch]:
        """The same, and then what comes."""

    def rest(self) -> Iterator[SourceBatch]:
        """What comes after the ends of the last `bounded`, for ever."""

    def offsets(self) -> int:
        """How many offsets there are from each log's start to the end of the last `bounded`."""


class Table(Protocol):
    """A topic as a table, see engine.table: as it is when the records are first asked for, at the latest."""

    def rows(self) -> Iterator[SourceBatch]:
        """The newest record of each key that has a value, in the order of `Reader.bounded`."""

    def newest(self, keys: Sequence[bytes]) -> dict[bytes, SourceBatch]:
        """The newest record of each of these keys that has one; it may be a tombstone."""


class OwnedReads(Protocol):
    """The partitions that a member of a group holds: see engine.owned."""

    def reads(self, directories: set[str] | None = None) -> Sequence[Reads]:
        """The reads of all of them, or of those in some directories."""

    def note_command(self, place: TopicPartition) -> Callable[[], None] | None:
        """What the process of a command is to call that is run on records of this partition."""

    def processed(self, source: Origin, offset: int) -> None:
        """Everything of this partition before `offset` is processed."""

    def done(self, source: Origin, offset: int) -> None:
        """The same, and it stays so if this process is killed before it commits it."""

    def pass_damage(self) -> None:
        """Everything that was read is processed."""

    def commit(self) -> None:
        """Make the positions the committed offsets."""

    def commit_if_due(self) -> None:
        """The same, now and then."""


class GroupConsumer(Protocol):
    """A member of a group: see engine.group."""

    @property
    def owned(self) -> OwnedReads:
        """The partitions it holds."""

    def has_changed(self) -> bool:
        """Whether `settle` has something to do: to be asked between batches."""

    def settle(self, busy: set[TopicPartition]) -> bool:
        """Give up what was lost, after a commit, but for what is `busy`, and take what was gained: then True."""

    def is_joining(self) -> bool:
        """Whether the group has not taken it in yet, or what it was given has not come yet: that is no time without records."""

    def is_finished(self) -> bool:
        """Whether there is nothing to wait for once all that is there was given."""

    def wait(self, timeout: float | None, others: Iterable[tuple[int, int]]) -> Wake | None:
        """Sleep until there may be something to do; None where there is nothing to wait for."""

    def close(self) -> None:
        """Commit, and leave the group."""


class Groups(Protocol):
    """Looking at groups, and moving their committed offsets. NotFound for a group that is not there."""

    def names(self) -> list[str]:
        """All groups, sorted."""

    def describe(self, name: str) -> Description:
        """Each partition of the topics with a commit or a member; deleted topics are left out."""

    def members(self, name: str) -> list[str]:
        """Those alive, sorted."""

    def total_lag(self, name: str) -> int:
        """Records of the group's partitions that are not committed."""

    def reset(self, name: str, topics: list[str], target: Target, *, dry_run: bool) -> list[Move]:
        """Make the targets the committed offsets of these topics, of none: of those with commits. Busy while members are alive."""

    def delete(self, names: list[str]) -> None:
        """Remove groups with all their commits. Busy while members are alive."""

    def committed(self, name: str) -> dict[TopicPartition, int]:
        """The committed offsets."""

    def check_partition(self, place: TopicPartition) -> None:
        """NotFound for one that is not there."""

    def import_offsets(self, name: str, targets: Mapping[TopicPartition, int]) -> None:
        """Commit these, all or nothing; the group is made when missing. Busy while members are alive, OffsetOutOfRange for one
        after the end of its log."""

    def pause(self, name: str, seconds: float) -> None:
        """Wait until a group may have come farther, `seconds` at most; the first time less."""

    def strangers(self, name: str | None = None) -> list[str]:
        """What lies among the groups, or in one, and is not streamcli's."""


class Engine(Protocol):
    """Topics, and the records and groups in them."""

    @property
    def where(self) -> str:
        """The directory or the URL, for a person to read."""

    def exists(self) -> bool:
        """Whether anything was made there yet. StreamcliError where that cannot be told: a cluster that does not answer."""

    def topics(self, pattern: str = "*") -> list[str]:
        """The names that match a glob, sorted."""

    def config(self, topic: str) -> TopicConfig:
        """Its partitions, and the settings that differ from their default. NotFound when there is no such topic."""

    def reader(self, options: ReadOptions) -> Reader:
        """To read without a group."""

    def table(self, options: TableOptions) -> Table:
        """The table of a topic. NotFound when there is no such topic or partition."""

    def consumer(self, request: GroupRequest, events: GroupEvents) -> GroupConsumer:
        """To read as a member of a group."""

    def settings(self, topics: list[str]) -> Iterator[tuple[str, TopicSettings]]:
        """The settings of each. NotFound when its turn comes for a topic that is not there."""

    def matching(self, patterns: list[str]) -> list[str]:
        """The topics named, there or not, and those that globs match. NotFound when a glob has none."""

    def states(self, topics: list[str]) -> Iterator[TopicState]:
        """What there is to know of each. NotFound when its turn comes for a topic that is not there."""

    def check_new(self, topics: list[str], new: TopicConfig, replication: int | None) -> None:
        """UsageError for a name, setting or count that cannot be had; one that is there already is no error here."""

    def create(self, topic: str, new: TopicConfig, replication: int | None) -> None:
        """Make a topic. replication: how many replicas each partition has; None for the default, and on a log directory.
        TopicExists when it is there."""

    def alter(self, topic: str, alteration: Alteration) -> tuple[TopicSettings, TopicSettings]:
        """The settings before and after. NotFound when there is no such topic, UsageError for fewer partitions or what cannot be
        had; then nothing has changed."""

    def delete(self, topic: str) -> None:
        """Delete a topic with all records. NotFound when there is no such topic."""

    def trim(
        self, topic: str, partitions: list[int], before: Bound, *, clock: Callable[[], int], warn: Callable[[str], None]
    ) -> Iterator[Trimmed]:
        """Make the offset that `before` means in each partition, or in those chosen, its log start offset. OffsetOutOfRange, and
        nothing is done, where a partition does not reach so far. clock: ms since the epoch; warn: takes a line for the user."""

    def groups(self, clock: Callable[[], int], /) -> Groups:
        """The groups. clock: ms since the epoch."""

    def observer(self, patterns: list[str]) -> Observer:
        """What looks again and again at the topics named or matched, all of them where none is, and at their groups."""

    def stock(self, topics: list[str], since: list[int]) -> Stock:
        """What there is of these topics and of all groups. since: the times, in ms, for which it will be asked what came."""

    def ensure_topic(self, topic: str, new: TopicConfig, *, partition: int | None = None) -> TopicConfig:
        """The config of the topic that is there, or of the `new` one that is made now.

        partition: the one that is going to be written to; NotFound, and nothing is made, when a new topic would not have it.
        """

    def producer(self, topic: str, request: ProduceRequest) -> Producer:
        """What appends to a topic. NotFound when there is no such topic or partition, UsageError for what the engine cannot do."""

"""The names of everything in a log directory. No other module builds or parses a path.

    DIR/format.json                       format version of the directory
    DIR/lock                              held while topics are created or deleted
    DIR/bench.lock                        held by `streamcli bench`, whose topics are streamcli-bench-ID
    DIR/topics/NAME/config.json           partitions and topic config, replaced atomically
    DIR/topics/NAME/P/                    one partition
        00000000000000000000.log          segment, named by its base offset in 20 digits so that `ls` sorts
        00000000000000000000.index        sparse index of the segment; disposable
        00000000000000000000-00000000000000005000.log  compacted segment: what is left of these offsets, the last excluded
        00000000000000000000.cut-POSITION-N  what recovery cut off the segment at POSITION
        00000000000000000000.damaged-POSITION-offsets-FIRST-LAST-N  damaged bytes that repair gave up
        lock                              append lock
        clean.lock                        held by who compacts the partition
        log-start                         the log start offset, where it is not 0
        producers                         how far each producer with an id has come, where there are any
        checkpoint                        boot id and the position known to be on disk; disposable
        sizes                             how many bytes the closed segments have, where these are very many; disposable
        hold.NAME                         the offset from which on retention keeps records for the mirror NAME
    DIR/groups/NAME/                      one consumer group
        lock                              held by whoever coordinates, for that moment
        generation.json                   who consumes what; disposable while nobody consumes
        commits, commits.lock             the journal of committed offsets, and its lock
        members/ID                        one file for each member, locked for its life
        leases/TOPIC/P                    locked while partition P is consumed; holds the member's id
    DIR/mirrors/NAME.json                 what a mirror mirrors, and how many records were removed before it came to them
    DIR/mirrors/NAME.lock                 held by it while it runs
    ...+NAME                              being made or removed; never a topic, never read

A legal topic name holds no `+`, so an unfinished or doomed directory cannot be taken for a topic.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import overload

from streamcli.record.errors import UsageError

FORMAT_FILE = "format.json"
BENCH_LOCK = "bench.lock"
TOPICS = "topics"
GROUPS = "groups"
GENERATION_FILE = "generation.json"
COMMITS_FILE = "commits"
COMMITS_LOCK = "commits.lock"
MEMBERS = "members"
LEASES = "leases"
MIRRORS = "mirrors"
CONFIG_FILE = "config.json"
LOCK = "lock"
CLEAN_LOCK = "clean.lock"
LOG_START = "log-start"
PRODUCERS = "producers"
SIZES = "sizes"
HOLD = "hold"
CHECKPOINT = "checkpoint"
SEGMENT_SUFFIX = ".log"
INDEX_SUFFIX = ".index"
_ACCOUNT_SUFFIX = ".json"
TEMPORARY = "+"
MAX_TOPIC_NAME = 249
MAX_BASE_OFFSET = 2**63
"""No segment has a base offset that great: offsets are signed numbers of 64 bits."""

_MOST = f"{MAX_BASE_OFFSET:020d}"
_LEGAL = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
_DIGITS = frozenset("0123456789")
_HEX_DIGITS = frozenset("0123456789abcdef")


def default_directory() -> str:
    """The log directory where none is named: STREAMCLI_DIR, else streamcli in the user's data directory."""
    chosen = os.environ.get("STREAMCLI_DIR")
    if chosen:
        return chosen
    data = os.environ.get("XDG_DATA_HOME") or os.path.join(os.path.expanduser("~"), ".local", "share")
    return os.path.join(data, "streamcli")


def check_topic_name(name: str) -> str:
    """`name` if Kafka allows it as a topic's, else UsageError."""
    if not name or name in (".", "..") or len(name) > MAX_TOPIC_NAME or not _LEGAL.issuperset(name):
        shown = name if len(name) <= 60 else name[:60] + "..."
        raise UsageError(
            f"bad topic name {shown!r}: use 1 to {MAX_TOPIC_NAME} letters, digits, '.', '_' and '-', and not '.' or '..'"
        )
    return name


def check_group_name(name: str) -> str:
    """`name` if a group may have it: the rules of topic names; else UsageError."""
    try:
        return check_topic_name(name)
    except UsageError as error:
        raise UsageError(str(error).replace("topic", "group")) from None


def group_directory(directory: str, group: str) -> str:
    return os.path.join(directory, GROUPS, check_group_name(group))


def lease_path(group_directory: str, topic: str, partition: int) -> str:
    return os.path.join(group_directory, LEASES, check_topic_name(topic), str(partition))


def is_topic_name(name: str) -> bool:
    """Whether a name found in DIR/topics can be a topic's directory."""
    return name not in ("", ".", "..") and len(name) <= MAX_TOPIC_NAME and _LEGAL.issuperset(name)


def account_path(directory: str, mirror: str) -> str:
    """Where a mirror's account is kept."""
    return os.path.join(directory, MIRRORS, f"{check_topic_name(mirror)}{_ACCOUNT_SUFFIX}")


def mirror_lock(directory: str, mirror: str) -> str:
    return os.path.join(directory, MIRRORS, f"{check_topic_name(mirror)}.lock")


def mirror_names(directory: str) -> list[str]:
    """The mirrors with an account there, sorted."""
    try:
        found = os.listdir(os.path.join(directory, MIRRORS))
    except (FileNotFoundError, NotADirectoryError):
        return []
    names = [name.removesuffix(_ACCOUNT_SUFFIX) for name in found if name.endswith(_ACCOUNT_SUFFIX)]
    return sorted(filter(is_topic_name, names))


def hold_path(partition_directory: str, mirror: str) -> str:
    return os.path.join(partition_directory, f"{HOLD}.{check_topic_name(mirror)}")


def held_by(names: Iterable[str]) -> list[str]:
    """The mirrors that hold a partition's records, sorted, by the names in its directory."""
    found = [name.removeprefix(f"{HOLD}.") for name in names if name.startswith(f"{HOLD}.")]
    return sorted(filter(is_topic_name, found))


_BENCH_TOPIC = "streamcli-bench-"


def new_bench_topic() -> str:
    """A name for a topic of `streamcli bench` that no other has."""
    return _BENCH_TOPIC + new_member_name()


def is_bench_topic(name: str) -> bool:
    """Whether a topic was made by `streamcli bench`, for as long as that ran."""
    return name.startswith(_BENCH_TOPIC) and is_member_name(name.removeprefix(_BENCH_TOPIC))


def plain_file(topic_directory: str) -> str:
    """Where `streamcli bench` writes the file that it compares its topic with."""
    return os.path.join(topic_directory, "plain")


def new_member_name() -> str:
    """A name for a member of a group that no other has."""
    return f"{os.getpid()}-{os.urandom(3).hex()}"


def is_member_name(name: str) -> bool:
    """Whether a name found in a group's directory can be a member's."""
    pid, _, rest = name.partition("-")
    return 0 < len(pid) <= 20 and _DIGITS.issuperset(pid) and len(rest) == 6 and _HEX_DIGITS.issuperset(rest)


def is_unnamed_member(name: str) -> bool:
    """Whether a name found there is the one that a member's file has before it gets the member's."""
    return name.startswith(TEMPORARY) and is_member_name(name.removeprefix(TEMPORARY).rpartition(".")[0])


def topic_directory(directory: str, topic: str) -> str:
    return os.path.join(directory, TOPICS, check_topic_name(topic))


def partition_directory(directory: str, topic: str, partition: int) -> str:
    return os.path.join(topic_directory(directory, topic), str(partition))


def temporary_name(path: str) -> str:
    """A name beside `path` that is nobody else's, for what is being made or removed."""
    head, tail = os.path.split(path)
    return os.path.join(head, f"{TEMPORARY}{tail[:200]}.{os.urandom(6).hex()}")


def partition_numbers(topic_directory: str) -> list[int]:
    """The partitions with a directory there, ascending. Names that are not ours are passed over."""
    return sorted(int(name) for name in os.listdir(topic_directory) if _is_number(name))


def _is_number(name: str) -> bool:
    return _DIGITS.issuperset(name) and str(int(name)) == name


class SegmentName(str):
    """The name of a segment's files without their suffix: its base offset, and of a compacted one the offset after it.

    They sort as the segments do.
    """

    __slots__ = ()

    @classmethod
    def of(cls, base_offset: int, end_offset: int | None = None) -> SegmentName:
        return cls(f"{base_offset:020d}" if end_offset is None else f"{base_offset:020d}-{end_offset:020d}")

    @property
    def base_offset(self) -> int:
        return int(self[:20])

    @property
    def end_offset(self) -> int | None:
        """Of a compacted segment, the offset after it; None for one as it was appended to."""
        return int(self[21:]) if len(self) > 20 else None


class PlainSegments(Sequence[SegmentName]):
    """The names of segments of which none was compacted, ascending.

    There may be ten thousand, of which a command looks at a few. So they are kept as they were listed, files of 24 bytes,
    and made names when they are asked for.
    """

    __slots__ = ("files",)

    def __init__(self, files: list[bytes]) -> None:
        self.files = files

    def __len__(self) -> int:
        return len(self.files)

    @overload
    def __getitem__(self, number: int) -> SegmentName: ...
    @overload
    def __getitem__(self, number: slice) -> PlainSegments: ...
    def __getitem__(self, number: int | slice) -> SegmentName | PlainSegments:
        if isinstance(number, slice):
            return PlainSegments(self.files[number])
        return SegmentName(self.files[number][:20].decode())

    def __eq__(self, other: object) -> bool:
        return self.files == other.files if isinstance(other, PlainSegments) else list(self) == other

    __hash__ = None  # type: ignore[assignment]  # as a list's

    def __iter__(self) -> Iterator[SegmentName]:
        return map(SegmentName, b"".join(self.files).decode().split(SEGMENT_SUFFIX)[:-1])


def segments(partition_directory: str) -> list[SegmentName]:
    """The segments in force, ascending. Names that are not ours are passed over."""
    return list(list_segments(partition_directory))


def list_segments(partition_directory: str) -> Sequence[SegmentName]:
    """The same, in a form that is made sooner where there are very many."""
    return segments_among(os.listdir(os.fsencode(partition_directory)))


def list_files(partition_directory: str) -> tuple[Sequence[SegmentName], list[str]]:
    """The segments in force, and the names there that belong to no segment."""
    names = os.listdir(os.fsencode(partition_directory))
    usual = (SEGMENT_SUFFIX.encode(), INDEX_SUFFIX.encode())
    others = [os.fsdecode(name) for name in names if name[20:] not in usual or not name[:20].isdigit()]
    return segments_among(names), [name for name in others if not is_beside_segment(name)]


def segments_among(names: list[bytes]) -> Sequence[SegmentName]:
    """The segments in force among the names in a partition's directory."""
    suffix = SEGMENT_SUFFIX.encode()
    files = sorted([name for name in names if name.endswith(suffix)])
    return PlainSegments(files) if _are_plain(files) else _in_force(_all_segments(map(os.fsdecode, files)))


def _are_plain(files: list[bytes]) -> bool:
    """Whether all of these, which are sorted, are segments that were not compacted."""
    digits = b"".join(files).replace(SEGMENT_SUFFIX.encode(), b"")
    return (
        set(map(len, files)) == {24}
        and len(digits) == 20 * len(files)
        and digits.isdigit()
        and files[-1] < _MOST.encode()
    )


def superseded_segments(partition_directory: str) -> list[SegmentName]:
    """The segments of which a compacted one has taken the place, and that were not removed yet."""
    found = _all_segments(os.listdir(partition_directory))
    in_force = set(_in_force(found))
    return [name for name in found if name not in in_force]


def orphaned_indexes(partition_directory: str) -> list[str]:
    """The paths of the indexes whose segment is not there: left by who died between removing the one and the other."""
    names = set(os.listdir(partition_directory))
    stems = [name.removesuffix(INDEX_SUFFIX) for name in names if name.endswith(INDEX_SUFFIX)]
    orphaned = [stem for stem in stems if _is_segment_name(stem) and stem + SEGMENT_SUFFIX not in names]
    return [os.path.join(partition_directory, stem + INDEX_SUFFIX) for stem in orphaned]


def _all_segments(names: Iterable[str]) -> list[SegmentName]:
    stems = [name.removesuffix(SEGMENT_SUFFIX) for name in names if name.endswith(SEGMENT_SUFFIX)]
    return sorted(map(SegmentName, filter(_is_segment_name, stems)))


def _is_segment_name(stem: str) -> bool:
    if len(stem) == 41 and stem[20] == "-":
        return stem[:20] < stem[21:] <= _MOST and _DIGITS.issuperset(stem[:20] + stem[21:])
    return len(stem) == 20 and stem < _MOST and _DIGITS.issuperset(stem)


def _in_force(names: list[SegmentName]) -> list[SegmentName]:
    """Those among `names`, ascending, that do not lie within a longer compacted one."""
    chosen: list[SegmentName] = []
    covered = ""
    for name in names:  # of the same base the plain one comes first, then the shorter
        base, end = name[:20], name[21:]
        if chosen and chosen[-1][:20] == base:
            chosen[-1] = name
        elif base >= covered:
            chosen.append(name)
        else:
            continue
        covered = max(covered, end)
    return chosen


def segment_path(partition_directory: str, segment: SegmentName) -> str:
    return os.path.join(partition_directory, segment_file(segment))


def has_segment_from(partition_directory: str, base_offset: int) -> bool:
    """Whether there is a segment, not compacted, with that base offset."""
    return os.access(
        segment_path(partition_directory, SegmentName.of(base_offset)), os.F_OK
    )  # half the time of os.path.exists


def segment_file(segment: SegmentName) -> str:
    """The name of a segment's file in its directory."""
    return segment + SEGMENT_SUFFIX


def index_path(partition_directory: str, segment: SegmentName) -> str:
    return os.path.join(partition_directory, segment + INDEX_SUFFIX)


def segment_name(path: str) -> SegmentName:
    """The segment in the path of its file, or of its index."""
    return SegmentName(os.path.basename(path).partition(".")[0])


def cut_path(segment: str, position: int) -> str:
    """A free name beside `segment` for the bytes that recovery cuts off at `position`."""
    return free_name(f"{segment.removesuffix(SEGMENT_SUFFIX)}.cut-{position}")


def damaged_path(segment: str, position: int, first: int, next_offset: int | None) -> str:
    """A free name beside `segment` for damaged bytes at `position` that repair gives up, with the offsets they held."""
    last = "on" if next_offset is None else str(next_offset - 1)
    offsets = "no-offsets" if next_offset == first else f"offsets-{first}-{last}"
    return free_name(f"{segment.removesuffix(SEGMENT_SUFFIX)}.damaged-{position}-{offsets}")


def free_name(stem: str) -> str:
    """`stem` and the first number with which nothing is there yet."""
    number = 1
    while os.path.lexists(path := f"{stem}-{number}"):
        number += 1
    return path


def is_partition_name(name: str) -> bool:
    """Whether a name found in a topic's directory is a partition's."""
    return 0 < len(name) <= 9 and _DIGITS.issuperset(name) and str(int(name)) == name


def is_beside_segment(name: str) -> bool:
    """Whether a name found in a partition's directory is that of a segment, or of what belongs to one."""
    stem, dot, rest = name.partition(".")
    digits = stem[:20] + stem[21:] if len(stem) == 41 and stem[20] == "-" else stem
    return bool(dot and rest) and len(digits) in (20, 40) and _DIGITS.issuperset(digits)

"""The names of everything in a log directory. No other module builds or parses a path.

    DIR/format.json                       format version of the directory
    DIR/lock                              held while topics are created or deleted
    DIR/topics/NAME/config.json           partitions and topic config, replaced atomically
    DIR/topics/NAME/P/                    one partition
        00000000000000000000.log          segment, named by its base offset in 20 digits so that `ls` sorts
        00000000000000000000.index        sparse index of the segment; disposable
        00000000000000000000.cut-POSITION-N  what recovery cut off the segment at POSITION
        00000000000000000000.damaged-POSITION-offsets-FIRST-LAST-N  damaged bytes that repair gave up
        lock                              append lock
        checkpoint                        boot id and the position known to be on disk; disposable
    DIR/groups/NAME/                      one consumer group
        lock                              held by whoever coordinates, for that moment
        generation.json                   who consumes what; disposable while nobody consumes
        commits, commits.lock             the journal of committed offsets, and its lock
        members/ID                        one file for each member, locked for its life
        leases/TOPIC/P                    locked while partition P is consumed; holds the member's id
    ...+NAME                              being made or removed; never a topic, never read

A legal topic name holds no `+`, so an unfinished or doomed directory cannot be taken for a topic.
"""

from __future__ import annotations

import os

from streamcli.record.errors import UsageError

FORMAT_FILE = "format.json"
TOPICS = "topics"
GROUPS = "groups"
GENERATION_FILE = "generation.json"
COMMITS_FILE = "commits"
COMMITS_LOCK = "commits.lock"
MEMBERS = "members"
LEASES = "leases"
CONFIG_FILE = "config.json"
LOCK = "lock"
CHECKPOINT = "checkpoint"
SEGMENT_SUFFIX = ".log"
INDEX_SUFFIX = ".index"
TEMPORARY = "+"
MAX_TOPIC_NAME = 249
MAX_BASE_OFFSET = 2**63
"""No segment has a base offset that great: offsets are signed numbers of 64 bits."""

_LEGAL = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
_DIGITS = frozenset("0123456789")
_HEX_DIGITS = frozenset("0123456789abcdef")


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


def segment_path(partition_directory: str, base_offset: int) -> str:
    return os.path.join(partition_directory, f"{base_offset:020d}{SEGMENT_SUFFIX}")


def segment_base(segment: str) -> int:
    """The base offset in the path of a segment, or of its index."""
    return int(os.path.basename(segment).partition(".")[0])


def index_path(partition_directory: str, base_offset: int) -> str:
    return os.path.join(partition_directory, f"{base_offset:020d}{INDEX_SUFFIX}")


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
    return len(name) > 21 and name[20] == "." and _DIGITS.issuperset(name[:20])


def segment_bases(partition_directory: str) -> list[int]:
    """Base offsets of the segments there, ascending. Names that are not ours are passed over."""
    bases = []
    for name in os.listdir(partition_directory):
        stem = name.removesuffix(SEGMENT_SUFFIX)
        if stem is not name and len(stem) == 20 and _DIGITS.issuperset(stem) and int(stem) < MAX_BASE_OFFSET:
            bases.append(int(stem))
    return sorted(bases)

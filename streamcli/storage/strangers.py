"""What lies in a log directory and is not streamcli's: passed over by every command, told by those that list, never deleted.

A name counts as ours when it is in the layout, or begins like one of its files and goes on with a `.`: what recovery and
repair keep beside a file is named so.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from streamcli.storage import layout

_ROOT = (layout.FORMAT_FILE, layout.LOCK, layout.BENCH_LOCK, layout.TOPICS, layout.GROUPS, layout.MIRRORS)
_TOPIC = (layout.CONFIG_FILE,)
_PARTITION = (
    layout.LOCK,
    layout.CHECKPOINT,
    layout.CLEAN_LOCK,
    layout.LOG_START,
    layout.PRODUCERS,
    layout.SIZES,
    layout.HOLD,
)
_GROUP = (layout.LOCK, layout.GENERATION_FILE, layout.COMMITS_FILE, layout.MEMBERS, layout.LEASES)


def in_root(directory: str) -> list[str]:
    """The strange paths in a log directory itself."""
    return _strange(directory, lambda entry: _begins_like(entry.name, _ROOT))


def in_topics(directory: str) -> list[str]:
    """The strange paths among the topics of a log directory: each of those is a directory with a config, or partitions."""
    return _strange(os.path.join(directory, layout.TOPICS), _is_topic)


def in_topic(topic_directory: str, listed: Mapping[str, list[str]] | None = None) -> list[str]:
    """The strange paths in a topic's directory, and in those of its partitions. listed: the names in these that belong to no
    segment, by directory, as far as they were listed already."""
    found = _strange(
        topic_directory, lambda entry: _begins_like(entry.name, _TOPIC) or layout.is_partition_name(entry.name)
    )
    for name in _names(topic_directory):
        if layout.is_partition_name(name):
            path = os.path.join(topic_directory, name)
            found += _strange_files(path, (listed or {}).get(path))
    return found


def in_groups(directory: str) -> list[str]:
    """The strange paths among the groups of a log directory: each of those is a directory with members, or being made."""
    return _strange(os.path.join(directory, layout.GROUPS), _is_group)


def in_group(group_directory: str) -> list[str]:
    """The strange paths in a group's directory, and among its members."""
    found = _strange(group_directory, lambda entry: _begins_like(entry.name, _GROUP))
    members = os.path.join(group_directory, layout.MEMBERS)
    return found + _strange(members, lambda entry: layout.is_member_name(entry.name))


def anywhere(directory: str) -> list[str]:
    """All strange paths in a log directory."""
    found = in_root(directory) + in_topics(directory) + in_groups(directory)
    for above, look in ((layout.TOPICS, in_topic), (layout.GROUPS, in_group)):
        for name in _names(os.path.join(directory, above)):
            path = os.path.join(directory, above, name)
            if layout.is_topic_name(name) and path not in found:
                found += look(path)
    return found


def _is_topic(entry: os.DirEntry[str]) -> bool:
    """With a config, or with partitions: then the config was removed, and that is told otherwise."""
    if not _is_named_directory(entry):
        return False
    try:
        os.lstat(os.path.join(entry.path, layout.CONFIG_FILE))
    except FileNotFoundError:
        return any(map(layout.is_partition_name, _names(entry.path)))
    except OSError:  # it may not be looked into: what is there cannot be told
        return True
    return True


def _is_group(entry: os.DirEntry[str]) -> bool:
    if not _is_named_directory(entry):
        return False
    names = _names(entry.path)
    return not names or layout.LOCK in names or layout.MEMBERS in names


def _is_named_directory(entry: os.DirEntry[str]) -> bool:
    return layout.is_topic_name(entry.name) and entry.is_dir(follow_symlinks=False)


def _begins_like(name: str, known: tuple[str, ...]) -> bool:
    return any(name == ours or name.startswith(f"{ours}.") for ours in known)


def _names(directory: str) -> list[str]:
    try:
        return sorted(os.listdir(directory))
    except OSError:
        return []


def _strange_files(partition_directory: str, listed: list[str] | None) -> list[str]:
    """The strange paths in a partition's directory, by name alone: it may hold tens of thousands."""
    if os.path.islink(partition_directory):
        return []
    try:
        others = layout.list_files(partition_directory)[1] if listed is None else listed
    except OSError:
        return []
    strange = [name for name in others if not name.startswith(layout.TEMPORARY) and not _begins_like(name, _PARTITION)]
    return sorted(os.path.join(partition_directory, name) for name in strange)


def _strange(directory: str, is_ours: Callable[[os.DirEntry[str]], bool]) -> list[str]:
    """The paths in `directory` that are not ours, sorted; none where it cannot be read."""
    if os.path.islink(directory):  # told as a stranger itself, and not followed
        return []
    try:
        with os.scandir(directory) as entries:
            found = [e.path for e in entries if not e.name.startswith(layout.TEMPORARY) and not is_ours(e)]
    except OSError:
        return []
    return sorted(found)

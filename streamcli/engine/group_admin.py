"""Looking at groups, and moving their committed offsets."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from itertools import pairwise
from typing import NamedTuple

from streamcli.engine.consume import matching_topics
from streamcli.groups.assignment import TopicPartition
from streamcli.groups.journal import COMMIT, IMPORT, RESET, UNDO, VOID, Commit, DamagedCommits
from streamcli.groups.lease import lease_holder
from streamcli.groups.member import GroupDirectory
from streamcli.record.errors import Busy, NotFound, OffsetOutOfRange, StreamcliError, did_you_mean
from streamcli.storage import durable, layout
from streamcli.storage.directory import LogDirectory
from streamcli.storage.log import Log
from streamcli.storage.opening import refuse_links

RATE_WINDOW = 60_000
"""ms of commits from which a partition's rate is taken."""


class PartitionState(NamedTuple):
    """A partition as a group sees it. committed and lag: None without a commit; rate: records a second, None when not known;
    member: who consumes it now."""

    topic: str
    partition: int
    committed: int | None
    end: int
    lag: int | None
    rate: float | None
    member: str | None


class Description(NamedTuple):
    """A group. standing: how it is, in words; members: those alive; states: of each partition, by topic and number."""

    standing: str
    members: list[str]
    states: list[PartitionState]


def group_names(directory: LogDirectory) -> list[str]:
    """The names of all groups, sorted; not of one that a process died making."""
    refuse_links(directory.path, layout.GROUPS)
    try:
        with os.scandir(os.path.join(directory.path, layout.GROUPS)) as entries:
            names = sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [name for name in names if layout.is_topic_name(name) and GroupDirectory(directory, name).exists()]


def open_group(directory: LogDirectory, name: str) -> GroupDirectory:
    """A group that is there; else NotFound."""
    group = GroupDirectory(directory, name)
    if not group.exists():
        remedy = did_you_mean(name, group_names(directory), "see `streamcli groups list`")
        raise NotFound(f"no such group: {name} (in {directory.path}): {remedy}")
    return group


def describe_group(directory: LogDirectory, group: GroupDirectory, now_ms: int) -> list[PartitionState]:
    """Each partition of the topics with a commit or a member, by topic and number; deleted topics are left out."""
    commits: dict[TopicPartition, list[Commit]] = {}
    for commit in group.journal.read():
        commits.setdefault(commit.place, []).append(commit)
    patterns = [pattern for member in group.living_members().values() for pattern in member.topics]
    subscribed = matching_topics(directory, patterns, wait=True)
    states = []
    for topic in sorted({topic for topic, _ in commits}.union(subscribed).intersection(directory.topics())):
        for number in range(directory.config(topic).partitions):
            history = commits.get((topic, number), [])
            end = Log(directory.partition_directory(topic, number)).end().offset
            offset = history[-1].offset if history else None
            lag = None if offset is None else end - offset
            holder = lease_holder(group.path, (topic, number))
            states.append(PartitionState(topic, number, offset, end, lag, _rate(history, now_ms), holder))
    return states


def _rate(commits: list[Commit], now_ms: int) -> float | None:
    """Records a second over the commits of the last RATE_WINDOW, each from the entry before it. An entry by which a person
    moved the offset is where the next commit starts from, and no progress itself."""
    done = elapsed = 0
    for before, commit in pairwise(commits):
        if commit.time < now_ms - RATE_WINDOW or commit.kind != COMMIT:
            continue
        if before.offset is not None and commit.offset is not None:
            done += commit.offset - before.offset
            elapsed += commit.time - before.time
    return max(0.0, done * 1000 / elapsed) if elapsed > 0 else None


def refuse_while_alive(group: GroupDirectory, what: str) -> None:
    """Busy, naming them, while members live: they would go on from offsets of their own."""
    members = group.living_members()
    if members:
        named = ", ".join(f"{member} (pid {info.pid})" for member, info in sorted(members.items()))
        raise Busy(f"group {group.name} has members alive: {named}: stop them before `groups {what}`")


class Target(NamedTuple):
    """Where a reset goes. kind: beginning, end, offset, time, current, or shift by `number`."""

    kind: str
    number: int = 0


class Move(NamedTuple):
    """A partition's committed offset before and after; None where there is none."""

    place: TopicPartition
    before: int | None
    after: int | None


def _reset_targets(
    directory: LogDirectory, group: GroupDirectory, topics: list[str], target: Target
) -> dict[TopicPartition, int]:
    """The offset of each partition after a reset. `topics`: these, or where there are none those with commits."""
    committed = group.journal.committed()
    chosen = topics or sorted({topic for topic, _ in committed})
    if not chosen:
        raise NotFound(f"group {group.name} has no commits: name the topics to reset")
    places = [(topic, number) for topic in chosen for number in range(directory.config(topic).partitions)]
    return {place: _target(directory, place, committed.get(place), target) for place in places}


def _target(directory: LogDirectory, place: TopicPartition, committed: int | None, target: Target) -> int:
    log = Log(directory.partition_directory(*place))
    if target.kind == "time":
        return log.offset_at(target.number, log.end())
    return target_offset(place, committed, target, log.start(), log.end().offset)


def target_offset(place: TopicPartition, committed: int | None, target: Target, start: int, end: int) -> int:
    """The offset that a target other than a time means in a partition; OffsetOutOfRange for one that is not there."""
    base = start if committed is None else committed
    wanted = {
        "beginning": start,
        "end": end,
        "offset": target.number,
        "current": max(base, start),  # where the group would go on
        "shift": base + target.number,
    }
    offset = wanted[target.kind]
    if target.kind == "shift":
        return min(max(offset, start), end)
    if not start <= offset <= end:
        raise OffsetOutOfRange(
            f"offset {offset} is out of range ({place[0]}, partition {place[1]} has {start} to {end}): choose one of these, or beginning or end"
        )
    return offset


def plan_reset(directory: LogDirectory, group: GroupDirectory, topics: list[str], target: Target) -> list[Move]:
    """What `reset` would do, as things are now."""
    before = group.journal.committed()
    targets = _reset_targets(directory, group, topics, target)
    return [Move(place, before.get(place), offset) for place, offset in sorted(targets.items())]


def reset(directory: LogDirectory, group: GroupDirectory, topics: list[str], target: Target, now_ms: int) -> list[Move]:
    """Make the targets the committed offsets. Refused while members are alive, and none can come meanwhile."""
    with group.coordinate():
        refuse_while_alive(group, RESET)
        moves = plan_reset(directory, group, topics, target)
        _commit(directory, group, RESET, {move.place: move.after for move in moves}, now_ms)
    return moves


def import_offsets(
    directory: LogDirectory, group: GroupDirectory, targets: dict[TopicPartition, int], now_ms: int
) -> None:
    """Take over offsets that were exported; OffsetOutOfRange for one after the end of its log."""
    with group.coordinate():
        refuse_while_alive(group, IMPORT)
        for (topic, partition), offset in sorted(targets.items()):
            end = Log(directory.partition_directory(topic, partition)).end().offset
            if offset > end:
                raise OffsetOutOfRange(
                    f"offset {offset} is out of range ({topic}, partition {partition} ends at {end}): nothing was changed; import offsets up to there"
                )
        _commit(directory, group, IMPORT, dict(targets), now_ms)


def _commit(
    directory: LogDirectory,
    group: GroupDirectory,
    kind: str,
    offsets: Mapping[TopicPartition, int | None],
    now_ms: int,
) -> None:
    """Append to the journal what a person decided, once the records before it are on disk: a commit never passes these."""
    for (topic, partition), offset in offsets.items():
        with suppress(NotFound, FileNotFoundError):  # of a topic that was deleted nothing is left to sync
            Log(directory.partition_directory(topic, partition)).make_durable(offset or 0)
    group.journal.append([Commit(now_ms, kind, *place, offset, "-") for place, offset in sorted(offsets.items())])


def undo(directory: LogDirectory, group: GroupDirectory, now_ms: int) -> list[Move]:
    """Take back the last line of the journal: the committed offsets are those before it."""
    with group.coordinate():
        refuse_while_alive(group, UNDO)
        commits = group.journal.read()
        if not commits:
            raise StreamcliError(
                f"group {group.name} has no commits to take back: see `streamcli groups log {group.name}`"
            )
        last = commits[-1]
        undone = [commit for commit in commits if commit[:2] == last[:2] and commit.member == last.member]
        before = {commit.place: commit.offset for commit in commits if commit not in undone}
        moves = [Move(commit.place, commit.offset, before.get(commit.place)) for commit in undone]
        _commit(directory, group, UNDO, {move.place: move.after for move in moves}, now_ms)
        return moves


def void_commits(directory: LogDirectory, topic: str, now_ms: int) -> None:
    """Take back what groups have committed of a topic of that name that is no more, and what members noted of it in their leases: a
    note counts until the next line of the journal on its partition."""
    for name in group_names(directory):
        group = GroupDirectory(directory, name)
        journal = group.journal
        with suppress(DamagedCommits):  # told to whoever consumes with that group
            places = {place for place in journal.committed() if place[0] == topic}
            places.update((topic, number) for number in group.leased_partitions(topic))
            journal.append([Commit(now_ms, VOID, *place, None, "-") for place in sorted(places)])


def delete_group(group: GroupDirectory) -> None:
    """Remove a group with all its commits. Refused while members are alive."""
    with group.coordinate():
        refuse_while_alive(group, "delete")
        doomed = layout.temporary_name(group.path)
        durable.rename_directory(group.path, doomed)
    durable.remove_temporaries(os.path.dirname(group.path))


def total_lag(directory: LogDirectory, group: GroupDirectory, clock: Callable[[], int]) -> int:
    """Records of the group's partitions that are not committed."""
    states = describe_group(directory, group, clock())
    return sum(records_left(directory, state) for state in states)


def records_left(directory: LogDirectory, state: PartitionState) -> int:
    """Records of a partition that are not committed: from the log start on where nothing is."""
    if state.lag is not None:
        return max(state.lag, 0)
    return state.end - Log(directory.partition_directory(state.topic, state.partition)).start()

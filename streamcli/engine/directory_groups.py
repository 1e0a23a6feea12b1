"""The groups of a log directory: see engine.interface.Groups."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from streamcli.engine import group_admin
from streamcli.engine.group_admin import Description, Move, Target
from streamcli.groups.assignment import TopicPartition
from streamcli.groups.member import GroupDirectory
from streamcli.storage import strangers
from streamcli.storage.directory import LogDirectory
from streamcli.storage.layout import group_directory
from streamcli.storage.watch import Watcher


class DirectoryGroups:
    """See engine.interface. clock: ms since the epoch."""

    def __init__(self, directory: LogDirectory, clock: Callable[[], int]) -> None:
        self._directory = directory
        self._clock = clock
        self._watchers: dict[str, Watcher] = {}

    def names(self) -> list[str]:
        return group_admin.group_names(self._directory)

    def describe(self, name: str) -> Description:
        group = self._open(name)
        states = group_admin.describe_group(self._directory, group, self._clock())
        return Description(f"generation {group.generation().number}", sorted(group.living_members()), states)

    def members(self, name: str) -> list[str]:
        return sorted(self._open(name).living_members())

    def total_lag(self, name: str) -> int:
        return group_admin.total_lag(self._directory, self._open(name), self._clock)

    def reset(self, name: str, topics: list[str], target: Target, *, dry_run: bool) -> list[Move]:
        group = self._open(name)
        if dry_run:
            return group_admin.plan_reset(self._directory, group, topics, target)
        return group_admin.reset(self._directory, group, topics, target, self._clock())

    def delete(self, names: list[str]) -> None:
        for group in [self._open(name) for name in names]:
            group_admin.delete_group(group)

    def committed(self, name: str) -> dict[TopicPartition, int]:
        return self._open(name).journal.committed()

    def check_partition(self, place: TopicPartition) -> None:
        self._directory.partition_directory(*place)

    def import_offsets(self, name: str, targets: Mapping[TopicPartition, int]) -> None:
        group = GroupDirectory(self._directory, name, create=True)
        group_admin.import_offsets(self._directory, group, dict(targets), self._clock())

    def pause(self, name: str, seconds: float) -> None:
        if name not in self._watchers:
            self._watchers[name] = Watcher()
            self._watchers[name].add(self._open(name).path)
            return
        self._watchers[name].wait(seconds)

    def strangers(self, name: str | None = None) -> list[str]:
        path = self._directory.path
        return strangers.in_groups(path) if name is None else strangers.in_group(group_directory(path, name))

    def _open(self, name: str) -> GroupDirectory:
        return group_admin.open_group(self._directory, name)

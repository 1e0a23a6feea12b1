"""Members and generations: who is alive, and who consumes what.

A member's file is locked from before it has its name until the process ends, so it is alive exactly while a probe of
that lock fails. Joining, leaving and finding a dead member happen under the group's lock and end in a new generation.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from streamcli.groups.assignment import Assignment, assign
from streamcli.groups.journal import Journal
from streamcli.record.errors import StreamcliError
from streamcli.storage import durable, layout
from streamcli.storage.config import MAX_PARTITIONS
from streamcli.storage.directory import LogDirectory
from streamcli.storage.locks import ExclusiveLock, is_at_path, try_exclusive
from streamcli.storage.opening import NotAPlainFile, open_file, read_file, refuse_links


class MemberInfo(NamedTuple):
    """What a member's file says. topics: names and globs; is_assigned: False for a bounded run, which takes what is free."""

    member: str
    pid: int
    topics: list[str]
    is_assigned: bool


class Generation(NamedTuple):
    """number: rises with each; assignment: of that generation's members."""

    number: int
    assignment: Assignment


class GroupDirectory:
    """The files of one group of a log directory. Made when missing if `create`."""

    def __init__(self, directory: LogDirectory, name: str, *, create: bool = False) -> None:
        self.name = name
        self.path = layout.group_directory(directory.path, name)
        refuse_links(directory.path, layout.GROUPS, name)
        for inside in (layout.MEMBERS, layout.LEASES):
            refuse_links(self.path, inside)
        self.members_path = os.path.join(self.path, layout.MEMBERS)
        self.leases_path = os.path.join(self.path, layout.LEASES)
        self._lock_timeout = directory.lock_timeout
        self.journal = Journal(
            os.path.join(self.path, layout.COMMITS_FILE),
            os.path.join(self.path, layout.COMMITS_LOCK),
            self._lock_timeout,
        )
        if create:
            self._create()

    def _create(self) -> None:
        """Make what is missing. The journal only with a new group: one that lost it must not begin anew unnoticed."""
        if not self.exists():
            if os.path.isdir(self.leases_path) and not os.path.lexists(self.journal.path):
                raise self.journal.gone()  # of a group that was there, its members and commits were removed
            durable.make_directories(self.path)
            durable.remove_temporaries(os.path.dirname(self.path))  # groups that a process died deleting
            with self.coordinate():
                if not self.exists():
                    self.journal.create()
                    durable.make_directories(self.members_path)
        durable.make_directories(self.leases_path)

    def lease_directories(self) -> list[str]:
        """Where leases of topics lie, to be watched for their release."""
        return [os.path.join(self.leases_path, topic) for topic in sorted(os.listdir(self.leases_path))]

    def leased_partitions(self, topic: str) -> list[int]:
        """Those of a topic that ever had an owner."""
        try:
            names = os.listdir(os.path.join(self.leases_path, topic))
        except FileNotFoundError:
            return []
        return sorted(int(name) for name in names if name.isascii() and name.isdecimal())

    def exists(self) -> bool:
        return os.path.isdir(self.members_path)

    @contextmanager
    def coordinate(self) -> Iterator[None]:
        """Hold the group's lock, as is to be done while members or the generation change."""
        lock = ExclusiveLock(os.path.join(self.path, layout.LOCK), self._lock_timeout)
        try:
            with lock:
                yield
        finally:
            lock.close()

    def generation(self) -> Generation:
        """The newest generation; number 0 without any member where none can be read: the next one is made from the members."""
        try:
            return _decode_generation(read_file(os.path.join(self.path, layout.GENERATION_FILE)))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return Generation(0, {})

    def generation_signature(self) -> tuple[int, int] | None:
        """Something that differs from one generation's file to the next's."""
        try:
            status = os.stat(os.path.join(self.path, layout.GENERATION_FILE))
        except FileNotFoundError:
            return None
        return status.st_ino, status.st_mtime_ns

    def write_generation(self, generation: Generation) -> None:
        fields = {"generation": generation.number, "assignment": generation.assignment}
        data = json.dumps(fields, separators=(",", ":")).encode() + b"\n"
        durable.replace_file(os.path.join(self.path, layout.GENERATION_FILE), data, durable=False)

    def living_members(self) -> dict[str, MemberInfo]:
        """The members whose process lives, by id. Probes share their lock, so that they do not take each other for life."""
        return {member: info for member in self._member_names() if (info := self._living(member)) is not None}

    def topics_of(self, member: str) -> list[str]:
        """The names and globs in a member's file, alive or not; none where it cannot be read."""
        try:
            return _decode_member(member, read_file(os.path.join(self.members_path, member))).topics
        except OSError:
            return []

    def is_alive(self, member: str) -> bool:
        return self._living(member) is not None

    def sweep_dead(self) -> None:
        """Remove the files of dead members, what a process died making, and nothing else. Under the group's lock."""
        for name in self._names():
            if (layout.is_member_name(name) or layout.is_unnamed_member(name)) and self._living(name) is None:
                durable.remove_file(os.path.join(self.members_path, name))
        durable.remove_temporaries(self.path, layout.GENERATION_FILE)
        if durable.has_temporaries(self.path, layout.COMMITS_FILE):
            with self.journal.locked():  # whoever is about the journal holds this one
                durable.remove_temporaries(self.path, layout.COMMITS_FILE)

    def rebalance(
        self, partitions: Callable[[set[str]], dict[str, int]], matches: Callable[[list[str]], set[str]]
    ) -> None:
        """Write a new generation if the living members or their partitions ask for one. Under the group's lock.

        matches: the topics that a member's names and globs mean now; partitions: how many each of these has.
        """
        self.sweep_dead()
        members = {member: info for member, info in self.living_members().items() if info.is_assigned}
        subscriptions = {member: matches(info.topics) for member, info in members.items()}
        counts = partitions(set().union(*subscriptions.values()))
        before = self.generation()
        assignment = assign(subscriptions, counts, before.assignment)
        if assignment != before.assignment:
            self.write_generation(Generation(before.number + 1, assignment))

    def _member_names(self) -> list[str]:
        return sorted(name for name in self._names() if layout.is_member_name(name))

    def _names(self) -> list[str]:
        try:
            return os.listdir(self.members_path)
        except FileNotFoundError:
            return []

    def _living(self, member: str) -> MemberInfo | None:
        try:
            fd = open_file(os.path.join(self.members_path, member))
        except (FileNotFoundError, NotAPlainFile):  # any other error says nothing about the member's life
            return None
        try:
            if try_exclusive(fd, shared=True):
                return None
            return _decode_member(member, os.read(fd, 1 << 20))
        finally:
            os.close(fd)


class Membership:
    """This process's own file in a group, locked until `leave` or the end of the process."""

    def __init__(self, group: GroupDirectory, topics: list[str], *, is_assigned: bool) -> None:
        self.member = layout.new_member_name()
        self._path = os.path.join(group.members_path, self.member)
        info = {"pid": os.getpid(), "topics": topics, "assigned": is_assigned}
        self._content = json.dumps(info).encode() + b"\n"
        while (fd := self._made()) is None:
            pass
        self._fd = fd
        self._signature = self._sign()

    def _sign(self) -> tuple[int, int]:
        status = os.fstat(self._fd)
        return status.st_size, status.st_mtime_ns

    def _made(self) -> int | None:
        """The file, locked and then named; None when somebody swept it, or was about to, between its making and its lock."""
        temporary = layout.temporary_name(self._path)
        # Not for children: a command run by us must not keep us alive.
        fd = open_file(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL)
        try:
            if try_exclusive(fd):
                durable.write_all(fd, self._content, 0)
                durable.rename_file(temporary, self._path)
                return fd
        except FileNotFoundError:
            pass
        os.close(fd)
        return None

    def is_there(self) -> bool:
        """Whether the others still see this member."""
        return is_at_path(self._fd, self._path)

    def check_there(self) -> None:
        """StreamcliError once the file is gone: whoever looks takes this member for dead, and may move its offsets.

        One that somebody wrote to is put right: without its topics the others would leave this member out.
        """
        if not self.is_there():
            raise StreamcliError(
                f"the file of this member was removed while it ran ({self._path}): what it processed since its last commit "
                "is not committed and may be processed again; start it again"
            )
        if self._sign() != self._signature:
            durable.write_all(self._fd, self._content, 0)
            durable.truncate(self._fd, len(self._content))
            self._signature = self._sign()

    def leave(self) -> None:
        durable.remove_file(self._path)
        os.close(self._fd)


def _decode_member(member: str, data: bytes) -> MemberInfo:
    """What a member's file says; of one that says what cannot be, only that it lives."""
    try:
        found = json.loads(data)
        pid, topics = found["pid"], found["topics"]
        if type(pid) is int and 0 < pid < 2**31 and type(topics) is list and all(map(_is_topic_or_glob, topics)):
            return MemberInfo(member, pid, topics, bool(found["assigned"]))
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    return MemberInfo(member, 0, [], is_assigned=False)


def _is_topic_or_glob(topic: Any) -> bool:
    return isinstance(topic, str) and (layout.is_topic_name(topic) or any(letter in topic for letter in "*?["))


def _decode_generation(data: bytes) -> Generation:
    """ValueError, or another error of the shape, for what no member wrote."""
    found = json.loads(data)
    number = found["generation"]
    if type(number) is not int or not 0 <= number < 2**62:
        raise ValueError("no number of a generation")
    assignment = {member: sorted(map(_place, places)) for member, places in found["assignment"].items()}
    if not all(map(layout.is_member_name, assignment)):
        raise ValueError("no members")
    return Generation(number, assignment)


def _place(place: Any) -> tuple[str, int]:
    topic, partition = place
    if not isinstance(topic, str) or not layout.is_topic_name(topic) or type(partition) is not int:
        raise ValueError("no partition of a topic")
    if not 0 <= partition < MAX_PARTITIONS:
        raise ValueError("no such partition")
    return topic, partition

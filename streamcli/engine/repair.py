"""Repairing a log directory: each problem that a verification finds, one partition after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from itertools import groupby
from typing import NamedTuple

from streamcli.engine import group_admin
from streamcli.engine.appending import open_appender
from streamcli.engine.verify import COMMITS, CONFIG, UNREADABLE, Finding, Verification, greatest_commits
from streamcli.groups.journal import DamagedCommits
from streamcli.groups.salvage import Salvaged, salvage
from streamcli.record.errors import CorruptData
from streamcli.storage.append import Appender
from streamcli.storage.directory import LogDirectory
from streamcli.storage.log import Log
from streamcli.storage.repair import Repair, repair_partition
from streamcli.storage.verify import PartitionCheck


class RepairedFinding(NamedTuple):
    """A finding, and what became of it."""

    finding: Finding
    repair: Repair


class Repairs:
    """Mends what a verification of the topics named, or of everything, finds.

    clock: ms since the epoch; warn: takes a line for the user; on_read: told how many bytes were read, of each batch.
    """

    def __init__(
        self,
        directory: LogDirectory,
        topics: list[str] | None,
        *,
        clock: Callable[[], int],
        warn: Callable[[str], None],
        on_read: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._directory = directory
        self._topics = topics
        self._clock = clock
        self._warn = warn
        self._on_read = on_read
        self._committed = greatest_commits(directory)

    def run(self) -> Iterator[RepairedFinding]:
        """Each problem as it is dealt with. Topics' configs first: a partition is repaired by its topic's config."""
        findings = list(Verification(self._directory, self._topics, on_read=self._on_read).findings())
        for finding in findings:
            if finding.problem.part == UNREADABLE:
                yield RepairedFinding(finding, Repair(finding.problem, "left as it is", is_mended=False))
        configs = [finding for finding in findings if finding.problem.part == CONFIG]
        for finding in configs:
            yield RepairedFinding(finding, self._mend_config(finding))
        others = [finding for finding in findings if finding.problem.part not in (CONFIG, UNREADABLE)]
        for (topic, partition, group), found in groupby(others, key=lambda f: (f.topic, f.partition, f.group)):
            if group is not None:
                yield from (RepairedFinding(finding, self._mend_commits(finding)) for finding in found)
            else:
                assert topic is not None
                assert partition is not None
                yield from self._mend_partition(topic, partition, list(found))

    def _mend_config(self, finding: Finding) -> Repair:
        assert finding.topic is not None
        if not self._directory.partitions_without_config(finding.topic):
            return Repair(finding.problem, "left as it is: there is no partition 0", is_mended=False)
        kept = self._directory.restore_config(finding.topic)
        count = self._directory.config(finding.topic).partitions
        if (self._directory.partition_numbers(finding.topic) or [0])[-1] >= count:
            done = f"left as it is: partitions 0 to {count - 1} are the topic's; move the other directories elsewhere"
            return Repair(finding.problem, done, is_mended=False, kept=kept)
        partitions = "1 partition" if count == 1 else f"{count} partitions"
        return Repair(
            finding.problem, f"made anew for {partitions}, with what could be read of its settings", kept=kept
        )

    def _mend_partition(self, topic: str, partition: int, found: list[Finding]) -> Iterator[RepairedFinding]:
        committed = self._committed.get((topic, partition), 0)
        if partition not in self._directory.partition_numbers(topic):
            self._directory.restore_partition(topic, partition, committed)
            done = f"made again, empty; its next offset is {committed}"
            yield RepairedFinding(found[0], Repair(found[0].problem, done))
            return
        path = self._directory.partition_directory(topic, partition)
        timeout = self._directory.lock_timeout
        problems = [finding.problem for finding in found]
        with self._appender(topic, partition) as appender:
            repairs = repair_partition(path, problems, appender, lock_timeout=timeout, committed=committed)
        left = {(repair.problem.path, repair.problem.position) for repair in repairs if not repair.is_mended}
        for problem in PartitionCheck(path, self._on_read).problems():
            if (problem.path, problem.position) not in left:
                repairs.append(Repair(problem, "left as it is: it could not be mended", is_mended=False))
        for repair in repairs:
            yield RepairedFinding(Finding(topic, partition, None, repair.problem), repair)

    def _appender(self, topic: str, partition: int) -> AbstractContextManager[Appender]:
        return open_appender(self._directory, topic, partition, clock=self._clock, warn=self._warn)

    def _mend_commits(self, finding: Finding) -> Repair:
        """A journal is made of its whole lines."""
        assert finding.problem.part == COMMITS
        assert finding.group is not None
        if finding.topic is not None:
            return self._go_on_after_commit(finding)
        try:
            salvaged = salvage(group_admin.open_group(self._directory, finding.group).journal)
        except DamagedCommits:
            done = "left as it is: no commit in it is whole; delete the group, and import its offsets or begin anew"
            return Repair(finding.problem, done, is_mended=False)
        if salvaged is None:
            return Repair(finding.problem, "somebody else has repaired it")
        return Repair(finding.problem, _salvaged_in_words(salvaged), kept=salvaged.kept)

    def _go_on_after_commit(self, finding: Finding) -> Repair:
        """A commit after the end of a log: records that were consumed are missing there, and their offsets are lost."""
        assert finding.topic is not None
        assert finding.partition is not None
        committed = finding.problem.next_offset or 0
        path = self._directory.partition_directory(finding.topic, finding.partition)
        try:
            with self._appender(finding.topic, finding.partition) as appender:
                appender.go_on_at(committed)
        except CorruptData as error:
            return Repair(finding.problem, f"left as it is: {error}", is_mended=False)
        if Log(path).end().offset < committed:
            return Repair(finding.problem, "left as it is: so many offsets cannot be lost", is_mended=False)
        return Repair(finding.problem, "the offsets up to it are marked as lost, and the log goes on there")


def _salvaged_in_words(salvaged: Salvaged) -> str:
    dropped = "a line" if salvaged.dropped == 1 else f"{salvaged.dropped} lines"
    places = ", ".join(f"{topic}:{number}={offset}" for (topic, number), offset in sorted(salvaged.committed.items()))
    return f"{dropped} given up; the committed offsets are now {places}"

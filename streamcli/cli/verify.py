"""The verify and repair commands."""

from __future__ import annotations

import json as json_module
from typing import Any

from streamcli.cli.context import Context, now_ms, show
from streamcli.cli.values import format_size
from streamcli.engine.consume import matching_topics
from streamcli.engine.repair import Repairs
from streamcli.engine.verify import Finding, Verification
from streamcli.record.errors import CorruptData, NotFound
from streamcli.storage import strangers
from streamcli.storage.directory import LogDirectory
from streamcli.storage.verify import Problem


def verify(context: Context, topics: list[str], json: bool) -> int:
    """Print what is damaged; the counts of what is not go to the summary."""
    directory = context.open()
    verification = Verification(directory, _chosen(directory, topics))
    found = 0
    for finding in verification.findings():
        found += 1
        print(_json(finding) if json else show(_line(finding)), flush=True)
    if not topics:
        context.tell_strangers(strangers.anywhere(directory.path))
    for why, batches in verification.unread.items():
        bodies = "the body of a batch was" if batches == 1 else f"the bodies of {batches:,} batches were"
        context.notice(f"{bodies} checked by checksum alone, and not taken apart: {why}")
    if found:
        if not json:
            problems = "a problem" if found == 1 else f"{found} problems"
            context.notice(
                f"{problems} found: `streamcli repair` keeps a copy of what is damaged, and all else goes on"
            )
        return CorruptData.status
    if not json and not context.quiet:
        print(_all_is_well(verification))
    return 0


def repair(context: Context, topics: list[str], json: bool) -> int:
    """Print what was mended, and what could not be."""
    directory = context.open()
    repairs = Repairs(directory, _chosen(directory, topics), clock=now_ms, warn=context.notice)
    found, status = 0, 0
    for finding, done in repairs.run():
        found += 1
        if not done.is_mended:
            status = CorruptData.status
        if json:
            print(_json(finding, done=done.done, mended=done.is_mended, kept=done.kept), flush=True)
        else:
            kept = "" if done.kept is None else f"; a copy is in {done.kept}"
            print(show(f"{_line(finding)}: {done.done}{kept}"), flush=True)
    if not found and not json and not context.quiet:
        print("nothing to repair")
    return status


def _chosen(directory: LogDirectory, names: list[str]) -> list[str] | None:
    """The topics named or matched, None for all. NotFound for a name that is no topic's."""
    if not names:
        return None
    there = {*directory.topics(), *directory.unconfigured_topics()}
    topics = matching_topics(directory, names)
    for topic in topics:
        if topic not in there:
            raise NotFound(f"no such topic: {topic} (in {directory.path}): see `streamcli topics list`")
    return topics


def _line(finding: Finding) -> str:
    problem = finding.problem
    where = problem.path if problem.position is None else f"{problem.path}, position {problem.position}"
    if problem.length is not None:
        where += f", {problem.length} bytes"
    return f"{finding.place()}: {_offsets(problem)}{problem.reason} ({where})"


def _offsets(problem: Problem) -> str:
    if problem.first is None or problem.part not in ("log",):
        return ""
    named = CorruptData("", "", 0, first=problem.first, next_offset=problem.next_offset)
    return f"{named.offsets()}: "


def _json(finding: Finding, **more: Any) -> str:
    problem = finding.problem
    fields = {
        "topic": finding.topic,
        "partition": finding.partition,
        "group": finding.group,
        "part": problem.part,
        "reason": problem.reason,
        "path": problem.path,
        "position": problem.position,
        "length": problem.length,
        "first_offset": problem.first,
        "next_offset": problem.next_offset,
    }
    return json_module.dumps(fields | more, separators=(",", ":"))


def _all_is_well(found: Verification) -> str:
    counts = (
        (found.topics, "topic"),
        (found.partitions, "partition"),
        (found.records, "record"),
        (found.groups, "group"),
    )
    counted = ", ".join(f"{count:,} {name}" if count == 1 else f"{count:,} {name}s" for count, name in counts)
    lost = ""
    if found.lost:
        records = "a record was" if found.lost == 1 else f"{found.lost:,} records were"
        lost = f"; {records} lost and given up before"
    return f"{counted}, {format_size(found.size)} of batches: nothing is damaged{lost}"

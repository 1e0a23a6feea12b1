"""The verify and repair commands."""

from __future__ import annotations

import json as json_module
import time
from typing import Any

from streamcli.cli.context import Context, now_ms, show
from streamcli.cli.progress import Progress
from streamcli.cli.values import format_size
from streamcli.engine.consume import matching_topics
from streamcli.engine.repair import Repairs
from streamcli.engine.verify import Finding, Verification
from streamcli.record.errors import CorruptData
from streamcli.storage import strangers
from streamcli.storage.directory import LogDirectory
from streamcli.storage.repair import Repair
from streamcli.storage.verify import Problem


def verify(context: Context, topics: list[str], json: bool) -> int:
    """Print what is damaged; the counts of what is not go to the summary."""
    directory, started = context.open(), time.monotonic()
    chosen = _chosen(directory, topics)
    found = 0
    with _progress(context, directory, chosen) as progress:
        verification = Verification(directory, chosen, on_read=progress.advance)
        for finding in verification.findings():
            found += 1
            progress.wipe()
            print(_json(finding) if json else show(_line(finding)), flush=True)
    if not topics:
        context.tell_strangers(strangers.anywhere(directory.path))
    for why, batches in verification.unread.items():
        bodies = "the body of a batch was" if batches == 1 else f"the bodies of {batches:,} batches were"
        context.notice(f"{bodies} checked by checksum alone, and not taken apart: {why}")
    took = f"checked in {time.monotonic() - started:.1f} s"
    if found:
        if not json:
            problems = "a problem" if found == 1 else f"{found} problems"
            context.notice(
                f"{problems} found: `streamcli repair` keeps a copy of what is damaged, and all else goes on"
            )
        context.summary(took)
        return CorruptData.status
    if not json and not context.quiet:
        print(_all_is_well(verification), flush=True)
    context.summary(took)
    return 0


def repair(context: Context, topics: list[str], json: bool) -> int:
    """Print what was mended, and what could not be."""
    directory, started = context.open(), time.monotonic()
    chosen = _chosen(directory, topics)
    found = mended = 0
    with _progress(context, directory, chosen) as progress:

        def warn(line: str) -> None:
            progress.wipe()
            context.notice(line)

        repairs = Repairs(directory, chosen, clock=now_ms, warn=warn, on_read=progress.advance)
        for finding, done in repairs.run():
            found += 1
            mended += done.is_mended
            progress.wipe()
            print(_json_of_repair(finding, done) if json else show(_line_of_repair(finding, done)), flush=True)
    if not found and not json and not context.quiet:
        print("nothing to repair")
    problems = "1 problem" if found == 1 else f"{found:,} problems"
    context.summary(f"{problems}, {mended:,} mended in {time.monotonic() - started:.1f} s")
    return CorruptData.status if mended < found else 0


def _progress(context: Context, directory: LogDirectory, topics: list[str] | None) -> Progress:
    def total() -> int:
        from streamcli.engine.directory_stock import log_size

        return log_size(directory, directory.topics() if topics is None else topics)

    return Progress(total, is_shown=context.shows_progress())


def _json_of_repair(finding: Finding, repair: Repair) -> str:
    return _json(finding, done=repair.done, mended=repair.is_mended, kept=repair.kept)


def _line_of_repair(finding: Finding, repair: Repair) -> str:
    kept = "" if repair.kept is None else f"; a copy is in {repair.kept}"
    return f"{_line(finding)}: {repair.done}{kept}"


def _chosen(directory: LogDirectory, names: list[str]) -> list[str] | None:
    """The topics named or matched, None for all. NotFound for a name that is no topic's."""
    if not names:
        return None
    there = {*directory.topics(), *directory.unconfigured_topics()}
    topics = matching_topics(directory, names)
    for topic in topics:
        if topic not in there:
            raise directory.no_topic(topic)
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

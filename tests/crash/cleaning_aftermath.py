"""What has to be true after a fault while old records were removed: those that had to stay are there, those that were removed
do not come back, and the same command done again comes to the end that it would have come to."""

from __future__ import annotations

import json
import os
from collections import Counter

from tests.crash.evidence import LOST, Evidence, Rows, read_rows
from tests.support.segments import leftovers

TOMBSTONES = b"k1:\nk3:\n"
"""What the situations delete."""


def check_cleaned(e: Evidence) -> None:
    """`topics clean` and `topics trim`."""
    _check_kept(e, read_rows(e.commands, "t"))
    _check_none_is_back(e)
    if e.ended.status == 0:
        _check_done(e)
    for words in (e.words, ["topics", "clean"], ["topics", "clean"]):
        result = e.commands.run(*words)
        e.findings.require((result.status, result.err) == (0, ""), f"{' '.join(words)}, again: {result}")
    e.findings.require(not result.out, f"there is no end to cleaning: {result.out!r}")
    _check_done(e)
    _check_kept(e, read_rows(e.commands, "t"))
    _check_none_is_back(e)
    described = json.loads(e.commands.ok("topics", "describe", "t", "--json"))["partitions"]
    for partition in e.before.rows:
        names = os.listdir(e.log / "topics" / "t" / str(partition))
        left = leftovers(names, described[partition]["log_start_offset"])
        e.findings.require(not left, f"left behind: {left}")


def _check_kept(e: Evidence, rows: Rows) -> None:
    """Each record is at its offset or gone, and there where cleaning without a fault leaves it."""
    for partition, before in e.before.rows.items():
        there, kept = rows.get(partition, []), e.after.rows.get(partition, [])
        e.findings.acknowledged += len(before)
        e.findings.wrong += len(there) > len(before)
        for offset, was in enumerate(before):
            found = there[offset] if offset < len(there) else LOST
            e.findings.wrong += found not in (was, LOST)
            e.findings.lost += bool(found == LOST and _is_kept(kept, offset) and was)


def _is_kept(kept: list[bytes], offset: int) -> bool:
    return offset < len(kept) and kept[offset] != LOST


def _check_none_is_back(e: Evidence) -> None:
    """The newest record of a key is one that stays, or the tombstone that deleted it."""
    newest = {}
    for line in e.commands.ok("consume", "t", "--json").splitlines():
        record = json.loads(line)
        newest[record["partition"], record["key"]] = record
    for (partition, key), record in newest.items():
        stays = record["value"] is None or _is_kept(e.after.rows.get(partition, []), record["offset"])
        e.findings.require(stays or not _is_table(e), f"{key} is {record['value']} again, as at {record['offset']}")


def _is_table(e: Evidence) -> bool:
    return b'"compact"' in (e.log / "topics" / "t" / "config.json").read_bytes()


def _check_done(e: Evidence) -> None:
    """What was to go is gone, but for tombstones, which may stay longer; the log ends where it did."""
    rows = read_rows(e.commands, "t")
    for partition, before in e.before.rows.items():
        there, kept = rows.get(partition, []), e.after.rows.get(partition, [])
        extra = [
            offset for offset, value in enumerate(there) if value not in (LOST, b"") and not _is_kept(kept, offset)
        ]
        e.findings.require(not extra, f"not removed from partition {partition}: {extra}")
        described = json.loads(e.commands.ok("topics", "describe", "t", "--json"))["partitions"][partition]
        end = described["log_end_offset"]
        e.findings.require(end == len(before), f"the log ends at {end}, not {len(before)}")


def check_is_suffix(e: Evidence) -> None:
    """What is gone are the oldest records, and no others."""
    for there in read_rows(e.commands, "t").values():
        gone = [offset for offset, value in enumerate(there) if value == LOST]
        e.findings.require(gone == list(range(len(gone))), f"gone are {gone}")


def check_produced(e: Evidence) -> None:
    """`produce t --offsets` to a topic that it cleans when it rolls: the newest acknowledged value of each key is there, or a
    newer one; what is left of the log is as it was."""
    places = [tuple(map(int, line.split())) for line in e.ended.out.split(b"\n")[:-1]]
    e.findings.acknowledged += len(places)
    rows = read_rows(e.commands, "t")
    written = dict(zip([offset for _, offset in places], e.values, strict=False))
    there = rows.get(0, [])
    known = dict(enumerate(e.before.rows[0])) | written
    e.findings.wrong += sum(
        1 for offset, value in enumerate(there) if value != LOST and known.get(offset, value) != value
    )
    newest = {value.split(b" ")[0]: offset for offset, value in sorted(known.items()) if value}
    for (
        line
    ) in TOMBSTONES.splitlines():  # whose offsets are after the values of these keys, unless they were written again
        key = line.removesuffix(b":")
        if not any(value.startswith(key + b" ") for value in written.values()):
            newest.pop(key, None)
    found = {value.split(b" ")[0]: offset for offset, value in enumerate(there) if value != LOST}
    deleted = {} if _is_table(e) else set(newest) - {value.split(b" ")[0] for value in e.values}
    for key, offset in newest.items():
        is_lost = found.get(key, -1) < offset
        e.findings.lost += is_lost and key not in deleted
    rest = b"".join(value.split(b" ")[0] + b":" + value + b"\n" for value in e.values[len(places) :])
    result = e.commands.run("produce", "t", "-K", ":", "--offsets", stdin=rest)
    e.findings.require((result.status, result.out.count(b"\n")) == (0, rest.count(b"\n")), f"the rest: {result}")
    last = Counter(value for values in read_rows(e.commands, "t").values() for value in values)
    e.findings.lost += not last[e.values[-1]]


def check_altered(e: Evidence) -> None:
    """`topics alter`: all of it or nothing, and done again it is done."""
    before = json.loads(e.start["topics/t/config.json"] or b"")
    found = json.loads((e.log / "topics" / "t" / "config.json").read_bytes())
    e.findings.require(found != before or e.ended.status != 0, "status 0, and the config is as it was")
    after = {"partitions": 3, "config": before["config"] | {"retention.ms": 7 * 86_400_000}}
    e.findings.require(found in (before, after), f"the config is {found}")
    result = e.commands.run(*e.words)
    is_done = result.status == 0 or found == after
    e.findings.require(is_done, f"again: {result}")
    for partition in range(3):
        e.commands.ok("produce", "t", "-k", "next", "-p", str(partition), stdin=b"next\n")

"""What has to be true after a fault at a system call, found out by commands of another process.

Everything acknowledged is there, in order, once; besides it only what was in flight, whole; the directory can be used at
once, and when it was used holds nothing that was being made. Acknowledged is what --offsets printed, the count that a
failed produce says is durable, what status 0 means, and for a group the offset that was committed before.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable

from tests.crash.evidence import LOST, Evidence, Rows, has_lost, read_committed, read_rows
from tests.crash.forked import HUNG
from tests.support.command import durable

LEFT_BY_FAILURE = (0, 1, 8, 143)
"""Statuses of a command that a system call failed: success without it, a failure, part written, stopped by SIGTERM."""

LEFT_DAMAGED = 6
"""What `repair` leaves with where it could not mend something, and says why on standard output."""

ONE_RUN = 5
"""Records that a run of a command gets at most, in the situations: what may be processed again after a death."""


def check_ended(e: Evidence) -> None:
    """How the process that met the fault left."""
    e.findings.require(e.ended.status != HUNG, "it did not end")
    e.findings.require("Traceback" not in e.ended.err, f"a traceback: {e.ended.err}")
    left = (*LEFT_BY_FAILURE, LEFT_DAMAGED) if e.words[:1] == ["repair"] else LEFT_BY_FAILURE
    expected = e.ended.is_killed or e.ended.status in left
    e.findings.require(expected, f"it left with status {e.ended.status}: {e.ended.err}")
    if e.ended.status == 0:
        e.findings.require(not e.fsync_failed, "status 0 though an fsync failed")
    if e.ended.status in (1, 8):
        e.findings.require(e.ended.err.startswith("streamcli: "), f"a failure without a word: {e.ended.err!r}")


def check_produced(e: Evidence) -> None:
    """`produce t ... --offsets`: what it acknowledged is there, and going on where it says gives the input."""
    places = [tuple(map(int, line.split())) for line in e.ended.out.split(b"\n")[:-1]]
    said = _said_durable(e)
    acknowledged = max(len(places), said or 0)
    e.findings.acknowledged += acknowledged
    e.findings.require(said is None or len(places) <= said, f"{len(places)} offsets printed, {said} said to be durable")
    rows = read_rows(e.commands, "t")
    check_rows(e, rows)
    there = Counter(value for values in rows.values() for value in values)
    e.findings.lost += sum(1 for value in e.values[:acknowledged] if not there[value])
    wrong = sum(1 for value, (p, o) in zip(e.values, places, strict=False) if rows.get(p, [])[o : o + 1] != [value])
    e.findings.wrong += wrong
    _check_resumed(e, acknowledged)


def _said_durable(e: Evidence) -> int | None:
    """How many records of the input it said are on disk; None when it could not say."""
    if e.ended.status == 0:
        return len(e.values)
    if e.ended.is_killed:
        return None
    return durable(e.ended.err) if " durable in " in e.ended.err else 0


def _check_resumed(e: Evidence, acknowledged: int) -> None:
    rest = b"".join(value + b"\n" for value in e.values[acknowledged:])
    result = e.commands.run("produce", "t", "-K", ":", "--sync", "batch", "--offsets", stdin=_keyed(rest))
    problem = f"the rest could not be produced: {result}"
    e.findings.require((result.status, result.out.count(b"\n")) == (0, rest.count(b"\n")), problem)
    there = Counter(value for values in read_rows(e.commands, "t").values() for value in values)
    e.findings.lost += sum(1 for value in e.values if not there[value])
    repeated = sum(there[value] - 1 for value in e.values if there[value] > 1)
    if not e.may_repeat:
        e.findings.duplicated += repeated


def _keyed(lines: bytes) -> bytes:
    """Records as the situations give them: the first word of the value is its key."""
    return b"".join(line.split(b" ")[0] + b":" + line + b"\n" for line in lines.split(b"\n")[:-1])


def check_rows(e: Evidence, rows: Rows) -> None:
    """What was there before is there, and after it a part, from its beginning, of what a run without a fault adds."""
    for partition in rows.keys() | e.before.rows.keys():
        there, before = rows.get(partition, []), e.before.rows.get(partition, [])
        whole = e.after.rows.get(partition, [])
        e.findings.lost += max(0, len(before) - len(there))
        e.findings.wrong += sum(1 for number, value in enumerate(there) if whole[number : number + 1] != [value])


def check_untouched(e: Evidence) -> None:
    """The topic `t` is as it was: nothing was produced."""
    rows = read_rows(e.commands, "t")
    for partition, before in e.before.rows.items():
        there = rows.get(partition, [])
        e.findings.lost += max(0, len(before) - len(there))
        e.findings.wrong += sum(1 for was, found in zip(before, there, strict=False) if was != found)


def check_consumed(e: Evidence) -> None:
    """`consume -g g t -F '%p %o\\n'`: printed is processed."""
    processed = _extents(e, e.ended.out)
    committed = read_committed(e.commands, "g")
    _check_commits(e, processed, committed)
    again = _extents(e, e.commands.ok("consume", "-g", "g", "t", "-F", "%p %o\\n"))
    _check_rest(e, again, committed)
    e.findings.require(not e.commands.ok("consume", "-g", "g", "t"), "a third run found records to consume")


def _extents(e: Evidence, out: bytes) -> dict[int, list[int]]:
    """Partition -> the offsets of lines "partition offset", which have to rise one by one."""
    offsets: dict[int, list[int]] = {}
    for line in out.split(b"\n")[:-1]:
        partition, offset = map(int, line.split())
        found = offsets.setdefault(partition, [])
        if found and offset != found[-1] + 1:
            e.findings.wrong += 1
        found.append(offset)
    return offsets


def _check_commits(e: Evidence, processed: dict[int, list[int]], committed: dict[int, int]) -> None:
    """No commit passes what was processed, nor falls behind one that was acknowledged."""
    for partition, values in e.before.rows.items():
        before = e.before.committed.get(partition, 0)
        end = processed[partition][-1] + 1 if processed.get(partition) else before
        now = committed.get(partition, 0)
        e.findings.acknowledged += now
        e.findings.lost += max(0, now - end)
        e.findings.require(now >= before, f"the commit fell from {before} to {now}")
        if e.ended.status == 0:
            e.findings.require(now == end == len(values), f"status 0, and committed is {now}, not {len(values)}")
        if e.ended.status in (0, 143):
            e.findings.duplicated += max(0, end - now)


def _check_rest(e: Evidence, again: dict[int, list[int]], committed: dict[int, int]) -> None:
    """The next run takes what lies after the commits, all of it and no more."""
    for partition, values in e.before.rows.items():
        rest = set(range(committed.get(partition, 0), len(values)))
        found = set(again.get(partition, []))
        e.findings.lost += len(rest - found)
        e.findings.duplicated += len(found - rest)


def check_delivered(e: Evidence) -> None:
    """`consume -g g t ... -- tee -a got`: processed is what the file `got` has."""
    got = e.work / "got"
    _check_processed(e, lambda: got.read_bytes().splitlines() if got.exists() else [])


def check_dead_lettered(e: Evidence) -> None:
    """`consume -g g t --retries 0 --dead-letter dead -- false`: processed is what the topic `dead` has."""
    _check_processed(e, lambda: read_rows(e.commands, "dead").get(0, []))


def _check_processed(e: Evidence, processed: Callable[[], list[bytes]]) -> None:
    committed = read_committed(e.commands, "g")
    first = Counter(processed())
    for partition, values in e.before.rows.items():
        before, now = e.before.committed.get(partition, 0), committed.get(partition, 0)
        e.findings.acknowledged += now
        e.findings.require(now >= before, f"the commit fell from {before} to {now}")
        e.findings.lost += sum(1 for value in values[before:now] if not first[value])
        if e.ended.status == 0:
            e.findings.require(now == len(values), f"status 0, and committed is {now}, not {len(values)}")
    result = e.commands.run(*e.words)
    e.findings.require(result.status == 0, f"the next run left with {result}")
    there = Counter(processed())
    for partition, values in e.before.rows.items():
        given = values[e.before.committed.get(partition, 0) :]
        e.findings.lost += sum(1 for value in given if not there[value])
        repeated = sum(there[value] - 1 for value in given if there[value] > 1)
        if e.ended.status in (0, 143) or repeated > ONE_RUN:
            e.findings.duplicated += repeated
    known = {value for values in e.before.rows.values() for value in values}
    e.findings.wrong += sum(1 for value in there if value not in known)


def check_moved(e: Evidence) -> None:
    """A change of the group's committed offsets by hand: all of it or nothing."""
    committed = read_committed(e.commands, "g")
    allowed = [e.after.committed] if e.ended.status == 0 else [e.before.committed, e.after.committed]
    e.findings.acknowledged += sum(committed.values())
    e.findings.require(committed in allowed, f"committed is {committed}, not one of {allowed}")
    again = _extents(e, e.commands.ok("consume", "-g", "g", "t", "-F", "%p %o\\n"))
    _check_rest(e, again, committed)


def check_created(e: Evidence) -> None:
    """`topics create n -p 3`: all of it or nothing."""
    names = e.commands.ok("topics", "list").split()
    e.findings.require(b"n" in names or e.ended.status != 0, "status 0, and no topic")
    if b"n" in names:
        found = json.loads(e.commands.ok("topics", "list", "n", "--json"))
        e.findings.require(found["partitions"] == 3, f"a topic with {found}")
    e.commands.ok("topics", "create", "n", "-p", "3", "--if-not-exists")
    e.commands.ok("produce", "n", "-K", ":", stdin=b"a:1\nb:2\nc:3\nd:4\n")
    e.findings.require(
        sorted(e.commands.ok("consume", "n").split()) == [b"1", b"2", b"3", b"4"], "not what was produced"
    )


def check_made_anew(e: Evidence) -> None:
    """`topics create t -p 2`, of which a group consumed an earlier one: the group reads all of this one."""
    e.commands.ok("topics", "create", "t", "-p", "2", "--if-not-exists")
    e.commands.ok("produce", "t", "-K", ":", stdin=b"a:1\nb:2\nc:3\nd:4\n")
    found = sorted(e.commands.ok("consume", "-g", "g", "t").split())
    e.findings.acknowledged += 4
    e.findings.lost += len({b"1", b"2", b"3", b"4"}.difference(found))


def check_deleted(e: Evidence) -> None:
    """`topics delete -y t`: all of it or nothing."""
    names = e.commands.ok("topics", "list").split()
    e.findings.require(b"t" not in names or e.ended.status != 0, "status 0, and the topic is there")
    if b"t" in names:
        check_untouched(e)
        e.commands.ok("topics", "delete", "-y", "t")
    e.commands.ok("topics", "create", "t", "-p", "2")
    e.findings.require(not e.commands.ok("consume", "t"), "a new topic has records")


def check_recovered(e: Evidence) -> None:
    """What is cut off the end of the log is kept, whole, beside it, before it is cut."""
    name = "topics/t/0/00000000000000000000.log"
    was, path = e.start[name], e.log / name
    assert was is not None
    if not path.read_bytes().startswith(was):
        kept = path.parent.glob("00000000000000000000.cut-*")
        whole = [file for file in kept if file.read_bytes() == was[int(file.name.split("-")[1]) :]]
        e.findings.require(whole, "bytes were cut off the log, and are not kept")


def check_repaired(e: Evidence) -> None:
    """`repair`, of a log whose second of three batches is damaged: its bytes are kept before they are given up."""
    name = "topics/t/0/00000000000000000000.log"
    was, path = e.start[name], e.log / name
    assert was is not None
    if path.read_bytes() != was:
        damaged = was[len(was) // 3 : len(was) // 3 * 2]
        kept = [file.read_bytes() for file in path.parent.glob("*.damaged-*")]
        e.findings.require(damaged in kept, "damaged bytes were given up, and are not kept")
    result = e.commands.run("repair")
    e.findings.require(result.status == 0, f"repair: {result}")
    check_untouched(e)
    place = e.commands.ok("produce", "t", "--offsets", stdin=b"next\n")
    expected = b"0 %d\n" % len(e.before.rows[0])
    e.findings.require(place == expected, f"the next record is at {place!r}, not {expected!r}")


def check_seeks(e: Evidence) -> None:
    """Offsets are found, whatever the index says."""
    for partition, values in read_rows(e.commands, "t").items():
        for offset in range(0, len(values), 29):
            words = ["consume", "t", "-p", str(partition), "-o", f"{offset}:{offset + 1}"]
            e.findings.wrong += e.commands.ok(*words) != values[offset] + b"\n"


def check_usable(e: Evidence) -> None:
    """Other processes can do everything at once, and what was being made or removed is gone when they have."""
    expected = read_rows(e.commands, "t")
    for words in (["topics", "create", "next"], ["topics", "delete", "-y", "next"]):
        result = e.commands.run(*words)
        e.findings.require((result.status, result.err) == (0, ""), f"{words}: {result}")
    if expected:
        for group in ("g", "later"):
            result = e.commands.run("consume", "-g", group, "t", "-F", "%p %o\\n")
            is_told = has_lost(expected) or "a commit that did not finish" in result.err
            is_well = result.status == 0 and (is_told or result.err == "")
            e.findings.require(is_well, f"consume -g {group}: {result}")
        there = [value for values in expected.values() for value in values if value != LOST]
        e.findings.require(len(result.lines()) == len(there), f"a new group read {result}")
        described = [json.loads(line) for line in e.commands.ok("groups", "describe", "--all", "--json").splitlines()]
        e.findings.require(all(state["lag"] == 0 and state["member"] is None for state in described), f"{described}")
    for partition in expected:  # which also writes anew a checkpoint that was torn
        e.commands.ok("produce", "t", "-k", "next", "-p", str(partition), stdin=b"next\n")
    result = e.commands.run("verify")
    e.findings.require(result.status == 0, f"verify: {result}")
    left = sorted(str(path.relative_to(e.log)) for path in e.log.rglob("+*"))
    e.findings.require(not left, f"left behind: {left}")

"""What has to hold of a directory that was cleaned while it was used: every byte that any process gave out, against every
line that any was given."""

from __future__ import annotations

import re
import signal
from bisect import bisect_left, bisect_right
from collections import defaultdict
from typing import NamedTuple

from tests.cleaning.roles import CLEANERS, COMPACTED, GROUPS, MEMBERS, READERS, RETENTION_MS, WRITERS
from tests.soak.crowd import Crowd, Process

Partition = tuple[str, int]
Place = tuple[str, int, int]
"""(topic, partition, offset)."""

TOLD = re.compile(r"recovered the log|SIGTERM|retention|gone|out of range|no commits")
"""What may be said on standard error: of a writer that died, of a signal, and of records that retention took."""


class Row(NamedTuple):
    """A record as it was given out; value None: a tombstone."""

    timestamp: int
    key: bytes
    value: bytes | None


Rows = list[tuple[Place, Row]]


class Summary(NamedTuple):
    processes: int
    killed: int
    cleaners_killed: int
    cleaned: int
    acknowledged: int
    given_out: int
    superseded: int
    aged_away: int
    keys: int

    def __str__(self) -> str:
        return (
            f"{self.processes:,} processes, {self.killed:,} killed, {self.cleaners_killed:,} of them cleaners; "
            f"{self.cleaned:,} cleaners had something to do; {self.acknowledged:,} records acknowledged in "
            f"{self.keys:,} keys; {self.superseded:,} compacted away, {self.aged_away:,} removed by retention; "
            f"{self.given_out:,} given out: 0 lost, 0 twice, 0 out of order, 0 wrong"
        )


def rows_of(output: bytes) -> Rows:
    """The records in an output of FORMAT; what follows the last newline is not one yet."""
    found = []
    for line in output.split(b"\n")[:-1]:
        topic, partition, offset, timestamp, key, size, value = line.split(b" ", 6)
        row = Row(int(timestamp), key, None if size == b"-1" else value)
        found.append(((topic.decode(), int(partition), int(offset)), row))
    return found


def newest_by_key(rows: Rows) -> dict[tuple[str, bytes], tuple[Place, Row]]:
    """(topic, key) -> the record of the key that comes last: what a topic is as a table."""
    return {(place[0], row.key): (place, row) for place, row in sorted(rows, key=lambda pair: pair[0])}


class History:
    """All that is known of the records that there were.

    acknowledged: place -> the line that a writer gave, and who; seen: place -> the record as readers got it. log: the records
    that are there at the end, which was at `now` (ms).
    """

    def __init__(self, crowd: Crowd, log: Rows, now: int) -> None:
        self.crowd = crowd
        self.now = now
        self.log = dict(log)
        self.outputs = {process.number: rows_of(crowd.output(process)) for process in crowd.of(*names(READERS))}
        self.seen: dict[Place, Row] = {}
        self._take_in("the end", log)
        for number, rows in self.outputs.items():
            self._take_in(str(crowd.processes[number]), rows)
        self.acknowledged: dict[Place, tuple[Process, int]] = {}
        for process in crowd.of(*names(WRITERS)):
            self._acknowledge(process)
        self.offsets: dict[Partition, list[int]] = defaultdict(list)
        for topic, partition, offset in sorted(self.seen.keys() | self.acknowledged.keys()):
            self.offsets[topic, partition].append(offset)
        self.by_key: dict[tuple[str, int, bytes], list[int]] = defaultdict(list)
        for (topic, partition), offsets in self.offsets.items():
            for offset in offsets:
                self.by_key[topic, partition, self.key((topic, partition, offset))].append(offset)

    def _take_in(self, who: str, rows: Rows) -> None:
        """Two readers that see one place see one record."""
        for place, row in rows:
            before = self.seen.setdefault(place, row)
            assert before == row, f"{place} was {before}, and {who} got {row}"

    def _acknowledge(self, process: Process) -> None:
        topic = process.words[1]
        for number, line in enumerate(self.crowd.output(process).split(b"\n")[:-1]):
            partition, offset = map(int, line.split())
            assert (topic, partition, offset) not in self.acknowledged, (topic, line)
            self.acknowledged[topic, partition, offset] = process, number

    def key(self, place: Place) -> bytes:
        if place in self.seen:
            return self.seen[place].key
        process, number = self.acknowledged[place]
        return parse(process, number)[0]

    def is_tombstone(self, place: Place) -> bool:
        if place in self.seen:
            return self.seen[place].value is None
        process, number = self.acknowledged[place]
        return parse(process, number)[1] is None

    def is_superseded(self, place: Place) -> bool:
        """Whether compaction may remove a record: a later one has its key, or it is a tombstone."""
        offsets = self.by_key[place[0], place[1], self.key(place)]
        return offsets[-1] > place[2] or self.is_tombstone(place) or self.may_be_followed_by_tombstone(place)

    def may_be_followed_by_tombstone(self, place: Place) -> bool:
        """Whether its writer may have appended a tombstone later that nobody acknowledged, and that is gone already."""
        key = self.key(place)
        written = self.seen[place].value if place in self.seen else parse(*self.acknowledged[place])[1]
        if written is None:
            return True
        writer, at = map(int, written.split(b" ")[:2])
        role = self.crowd.processes[writer].role
        for process in self.crowd.of(role.name):
            if process.number >= writer:
                said = self.crowd.output(process).count(b"\n")
                first = max(said, at + 1) if process.number == writer else said
                if any(line == key + b":" for line in process.given[first:]):
                    return True
        return False


def names(roles: list) -> list[str]:
    return [role.name for role in roles]


def parse(process: Process, number: int) -> tuple[bytes, bytes | None]:
    """Key and value of a line that a writer was given."""
    if process.words[1] not in COMPACTED:
        return b"", process.given[number]
    key, _, value = process.given[number].partition(b":")
    return key, value or None


def check(history: History) -> Summary:
    """AssertionError for a promise that was broken; else the counts."""
    crowd = history.crowd
    check_ends(crowd)
    check_bytes(history)
    check_table(history)
    for process in crowd.of(*names(READERS)):
        check_reader(history, process)
    for group, topics in GROUPS.items():
        check_group(history, group, topics)
    gone = [place for place in history.acknowledged if place not in history.log]
    killed = [process for process in crowd.processes if crowd.statuses[process.number] not in (0, 5)]
    return Summary(
        processes=len(crowd.processes),
        killed=len(killed),
        cleaners_killed=sum(process.role in CLEANERS for process in killed),
        cleaned=sum(bool(crowd.output(process)) for process in crowd.of(*names(CLEANERS))),
        acknowledged=len(history.acknowledged),
        given_out=sum(map(len, history.outputs.values())),
        superseded=sum(place[0] in COMPACTED for place in gone),
        aged_away=sum(place[0] not in COMPACTED for place in gone),
        keys=len({(place[0], history.key(place)) for place in history.acknowledged}),
    )


def check_ends(crowd: Crowd) -> None:
    """Who was not killed ended as it should, and nobody had a complaint without a reason."""
    for process in crowd.processes:
        said = crowd.complaints(process)
        assert "Traceback" not in said, (process, said)
        if not crowd.was_killed(process):
            status = crowd.statuses[process.number]
            has_begun = crowd.output(process) or said or status != -signal.SIGTERM
            assert status in process.role.statuses or not has_begun, (process, status, said)
        strange = [line for line in said.splitlines() if not TOLD.search(line)]
        assert strange == [], (process, said)


def check_bytes(history: History) -> None:
    """Every record given out is one that a writer was given, acknowledged ones at their places; writers' records are in
    their order, and none is there twice."""
    latest: dict[tuple[str, int, int], int] = {}
    for place in sorted(history.seen):
        row = history.seen[place]
        if place in history.acknowledged:
            process, number = history.acknowledged[place]
            assert parse(process, number) == (row.key, row.value), (place, row)
        elif row.value is None:
            writers = history.crowd.of(row.key.split(b"-")[0].decode())
            assert any(row.key + b":" in process.given for process in writers), (place, row)
            continue
        else:
            number, at = map(int, row.value.split(b" ")[:2])
            process = history.crowd.processes[number]
            assert parse(process, at) == (row.key, row.value), f"{place} holds what nobody wrote: {row}"
            number = at
        stream = (process.number, *place[:2])
        assert latest.get(stream, -1) < number, f"{place} is out of order, or there twice"
        latest[stream] = number


def check_table(history: History) -> None:
    """Of each key the newest acknowledged value is there, or a newer one of its writer."""
    table = newest_by_key([(place, row) for place, row in history.log.items() if place[0] in COMPACTED])
    newest: dict[tuple[str, bytes], Place] = {}
    for place in sorted(history.acknowledged):
        newest[place[0], history.key(place)] = place
    for (topic, key), place in newest.items():
        if topic not in COMPACTED:
            continue
        found = table.get((topic, key))
        if found is None:
            process, number = history.acknowledged[place]
            is_gone = parse(process, number)[1] is None or history.may_be_followed_by_tombstone(place)
            assert is_gone or has_aged(history, place, history.now), (
                f"the newest value of {key!r} is lost: it was at {place}"
            )
        else:
            assert found[0][1] == place[1], f"{key!r} is in two partitions: {found} and {place}"
            assert found[0][2] >= place[2], f"{key!r} is {found}, but {place} was acknowledged later"


def has_aged(history: History, place: Place, by: int) -> bool:
    """Whether retention may have removed a record by then; one that was acknowledged and never seen is not known to be young."""
    if place[0] not in ("both", "aged"):
        return False
    return place not in history.seen or history.seen[place].timestamp < by - RETENTION_MS


def check_reader(history: History, process: Process) -> None:
    """No offset twice nor out of order; what was passed by is what compaction and retention may remove."""
    last: dict[Partition, int] = {}
    for (topic, partition, offset), _ in history.outputs[process.number]:
        before = last.get((topic, partition))
        assert before is None or before < offset, f"{process} went from {before} to {offset} in {topic} {partition}"
        if before is not None and process.role not in MEMBERS:
            check_passed(history, process, (topic, partition), before, offset)
        last[topic, partition] = offset
    if process.role.name == "from-beginning":
        for partition_of, offset in first_offsets(history.outputs[process.number]).items():
            check_passed(history, process, partition_of, -1, offset)


def first_offsets(rows: Rows) -> dict[Partition, int]:
    return {(topic, partition): offset for (topic, partition, offset), _ in reversed(rows)}


def check_passed(history: History, process: Process, partition: Partition, before: int, offset: int) -> None:
    """The records between two offsets that a reader got one after the other."""
    offsets = history.offsets[partition]
    for passed in offsets[bisect_right(offsets, before) : bisect_left(offsets, offset)]:
        place = (*partition, passed)
        is_compacted = partition[0] in COMPACTED and history.is_superseded(place)
        is_aged = has_aged(history, place, history.crowd.ended[process.number])
        is_too_much = partition[0] == "sized" and place not in history.log
        assert is_compacted or is_aged or is_too_much, f"{process} passed by {place}, going from {before} to {offset}"


def check_group(history: History, group: str, topics: tuple[str, ...]) -> None:
    """All that is newest at the end was given to the group, and again only if who had it before was killed."""
    takers: dict[Place, list[Process]] = defaultdict(list)
    for process in history.crowd.of(group):
        for place, _ in history.outputs[process.number]:
            takers[place].append(process)
    for place, row in newest_by_key(list(history.log.items())).values():
        is_wanted = place[0] in topics and place[0] in COMPACTED and row.value is not None
        assert not is_wanted or place in takers, f"{place} never reached {group}"
    for place, processes in takers.items():
        alive = [process for process in processes if not history.crowd.was_killed(process)]
        assert len(alive) <= 1, f"{place} was given to {processes}, none of them killed"


def has_all(history_rows: Rows, log: Rows) -> bool:
    """Whether a reader got all that is newest in the log."""
    got = {place for place, _ in history_rows}
    return all(place in got or row.value is None for place, row in newest_by_key(log).values())

"""What has to hold after the crowd has gone: every promise, held against every byte that any process gave out."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import NamedTuple

from tests.security.forked import ok
from tests.soak.crowd import FORMAT, GROUPS, PRODUCERS, READERS, Crowd, Process, value

Place = tuple[bytes, int, int]
"""(topic, partition, offset)."""


class Summary(NamedTuple):
    processes: int
    kills: int
    acknowledged: int
    records: int
    lost: int
    wrong: int
    delivered: int
    repeated_after_kills: int
    repeated_otherwise: int

    def __str__(self) -> str:
        return (
            f"{self.processes:,} processes, {self.kills:,} killed with SIGKILL; {self.acknowledged:,} records acknowledged, "
            f"{self.lost:,} lost; {self.records:,} in the log; {self.delivered:,} records given out, {self.wrong:,} wrong; "
            f"repeated in groups: {self.repeated_after_kills:,} after a kill, {self.repeated_otherwise:,} otherwise"
        )


def check(crowd: Crowd) -> Summary:
    """AssertionError for a promise that was broken; else the counts."""
    log = {place: content for topic in ("plain", "keyed") for place, content in rows(ok("consume", topic, *FORMAT))}
    check_ends(crowd)
    acknowledged = check_producers(crowd, log)
    delivered = sum(check_reader(crowd, process, log) for process in crowd.of(*READERS))
    repeated = 0
    for group, topics in GROUPS.items():
        given, again = check_group(crowd, group, {place for place in log if place[0].decode() in topics}, log)
        delivered += given
        repeated += again
    kills = sum(crowd.was_killed(process) for process in crowd.processes)
    return Summary(len(crowd.processes), kills, acknowledged, len(log), 0, 0, delivered, repeated, 0)


def rows(output: bytes) -> list[tuple[Place, bytes]]:
    """The records in an output of FORMAT; what follows the last newline is not one yet."""
    found = []
    for line in output.split(b"\n")[:-1]:
        topic, partition, offset, content = line.split(b" ", 3)
        found.append(((topic, int(partition), int(offset)), content))
    return found


def check_ends(crowd: Crowd) -> None:
    """Who was not killed ended as it should, and nobody had a complaint that no kill explains."""
    for process in crowd.processes:
        said = crowd.complaints(process)
        assert "Traceback" not in said, (process, said)
        if not crowd.was_killed(process):
            assert crowd.statuses[process.number] in process.role.statuses, (
                process,
                crowd.statuses[process.number],
                said,
            )
            strange = [line for line in said.splitlines() if "recovered the log" not in line and "SIGTERM" not in line]
            assert strange == [], (process, said)


def check_producers(crowd: Crowd, log: dict[Place, bytes]) -> int:
    """Every record in the log was written by somebody, once, and in order; every acknowledged one is where it was said to be.
    Returns how many those were."""
    places: dict[tuple[int, int], Place] = {}
    latest: dict[tuple[int, bytes, int], int] = {}
    for place in sorted(log):
        producer, number = (int(word) for word in log[place].split(b" ")[:2])
        assert log[place] == value(producer, number), f"wrong bytes at {place}"
        assert (producer, number) not in places, f"record {number} of {producer} is there twice"
        places[producer, number] = place
        stream = (producer, *place[:2])
        assert latest.get(stream, -1) < number, f"out of order at {place}"
        latest[stream] = number
    acknowledged = 0
    for process in crowd.of(*(role.name for role in PRODUCERS)):
        topic = process.role.words[1].encode()
        said = [tuple(map(int, line.split())) for line in crowd.output(process).split(b"\n")[:-1]]
        for number, (partition, offset) in enumerate(said):
            assert places.get((process.number, number)) == (topic, partition, offset), f"lost: {process}, {number}"
        if not crowd.was_killed(process):
            assert len(said) == len(process.given)
        acknowledged += len(said)
    return acknowledged


def check_reader(crowd: Crowd, process: Process, log: dict[Place, bytes]) -> int:
    """What a reader gave out is in the log as it was, without a gap from its first record on. Returns how much it was."""
    last: dict[tuple[bytes, int], int] = {}
    found = rows(crowd.output(process))
    for place, content in found:
        assert log.get(place) == content, f"{process} gave out {place} as {content!r}"
        before = last.get(place[:2])
        assert before is None or place[2] == before + 1, f"{process} went from {before} to {place}"
        last[place[:2]] = place[2]
    return len(found)


def check_group(crowd: Crowd, group: str, wanted: set[Place], log: dict[Place, bytes]) -> tuple[int, int]:
    """Everything was given to the group, and repeated only if who had it before was killed. Returns (given out, repeated)."""
    takers: dict[Place, list[Process]] = defaultdict(list)
    for process in crowd.of(group):
        for place, content in rows(crowd.output(process)):
            assert log.get(place) == content, f"{process} gave out {place} as {content!r}"
            takers[place].append(process)
    missing = wanted - set(takers)
    assert not missing, f"{len(missing)} records never reached {group}, {min(missing)} the first"
    repeated = Counter[Place]()
    for place, processes in takers.items():
        unexplained = [process for process in processes if not crowd.was_killed(process)]
        assert len(unexplained) <= 1, f"{place} was processed by {processes} in {group}, of which none was killed"
        repeated[place] = len(processes) - 1
    return sum(map(len, takers.values())), repeated.total()

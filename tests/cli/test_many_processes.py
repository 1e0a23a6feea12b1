"""Many processes on one topic: nothing lost, torn or reordered, whoever is killed when."""

from __future__ import annotations

import json
import random
import subprocess
from collections import defaultdict
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path

import pytest

from tests.support.command import finish, ok, run, started
from tests.support.waiting import DEADLINE, is_ready, wait_until

PRODUCERS = 16
LINES = 400


def line_of(producer: int, number: int, size: int) -> bytes:
    """A line that says who wrote it and when in its order, and that proves itself whole."""
    head = b"%d:%d:" % (producer, number)
    return head + sha256(head).hexdigest().encode() * (1 + size // 64)


def check_line(line: bytes) -> tuple[int, int]:
    """Who wrote a line, and its number; AssertionError when it is torn or mixed with another."""
    producer, number, proof = line.split(b":")
    digest = sha256(b"%s:%s:" % (producer, number)).hexdigest().encode()
    assert proof == digest * (len(proof) // 64), line[:80]
    return int(producer), int(number)


@pytest.mark.parametrize("partitions", [1, 4])
@pytest.mark.parametrize("keyed", [False, True], ids=["lines", "keyed"])
def test_sixteen_producers_at_once(partitions: int, keyed: bool, tmp_path: Path) -> None:
    ok("topics", "create", "t", "-p", str(partitions), "--segment-bytes", "256K")
    flags = ["-K", "\\t"] if keyed else []
    with ExitStack() as stack:
        producers = []
        for producer in range(PRODUCERS):
            input_file = tmp_path / str(producer)
            key = b"%d\t" % producer if keyed else b""
            lines = [key + line_of(producer, number, producer * 20) + b"\n" for number in range(LINES)]
            # Through a pipe and in several pieces, so that batches of many sizes meet.
            input_file.write_bytes(b"".join(lines))
            feed = stack.enter_context(
                subprocess.Popen(["dd", "bs=7777", f"if={input_file}", "status=none"], stdout=subprocess.PIPE)
            )
            producers.append(stack.enter_context(started("produce", "t", *flags, stdin=feed.stdout)))
            feed.stdout.close()
        assert [finish(process) for process in producers] == [(0, b"", "")] * PRODUCERS
    seen: dict[tuple[int, int], list[int]] = defaultdict(list)
    for partition in range(partitions):
        for line in ok("consume", "t", "-p", str(partition)).splitlines():
            producer, number = check_line(line)
            seen[producer, partition].append(number)
    assert all(numbers == sorted(numbers) for numbers in seen.values())
    for producer in range(PRODUCERS):
        found = sorted(number for (who, _), numbers in seen.items() if who == producer for number in numbers)
        assert found == list(range(LINES))
        if keyed:
            assert len([1 for who, _ in seen if who == producer]) == 1


def test_sixteen_producers_that_all_create_the_topic() -> None:
    with ExitStack() as stack:
        producers = [stack.enter_context(started("produce", "t", "--partitions", "2")) for _ in range(PRODUCERS)]
        for number, process in enumerate(producers):
            process.stdin.write(b"%d\n" % number)
        assert [finish(process) for process in producers] == [(0, b"", "")] * PRODUCERS
    assert sorted(map(int, ok("consume", "t").split())) == list(range(PRODUCERS))
    assert len(json.loads(ok("topics", "describe", "t", "--json"))["partitions"]) == 2


class Victim:
    """A producer that is fed lines, acknowledges them, and is killed at some point."""

    def __init__(self, stack: ExitStack, number: int) -> None:
        self.number = number
        self.process = stack.enter_context(started("produce", "t", "--sync", "batch", "--offsets"))
        self.fed: list[bytes] = []

    def feed(self, rng: random.Random) -> None:
        """One write of one to some hundred lines, up to 200 KiB."""
        count = rng.choice([1, 2, 30, 200])
        lines = [line_of(self.number, len(self.fed) + number, rng.choice([64, 960])) for number in range(count)]
        self.fed += lines
        self.process.stdin.write(b"".join(line + b"\n" for line in lines))

    def has_acknowledged(self) -> bool:
        return is_ready(self.process.stdout.fileno(), 0)

    def kill(self) -> dict[tuple[int, int], bytes]:
        """Kill it, and return what it had acknowledged: (partition, offset) -> line."""
        self.process.kill()
        self.process.wait(DEADLINE)
        acknowledged = self.process.stdout.read()
        places = [tuple(map(int, place.split())) for place in acknowledged.split(b"\n")[:-1]]
        return dict(zip(places, self.fed, strict=False))


@pytest.mark.parametrize("partitions", [1, 4])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_followers_see_one_log_while_producers_are_killed(partitions: int, seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    shape = ("-F", "%p %o %s\\n")
    ok("topics", "create", "t", "-p", str(partitions), "--segment-bytes", "300K")
    followed = tmp_path / "followed"
    promised: dict[tuple[int, int], bytes] = {}
    with ExitStack() as stack:
        out = stack.enter_context(followed.open("wb"))
        follower = stack.enter_context(started("consume", "-f", "t", *shape, stdout=out))
        victims = [Victim(stack, number) for number in range(4)]
        for number in range(4, 16):
            seen = followed.stat().st_size
            for victim in victims:
                victim.feed(rng)
            if rng.random() < 0.7:  # else it is killed at once, with all of this in flight
                wait_until(lambda seen=seen: followed.stat().st_size > seen, "the follower to see something new")
            promised |= victims.pop(rng.randrange(len(victims))).kill()
            victims.append(Victim(stack, number))
        wait_until(lambda: any(victim.has_acknowledged() for victim in victims), "a line to be acknowledged")
        for victim in victims:
            promised |= victim.kill()
        last = run("produce", "t", "-k", "the last", stdin=line_of(99, 0, 64) + b"\n")
        assert last.status == 0
        log = ok("consume", "t", *shape)
        wait_until(lambda: followed.stat().st_size >= len(log), "the follower to catch up")
        assert follower.poll() is None
    check_log(log.splitlines(), followed.read_bytes().splitlines(), promised)


def check_log(log: list[bytes], followed: list[bytes], promised: dict[tuple[int, int], bytes]) -> None:
    """The log is whole, the follower saw the same, in the same order in each partition, and every promise is kept."""
    places = by_place(log)
    assert by_place(followed) == places
    next_number: dict[tuple[int, int], int] = defaultdict(int)
    for (partition, _), line in places.items():
        producer, number = check_line(line)
        assert number >= next_number[producer, partition]
        next_number[producer, partition] = number + 1
    assert promised
    assert {place: places.get(place) for place in promised} == promised


def by_place(printed: list[bytes]) -> dict[tuple[int, int], bytes]:
    """(partition, offset) -> line; within a partition the offsets have to come without gap or repetition."""
    found: dict[tuple[int, int], bytes] = {}
    expected: dict[int, int] = defaultdict(int)
    for row in printed:
        partition, offset, line = row.split(b" ", 2)
        assert int(offset) == expected[int(partition)]
        expected[int(partition)] += 1
        found[int(partition), int(offset)] = line
    return dict(sorted(found.items()))


def test_a_follower_through_every_producers_death_in_the_middle_of_a_large_batch() -> None:
    """Kill while a megabyte is being appended: the follower never sees a part of a batch that did not stay."""
    ok("topics", "create", "t")
    with started("consume", "-f", "t", "-n", "5", "--grep", "^end") as follower:
        for number in range(5):
            with started("produce", "t") as producer:
                before = run("consume", "t", "-F", "1").out.count(b"1")
                producer.stdin.write(b"".join(line_of(number, n, 900) + b"\n" for n in range(1000)))
                wait_until(
                    lambda before=before: run("consume", "t", "-F", "1").out.count(b"1") > before, "a record of it"
                )
                producer.kill()
            assert run("produce", "t", stdin=b"end %d\n" % number).status == 0
        assert finish(follower) == (0, b"".join(b"end %d\n" % number for number in range(5)), "")
    for line in ok("consume", "t").splitlines():
        if not line.startswith(b"end"):
            check_line(line)

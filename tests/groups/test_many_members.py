"""A large group: 100 members on 1,000 partitions form, share evenly, and can be looked at.

STREAMCLI_MANY_MEMBERS=20 is kinder to a small machine.
"""

from __future__ import annotations

import os
import resource
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

from tests.groups.swarm import Swarm, assignment, is_settled
from tests.support.command import ok, run
from tests.support.waiting import wait_until

MEMBERS = int(os.environ.get("STREAMCLI_MANY_MEMBERS", "100"))
TOPICS = 10
PARTITIONS = 1000
DEADLINE = 300.0


def test_a_large_group_settles() -> None:
    topics = [f"t{number}" for number in range(TOPICS)]
    ok("topics", "create", *topics, "-p", str(PARTITIONS // TOPICS))
    with ExitStack() as stack:
        swarm = Swarm(stack, ["t*", "--lock-timeout", "5m"], Path(os.devnull))  # they queue for the group's lock
        begun = time.monotonic()
        for _ in range(MEMBERS):
            swarm.join()
        wait_until(lambda: is_settled(PARTITIONS, MEMBERS), "every partition to be leased", DEADLINE)
        formed = time.monotonic() - begun
        shares = Counter(assignment().values())
        assert max(shares.values()) - min(shares.values()) <= 1
        described, seconds = describe()
        assert len(described) == PARTITIONS + 2
        assert {line.split()[5] for line in described[2:]} == set(shares)
        left = swarm.members[-1].pid
        swarm.kill(swarm.members[-1])
        wait_until(lambda: is_settled(PARTITIONS, MEMBERS - 1), f"{left}'s partitions to be taken", DEADLINE)
        begun = time.monotonic()
        swarm.stop()
        print(f"{MEMBERS} members formed in {formed:.1f} s, were described in {seconds:.2f} s, and ended in ", end="")
        print(f"{time.monotonic() - begun:.1f} s")
    assert seconds < 1


def describe() -> tuple[list[str], float]:
    """What `groups describe` says, and the seconds of processor time it took, the best of three: others may be at work."""
    taken = []
    for _ in range(3):
        before = processor_time()
        described = run("groups", "describe", "g")
        taken.append(processor_time() - before)
        assert described.status == 0
    return described.out.decode().splitlines(), min(taken)


def processor_time() -> float:
    """Of the processes that were started here and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime

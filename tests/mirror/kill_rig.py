"""Mirrors and the broker between them, killed at random moments while records keep coming: each record once, in order, or not?

    python -m tests.mirror.kill_rig --kills 200 [--seed N]      with TEST_KAFKA_JARS; see tests.kafka.broker

Two mirrors follow, one from a log directory into a cluster, one from there into another log directory, while two producers go on
in the first. What is done to them, at random moments: SIGKILL of either mirror; SIGKILL of the broker, which is started again on
the same log.dirs; SIGSTOP of the broker for a while; and in the proxy through which the mirrors reach it, connections are reset
(reset), or for a while nothing is forwarded (silence), or only what they ask, so that transactions are committed that a mirror never
hears of (unheard); after that connections are reset too, or go on late. At the end what all three places have is compared, record by
record. A kill at a moment in which a mirror happens to be idle proves little: so the producers write all the time, and more than the
mirrors can finish between two kills.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.kafka.broker import JARS, Broker, running
from tests.kafka.proxy import Proxy, proxied
from tests.support.command import STREAMCLI
from tests.support.waiting import wait_until

TOPICS = {"keyed": ("-p", "3"), "lines": ("-p", "1")}

_KINDS = {"forward": 27, "back": 23, "broker": 8, "stopped": 7, "reset": 15, "silence": 10, "unheard": 10}
"""What is done, and how often of a hundred times."""


class Difference(NamedTuple):
    """Of one place, against the source: records that are missing, that are there more than once, and that are not in order or
    not the same."""

    missing: int
    doubled: int
    wrong: int


class Outcome(NamedTuple):
    """kills: by kind; records: in the source at the end; differences: by place; seconds: how long it took."""

    kills: Counter[str]
    records: int
    differences: dict[str, Difference]
    seconds: float

    @property
    def is_exact(self) -> bool:
        return all(difference == Difference(0, 0, 0) for difference in self.differences.values())


class Mirror:
    """A mirror that follows, and is started again whenever it was killed."""

    def __init__(self, words: list[str], log: Path) -> None:
        self._words = words
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*STREAMCLI, "mirror", *self._words, "-f"], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def kill(self) -> None:
        assert self._process is not None
        assert self._process.poll() is None, f"the mirror ended by itself:\n{self._log.read_text()[-2000:]}"
        self._process.kill()
        self._process.wait()

    def finish(self) -> None:
        """End it, and have it done once more, to the end."""
        self.kill()
        done = subprocess.run(
            [*STREAMCLI, "mirror", *self._words, "--give-up", "5m"], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr


@contextmanager
def producing(directory: Path, rate: int, seed: int) -> Iterator[None]:
    """Two producers that write about `rate` records a second each, in bursts, until the end of the block; then all of it is
    durable."""
    stop = threading.Event()
    producers = [
        subprocess.Popen([*STREAMCLI, "--dir", str(directory), "produce", *words], stdin=subprocess.PIPE)
        for words in (("keyed", "-K", ":"), ("lines",))
    ]

    def write(process: subprocess.Popen[bytes], chance: random.Random) -> None:
        assert process.stdin is not None
        number = 0
        while not stop.is_set():
            count = chance.randrange(1, rate // 5)
            lines = [b"k%d:%d %s\n" % (n % 41, n, b"x" * chance.randrange(60)) for n in range(number, number + count)]
            process.stdin.write(b"".join(lines))
            process.stdin.flush()
            number += count
            stop.wait(0.1)
        process.stdin.close()

    threads = [
        threading.Thread(target=write, args=(process, random.Random(f"{seed} {number}")))
        for number, process in enumerate(producers)
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert [process.wait() for process in producers] == [0, 0]


class Faults(NamedTuple):
    """What is done to whom; most: seconds, about, that it lasts at most."""

    broker: Broker
    proxy: Proxy
    mirrors: dict[str, Mirror]
    chance: random.Random
    most: float

    def do(self, kind: str) -> None:
        """One of _KINDS; over when it returns."""
        if kind in self.mirrors:
            self.mirrors[kind].kill()
            self.mirrors[kind].start()
        elif kind == "broker":
            self.broker.kill()
            self._wait(self.most)
            self.broker.start()
        elif kind == "stopped":
            os.kill(self.broker.pid, signal.SIGSTOP)
            self._wait(2 * self.most)
            os.kill(self.broker.pid, signal.SIGCONT)
        elif kind == "reset":
            self.proxy.reset()
        else:
            self.proxy.hold(requests=kind == "silence")
            self._wait(2 * self.most)
            if self.chance.random() < 0.7:
                self.proxy.reset()
            self.proxy.release()

    def _wait(self, most: float) -> None:
        _pause(self.chance.uniform(0.0, most))


def rig(broker: Broker, directory: Path, *, kills: int, seed: int, rate: int = 2000, most: float = 1.5) -> Outcome:
    """Kill that many times, `most` seconds apart at most besides what a start takes, then compare. The broker has to be running."""
    chance = random.Random(seed)
    started = time.monotonic()
    source, target, cluster = directory / "source", directory / "target", f"kafka://{broker.proxied}"
    for topic, words in TOPICS.items():
        _run("--dir", str(source), "topics", "create", topic, *words)
    forward = Mirror(["--dir", str(source), "--to", cluster, "--name", "forward"], directory / "forward.log")
    back = Mirror(["keyed", "lines", "--url", cluster, "--to", str(target), "--name", "back"], directory / "back.log")
    with proxied(broker.proxied, Proxy(broker.behind_proxy)) as proxy:
        forward.start()
        _until_there(cluster)
        back.start()
        faults = Faults(broker, proxy, {"forward": forward, "back": back}, chance, most)
        done: Counter[str] = Counter()
        with producing(source, rate, seed):
            while done.total() < kills:
                _pause(chance.uniform(0.0, most))
                kind = chance.choices(list(_KINDS), weights=list(_KINDS.values()))[0]
                faults.do(kind)
                done[kind] += 1
        forward.finish()
        back.finish()
    places = {"cluster": ("--url", f"kafka://{broker.address}"), "target": ("--dir", str(target))}
    wanted = _rows("--dir", str(source))
    differences = {place: _difference(wanted, _rows(*words)) for place, words in places.items()}
    records = sum(map(len, wanted.values()))
    return Outcome(done, records, differences, time.monotonic() - started)


def _rows(*where: str) -> dict[tuple[str, int], list[bytes]]:
    """By topic and partition, all of each record but its offset, in order."""
    found: dict[tuple[str, int], list[bytes]] = {}
    for topic in TOPICS:
        for line in _run(*where, "consume", topic, "-F", "%p %T %k %s %h\n").splitlines():
            partition, _, rest = line.partition(b" ")
            found.setdefault((topic, int(partition)), []).append(rest)
    return found


def _difference(wanted: dict[tuple[str, int], list[bytes]], found: dict[tuple[str, int], list[bytes]]) -> Difference:
    missing = doubled = wrong = 0
    for place in wanted.keys() | found.keys():
        here, there = wanted.get(place, []), found.get(place, [])
        if here == there:
            continue
        missing += (Counter(here) - Counter(there)).total()
        doubled += (Counter(there) - Counter(here)).total()
        wrong += sum(one != other for one, other in zip(here, dict.fromkeys(there), strict=False))
    return Difference(missing, doubled, wrong)


def _until_there(cluster: str) -> None:
    """The mirror back is of topics that have to be there."""
    wait_until(lambda: set(TOPICS).issubset(_run("--url", cluster, "topics", "list").decode().split()), "the topics")


def _run(*words: str) -> bytes:
    return subprocess.run([*STREAMCLI, *words], stdout=subprocess.PIPE, check=True).stdout


def _pause(seconds: float) -> None:
    select.poll().poll(seconds * 1000)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    parser.add_argument("--rate", type=int, default=2000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="streamcli-kill-rig-") as temporary:
        directory = Path(temporary)
        with running(Path(os.environ[JARS]), directory / "broker") as broker:
            outcome = rig(broker, directory, kills=options.kills, seed=options.seed, rate=options.rate)
    print(json.dumps({"seed": options.seed, **outcome._asdict()}))
    sys.exit(0 if outcome.is_exact else 1)


if __name__ == "__main__":
    main()

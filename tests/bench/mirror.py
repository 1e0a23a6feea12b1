"""How fast mirrors are, against what there is without them: pairs in turn, whole processes, by wall clock and by processor time.

    python -m tests.kafka.broker run -- python -m tests.bench.mirror [--pairs 5] [--records 1000000]

there  a log directory into a cluster, against confluent-kafka alone: a loop of produce() of the same lines, idempotent, acks=all
back   a cluster into a log directory, fsynced, against confluent-kafka alone: a loop of consume(), whose values go nowhere
copy   a log directory into another, fsynced, against cp -r and sync -f
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import NamedTuple

from tests.bench.access_log import write_access_log
from tests.kafka.broker import ADDRESS, forget
from tests.support.command import STREAMCLI

_PRODUCE = """
import sys, confluent_kafka
address, topic, path = sys.argv[1:]
lines = open(path, "rb").read().split(b"\\n")[:-1]
producer = confluent_kafka.Producer({"bootstrap.servers": address, "enable.idempotence": True, "acks": "all", "log_level": 2,
    "queue.buffering.max.messages": 10_000_000, "queue.buffering.max.kbytes": 2_000_000})
produce = producer.produce
for line in lines:
    produce(topic, line)
assert producer.flush() == 0
"""
_CONSUME = """
import sys, confluent_kafka
address, topic, count = sys.argv[1:]
consumer = confluent_kafka.Consumer({"bootstrap.servers": address, "group.id": "none", "queued.min.messages": 1_000_000})
consumer.assign([confluent_kafka.TopicPartition(topic, 0, 0)])
left = int(count)
while left:
    left -= len([message.value() for message in consumer.consume(min(left, 1000), 1)])
"""


class Cost(NamedTuple):
    """Seconds: by the clock, and of the processor."""

    wall: float
    processor: float


def cost(words: list[str]) -> Cost:
    """What a command, which has to succeed, and its children take."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run(words, check=True)
    wall, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return Cost(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def pairs(
    address: str, root: Path, records: int, topic: str
) -> Iterator[tuple[str, list[str], list[str], Callable[[], None]]]:
    """Name, our command, the other's, and what comes before either."""
    lines, source, back, copy = root / "lines", root / "source", root / "back", root / "copy"
    write_access_log(str(lines), records)
    subprocess.run([*STREAMCLI, "--dir", str(source), "produce", topic, str(lines)], check=True)
    cluster = f"kafka://{address}"

    def clear() -> None:
        for path in (back, copy, source / "mirrors"):  # the last: what is not there any more is not missed
            shutil.rmtree(path, ignore_errors=True)
        forget(address, topic)
        subprocess.run([*STREAMCLI, "--url", cluster, "topics", "create", f"{topic}-plain"], check=True)

    def fill() -> None:
        clear()
        subprocess.run(
            [*STREAMCLI, "--dir", str(source), "mirror", topic, "--to", cluster, "--name", topic], check=True
        )

    python = [sys.executable, "-c"]
    there = [*STREAMCLI, "--dir", str(source), "mirror", topic, "--to", cluster, "--name", topic]
    yield "there", there, [*python, _PRODUCE, address, f"{topic}-plain", str(lines)], clear
    mirror_back = [*STREAMCLI, "--url", cluster, "mirror", topic, "--to", str(back)]
    yield "back", mirror_back, [*python, _CONSUME, address, topic, str(records)], fill
    mirror_copy = [*STREAMCLI, "--dir", str(source), "mirror", topic, "--to", str(copy)]
    yield "copy", mirror_copy, ["sh", "-c", f"cp -r {source} {copy} && sync -f {copy}"], clear


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--records", type=int, default=1_000_000)
    options = parser.parse_args()
    topic = f"bench-{uuid.uuid4().hex[:8]}"
    with tempfile.TemporaryDirectory(prefix="streamcli-bench-") as temporary:
        address = os.environ[ADDRESS]
        for name, ours, theirs, before in pairs(address, Path(temporary), options.records, topic):
            measured: dict[bool, list[Cost]] = {True: [], False: []}
            for number in range(options.pairs):
                for is_ours in (number % 2 == 0, number % 2 == 1):
                    before()
                    measured[is_ours].append(cost(ours if is_ours else theirs))
            walls = [plain.wall / mirror.wall for mirror, plain in zip(measured[True], measured[False], strict=True)]
            works = [
                plain.processor / mirror.processor
                for mirror, plain in zip(measured[True], measured[False], strict=True)
            ]
            rate = options.records / median(mirror.wall for mirror in measured[True])
            print(f"{name:6} {rate:,.0f} records/s, {median(walls):.2f} of the other, by processor {median(works):.2f}")
        forget(address, topic)


if __name__ == "__main__":
    main()

"""How fast produce and consume on a cluster are, against kcat: pairs in turn, whole processes, by wall clock and by processor time.

    python -m tests.kafka.broker run -- python -m tests.bench.kcat [--pairs 11] [--records 1000000]

file, stdin   produce of access-log lines into one partition, against kcat -P -l FILE and kcat -P, as it is without settings
*-idempotent  the same, against kcat with what produce promises: acks=all, enable.idempotence=true
consume       all values of that partition into a pipe, against kcat -C -e

Above 1 streamcli is faster. kcat takes Debian's package of that name.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import NamedTuple

from tests.bench.access_log import write_access_log
from tests.bench.mirror import Cost, cost
from tests.kafka.broker import ADDRESS, forget
from tests.support.command import STREAMCLI

_IDEMPOTENT = "-X acks=all -X enable.idempotence=true"


class Pair(NamedTuple):
    """Our command and kcat's, as a shell takes them. fills: whether they write to the topic, and do not read it."""

    name: str
    ours: str
    kcats: str
    fills: bool


def pairs(address: str, lines: Path, topic: str) -> Iterator[Pair]:
    produce = " ".join([*STREAMCLI, "--url", f"kafka://{address}", "produce", topic])
    consume = " ".join([*STREAMCLI, "--url", f"kafka://{address}", "consume", topic])
    kcat = f"kcat -b {address} -t {topic}"
    for suffix, settings in (("", ""), ("-idempotent", _IDEMPOTENT)):
        yield Pair(f"file{suffix}", f"{produce} {lines}", f"{kcat} -P {settings} -l {lines}", fills=True)
        yield Pair(f"stdin{suffix}", f"{produce} < {lines}", f"{kcat} -P {settings} < {lines}", fills=True)
    yield Pair("consume", f"{consume} | cat > /dev/null", f"{kcat} -C -e -q | cat > /dev/null", fills=False)


def measured(pair: Pair, address: str, topic: str, lines: Path, count: int) -> tuple[list[Cost], list[Cost]]:
    """What ours and kcat's cost, so many times each, in turn: filling a topic each time, or reading one that is full."""
    renew(address, topic)
    if not pair.fills:
        subprocess.run([*STREAMCLI, "--url", f"kafka://{address}", "produce", "-q", topic, str(lines)], check=True)
    costs: tuple[list[Cost], list[Cost]] = ([], [])
    for number in range(count):
        for side in (number % 2, 1 - number % 2):
            if pair.fills:
                renew(address, topic)
            costs[side].append(cost(["sh", "-c", pair.kcats if side else pair.ours]))
    return costs


def renew(address: str, topic: str) -> None:
    forget(address, topic)
    subprocess.run([*STREAMCLI, "--url", f"kafka://{address}", "topics", "create", topic], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=11)
    parser.add_argument("--records", type=int, default=1_000_000)
    options = parser.parse_args()
    if shutil.which("kcat") is None:
        sys.exit("there is no kcat: install Debian's package")
    topic, address = f"bench-{uuid.uuid4().hex[:8]}", os.environ[ADDRESS]
    with tempfile.TemporaryDirectory(prefix="streamcli-bench-") as temporary:
        lines = Path(temporary) / "lines"
        write_access_log(str(lines), options.records)
        for pair in pairs(address, lines, topic):
            ours, kcats = measured(pair, address, topic, lines, options.pairs)
            walls = median(kcat.wall / our.wall for our, kcat in zip(ours, kcats, strict=True))
            works = median(kcat.processor / our.processor for our, kcat in zip(ours, kcats, strict=True))
            rate = options.records / median(our.wall for our in ours)
            print(f"{pair.name:16} {rate:,.0f} records/s, {walls:.2f} of kcat, by processor {works:.2f}", flush=True)
        forget(address, topic)


if __name__ == "__main__":
    main()

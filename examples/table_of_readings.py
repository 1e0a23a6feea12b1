#!/usr/bin/env python3
"""From Python, where a script outgrows the shell: readings of sensors, and the mean of each minute as a table.

Two programs in one, as they would be two services: `measure` produces readings keyed by their sensor; `aggregate` consumes
them as a group, and keeps each sensor's minutes in a compacted topic, where `streamcli table means` shows them.

What holds, whatever is killed when: each reading is in the mean of its minute exactly once. A mean is produced with the
offset of the last reading in it, and whoever goes on starts from there: a reading that comes again is passed by.

    python3 table_of_readings.py            makes readings up, in a temporary directory, and shows the table
"""

from __future__ import annotations

import json
import signal
import tempfile
from collections.abc import Iterator

import streamcli

MINUTE = 60_000


def readings() -> Iterator[tuple[str, int, float]]:
    """Sensor, ms since the epoch, degrees: two sensors, every 10 seconds, for three minutes from 2026-11-22 08:00 UTC."""
    for number in range(18):
        for sensor, base in (("attic", 12.0), ("cellar", 8.0)):
            yield sensor, 1_795_334_400_000 + number * 10_000, base + number / 4


def measure(directory: streamcli.Directory) -> int:
    """Produce the readings; how many of them are on disk."""
    with directory.producer("readings", partitions=2) as producer:
        for sensor, time, degrees in readings():
            producer.append(f"{degrees}".encode(), key=sensor.encode(), timestamp=time)
        return producer.flush()


def table(directory: streamcli.Directory) -> dict[bytes, dict[str, float]]:
    """The newest value of each key."""
    found = directory.read("means")
    return {record.key: json.loads(record.value) for record in found if record.key and record.value}


def aggregate(directory: streamcli.Directory) -> int:
    """Take what is new into the means; how many readings that were."""
    directory.create_topic("means", config={"cleanup.policy": "compact"}, exist_ok=True)
    means = table(directory)
    taken = 0
    with directory.consume("readings", group="means") as consumer, directory.producer("means") as producer:
        for record in consumer:
            assert record.key is not None
            assert record.value is not None
            key = record.key + b" %d" % (record.timestamp // MINUTE * MINUTE)
            mean = means.setdefault(key, {"sum": 0.0, "count": 0, "offset": -1})
            if record.offset > mean["offset"]:  # else it came before, in a run that died before its commit
                mean.update(sum=mean["sum"] + float(record.value), count=mean["count"] + 1, offset=record.offset)
                producer.append(json.dumps(mean).encode(), key=key)
                taken += 1
        producer.flush()  # the means are on disk before the group commits that their readings are done
    return taken


def story(directory: streamcli.Directory) -> Iterator[str]:
    """Do it all; a line for each thing done, and the table."""
    yield f"{measure(directory)} readings on disk"
    yield f"{aggregate(directory)} taken into the means, then {aggregate(directory)}"
    for key, mean in sorted(table(directory).items()):
        sensor, time = key.decode().split(" ")
        yield f"{sensor:7} minute {int(time) // MINUTE % 60:02}  {mean['sum'] / mean['count']:6.2f}"


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        lines = list(story(streamcli.open(scratch + "/log")))
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # as of a command: `| head -n 1` is no failure
    print("\n".join(lines))


if __name__ == "__main__":
    main()

"""The bench command: this log directory's speed on this machine, beside that of plain files."""

from __future__ import annotations

import json as json_module
import math
import subprocess
from collections.abc import Callable
from statistics import median
from typing import Any, NamedTuple

from streamcli.cli.bench_process import Lines, RoundTrip, Run, drain, expect_end, feed, process, streamcli_words
from streamcli.cli.context import Context
from streamcli.cli.table import print_table
from streamcli.cli.upkeep_commands import BENCHES
from streamcli.engine.bench_topic import BenchTopic, bench_topic, remove_bench_topics
from streamcli.record.errors import StreamcliError, UsageError, did_you_mean
from streamcli.storage import durable
from streamcli.storage.config import SETTINGS

_RUNS = 3
"""Runs of each side, in turn."""

_RATE = 1000
"""Records a second while latency is measured."""

_WARM_UP = 20
"""Records that are not measured, before those that are: they show that both processes are there."""

_DIGITS = 20
"""Bytes in which a time in ns finds room."""

_DEFAULT_RECORDS = {"produce": 1_000_000, "consume": 1_000_000, "latency": 5000}


class Options(NamedTuple):
    """The command's flags and arguments, as declared in cli.commands."""

    what: str
    records: int | None
    size: int
    partitions: int
    seconds: int
    json: bool

    def wanted(self) -> int:
        """How many records."""
        return _DEFAULT_RECORDS[self.what] if self.records is None else self.records

    def check(self) -> None:
        """UsageError for what cannot be measured."""
        if self.what not in BENCHES:
            raise UsageError(
                f"no such bench: {self.what}: {did_you_mean(self.what, BENCHES, 'use ' + ', '.join(BENCHES))}"
            )
        least, most = (_DIGITS if self.what == "latency" else 1), int(SETTINGS["max.message.bytes"].default)
        if not least <= self.size <= most:
            raise UsageError(f"bad --size {self.size}: bench {self.what} takes {least} to {most} bytes")
        if self.wanted() < 1 or self.seconds < 1:
            raise UsageError("--records and --seconds have to be 1 or more")


class Throughput(NamedTuple):
    """Runs of ours and of a plain file's, in turn; `length`: bytes of a record with its newline."""

    names: tuple[str, str]
    ours: list[Run]
    plain: list[Run]
    length: int

    def ratios(self) -> list[float]:
        """Of each pair, our rate to the other."""
        return [our.rate / their.rate for our, their in zip(self.ours, self.plain, strict=True)]


class Latency(NamedTuple):
    """ns that records took, ascending: through streamcli, and through a plain file."""

    names: tuple[str, str]
    ours: list[int]
    plain: list[int]


def run(context: Context, **flags: Any) -> int:
    """Measure, and print what was measured."""
    options = Options(**flags)
    options.check()
    directory = context.open(create=True)
    with bench_topic(directory, options.partitions) as topic:
        bench = Bench(directory.path, topic, options)
        try:
            found = _MEASURES[options.what](bench)
        finally:
            with context.stop.deferred():  # a second Ctrl-C leaves nothing behind either
                remove_bench_topics(directory)
    if isinstance(found, Latency):
        _print_latency(options, found)
    else:
        _print_throughput(options, found)
    return 0


class Bench:
    """What is measured, in the topic and the plain file of one bench."""

    def __init__(self, directory: str, topic: BenchTopic, options: Options) -> None:
        self._directory = directory
        self._topic = topic
        self._options = options
        self._lines = Lines(1 if options.what == "latency" else options.wanted(), options.size)

    def produce(self) -> Throughput:
        """From a pipe to the disk."""
        ours, plain = [], []
        for _ in range(_RUNS):
            plain.append(self._write_plain(self._lines, self._options.seconds))
            ours.append(self._produce(self._lines, self._options.seconds))
        return Throughput(("streamcli produce", "cat > FILE, fsync"), ours, plain, self._lines.length)

    def consume(self) -> Throughput:
        """From the page cache, where what was just written is, to a pipe."""
        written = self._write_plain(self._lines, self._options.seconds)
        self._lines.count = written.records
        self._produce(self._lines, float("inf"))
        words = streamcli_words(self._directory, "consume", "-q", self._topic.name)
        ours, plain = [], []
        for _ in range(_RUNS):
            plain.append(drain(["cat", self._topic.plain_path], self._lines, self._options.seconds))
            ours.append(drain(words, self._lines, self._options.seconds))
        return Throughput(("streamcli consume", "cat FILE"), ours, plain, self._lines.length)

    def latency(self) -> Latency:
        """From a write into a producer's pipe to the read out of a follower's."""
        with self._topic.plain_file() as fd:
            tail = ["tail", "-n", "+1", "-f", self._topic.plain_path]
            plain = self._round_trips(["cat"], tail, stdout=fd)
        follow = streamcli_words(self._directory, "consume", "-q", "-f", self._topic.name)
        produce = streamcli_words(self._directory, "produce", "-q", self._topic.name)
        ours = self._round_trips(produce, follow, stdout=subprocess.DEVNULL)
        return Latency(("produce | consume -f", "cat >> FILE | tail -f"), ours, plain)

    def _write_plain(self, lines: Lines, most: float) -> Run:
        with self._topic.plain_file() as fd:
            return feed(["cat"], lines, most, stdout=fd, sync=lambda: durable.sync_data(fd))

    def _produce(self, lines: Lines, most: float) -> Run:
        words = streamcli_words(self._directory, "produce", "-q", self._topic.name)
        return feed(words, lines, most, stdout=subprocess.DEVNULL, sync=lambda: None)

    def _round_trips(self, writer: list[str], reader: list[str], *, stdout: int) -> list[int]:
        count = min(self._options.wanted(), self._options.seconds * _RATE)
        with (
            process(reader, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as reading,
            process(writer, stdin=subprocess.PIPE, stdout=stdout) as writing,
        ):
            assert writing.stdin is not None
            assert reading.stdout is not None
            trip = RoundTrip(writing.stdin.fileno(), reading.stdout.fileno(), self._options.size)
            try:
                trip.latencies(_WARM_UP, _RATE)
                taken = trip.latencies(count, _RATE)
            except BrokenPipeError:
                expect_end(writer, writing)
                raise StreamcliError(f"{writer[0]} ended before it had all records") from None
            writing.stdin.close()
            expect_end(writer, writing)
        return sorted(taken)


_MEASURES: dict[str, Callable[[Bench], Throughput | Latency]] = {
    "produce": Bench.produce,
    "consume": Bench.consume,
    "latency": Bench.latency,
}
_FSYNCED = {
    "produce": "all records of both, before the clock stopped",
    "consume": "all records of both, before the clock started; they are read from the page cache",
    "latency": "nothing before it is read: produce fsyncs once a second beside, the file is not fsynced",
}


def percentile(ascending: list[int], share: float) -> int | None:
    """The least value that this share of all is not above; None where too few are above it to tell it from the greatest."""
    rank = math.ceil(len(ascending) * share)
    return ascending[rank - 1] if rank < len(ascending) else None


def _of_runs(found: list[Run], length: int) -> dict[str, float]:
    """The medians of some runs."""
    rate = median(run.rate for run in found)
    seconds = median(run.seconds for run in found)
    return {"records_per_second": rate, "bytes_per_second": rate * length, "seconds": seconds}


def _print_throughput(options: Options, found: Throughput) -> None:
    ours, plain = (_of_runs(runs, found.length) for runs in (found.ours, found.plain))
    ratios = found.ratios()
    ratio = {"median": median(ratios), "least": min(ratios), "greatest": max(ratios)}
    least, most = (choose(run.records for run in (*found.ours, *found.plain)) for choose in (min, max))
    if options.json:
        _print_json(options, least, {"runs": _RUNS, "streamcli": ours, "plain": plain, "ratio": ratio})
        return
    records = f"{least:,}" if least == most else f"{least:,} to {most:,}"
    print(
        f"{options.what}: {_RUNS} runs in turn of {records} records, {found.length} bytes each with their newline, "
        f"{_in_words(options.partitions)}; from the start of the process to its end"
    )
    rows = [
        (
            name,
            f"{side['records_per_second']:,.0f}",
            f"{side['bytes_per_second'] / 1e6:,.1f}",
            f"{side['seconds']:.2f}",
        )
        for name, side in zip(found.names, (ours, plain), strict=True)
    ]
    print_table(("MEDIAN OF RUNS", "RECORDS/S", "MB/S", "SECONDS"), rows, right=(1, 2, 3))
    print(
        f"ratio: {ratio['median']:.2f} times the rate of {found.names[1]} ({ratio['least']:.2f} to {ratio['greatest']:.2f})"
    )
    print(f"fsynced: {_FSYNCED[options.what]}")


def _of_latencies(ascending: list[int]) -> dict[str, float | None]:
    """Percentiles in ms."""
    shares = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999}
    found = {name: percentile(ascending, share) for name, share in shares.items()} | {"greatest": ascending[-1]}
    return {name: None if value is None else value / 1e6 for name, value in found.items()}


def _print_latency(options: Options, found: Latency) -> None:
    ours, plain = _of_latencies(found.ours), _of_latencies(found.plain)
    ratio = median(found.ours) / median(found.plain)
    if options.json:
        sides = {"streamcli": ours, "plain": plain, "ratio": {"median": ratio}}
        _print_json(options, len(found.ours), {"records_per_second": _RATE, **sides})
        return
    print(
        f"latency: {len(found.ours):,} records, {options.size} bytes each, {_RATE:,} a second, {_in_words(options.partitions)}; "
        "ms from writing one to one process to reading it from another"
    )
    rows = [
        (name, *("-" if value is None else f"{value:.2f}" for value in side.values()))
        for name, side in zip(found.names, (ours, plain), strict=True)
    ]
    print_table(("MS", "P50", "P99", "P99.9", "GREATEST"), rows, right=range(1, 5))
    print(f"ratio: {ratio:.1f} times the median of {found.names[1]}")
    print(f"fsynced: {_FSYNCED[options.what]}")


def _print_json(options: Options, records: int, measured: dict[str, Any]) -> None:
    fields = {"bench": options.what, "records": records, "size": options.size, "partitions": options.partitions}
    print(json_module.dumps({**fields, **measured, "fsynced": _FSYNCED[options.what]}, separators=(",", ":")))


def _in_words(partitions: int) -> str:
    return "1 partition" if partitions == 1 else f"{partitions} partitions"

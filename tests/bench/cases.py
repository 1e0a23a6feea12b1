"""The comparisons. Each runs ours and theirs in turn, A B A B, so that a slow moment of the machine meets both."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from statistics import median, quantiles
from typing import NamedTuple

from commands import PYTHON, CommandFailed, peak_of, run, settle, shell, streamcli
from latency import latencies, pipeline
from report import Result, paired

LONGEST_LINE = 16 << 20
_STARTS_PER_RUN = 6
_LATENCY_SECONDS = 2


class Bench(NamedTuple):
    """Where and how much: `input` has `records` lines; the log directory and all output are in `directory`."""

    directory: str
    input: str
    records: int
    runs: int

    def command(self, *words: str) -> list[str]:
        return [*streamcli(), *words, "--dir", os.path.join(self.directory, "log")]

    def line(self, *words: str) -> str:
        return shlex.join(self.command(*words))

    def path(self, name: str) -> str:
        return os.path.join(self.directory, name)

    def delete_topic(self, topic: str) -> None:
        run(self.command("topics", "delete", "-y", topic))

    def timed(self, command: str) -> float:
        settle()
        return shell(command).seconds


def produce(bench: Bench) -> list[Result]:
    """Lines through a pipe, and from a file, into a new topic, fsync included; against cat and sync."""
    source = shlex.quote(bench.input)
    return [
        _compare_writes(
            bench,
            "produce from a pipe",
            f"cat {source} | {bench.line('produce', 'written')}",
            f"cat {source} | cat",
            "ratio >= 0.4",
        ),
        _compare_writes(
            bench, "produce FILE", bench.line("produce", "written", bench.input), f"cat {source}", "ratio >= 0.4"
        ),
    ]


def keyed(bench: Bench) -> list[Result]:
    """The first word of each line as its key, on one partition and spread over four; against cat and sync."""
    source = shlex.quote(bench.input)
    results = []
    for partitions in (1, 4):
        words = ("produce", "written", "-K", " ", "--partitions", str(partitions))
        ours = f"cat {source} | {bench.line(*words)}"
        name = f"produce -K, {partitions} partition{'s' if partitions > 1 else ''}"
        results.append(_compare_writes(bench, name, ours, f"cat {source} | cat"))
    return results


def consume(bench: Bench) -> list[Result]:
    """Everything into wc -l; against cat of the same lines."""
    run(bench.command("produce", "read", bench.input))
    ours: list[float] = []
    theirs: list[float] = []
    for _ in range(bench.runs):
        ours.append(_counted(bench, bench.line("consume", "read")))
        theirs.append(_counted(bench, f"cat {shlex.quote(bench.input)}"))
    bench.delete_topic("read")
    return [paired("consume into wc -l", ours, theirs, bench.records, "ratio >= 1")]


def group(bench: Bench) -> list[Result]:
    """Everything into wc -l as a group that begins there; against the same without a group."""
    run(bench.command("produce", "shared", bench.input, "--partitions", "4"))
    ours: list[float] = []
    theirs: list[float] = []
    for number in range(bench.runs):
        ours.append(_counted(bench, bench.line("consume", "shared", "-g", f"group-{number}")))
        theirs.append(_counted(bench, bench.line("consume", "shared")))
        run(bench.command("groups", "delete", f"group-{number}"))
    bench.delete_topic("shared")
    return [paired("consume -g, against without", ours, theirs, bench.records, "ratio >= 0.9")]


def start(bench: Bench) -> list[Result]:
    """Commands of one record, which are mostly Python's start; against Python that does nothing."""
    run(bench.command("produce", "small"), line=b"x\n")
    commands = {
        "echo x | produce": (bench.command("produce", "small"), b"x\n"),
        "consume -n 1": (bench.command("consume", "small", "-n", "1"), b""),
        "topics list": (bench.command("topics", "list"), b""),
    }
    for words, line in [(PYTHON, b""), *commands.values()]:  # once uncounted: it compiles
        run(words, line=line)
    python: list[float] = []
    taken: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(_STARTS_PER_RUN * bench.runs):
        python.append(run(PYTHON).seconds)
        for name, (words, line) in commands.items():
            taken[name].append(run(words, line=line).seconds)
    bench.delete_topic("small")
    return [_started(name, seconds, python) for name, seconds in taken.items()]


def latency(bench: Bench) -> list[Result]:
    """From writing a line to `produce` to reading it from `consume -f`; against cat >> FILE and tail -f."""
    return [_latency(bench, rate) for rate in (1000, 50)]


def memory(bench: Bench) -> list[Result]:
    """The most memory that a command takes; against Python that does nothing."""
    longest = bench.path("longest")
    with open(longest, "wb") as file:
        for _ in range(LONGEST_LINE >> 20):
            file.write(b"x" * (1 << 20))
        file.write(b"\n")
    python = run(PYTHON).peak
    results = []
    for what, source in ((f"{bench.records:,} lines", bench.input), ("one line of 16 MiB", longest)):
        produced = peak_of(f"cat {shlex.quote(source)} | {bench.line('produce', 'sized')}")
        consumed = peak_of(f"{bench.line('consume', 'sized')} | wc -l")
        results += [_sized(f"produce, {what}", produced, python), _sized(f"consume, {what}", consumed, python)]
        bench.delete_topic("sized")
    os.unlink(longest)
    return results


CASES: dict[str, Callable[[Bench], list[Result]]] = {
    "produce": produce,
    "consume": consume,
    "group": group,
    "keyed": keyed,
    "start": start,
    "latency": latency,
    "memory": memory,
}


def _compare_writes(bench: Bench, name: str, ours: str, theirs: str, goal: str = "") -> Result:
    """`ours` makes the topic `written`; what `theirs` prints goes to a new file, which is synced."""
    copy = bench.path("copy")
    our_times: list[float] = []
    their_times: list[float] = []
    for _ in range(bench.runs):
        our_times.append(bench.timed(ours))
        bench.delete_topic("written")
        their_times.append(bench.timed(f"{theirs} > {shlex.quote(copy)} && sync {shlex.quote(copy)}"))
        os.unlink(copy)
    return paired(name, our_times, their_times, bench.records, goal)


def _counted(bench: Bench, command: str) -> float:
    settle()
    finished = shell(f"{command} | wc -l")
    if int(finished.output) != bench.records:
        raise CommandFailed(f"{int(finished.output)} lines, not {bench.records}: {command}")
    return finished.seconds


def _started(name: str, ours: list[float], python: list[float]) -> Result:
    ratios = [our / their for our, their in zip(ours, python, strict=True)]
    times = [f"{median(seconds) * 1000:.0f} ms" for seconds in (ours, python)]
    goal = "ratio <= 8" if "produce" in name else ""
    return Result(name, times[0], f"{times[1]} python -c pass", median(ratios), (min(ratios), max(ratios)), goal)


def _latency(bench: Bench, rate: int) -> Result:
    count = int(rate * min(_LATENCY_SECONDS, bench.records / 1000))
    ours: list[int] = []
    theirs: list[int] = []
    for _ in range(bench.runs):
        ours += _followed_topic(bench, rate, count)
        theirs += _followed_file(bench, rate, count)
    our_p99, their_p99 = _percentiles(ours)[1], _percentiles(theirs)[1]
    name = f"follow, {rate} records/s, p50 p99 p99.9"
    return Result(name, _in_ms(ours), f"{_in_ms(theirs)} tail -f", our_p99 / their_p99, None, "p99 < 5 ms")


def _followed_topic(bench: Bench, rate: int, count: int) -> list[int]:
    run(bench.command("topics", "create", "followed"))
    settle()
    with pipeline(bench.command("produce", "followed"), bench.command("consume", "-f", "followed")) as ends:
        taken = latencies(ends, rate, count)
    bench.delete_topic("followed")
    return taken


def _followed_file(bench: Bench, rate: int, count: int) -> list[int]:
    path = bench.path("followed")
    with open(path, "wb"):
        pass
    settle()
    appending = ["sh", "-c", f"exec cat >> {shlex.quote(path)}"]
    with pipeline(appending, ["tail", "-n", "+1", "-f", path]) as ends:
        taken = latencies(ends, rate, count)
    os.unlink(path)
    return taken


def _percentiles(nanoseconds: list[int]) -> tuple[float, float, float]:
    cuts = quantiles(nanoseconds, n=1000, method="inclusive")
    return cuts[499], cuts[989], cuts[998]


def _in_ms(nanoseconds: list[int]) -> str:
    return " ".join(f"{value / 1e6:.2f}" for value in _percentiles(nanoseconds)) + " ms"


def _sized(name: str, ours: int, python: int) -> Result:
    return Result(
        name, f"{ours / 2**20:.0f} MiB", f"{python / 2**20:.0f} MiB python -c pass", ours / python, None, "< 100 MiB"
    )

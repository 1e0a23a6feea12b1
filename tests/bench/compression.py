#!/usr/bin/env python3
"""What compression saves and what it costs: README's table, made again on this machine.

    python tests/bench/compression.py [--records N] [--runs N] [--directory DIR]

Access-log lines, and JSON lines. A run produces a file to a new topic, fsync included, and consumes it into `wc -l`, with each codec
in turn, so that a slow moment of the machine meets all. The table gives, against `-z none` of the same run, speed from start to end
and speed by the processor time taken, which neighbours on the machine disturb less: medians, above 1 is faster.
"""

from __future__ import annotations

import argparse
import os
import shlex
import tempfile
from pathlib import Path
from statistics import median
from typing import NamedTuple

from access_log import write_access_log
from commands import Finished, run, settle, shell, start_python_as_installed, streamcli
from json_lines import write_json_lines

CODECS = ("none", "gzip", "zstd", "lz4")
INPUTS = {"access log": write_access_log, "JSON": write_json_lines}


class Taken(NamedTuple):
    """size: bytes of the segments; produce, consume: what the commands took."""

    size: int
    produce: Finished
    consume: Finished


def measure(directory: str, source: str, codec: str) -> Taken:
    log = os.path.join(directory, "log")

    def command(*words: str) -> list[str]:
        return [*streamcli(), *words, "--dir", log]

    settle()
    produced = run(command("produce", "t", "-z", codec, source))
    size = sum(path.stat().st_size for path in Path(log, "topics/t/0").glob("*.log"))
    settle()
    consumed = shell(f"{shlex.join(command('consume', 't'))} | wc -l")
    run(command("topics", "delete", "-y", "t"))
    return Taken(size, produced, consumed)


def speeds(ours: list[Finished], plain: list[Finished]) -> str:
    """How much faster than `plain`, pair by pair: by the clock, by the processor."""
    pairs = list(zip(ours, plain, strict=True))
    clock = median(their.seconds / our.seconds for our, their in pairs)
    processor = median(their.processor / our.processor for our, their in pairs)
    return f"{clock:.2f} | {processor:.2f}"


def plain_speeds(plain: list[Finished], size: int) -> str:
    clock = median(size / finished.seconds for finished in plain) / 1e6
    processor = median(size / finished.processor for finished in plain) / 1e6
    return f"{clock:.0f} MB/s | {processor:.0f} MB/s"


def rows(directory: str, name: str, source: str, runs: int) -> list[str]:
    taken: dict[str, list[Taken]] = {codec: [] for codec in CODECS}
    for _ in range(runs):
        for codec in CODECS:
            taken[codec].append(measure(directory, source, codec))
    size = os.path.getsize(source)
    produced = {codec: [one.produce for one in of_codec] for codec, of_codec in taken.items()}
    consumed = {codec: [one.consume for one in of_codec] for codec, of_codec in taken.items()}
    found = [f"| {name} | none | 1 | {plain_speeds(produced['none'], size)} | {plain_speeds(consumed['none'], size)} |"]
    for codec in CODECS[1:]:
        smaller = taken["none"][0].size / taken[codec][0].size
        ours = (speeds(produced[codec], produced["none"]), speeds(consumed[codec], consumed["none"]))
        found.append(f"| {name} | {codec} | {smaller:.1f} | {' | '.join(ours)} |")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--directory", help="where to work; the default is a temporary one")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.directory) as directory:
        start_python_as_installed(directory)
        print(
            "| input | codec | times smaller | produce | by processor | consume | by processor |\n|---|---|---|---|---|---|---|"
        )
        for name, write in INPUTS.items():
            source = os.path.join(directory, "input")
            write(source, options.records)
            print("\n".join(rows(directory, name, source, options.runs)), flush=True)


if __name__ == "__main__":
    main()

"""Cost that does not grow: what commands take on logs of 10 MB, 1 GB and 20 GB, in time and in memory.

    python -m tests.bench.cost [--log SEGMENTSxSIZE]... [--batch SIZE] [--topics N] [--runs K] [--dir DIR] [--json]

Whole processes are measured, Python's start included, on logs that are made in a temporary directory in DIR and
removed at the end. The logs are real, and mostly holes on disk (tests/bench/sparse_log.py says how): the default ones
take 1 GB. Ratios are to the first log. Then the indexes of the log with the most segments are deleted, and it is said what
the next command costs, and the one after it; and how long `topics list` takes with many topics.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from typing import Any

from streamcli.cli.values import format_size, parse_size
from tests.bench.commands import CommandFailed, start_python_as_installed
from tests.bench.cost_cases import Place, compare, make_log, many_topics, without_indexes
from tests.bench.machine import machine
from tests.bench.sparse_log import Shape

_LOGS = ["5x2M", "500x2M", "10000x2M", "20x1G"]
_PARTITIONS = 10


def main() -> int:
    arguments = _arguments()
    shapes = [Shape(segments, size, arguments.batch) for segments, size in arguments.log]
    with tempfile.TemporaryDirectory(prefix="streamcli-cost-", dir=arguments.dir) as directory:
        start_python_as_installed(directory)
        try:
            found = measure(Place(directory), shapes, arguments)
        except CommandFailed as error:
            print(f"cost: {error}", file=sys.stderr)
            return 1
        about = machine(directory) | {"runs": arguments.runs}
    if arguments.json:
        print(json.dumps({"machine": about, **found}, indent=2))
    else:
        print(*tables(found), sep="\n\n")
    return 0


def measure(place: Place, shapes: list[Shape], arguments: argparse.Namespace) -> dict[str, Any]:
    """Everything: `logs`, `commands` on them, `without_indexes`, `topics`."""
    logs = []
    for number, shape in enumerate(shapes):
        _tell(f"making a log of {shape.segments} segments")
        logs.append(make_log(place, f"log-{number}", shape))
    _tell("commands on each log")
    rows = compare(place, logs, arguments.runs)
    _tell("without indexes")
    longest = max(logs, key=lambda log: log.shape.segments)
    rebuilt = without_indexes(place, longest)
    _tell(f"{arguments.topics} topics")
    topics = many_topics(place, arguments.topics, _PARTITIONS, arguments.runs)
    return {
        "logs": [{"size": shape.size, "segments": shape.segments} for shape in shapes],
        "commands": rows,
        "without_indexes": {"segments": longest.shape.segments, "size": longest.shape.size, "rows": rebuilt},
        "topics": topics,
    }


def tables(found: dict[str, Any]) -> list[str]:
    """The findings in Markdown."""
    logs, rebuilt, topics = found["logs"], found["without_indexes"], found["topics"]
    titles = [f"{format_size(log['size'])} in {log['segments']:,} segments" for log in logs]
    commands = [("", *titles)]
    commands += [(f"`{_escaped(row['command'])}`", *_cells(row)) for row in found["commands"]]
    gone = f"every index of {rebuilt['segments']:,} segments deleted"
    indexes = [(gone, "the first command", "reads of segments", "the next", "reads of segments")]
    for row in rebuilt["rows"]:
        cells = []
        for seconds, read in zip(row["seconds"], row["read"], strict=True):
            took = f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"
            cells += [took, format_size(round(read * rebuilt["size"]))]
        indexes.append((f"`{_escaped(row['command'])}`", *cells))
    lists = [("", f"{topics['topics']:,} topics of {topics['partitions']} partitions")]
    lists += [
        (f"`topics list{words}`", f"{topics[name]['seconds'] * 1000:.0f} ms, {_mib(topics[name]['peak'])}")
        for name, words in (("plain", ""), ("json", " --json"))
    ]
    return [markdown(commands), markdown(indexes), markdown(lists)]


def markdown(rows: list[tuple[str, ...]]) -> str:
    """A table; the first row is its head."""
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])


def _cells(row: dict[str, Any]) -> list[str]:
    cells = []
    for number, (seconds, ratio, peak) in enumerate(zip(row["seconds"], row["ratio"], row["peak"], strict=True)):
        time = f"{seconds * 1000:.0f} ms" if number == 0 else f"{ratio:.2f} ({seconds * 1000:.0f} ms)"
        cells.append(f"{time}, {_mib(peak)}")
    return cells


def _mib(size: int) -> str:
    return f"{size / 2**20:.1f} MiB"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")


def _tell(line: str) -> None:
    print(f"{line} ...", file=sys.stderr, flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="What commands take on short and on long logs.")
    parser.add_argument(
        "--log", action="append", type=_log, metavar="SEGMENTSxSIZE", help=f"repeatable (default {' '.join(_LOGS)})"
    )
    parser.add_argument("--batch", type=parse_size, default=256 << 10, help="bytes of each batch (default 256K)")
    parser.add_argument("--topics", type=int, default=1000, help="how many topics are listed (default 1000)")
    parser.add_argument("--runs", type=int, default=11, help="rounds of each command (default 11)")
    parser.add_argument("--dir", help="where the temporary directory is made")
    parser.add_argument("--json", action="store_true", help="print a JSON object")
    arguments = parser.parse_args()
    arguments.log = arguments.log or [_log(text) for text in _LOGS]
    if arguments.runs < 1 or arguments.topics < 1 or min(size for _, size in arguments.log) < 2 * arguments.batch:
        parser.error("--runs and --topics have to be 1 or more, and a segment as long as two batches")
    return arguments


def _log(text: str) -> tuple[int, int]:
    segments, _, size = text.partition("x")
    return int(segments), parse_size(size)


if __name__ == "__main__":
    sys.exit(main())

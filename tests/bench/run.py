"""Measure streamcli beside what a shell user has, and beside its peers, in one run.

    python -m tests.bench.run [--only GLOB]... [--records N] [--runs K] [--json FILE] [--plot FILE] [--publish] ...

Each case runs ours and its yardstick in turn, A B B A, with a sync(2) before each and both inputs in the page cache;
ratios are medians over the pairs. Inputs, topics and copies are made in a temporary directory in DIR (the system's for
temporary files by default; no file system in memory, or fsync costs nothing) and removed at the end: 5 million
access-log lines take up to 7 GB meanwhile. What the cases are, and their targets, is in *_cases.py; results.py says
what the JSON is.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
import time

from tests.bench.case import Case
from tests.bench.commands import CommandFailed
from tests.bench.inputs import JSON
from tests.bench.machine import machine
from tests.bench.peer_cases import absent_peers
from tests.bench.place import REHEARSED, Place
from tests.bench.publish import PUBLISHED, publish
from tests.bench.results import Findings
from tests.bench.suite import Suite, cases, chosen
from tests.bench.tables import text


def main() -> int:
    arguments = _arguments()
    found = chosen(cases(arguments.kafka), arguments.only)
    if arguments.list:
        print(
            *(f"{case.name}{'/' if case.input else ''}{case.input}  {case.target or ''}".rstrip() for case in found),
            sep="\n",
        )
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # what is running is stopped, and removed
    try:
        findings = _loaded(arguments.load) if arguments.load else _measured(found, arguments)
    except CommandFailed as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    print(text(findings))
    if arguments.json:
        _write_json(findings, arguments.json)
    if arguments.plot:
        from tests.bench.plot import draw

        draw(findings, arguments.plot)
    if arguments.publish:
        _write_json(findings, PUBLISHED)
        publish(findings)
    return 1 if findings.failed else 0


def _measured(found: list[Case], arguments: argparse.Namespace) -> Findings:
    with tempfile.TemporaryDirectory(prefix="streamcli-bench-", dir=arguments.dir) as directory:
        about = machine(directory) | {"records": arguments.records, "runs": arguments.runs}
        started = time.monotonic()
        place = Place(os.path.join(directory, "full"), arguments.records, arguments.kafka)
        rehearsal = Place(os.path.join(directory, "small"), min(REHEARSED, arguments.records), arguments.kafka)
        suite = Suite(found, place, rehearsal, arguments.runs)
        results = suite.results(_tell)
        about |= {
            "long_records": place.lines(JSON.file),
            "load_after": round(os.getloadavg()[0], 2),
            "seconds": round(time.monotonic() - started),
        }
    return Findings(about, absent_peers(arguments.kafka), suite.failed, results)


def _loaded(path: str) -> Findings:
    with open(path, encoding="utf-8") as file:
        return Findings.from_json(json.load(file))


def _write_json(findings: Findings, path: str) -> None:
    with open(path, "w", encoding="utf-8") as file:
        json.dump(findings.as_json(), file, indent=1)
        file.write("\n")


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure streamcli beside cat, grep, tail, python and its peers.")
    parser.add_argument(
        "--only", action="append", default=[], metavar="GLOB", help="cases by name, name/input or section; repeatable"
    )
    parser.add_argument("--list", action="store_true", help="print the cases and their targets, and measure nothing")
    parser.add_argument("--records", type=int, default=5_000_000, help="access-log lines (default 5 million)")
    parser.add_argument("--runs", type=int, default=5, help="pairs of each comparison (default 5)")
    parser.add_argument("--dir", help="where the temporary directory is made")
    parser.add_argument("--kafka", metavar="HOST:PORT", help="a broker for kcat; topics streamcli-bench-* stay in it")
    parser.add_argument("--json", metavar="FILE", help="write the results as JSON")
    parser.add_argument("--plot", metavar="FILE", help="draw the ratios, as SVG")
    parser.add_argument(
        "--load", metavar="FILE", help="measure nothing: take the results from a file that --json wrote"
    )
    parser.add_argument("--publish", action="store_true", help="write results, plot and tables into this source tree")
    arguments = parser.parse_args()
    if arguments.records < 100 or arguments.runs < 1:
        parser.error("--records has to be 100 or more, --runs 1 or more")
    if arguments.publish and arguments.only:
        parser.error("--publish writes all tables: leave out --only")
    return arguments


if __name__ == "__main__":
    sys.exit(main())

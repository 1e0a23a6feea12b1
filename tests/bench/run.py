"""Compare streamcli with what a shell user has, in one run, and print ratios.

    python tests/bench/run.py [--records N] [--runs K] [--dir DIR] [--json] [CASE ...]

Input, topics and copies are made in a temporary directory in DIR (the system's for temporary files by default;
no file system in memory, or fsync costs nothing) and removed at the end: 10 million records take 4 GB meanwhile.
Each case runs ours and theirs in turn, with a sync(2) between; ratios are medians over the pairs.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile

from access_log import LINE, write_access_log
from cases import CASES, Bench
from commands import CommandFailed, shell, start_python_as_installed
from report import Result, machine, table


def main() -> int:
    arguments = _arguments()
    chosen = arguments.case or list(CASES)
    with tempfile.TemporaryDirectory(prefix="streamcli-bench-", dir=arguments.dir) as directory:
        start_python_as_installed(directory)
        about = machine(directory) | {"records": arguments.records, "runs": arguments.runs}
        bench = Bench(directory, os.path.join(directory, "access.log"), arguments.records, arguments.runs)
        write_access_log(bench.input, bench.records)
        shell(f"cat '{bench.input}' | wc -c")  # into the page cache, for all
        results: list[Result] = []
        try:
            for name in chosen:
                print(f"{name} ...", file=sys.stderr, flush=True)
                results += CASES[name](bench)
        except CommandFailed as error:
            print(f"run.py: {error}", file=sys.stderr)
            return 1
        about["load_after"] = round(os.getloadavg()[0], 2)
    if arguments.json:
        print(json.dumps({"machine": about, "results": [result._asdict() for result in results]}, indent=2))
    else:
        print(_about(about), table(results), sep="\n\n")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Compare streamcli with cat, tail and python on this machine.")
    parser.add_argument("case", nargs="*", choices=[[], *CASES], help=f"{', '.join(CASES)}; all by default")
    parser.add_argument("--records", type=int, default=10_000_000, help="lines of input (default 10 million)")
    parser.add_argument("--runs", type=int, default=5, help="pairs of each comparison (default 5)")
    parser.add_argument("--dir", help="where the temporary directory is made")
    parser.add_argument("--json", action="store_true", help="print a JSON object")
    arguments = parser.parse_args()
    if arguments.records < 100 or arguments.runs < 1:
        parser.error("--records has to be 100 or more, --runs 1 or more")
    return arguments


def _about(about: dict[str, object]) -> str:
    return (
        f"{about['records']:,} lines of {LINE} bytes, {about['runs']} runs; {about['system']}, {about['cores']} cores, "
        f"{about['memory']}, {about['python']}, {about['file_system']}; "
        f"load {about['load_before']} before, {about['load_after']} after"
    )


if __name__ == "__main__":
    sys.exit(main())

"""A command's time and peak memory: python -I -S meter.py RESULT WORD ...

A process of its own, and a small one: what Linux gives as a process's peak is at least what its parent had when it made
it. RESULT gets a line of JSON: [seconds, peak in bytes, status].
"""

from __future__ import annotations

import os
import sys
from time import perf_counter


def main(result: str, words: list[str]) -> None:
    started = perf_counter()
    pid = os.posix_spawn(words[0], words, os.environ)
    _, status, usage = os.wait4(pid, 0)
    seconds = perf_counter() - started
    peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    with open(result, "w") as out:
        out.write(f"[{seconds}, {peak}, {os.waitstatus_to_exitcode(status)}]\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])

#!/usr/bin/env python3
"""Fuzz a decoder: python tests/fuzz/run.py TARGET SECONDS [DIRECTORY [SEED]]. Targets: see targets.py; `all` is each in turn, `mixed` all at once.

Guided by coverage where atheris is installed, else by dice; with a SEED, a number from 1 on, it tries the same inputs each time. The inputs worth keeping gather in DIRECTORY, to go on
from the next time. An input that breaks something is printed in hexadecimal, and the exit status is 1.
"""

from __future__ import annotations

import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

MIXED = "mixed"

HANG = 20
"""Seconds for one input, on a machine that has other things to do."""

ROOM = 1 << 30
"""Bytes of address space an input may take besides what the fuzzer has: a length out of a header must not be allocated."""


def guided(name: str, seconds: int, corpus: Path, seed: int) -> None:
    """Run atheris in this process, which it ends."""
    import atheris

    with atheris.instrument_imports(include=["streamcli"], enable_loader_override=False):
        target, inputs = chosen(name)
    for number, data in enumerate(inputs):
        (corpus / f"seed-{number}").write_bytes(data)
    arguments = [f"-max_total_time={seconds}", f"-timeout={HANG}", "-rss_limit_mb=0", "-max_len=8192", "-verbosity=0"]
    arguments += [f"-seed={seed}"] if seed else []
    limit_memory()
    atheris.Setup([sys.argv[0], *arguments, f"-artifact_prefix={corpus}/", str(corpus)], target)
    atheris.Fuzz()


def chosen(name: str) -> tuple[Callable[[bytes], None], list[bytes]]:
    """A target, and inputs to begin with."""
    from tests.fuzz.targets import TARGETS, mixed, mixed_inputs

    return (mixed, mixed_inputs()) if name == MIXED else (TARGETS[name], TARGETS[name].inputs())


def limit_memory() -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + ROOM
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.getrlimit(resource.RLIMIT_AS)[1]))


def by_dice(name: str, seconds: int, seed: int) -> None:
    """Roll inputs for that long; the one that breaks something is printed."""
    from tests.fuzz.mutate import rolled

    target, inputs = chosen(name)
    dice = random.Random(seed or None)
    end = time.monotonic() + seconds
    count = 0
    while time.monotonic() < end:
        data = rolled(inputs, dice)
        count += 1
        try:
            target(data)
        except BaseException:
            print(f"{name} is broken by {data.hex()}", flush=True)
            raise
    print(f"{name}: {count} inputs")


def broken_by(corpus: Path) -> list[Path]:
    """What the fuzzer wrote down: inputs that ended it."""
    return [path for path in corpus.iterdir() if path.name.startswith(("crash-", "timeout-", "oom-", "leak-"))]


def fuzz(name: str, seconds: int, corpus: Path, seed: int) -> int:
    """One target in a process of its own; 1 when something broke. seed: 0 for another one each time."""
    command = [sys.executable, __file__, "--here", name, str(seconds), str(corpus), str(seed)]
    hashes = {"PYTHONHASHSEED": str(seed)} if seed else {}
    done = subprocess.run(command, check=False, env={**os.environ, **hashes})
    for path in broken_by(corpus):
        print(f"{name} is broken by {path.read_bytes().hex()}", flush=True)
    return int(done.returncode != 0)


def main(words: list[str]) -> int:
    if len(words) not in (2, 3, 4):
        print(__doc__, file=sys.stderr)
        return 2
    from tests.fuzz.targets import TARGETS

    names = list(TARGETS) if words[0] == "all" else [words[0]]
    if set(names) - {MIXED, *TARGETS}:
        print(f"no such target: {words[0]}: there is all, {MIXED}, {', '.join(TARGETS)}", file=sys.stderr)
        return 2
    status = 0
    with tempfile.TemporaryDirectory(prefix="streamcli-corpus.") as temporary:
        for name in names:
            corpus = Path(words[2] if len(words) > 2 else temporary, name)
            corpus.mkdir(parents=True, exist_ok=True)
            status |= fuzz(name, int(words[1]), corpus, int(words[3]) if len(words) > 3 else 0)
    return status


def here(name: str, seconds: int, corpus: Path, seed: int) -> None:
    try:
        import atheris  # noqa: F401  # only asked whether it is there
    except ImportError:
        by_dice(name, seconds, seed)
    else:
        guided(name, seconds, corpus, seed)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--here"]:
        here(sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]), int(sys.argv[5]))
    else:
        sys.exit(main(sys.argv[1:]))

"""What the interposer sees is what the kernel is asked for: each changing call in the log directory, as strace tells it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import tests
from tests.crash.faults import Noted
from tests.crash.situations import Scenario
from tests.crash.trials import BY_NAME, Place, copy_of, rehearse
from tests.support.waiting import DEADLINE

CHANGING = [
    "open",
    "openat",
    "openat2",
    "creat",
    "mkdir",
    "mkdirat",
    "rmdir",
    "unlink",
    "unlinkat",
    "rename",
    "renameat",
    "renameat2",
    "link",
    "linkat",
    "symlink",
    "symlinkat",
    "mknod",
    "mknodat",
    "write",
    "writev",
    "pwrite64",
    "pwritev",
    "pwritev2",
    "truncate",
    "ftruncate",
    "fallocate",
    "copy_file_range",
    "sendfile",
    "splice",
    "chmod",
    "fchmod",
    "fchmodat",
    "fchmodat2",
    "chown",
    "fchown",
    "lchown",
    "fchownat",
    "utime",
    "utimes",
    "utimensat",
    "futimesat",
    "setxattr",
    "lsetxattr",
    "fsetxattr",
    "removexattr",
    "lremovexattr",
    "fremovexattr",
    "fsync",
    "fdatasync",
    "sync",
    "syncfs",
    "sync_file_range",
    "msync",
    "mmap",
]
"""Every call that can change a file system, its own and those that streamcli has no use for."""

SEEN_AS = {
    "openat": "open",
    "mkdirat": "mkdir",
    "renameat": "rename",
    "renameat2": "rename",
    "pwrite64": "pwrite",
    "pwritev2": "pwritev",
}
"""Names that strace has, where os has others. unlinkat is unlink or rmdir."""

CALL = re.compile(r"(?P<pid>\d+) +(?P<name>\w+)\((?P<words>.*)\) += ")
RESUMED = re.compile(r"(?P<pid>\d+) +<\.\.\. \w+ resumed>(?P<rest>.*)")


def can_trace() -> bool:
    return (
        shutil.which("strace") is not None
        and subprocess.run(["strace", "-qq", "true"], capture_output=True).returncode == 0
    )


@pytest.mark.skipif(not can_trace(), reason="strace is not installed, or not allowed to trace")
@pytest.mark.parametrize(
    "name",
    [
        "make the log directory",
        "roll",
        "recover from a torn append",
        "topics create",
        "topics delete",
        "join, consume, leave",
        "consume with a command",
        "rewrite a journal",
        "groups delete",
        "retention",
        "compaction",
        "compaction again, merging segments",
        "trim",
    ],
)
def test_nothing_passes_by(name: str) -> None:
    scenario = BY_NAME[name]
    with copy_of(rehearse(scenario).start) as place:
        seen, told = traced(scenario, place)
    assert seen
    assert seen == told


def traced(scenario: Scenario, place: Place) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """(name, path) of each call in the log directory, as the interposer and as strace saw them in one run."""
    calls, trace = place.root / "calls", place.root / "trace"
    trace_only = ",".join(f"?{name}" for name in CHANGING)
    words = ["strace", "-f", "-y", "-qq", "-s", "0", "-e", f"trace={trace_only}", "-e", "signal=none", "-o", str(trace)]
    environment = dict(os.environ, STREAMCLI_DIR=str(place.log), PYTHONPATH=str(Path(tests.__file__).parent.parent))
    subprocess.run(
        [*words, sys.executable, "-m", "tests.crash.recorded", str(calls), *scenario.words],
        input=scenario.stdin,
        cwd=place.work,
        env=environment,
        stdout=subprocess.DEVNULL,
        timeout=DEADLINE,
        check=True,
    )
    noted = [Noted.decode(line) for line in calls.read_bytes().splitlines()]
    seen = [(call.name, _living(call.path)) for call in noted]
    told = list(calls_told(trace.read_text(errors="replace"), place.work))
    log = str(place.log)
    return [found for found in seen if found[1].startswith(log)], [found for found in told if found[1].startswith(log)]


def calls_told(trace: str, cwd: Path) -> Iterator[tuple[str, str]]:
    """The changing calls in a trace: those that only read, or map to read, are passed over."""
    unfinished: dict[str, str] = {}
    for line in trace.splitlines():
        resumed = RESUMED.match(line)
        if resumed:
            line = unfinished.pop(resumed["pid"]) + resumed["rest"]
        elif line.endswith("<unfinished ...>"):
            unfinished[line.split(" ")[0]] = line.removesuffix("<unfinished ...>")
            continue
        call = CALL.match(line)
        if call is not None and (name := changing_name(call["name"], call["words"])) is not None:
            yield name, _living(first_path(call["words"], cwd))


def changing_name(name: str, words: str) -> str | None:
    """What os calls it, None when it changes nothing."""
    if name in ("open", "openat") and "O_CREAT" not in words and "O_TRUNC" not in words:
        return None
    if name == "mmap" and not ("PROT_WRITE" in words and "MAP_SHARED" in words):
        return None
    if name == "unlinkat":
        return "rmdir" if "AT_REMOVEDIR" in words else "unlink"
    return SEEN_AS.get(name, name)


def first_path(words: str, cwd: Path) -> str:
    """The path that a call is about: the name in quotes, beneath the directory before it, or what its
    first descriptor is open for. (What is written is shown as "".)"""
    named = re.match(r'(?:(?:AT_FDCWD|\d+)(?:<(?P<directory>[^>]*)>)?, )?"(?P<path>[^"]+)"', words)
    if named:
        return os.path.join(named["directory"] or cwd, named["path"])
    opened = re.search(r"\d+<(?P<path>[^>]*)>", words)
    return opened["path"] if opened else ""


def _living(path: str) -> str:
    return path.removesuffix(" (deleted)").removesuffix("(deleted)")

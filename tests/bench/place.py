"""Where a benchmark works: a scratch directory, the inputs and topics in it, and commands timed there.

Commands are lines of shell that run in the scratch directory with STREAMCLI_DIR set and this interpreter's scripts in
front of PATH, so that a line can be repeated by hand as it stands in the output.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.bench.access_log import write_access_log
from tests.bench.commands import CommandFailed, Finished, run, settle
from tests.bench.inputs import ACCESS, JSON, MADE
from tests.bench.json_lines import write_long_json_lines

REHEARSED = 1000
"""Lines of the input of a rehearsal."""

_TIDYING = (
    "streamcli topics delete -y new",
    "streamcli topics delete -y followed",
    "streamcli topics delete -y crowded",
    "streamcli topics delete -y stored",
    "streamcli topics delete -y made",
    "streamcli groups delete new",
    "streamcli groups delete two",
    "rm -f copy peer.db*",
)

_SCRATCH = memoryview(bytearray(1 << 20))


@dataclass(frozen=True)
class Side:
    """What is measured, and what is not: `before` and `after` run outside the clock, each time.

    reads: files, or names of topics, that are brought into the page cache before, so that every run finds them there.
    """

    command: str
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()


class Place:
    """A scratch directory with inputs of `records` access-log lines, and fewer of the long ones."""

    def __init__(self, directory: str, records: int, kafka: str | None = None) -> None:
        self.directory = directory
        self.kafka = kafka
        self.log = os.path.join(directory, "log")
        self.environment = _environment(directory, self.log, kafka)
        self._made: set[str] = set()
        os.mkdir(directory)
        write_access_log(self.path(ACCESS.file), records)
        self._lines = ACCESS.lines(records) | JSON.lines(records)
        write_long_json_lines(self.path(JSON.file), self.lines(JSON.file))

    @property
    def scale(self) -> float:
        """What is measured for seconds is measured for that part of them, where the input is a small one."""
        return min(1.0, self.lines(ACCESS.file) / 100_000)

    @property
    def is_small(self) -> bool:
        """Whether the input is as small as that of a rehearsal, so that there is no need of one."""
        return self.lines(ACCESS.file) <= REHEARSED

    def path(self, name: str) -> str:
        return os.path.join(self.directory, name)

    def lines(self, name: str) -> int:
        """How many lines an input or the topic of a long one has."""
        return self._lines[name]

    def shell(self, command: str) -> Finished:
        return run(["sh", "-c", command], cwd=self.directory, env=self.environment)

    def start(self, command: str, **streams: int) -> subprocess.Popen[bytes]:
        """A process of its own session, which goes on while others are measured."""
        words = ["sh", "-c", command]
        return subprocess.Popen(words, cwd=self.directory, env=self.environment, start_new_session=True, **streams)

    def provide(self, names: Iterable[str]) -> None:
        """Make the files and topics that were not made yet."""
        for name in names:
            if name not in self._made:
                needed, command = MADE[name]
                self.provide(needed)
                self.shell(command)
                self._made.add(name)

    def timed(self, side: Side) -> Finished:
        for command in side.before:
            self.shell(command)
        for name in side.reads:
            self._warm(name)
        settle()
        finished = self.shell(side.command)
        for command in side.after:
            self.shell(command)
        return finished

    def tidy(self) -> None:
        """Remove what a case that failed may have left in the way of others."""
        for command in _TIDYING:
            self.shell(f"{command} 2> /dev/null || :")

    def _warm(self, name: str) -> None:
        topic = Path(self.log, "topics", name)
        for path in [Path(self.path(name)), *topic.glob("*/*.log")]:
            if path.is_file():
                with open(path, "rb", buffering=0) as file:
                    while file.readinto(_SCRATCH):
                        pass


def _environment(directory: str, log: str, kafka: str | None) -> dict[str, str]:
    """No defaults of the user's; and Python finds its modules compiled, wherever they lie, also where we may not write."""
    scripts = os.path.dirname(sys.executable)
    if not os.access(os.path.join(scripts, "streamcli"), os.X_OK):
        raise CommandFailed("streamcli is not installed beside this Python: pip install -e .")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "STREAMCLI"))}
    return kept | {
        "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}",
        "STREAMCLI_DIR": log,
        "XDG_CONFIG_HOME": os.path.join(directory, "no-config"),
        "LC_ALL": "C",
        "PYTHONPYCACHEPREFIX": os.path.join(os.path.dirname(directory), "compiled"),
        **({"KAFKA": kafka} if kafka else {}),
    }

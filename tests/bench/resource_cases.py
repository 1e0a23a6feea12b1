"""What a command takes when it does nothing, and how much memory when it does much."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from tests.bench.case import Case, Measured, Target
from tests.bench.commands import CommandFailed
from tests.bench.inputs import ACCESS, JSON, LONGEST
from tests.bench.place import Place

_FOLLOWERS = 4
_IDLE_SECONDS = 5.0
_SETTLING = 2.0
"""Seconds that what starting leaves to do may take."""

_FEW_RUNS = 2
_MIB = 2**20
_METER = str(Path(__file__).with_name("meter.py"))


def resource_cases() -> list[Case]:
    followers = {
        "idle-follow": ("an idle follower", "streamcli consume -f small", 0),
        # A member looks once a second, as streamcli-performance(7) says, beside what it is told.
        "idle-group": ("an idle follower in a group", "streamcli consume -f -g idle-$$ small", 1.1),
        "idle-tail": ("an idle tail -f", "streamcli tail -f small", 0),
    }
    idle = [
        Case(
            name,
            f"{title}, wake-ups",
            "idle",
            f"{_FOLLOWERS} times: {command}",
            f"{_FOLLOWERS} times: tail -f idle.log",
            "/s",
            _Idle(command),
            less_is_better=True,
            target=Target("ours", "<=", most),
        )
        for name, (title, command, most) in followers.items()
    ]
    return [*idle, *_memory()]


def _memory() -> list[Case]:
    """The topic of each file has its name without .log."""
    files = {ACCESS.file: ACCESS.name, JSON.file: JSON.name, LONGEST: ""}
    return [
        Case(
            f"memory-{name}" if data else f"memory-{name}-longest",
            f"{name}, most memory" if data else f"{name}, most memory with a record of 16 MiB",
            "memory",
            command,
            "python -c pass",
            "MiB",
            _Memory(command, needs),
            input=data,
            less_is_better=True,
            target=Target("ours", "<=", 100),
        )
        for file, data in files.items()
        for name, command, needs in (
            ("produce", f"cat {file} | streamcli produce new", (file,)),
            ("consume", f"streamcli consume {file[:-4]} | wc -l", (file, file[:-4])),
        )
    ]


@dataclass(frozen=True)
class _Idle:
    """Times a second that the kernel put a follower to sleep again, once it has printed all there is."""

    command: str

    def measure(self, place: Place, runs: int) -> dict[str, Measured]:
        place.provide(["small"])
        place.shell("streamcli consume small > idle.log")
        measured = Measured([], [])
        for _ in range(min(runs, _FEW_RUNS)):
            started = [place.start(f"exec {command}", stdout=subprocess.PIPE) for command in self._commands()]
            try:
                for process in started:
                    assert process.stdout is not None
                    if not process.stdout.readline():
                        raise CommandFailed(f"a follower ended: {self.command}")
                time.sleep(_SETTLING)
                ours, theirs = self._woken(started, max(1.0, _IDLE_SECONDS * place.scale))
                measured.ours.append(ours)
                measured.yardstick.append(theirs)
            finally:
                for process in started:
                    process.terminate()
                    process.communicate()
        return {"": measured}

    def _commands(self) -> list[str]:
        return [self.command] * _FOLLOWERS + ["tail -f -n +1 idle.log"] * _FOLLOWERS

    def _woken(self, followers: list[subprocess.Popen[bytes]], seconds: float) -> tuple[float, float]:
        before = [_sleeps(process.pid) for process in followers]
        time.sleep(seconds)
        woken = [_sleeps(process.pid) - count for process, count in zip(followers, before, strict=True)]
        ours, theirs = woken[:_FOLLOWERS], woken[_FOLLOWERS:]
        return sum(ours) / _FOLLOWERS / seconds, sum(theirs) / _FOLLOWERS / seconds


def _sleeps(pid: int) -> int:
    """How often all threads of a process went to sleep."""
    count = 0
    for status in Path(f"/proc/{pid}/task").glob("*/status"):
        for line in status.read_text().splitlines():
            if line.startswith("voluntary_ctxt_switches:"):
                count += int(line.split()[1])
    return count


@dataclass(frozen=True)
class _Memory:
    """The most that a process of a line of shell took; started by a small process, since Linux shows at least what its
    parent had."""

    command: str
    needs: tuple[str, ...]

    def measure(self, place: Place, runs: int) -> dict[str, Measured]:
        place.provide(self.needs)
        measured = Measured([], [])
        for _ in range(min(runs, _FEW_RUNS)):
            measured.ours.append(_peak(place, self.command))
            measured.yardstick.append(_peak(place, "python -c pass"))
            if "produce" in self.command:
                place.shell("streamcli topics delete -y new")
        return {"": measured}


def _peak(place: Place, command: str) -> float:
    shell = shutil.which("sh") or "/bin/sh"
    place.shell(shlex.join(["python", "-I", "-S", _METER, "measured", shell, "-c", command]))
    _, peak, status = json.loads(Path(place.path("measured")).read_text())
    if status:
        raise CommandFailed(f"status {status}: {command}")
    return float(peak) / _MIB

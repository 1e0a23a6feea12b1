"""Every scenario with every fault at every call: the numbers of README's table, with `python -m tests.crash.trials`.

For each scenario a run without a fault counts the calls that change the disk. Then each fault that can happen at a call is
made to happen there, in a fresh copy of the start, and the oracle looks at what is left.
"""

from __future__ import annotations

import os
import pickle
import random
import shutil
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

from tests.crash import cleaning_situations, situations
from tests.crash.aftermath import check_ended, check_usable
from tests.crash.evidence import Evidence, Findings, State, read_state
from tests.crash.faults import FAULTS, Injector, Noted, Recorder
from tests.crash.forked import Commands, command, run_forked, warm_up
from tests.crash.interposer import Interposer
from tests.crash.situations import Scenario
from tests.support.tree import contents

FAULT = {fault.name: fault for fault in FAULTS}
SCENARIOS = (*situations.SCENARIOS, *cleaning_situations.SCENARIOS)
BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}

ALWAYS = ("kill after",)
"""The faults that every call gets, whatever the share."""

SYNCS = ("fsync", "fdatasync")


class Place(NamedTuple):
    """A directory `root` with the log directory `log` and the working directory `work` in it."""

    root: Path

    @property
    def log(self) -> Path:
        return self.root / "log"

    @property
    def work(self) -> Path:
        return self.root / "work"


class Rehearsal(NamedTuple):
    """A scenario without a fault. start: path -> bytes; calls: what it did."""

    start: dict[str, bytes | None]
    before: State
    after: State
    calls: list[Noted]

    def trials(self) -> list[tuple[int, str]]:
        """(number of the call, fault), all that can happen."""
        return [(number, fault) for number, call in enumerate(self.calls) for fault in call.faults]


@contextmanager
def copy_of(start: dict[str, bytes | None]) -> Iterator[Place]:
    """A fresh place with these files. In memory where there is such a file system: what the kernel keeps when a process
    dies is the same there, and an fsync costs nothing."""
    memory = "/dev/shm"
    root = Path(tempfile.mkdtemp(prefix="streamcli-", dir=memory if os.access(memory, os.W_OK) else None))
    try:
        for name, data in start.items():
            if data is None:
                (root / name).mkdir()
            else:
                (root / name).write_bytes(data)
        yield Place(root)
    finally:
        shutil.rmtree(root)


def ask(question: Callable[[Commands], Any], place: Place) -> Any:
    """The answer to a question, which a process of its own finds with commands; Failed when it does not."""

    def find_out() -> None:
        answer_fd = os.dup(1)
        try:
            answer = question(Commands())
        except BaseException:  # noqa: BLE001  # told below
            answer = Failed(traceback.format_exc())
        with os.fdopen(answer_fd, "wb") as file:
            pickle.dump(answer, file)

    ended = run_forked(find_out, b"", place.work)
    return pickle.loads(ended.out) if ended.out else Failed(repr(ended))


class Failed(NamedTuple):
    """A question that could not be answered, and why."""

    why: str


def rehearse(scenario: Scenario) -> Rehearsal:
    """Make the start, and run the scenario once without a fault."""
    with copy_of({"work": None}) as place:
        answer = ask(scenario.prepare, place)
        assert not isinstance(answer, Failed), answer.why
        start = contents(place.root)
        recorder = Recorder(place.root / "calls")
        before = ask(read_state, place)
        ended = run_forked(lambda: _interposed(scenario, recorder), scenario.stdin, place.work)
        assert ended.status == 0, (scenario.name, ended)
        after = ask(read_state, place)
        assert not isinstance(before, Failed), before.why
        assert not isinstance(after, Failed), after.why
        return Rehearsal(start, before, after, recorder.noted())


def _interposed(scenario: Scenario, around: Recorder | Injector) -> None:
    with Interposer(around):
        command(scenario.words)


def attempt(scenario: Scenario, rehearsal: Rehearsal, number: int, name: str) -> Findings:
    """One fault at one call, and what came of it."""
    injector = Injector(FAULT[name], number)
    call = rehearsal.calls[number]
    with copy_of(rehearsal.start) as place:
        ended = run_forked(lambda: _interposed(scenario, injector), scenario.stdin, place.work)

        def judge(commands: Commands) -> Findings:
            evidence = Evidence(
                commands,
                scenario.words,
                ended,
                place.log,
                place.work,
                rehearsal.before,
                rehearsal.after,
                {path.removeprefix("log/"): data for path, data in rehearsal.start.items()},
                list(scenario.values),
                fsync_failed=_fails_fsync(scenario, name, rehearsal.calls, number),
            )
            return _findings(scenario, evidence)

        found = ask(judge, place)
    findings = Findings(problems=[found.why]) if isinstance(found, Failed) else found
    findings.faults += injector.has_fired
    findings.require(injector.has_fired or not scenario.is_steady, "the call was not made again")
    where = f"{scenario.name}: {name} at call {number}, {call.name} of {'/'.join(Path(call.path).parts[-4:])}"
    if findings.has_failed:
        summary = f"lost {findings.lost}, wrong {findings.wrong}, duplicated {findings.duplicated}"
        findings.problems = [f"{where}: {summary}: {'; '.join(findings.problems)} [left with {ended}]"]
    return findings


def _fails_fsync(scenario: Scenario, fault: str, calls: list[Noted], number: int) -> bool:
    """Whether a fault at call `number` makes an fsync fail, of anything but what is disposable, or is cleaned on the side."""
    end = {"EIO": number + 1, "ENOSPC": number + 1, "EIO from here on": len(calls)}.get(fault, number)
    syncs = [at for at in range(number, end) if calls[at].name in SYNCS and not _is_disposable(calls, at)]
    return any(scenario.words[0] != "produce" or not _is_cleaning(calls, at) for at in syncs)


def _is_disposable(calls: list[Noted], number: int) -> bool:
    """Whether an fsync is of a checkpoint or an index; or of the directory to which a checkpoint was just moved."""
    about = calls[number - 1] if number and calls[number - 1].name == "rename" else calls[number]
    return ".index" in Path(about.path).name or Path(about.path).name.lstrip("+").startswith("checkpoint")


def _is_cleaning(calls: list[Noted], number: int) -> bool:
    """Whether an fsync of a writer is of what it cleans on the side, and may go on without: a file that takes the place of
    others, or names other than that of a new segment."""
    about = Path(calls[number].path).name
    return about.startswith(("+0", "+log-start")) or (about.isdigit() and calls[number - 1].name != "open")


def _findings(scenario: Scenario, evidence: Evidence) -> Findings:
    for check in (check_ended, *scenario.checks, check_usable):
        try:
            check(evidence)
        except AssertionError as error:
            evidence.findings.problems.append(f"{check.__name__}: {error}")
    return evidence.findings


def run_scenario(scenario: Scenario, share: float = 1.0) -> Findings:
    """All trials of a scenario, or a `share` of them, the same each time: every call has its death after it, unless the
    scenario makes so many that it says to take a share of that."""
    rehearsal = rehearse(scenario)
    trials = rehearsal.trials()
    if share < 1:
        chosen = random.Random(scenario.name)
        trials = [trial for trial in trials if trial[1] in ALWAYS or chosen.random() < share]
        trials = [trial for trial in trials if chosen.random() < scenario.share]
    total = Findings()
    warm_up()
    with get_context("fork").Pool(os.cpu_count()) as pool:
        tasks = [(scenario.name, rehearsal, *trial) for trial in trials]
        for findings in pool.imap_unordered(_attempt, tasks, chunksize=4):
            total.add(findings)
        pool.close()
        pool.join()
    return total


def _attempt(task: tuple[str, Rehearsal, int, str]) -> Findings:
    name, *rest = task
    return attempt(BY_NAME[name], *rest)


def main() -> None:
    total = Findings()
    chosen = [scenario for scenario in SCENARIOS if not sys.argv[1:] or scenario.name in sys.argv[1:]]
    for scenario in chosen:
        found = run_scenario(scenario)
        print(f"{scenario.name}: {summary(found)}", flush=True)
        for problem in found.problems:
            print(f"    {problem}")
        total.add(found)
    print(f"{len(chosen)} scenarios: {summary(total)}")


def summary(found: Findings) -> str:
    return (
        f"{found.faults} faults injected, {found.acknowledged} records acknowledged, {found.lost} lost, "
        f"{found.wrong} wrong reads, {found.duplicated} duplicates outside the documented cases"
    )


if __name__ == "__main__":
    main()

"""A fault at every system call that changes the disk: SIGKILL before, within and after it, and every way it can fail.

In each scenario (tests.crash.situations, tests.crash.cleaning_situations) every call is met by each fault (tests.crash.faults) that can happen there, one
run each, and after it every promise is checked by other processes (tests.crash.aftermath). All of it takes some minutes.
So usually every call gets the kill after it, which is nearly the one before the next, and a fifth of the other faults, the
same ones each time. STREAMCLI_CRASH_SHARE=1 makes it all of them, as does `python -m tests.crash.trials`, which gives
README's numbers.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.crash.evidence import Findings
from tests.crash.situations import Scenario
from tests.crash.trials import SCENARIOS, run_scenario, summary

SHARE = float(os.environ.get("STREAMCLI_CRASH_SHARE", "0.2"))

pytestmark = pytest.mark.skipif(
    not hasattr(os, "pidfd_open"), reason="needs pidfd_open(2), of Linux, to wait for a process"
)


@pytest.fixture(scope="module")
def total() -> Iterator[Findings]:
    found = Findings()
    yield found
    print(f"faults at system calls: {summary(found)}")


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_every_promise_is_kept(scenario: Scenario, total: Findings) -> None:
    found = run_scenario(scenario, SHARE)
    total.add(found)
    assert found.faults
    assert not found.has_failed, "\n".join(found.problems)

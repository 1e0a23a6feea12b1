"""The machine, for some hundred runs; STREAMCLI_MODEL_SECONDS=600 makes it go on with other runs for that long."""

from __future__ import annotations

import os
import time

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from .machine import DirectoryMachine

SECONDS = float(os.environ.get("STREAMCLI_MODEL_SECONDS", "0"))
RUNS = 80
STEPS = 40
SETTINGS = settings(
    max_examples=RUNS,
    stateful_step_count=STEPS,
    deadline=None,
    derandomize=settings.default.derandomize and not SECONDS,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)


def test_a_log_directory_is_what_its_model_is() -> None:
    end = time.monotonic() + SECONDS
    run_state_machine_as_test(DirectoryMachine, settings=SETTINGS)
    while time.monotonic() < end:
        run_state_machine_as_test(DirectoryMachine, settings=SETTINGS)

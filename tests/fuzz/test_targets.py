"""Every decoder on hostile bytes: see targets. STREAMCLI_FUZZ_SECONDS=600 spreads that time over them."""

from __future__ import annotations

import os
import time
import tracemalloc

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .mutate import KINDS, TOKENS, Edit, edited
from .no_hang import no_hang
from .targets import TARGETS, Target

SECONDS = float(os.environ.get("STREAMCLI_FUZZ_SECONDS", "0"))

# Inputs in a run that takes some 2 seconds.
EXAMPLES = {"segment": 60, "index": 60, "checkpoint": 100}

MEMORY = 3 << 20, 100
"""Bytes that an input may take: so many, for buffers and for what else a target does, and so many for each of its own."""

EDITS = st.lists(
    st.builds(Edit, st.integers(0, KINDS - 1), st.integers(0, 1 << 16), st.integers(0, 1 << 16)), max_size=8
)


def survives(target: Target, data: bytes) -> None:
    """The target answers as it should, before long, and with memory in proportion to its input."""
    fixed, each = MEMORY
    tracemalloc.start()
    try:
        with no_hang():
            target(data)
        used = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert used < fixed + each * len(data), f"{used} bytes for an input of {len(data)}"


def inputs(target: Target) -> st.SearchStrategy[bytes]:
    """Real data with some changes, mostly; and any bytes."""
    seeds = target.inputs()
    changed = st.builds(edited, st.sampled_from(seeds), EDITS)
    anything = st.lists(st.binary(max_size=40) | st.sampled_from(TOKENS), max_size=6).map(b"".join)
    return st.one_of(
        changed, changed, changed, st.builds(bytes.__add__, st.sampled_from(seeds).map(lambda s: s[:1]), anything)
    )


@pytest.mark.parametrize("name", TARGETS)
def test_hostile_bytes(name: str):
    target = TARGETS[name]
    for data in target.inputs():
        target(data)
    run = settings(
        max_examples=EXAMPLES.get(name, 250),
        deadline=None,
        derandomize=settings.default.derandomize and not SECONDS,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )(given(inputs(target))(lambda data: survives(target, data)))
    end = time.monotonic() + SECONDS / len(TARGETS)
    run()
    while time.monotonic() < end:
        run()

"""The decoders, each as a function of bytes: a valid answer, or a clear error of the kind that is documented.

The first byte of an input is its mode: which checksums are put right before the rest is decoded, and what lies
around it; see each target. Whatever else than an answer or a documented error escapes is a bug, and so is an answer
that contradicts itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest

from streamcli.storage import cursor

from . import log_targets, text_targets
from .seal import SEAL_ALL


class Target(NamedTuple):
    """run(mode, data); seeds(): valid data, made by streamcli; modes: those worth trying."""

    run: Callable[[int, bytes], None]
    seeds: Callable[[], list[bytes]]
    modes: tuple[int, ...]

    def __call__(self, data: bytes) -> None:
        with pytest.MonkeyPatch.context() as patch:
            # Only how long a failing batch is looked at again: what fails here goes on failing.
            patch.setattr(cursor, "_PAUSE", 0)
            self.run(data[0] if data else 0, data[1:])

    def inputs(self) -> list[bytes]:
        """Whole inputs to begin with."""
        return [bytes([mode]) + seed for mode in self.modes for seed in self.seeds()]


TARGETS = {
    "batch": Target(log_targets.batch, log_targets.batch_seeds, (SEAL_ALL, 32 | SEAL_ALL, 9, 0)),
    "segment": Target(log_targets.segment, log_targets.segment_seeds, (SEAL_ALL, 16 | SEAL_ALL, 32 | SEAL_ALL, 9, 0)),
    "index": Target(log_targets.index, log_targets.index_seeds, (1, 3, 5, 0)),
    "checkpoint": Target(log_targets.checkpoint, log_targets.checkpoint_seeds, (1, 0)),
    "config": Target(text_targets.config, text_targets.config_seeds, (0,)),
    "format": Target(text_targets.format_file, text_targets.format_seeds, (0,)),
    "journal": Target(text_targets.journal, text_targets.journal_seeds, (1, 0)),
    "generation": Target(text_targets.generation, text_targets.generation_seeds, (0,)),
    "member": Target(text_targets.member, text_targets.member_seeds, (0,)),
    "lease": Target(text_targets.lease, text_targets.lease_seeds, (1, 0)),
    "envelope": Target(text_targets.envelope_line, text_targets.envelope_seeds, (0,)),
    "import": Target(text_targets.import_line, text_targets.import_seeds, (0,)),
}


def mixed(data: bytes) -> None:
    """All of them in one: the first byte says which."""
    list(TARGETS.values())[data[0] % len(TARGETS) if data else 0](data[1:])


def mixed_inputs() -> list[bytes]:
    return [bytes([number]) + data for number, target in enumerate(TARGETS.values()) for data in target.inputs()]

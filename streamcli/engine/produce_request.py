"""What producing is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class ProduceRequest(NamedTuple):
    """How to write to a topic. partition: the one to write to, None to go by key; sync: when records become durable, as
    engine.syncing has it; compress: the codec, None for the topic's; offsets: whether the places of records are asked for;
    copies: whether what was appended is passed on at once, so that it has to be acknowledged by then; clock: ms since the
    epoch; warn: takes a line for the user; is_stopping: whether a signal asked to stop; name: of the input,
    of which only those records are appended that are not there yet under that name."""

    partition: int | None
    sync: str
    compress: str | None
    offsets: bool
    copies: bool
    clock: Callable[[], int]
    warn: Callable[[str], None]
    is_stopping: Callable[[], bool]
    name: str | None = None

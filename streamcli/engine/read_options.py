"""What reading without a group is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from streamcli.record.errors import CorruptData
    from streamcli.record.range import Bound


class ReadOptions(NamedTuple):
    """What reading without a group is asked for, and what it asks of its caller.

    topics: names and globs; partitions: those chosen, none for all; follow: whether `Reader.followed` will be called; idle:
    seconds without a record after which following ends. on_damage: gets damage and raises, or returns to go past it; notice:
    takes a line for the user; before_wait: called when all that is there was given, and again after as many seconds as it
    returns; hangup: a pipe whose reader's leaving ends a wait; wakeup: a descriptor that does when it can be read.
    """

    topics: list[str]
    partitions: list[int]
    follow: bool
    idle: float | None
    on_damage: Callable[[CorruptData], None]
    notice: Callable[[str], None]
    before_wait: Callable[[], float | None]
    hangup: int | None
    wakeup: int | None


class TableOptions(NamedTuple):
    """What a topic's table is asked for. partitions: those chosen, none for all; stop: where the records end that count, a time
    or END; on_damage, notice: as in ReadOptions."""

    topic: str
    partitions: list[int]
    stop: Bound
    on_damage: Callable[[CorruptData], None]
    notice: Callable[[str], None]

"""What consuming as a member of a group is asked for, and what it asks of its caller."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from streamcli.record.range import Range


class GroupRequest(NamedTuple):
    """topics: names and globs; start: where partitions without a commit begin; commits: False for --commit none.

    idle: seconds without a record after which following ends; hangup: a pipe whose reader's leaving ends following.
    """

    group: str
    topics: list[str]
    start: Range
    follow: bool
    commits: bool
    idle: float | None
    hangup: int | None


class GroupEvents(NamedTuple):
    """What the consumer asks of its caller. clock: ms since the epoch; warn: takes a line for the user."""

    clock: Callable[[], int]
    warn: Callable[[str], None]

"""Every error a user can cause or meet, and the exit status of each.

    StreamcliError            1  failed
    ├── UnsupportedBatch      1  a whole batch that this installation cannot take apart
    ├── UsageError            2  the command line is wrong
    │   └── OtherInput        2  an input is not the one that its --producer-id stood for before
    ├── NothingToRead         3  nothing to read, where asked for
    ├── NotFound              4  no such topic, group or partition
    ├── OffsetOutOfRange      5  offset out of range
    ├── CorruptData           6  corrupt data
    ├── Busy                  7  a lock not had in time
    └── PartWritten           8  only part was written

A message says what happened, where, and what to do next; it is what the user reads after
`streamcli: `. Anything else that escapes a command is a bug, but for OSError, which the one
mapping site (cli.main) reports with status 1.
"""

from __future__ import annotations

from collections.abc import Iterable

EXIT_STATUSES: dict[int, str] = {
    0: "done",
    1: "failed: an I/O error, or a command that failed for good",
    2: "usage: the command line is wrong",
    3: "nothing to read: with --fail-empty no record, or a key of table that has no value",
    4: "no such topic, group or partition",
    5: "offset out of range",
    6: "corrupt data",
    7: "log directory or partition busy: a lock was not had within --lock-timeout",
    8: "only part was written: the durable count is on standard error",
}


class StreamcliError(Exception):
    """Base of all; `str(error)` is the whole message, `status` the process's exit status."""

    status = 1


class UnsupportedBatch(StreamcliError):
    """A batch that is newer than this streamcli, or compressed with what is not installed: nothing is damaged.

    reason, remedy: in words; offsets, where: of the batch, once that is known.
    """

    def __init__(self, reason: str, remedy: str, *, offsets: str = "", where: str = "") -> None:
        self.reason = reason
        self.remedy = remedy
        told = f"cannot read {offsets}: {reason} ({where})" if offsets else reason
        super().__init__(f"{told}: {remedy}")


class UsageError(StreamcliError):
    """What was asked for cannot be: a bad option, name, value or setting."""

    status = 2


class OtherInput(UsageError):
    """An input is not the one that its producer's name stood for in an earlier run. reason: how that is seen."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason}: one --producer-id is for one input, give another input another")


class NothingToRead(StreamcliError):
    """Nothing to read, where that was to be told."""

    status = 3


class NotFound(StreamcliError):
    """There is no such topic, group or partition."""

    status = 4


class OffsetOutOfRange(StreamcliError):
    """An offset that is not in the log, or not in it any more."""

    status = 5


class CorruptData(StreamcliError):
    """Bytes that fail their checksum, or cannot be what was written.

    `path`, `position` and `length` (bytes; None when unknown) say where; `first` and `next_offset`
    say which offsets are unreadable: first <= offset < next_offset (None when unknown).
    """

    status = 6

    def __init__(
        self,
        reason: str,
        path: str,
        position: int,
        *,
        length: int | None = None,
        first: int | None = None,
        next_offset: int | None = None,
    ) -> None:
        self.reason = reason
        self.path = path
        self.position = position
        self.length = length
        self.first = first
        self.next_offset = next_offset
        super().__init__(self._message())

    def offsets(self) -> str:
        """The unreadable offsets in words."""
        if self.first is None:
            return "offsets unknown"
        if self.next_offset is None:
            return f"offsets from {self.first} on"
        if self.next_offset == self.first:
            return "no records"
        if self.next_offset - self.first == 1:
            return f"offset {self.first}"
        return f"offsets {self.first} to {self.next_offset - 1}"

    def _message(self) -> str:
        extent = "" if self.length is None else f", {self.length} bytes"
        return f"corrupt data: {self.reason} ({self.path}, position {self.position}{extent}, {self.offsets()})"


class Busy(StreamcliError):
    """A lock was not had in time."""

    status = 7


class PartWritten(StreamcliError):
    """Input that was only partly written; `durable` counts the records of its beginning that are on disk."""

    status = 8

    def __init__(self, message: str, durable: int) -> None:
        self.durable = durable
        super().__init__(message)


def no_partition(topic: str, partition: int, partitions: int) -> NotFound:
    """The error for a partition that a topic, which has so many, has not."""
    there = "partition 0 only" if partitions == 1 else f"partitions 0 to {partitions - 1}"
    return NotFound(f"topic {topic} has no partition {partition}: it has {there}: choose with -p")


def did_you_mean(word: str, known: Iterable[str], otherwise: str) -> str:
    """What to do about a word that is not among `known`: `did you mean NEAREST? otherwise`, or `otherwise` where none is near.

    Near is what difflib takes for it, capitals aside, else the first that begins with the word.
    """
    from difflib import get_close_matches

    spelt = {name.lower(): name for name in known}
    close = get_close_matches(word.lower(), spelt, 1) or sorted(
        name for name in spelt if word and name.startswith(word.lower())
    )
    return f"did you mean {spelt[close[0]]}? {otherwise}".rstrip() if close else otherwise

"""Every error a user can cause or meet, and the exit status of each.

    StreamcliError            1  failed
    ├── UnsupportedBatch      1  a whole batch that this installation cannot take apart
    ├── UsageError            2  the command line is wrong
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
    status = 2


class NothingToRead(StreamcliError):
    status = 3


class NotFound(StreamcliError):
    status = 4


class OffsetOutOfRange(StreamcliError):
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
    status = 7


class PartWritten(StreamcliError):
    """Input that was only partly written; `durable` counts the records of its beginning that are on disk."""

    status = 8

    def __init__(self, message: str, durable: int) -> None:
        self.durable = durable
        super().__init__(message)

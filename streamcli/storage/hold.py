"""Holds: a mirror has retention and trim wait for it, from an offset on.

One line in a file of the partition:

    streamcli-hold 1 OFFSET CRC\\n

OFFSET has 20 digits, CRC is the CRC-32C of the text before its space, in 8 hexadecimal digits. It is moved on in its place and
without fsync: an older one, after a power cut, holds more. One that cannot be read holds everything.
"""

from __future__ import annotations

import os
from typing import NamedTuple

from crc32c import crc32c

from streamcli.record.errors import StreamcliError
from streamcli.storage import durable, layout
from streamcli.storage.opening import open_file, read_file

_WORDS = b"streamcli-hold 1 "


class Hold(NamedTuple):
    """The records from `offset` on are kept for the mirror of that name."""

    mirror: str
    offset: int


def holds(partition_directory: str, names: list[str] | None = None) -> list[Hold]:
    """All that there are. names: the files there that belong to no segment, if they were listed already."""
    found = layout.held_by(os.listdir(partition_directory) if names is None else names)
    return [Hold(mirror, _read(layout.hold_path(partition_directory, mirror))) for mirror in found]


def first_hold(partition_directory: str) -> Hold | None:
    """The one that holds most."""
    return min(holds(partition_directory), key=lambda hold: hold.offset, default=None)


def check_not_held(partition_directory: str, offset: int) -> None:
    """StreamcliError where records before `offset` are held."""
    hold = first_hold(partition_directory)
    if hold is not None and hold.offset < offset:
        raise StreamcliError(
            f"the mirror {hold.mirror} holds what lies from offset {hold.offset} on ({partition_directory}): let it come "
            "further, or end that with `streamcli mirror --release`"
        )


def has_hold(partition_directory: str, mirror: str) -> bool:
    """Whether that mirror holds records there."""
    return os.path.lexists(layout.hold_path(partition_directory, mirror))


def write_hold(partition_directory: str, hold: Hold) -> None:
    """Make a hold, or move it on: in its place, for on a disk that is full there may be no room for another file, and what is held
    would keep it full. Who reads it meanwhile may take it for damaged."""
    path = layout.hold_path(partition_directory, hold.mirror)
    try:
        fd = open_file(path, os.O_WRONLY)
    except FileNotFoundError:
        durable.replace_file(path, encode_hold(hold.offset))
        return
    try:
        durable.write_all(fd, encode_hold(hold.offset), 0)
    finally:
        os.close(fd)


def remove_hold(partition_directory: str, mirror: str) -> bool:
    """End a hold; whether there was one."""
    found = has_hold(partition_directory, mirror)
    durable.remove_file(layout.hold_path(partition_directory, mirror))
    return found


def encode_hold(offset: int) -> bytes:
    text = _WORDS + b"%020d" % offset
    return text + b" %08x\n" % crc32c(text)


def _read(path: str) -> int:
    try:
        data = read_file(path, 4096)
    except OSError:
        return 0
    digits = data[len(_WORDS) :][:20]
    return int(digits) if digits.isdigit() and data == encode_hold(int(digits)) else 0

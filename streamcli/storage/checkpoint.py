"""The checkpoint of a partition: the position known to be on disk, and in which boot of the machine that was written.

One line of fixed width, rewritten in place: a torn or stale one fails its checksum and is as good as none.

    streamcli-checkpoint 1 BOOT_ID SEGMENT POSITION OFFSET MAX_TIMESTAMP CRC\\n

SEGMENT (a base offset), POSITION (bytes) and OFFSET (the next to be written there) have 20 digits, MAX_TIMESTAMP
(the log's greatest, ms) a sign and 19, CRC is the CRC-32C of the text before its space, in 8 hexadecimal digits.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import NamedTuple

from crc32c import crc32c

from streamcli.storage import durable, layout
from streamcli.storage.format import MAX_OFFSET
from streamcli.storage.index import MAX_POSITION
from streamcli.storage.opening import NotAPlainFile, open_file, read_file

_WORDS = ("streamcli-checkpoint", "1")


class Checkpoint(NamedTuple):
    boot_id: str
    segment: int
    position: int
    offset: int
    max_timestamp: int

    def encode(self) -> bytes:
        text = (
            f"{' '.join(_WORDS)} {self.boot_id} {self.segment:020d} {self.position:020d} "
            f"{self.offset:020d} {self.max_timestamp:+020d}"
        )
        return f"{text} {crc32c(text.encode()):08x}\n".encode()


def decode_checkpoint(data: bytes) -> Checkpoint | None:
    """The checkpoint in `data`, or None when it is damaged or of another version."""
    text, _, crc = data.rpartition(b" ")
    if crc != b"%08x\n" % crc32c(text):
        return None
    words = text.split(b" ")
    if len(words) != 7:
        return None
    try:
        found = Checkpoint(words[2].decode("ascii"), *(int(word) for word in words[3:]))
    except ValueError:
        return None
    is_possible = (
        0 <= found.segment <= found.offset <= MAX_OFFSET
        and 0 <= found.position <= MAX_POSITION
        and -(2**63) <= found.max_timestamp < 2**63
    )
    return found if is_possible and found.encode() == data else None


def read_checkpoint(partition_directory: str) -> Checkpoint | None:
    """The checkpoint there, or None when it is missing, damaged or unreadable."""
    try:
        return decode_checkpoint(read_file(os.path.join(partition_directory, layout.CHECKPOINT), 4096))
    except OSError:
        return None


def write_checkpoint(partition_directory: str, checkpoint: Checkpoint) -> None:
    """Record that everything up to the checkpoint is on disk. Only under the append lock, after the fsync.

    A new file is on disk at once, whole, with its name: without one, what a power cut leaves would pass for damage.
    Anything else than a file that lies there is replaced, if it can be: who planted it is not to do away with checkpoints.
    """
    path = os.path.join(partition_directory, layout.CHECKPOINT)
    line = checkpoint.encode()
    try:
        fd = open_file(path, os.O_WRONLY)
    except (FileNotFoundError, NotAPlainFile):
        durable.remove_temporaries(partition_directory, layout.CHECKPOINT)  # whoever made them died
        durable.replace_file(path, line)
        return
    try:
        durable.write_all(fd, line, 0)
        if os.fstat(fd).st_size != len(line):
            durable.truncate(fd, len(line))
    finally:
        os.close(fd)


def sync_checkpoint(partition_directory: str) -> None:
    """Return once the checkpoint there is on disk, where that can be had. No lock is needed: a later one that is synced
    along is as good."""
    with suppress(OSError):
        fd = open_file(os.path.join(partition_directory, layout.CHECKPOINT))
        try:
            durable.sync_data(fd)
        finally:
            os.close(fd)

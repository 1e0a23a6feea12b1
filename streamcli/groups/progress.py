"""How far the commands of a partition's owner came since its last commit: a note in the lease's file.

A commit waits for the disk, so there is one a second at most. But a command that exited 0 has done its work, and a
`kill -9` of its consumer within that second is no reason to do it again. So after each run the owner notes the offset:
one write, no fsync, because what a process wrote outlives it. Who takes the lease next goes on there, and commits that
first.

    progress := OFFSET " " BASE " " BOOT " " CRC "\\n"

OFFSET is the next to be consumed. BASE is the newest entry of the partition in the journal when it was noted, as
TIME "," MEMBER, or `-` without one: an offset that somebody moved since is the one that counts. BOOT is the id of the
machine's boot: a power cut may have taken the records before OFFSET, and given others their offsets, so after it the note
is void. CRC is the CRC-32C of the text before its space, in 8 hexadecimal digits.

Written to the journal without its fsync instead, the lines would cost an fsync of the log each, as far as its producer
has not done it: a line may reach the disk at any time, and must not get there before the records it passes. And they could
get there in any order, which leaves holes in the journal that look like damage.
"""

from __future__ import annotations

from crc32c import crc32c

from streamcli.groups.journal import Commit
from streamcli.storage import durable


def can_be_kept() -> bool:
    """Whether this system tells one boot from another; where it does not, a note would never count."""
    return durable.boot_id() != durable.NO_BOOT_ID


def base_of(newest: Commit | None) -> str:
    """What names a partition's newest entry in the journal."""
    return "-" if newest is None else f"{newest.time},{newest.member}"


def encode_progress(offset: int, base: str) -> bytes:
    text = f"{offset} {base} {durable.boot_id()}".encode()
    return b"%s %08x\n" % (text, crc32c(text))


def decode_progress(note: bytes, base: str) -> int | None:
    """The offset in a note, None when there is none, it is damaged, of another boot, or not made after `base`."""
    text, _, crc = note.partition(b"\n")[0].rpartition(b" ")
    words = text.decode(errors="replace").split(" ")
    if len(words) != 3 or crc != b"%08x" % crc32c(text) or words[1] != base or not durable.is_this_boot(words[2]):
        return None
    return int(words[0]) if words[0].isdecimal() else None

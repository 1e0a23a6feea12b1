"""The log start offset of a partition, where it is not 0: what lies before it was removed, and on purpose.

One line, replaced atomically, on disk before a segment is removed: so a first segment that is missing without it was
not removed by us. Trim puts it at any offset, in the middle of a segment too.

    streamcli-log-start 1 OFFSET CRC\\n

OFFSET has 20 digits, CRC is the CRC-32C of the text before its space, in 8 hexadecimal digits.
"""

from __future__ import annotations

import os

from crc32c import crc32c

from streamcli.storage import durable, layout
from streamcli.storage.format import MAX_OFFSET
from streamcli.storage.opening import read_file

_WORDS = b"streamcli-log-start 1 "


def encode_log_start(offset: int) -> bytes:
    text = _WORDS + b"%020d" % offset
    return text + b" %08x\n" % crc32c(text)


def decode_log_start(data: bytes) -> int | None:
    """The offset in `data`, or None when it is damaged or of another version."""
    digits = data[len(_WORDS) : len(_WORDS) + 20]
    if not digits.isdigit() or data != encode_log_start(int(digits)) or int(digits) > MAX_OFFSET:
        return None
    return int(digits)


def read_log_start(partition_directory: str) -> int | None:
    """The log start offset noted there; None when there is no note, or none that can be read."""
    try:
        return decode_log_start(read_file(os.path.join(partition_directory, layout.LOG_START), 4096))
    except OSError:
        return None


def write_log_start(partition_directory: str, offset: int) -> None:
    """Move the log start offset, durably. Under the append lock."""
    durable.remove_temporaries(partition_directory, layout.LOG_START)
    durable.replace_file(os.path.join(partition_directory, layout.LOG_START), encode_log_start(offset))

"""How many bytes a log has, without asking for the size of each of thousands of segments every time.

Asking takes 2 us a segment, and closed segments do not change. So where there are very many, their sum is noted in a file.
It is a cache: delete it, and they are asked again. It holds for exactly the segments whose names it was made from, and only
in a log of which none was compacted: what the name of such a one stands for may be put together anew.

    streamcli-sizes 1 COUNT BYTES NAMES CRC\\n

COUNT, of the log's first segments, and BYTES, of all these, have 20 digits; NAMES is the CRC-32C of the names of
their files, one after the other, CRC that of the text before its space, both in 8 hexadecimal digits.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress

from crc32c import crc32c

from streamcli.storage import durable, layout
from streamcli.storage.layout import PlainSegments, SegmentName
from streamcli.storage.opening import open_directory, read_file

MANY = 1000
"""Closed segments that are not in the note, from which on it is made."""

_WORDS = "streamcli-sizes 1"


def size_of_log(partition_directory: str, names: Sequence[SegmentName]) -> int:
    """Bytes of all segments of a log; of one that was removed since they were listed, none."""
    if not isinstance(names, PlainSegments):
        return size_of(partition_directory, names)
    count, noted = _read(partition_directory, names)
    sizes = _sizes(partition_directory, names[count:])
    size = noted + sum(size or 0 for size in sizes)
    if len(sizes) > MANY and None not in sizes:
        _note(partition_directory, names[:-1], size - (sizes[-1] or 0))
    return size


def size_of(partition_directory: str, names: Sequence[SegmentName]) -> int:
    """Bytes of these segments."""
    return sum(size or 0 for size in _sizes(partition_directory, names))


def encode_sizes(names: PlainSegments, size: int) -> bytes:
    text = f"{_WORDS} {len(names):020d} {size:020d} {_crc_of(names):08x}"
    return f"{text} {crc32c(text.encode()):08x}\n".encode()


def decode_sizes(data: bytes, names: PlainSegments) -> tuple[int, int]:
    """(segments, their bytes) of a note that holds for the first of `names`, the last excepted; (0, 0) of any other."""
    count, size = data[len(_WORDS) + 1 :][:20], data[len(_WORDS) + 22 :][:20]
    if not (count.isdigit() and size.isdigit()) or int(count) >= len(names):
        return 0, 0
    known = names[: int(count)]
    return (len(known), int(size)) if data == encode_sizes(known, int(size)) else (0, 0)


def _crc_of(names: PlainSegments) -> int:
    crc: int = crc32c(b"".join(names.files))
    return crc


def _read(directory: str, names: PlainSegments) -> tuple[int, int]:
    try:
        return decode_sizes(read_file(os.path.join(directory, layout.SIZES), 4096), names)
    except OSError:
        return 0, 0


def _note(directory: str, names: PlainSegments, size: int) -> None:
    """Where we may not write, nothing is noted."""
    with suppress(OSError):
        durable.remove_temporaries(directory, layout.SIZES)  # whoever made them died
        durable.replace_file(os.path.join(directory, layout.SIZES), encode_sizes(names, size), durable=False)


def _sizes(directory: str, names: Sequence[SegmentName]) -> list[int | None]:
    fd = open_directory(directory)  # a path from there is half the work
    try:
        return [_size(layout.segment_file(name), fd) for name in names]
    finally:
        os.close(fd)


def _size(file: str, directory: int) -> int | None:
    try:
        return os.lstat(file, dir_fd=directory).st_size
    except FileNotFoundError:
        return None

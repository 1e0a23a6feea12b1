"""Changes to bytes, as data: hypothesis draws them, and shrinks what it drew; where it is not used, they are rolled."""

from __future__ import annotations

import random
import struct
from typing import NamedTuple

INTERESTING = (0, 1, 2, 3, 127, 128, 255, 256, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1)
INTERESTING_WIDE = (*INTERESTING, 2**32, 2**62, 2**63 - 1, 2**63, 2**64 - 2**32, 2**64 - 1)

# Pieces that mean something to one of the decoders: arrays, maps and bins that claim to be huge, nested arrays,
# extension types, marks of the formats, numbers that are none.
TOKENS = (
    b"\xd7SCB\x01",
    b"\xdd\xff\xff\xff\xff",
    b"\xdd\x00\x00\x10\x00" * 8,
    b"\xdc\x03\xe8" * 600,
    b"\xdf\x7f\xff\xff\xff",
    b"\xc6\xff\xff\xff\xff",
    b"\xc9\xff\xff\xff\xff\xff",
    b"\xd6\xff\x00\x00\x00\x00",
    b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\xd3\x80\x00\x00\x00\x00\x00\x00\x00",
    b"\x91" * 600,
    b"\xc0",
    b"\x80",
    b"\xa6values\xc0",
    b"\n",
    b"\0",
    b" ",
    b"-1",
    b"+1",
    b"1_0",
    b"1e999",
    b"NaN",
    b"-Infinity",
    b"9" * 30,
    b"9" * 5000,
    b"[" * 3000,
    b'{"a":' * 3000,
    b"null",
    b"true",
    b'"\\ud800"',
    b"../../etc/passwd",
    b"\xd9\xa1",
    b"\xff\xfe",
)


class Edit(NamedTuple):
    """kind: 0 a byte set, 1 a number written, 2 a token written over, 3 one put in, 4 bytes removed, 5 bytes doubled,
    6 the rest cut off; `at` is where, modulo the size; `what` is which, or how many."""

    kind: int
    at: int
    what: int


KINDS = 7


def edited(data: bytes, edits: list[Edit]) -> bytes:
    out = bytearray(data)
    for kind, where, what in edits:
        at = where % (len(out) + 1)
        if kind == 0:
            out[at : at + 1] = bytes([what % 256])
        elif kind == 1:
            number = _number(what)
            out[at : at + len(number)] = number
        elif kind in (2, 3):
            token = TOKENS[what % len(TOKENS)]
            out[at : at + (len(token) if kind == 2 else 0)] = token
        elif kind == 4:
            del out[at : at + 1 + what % 64]
        elif kind == 5:
            out[at:at] = out[at : at + 1 + what % 256]
        else:
            del out[at:]
    return bytes(out)


def _number(what: int) -> bytes:
    """A number that is a bound of something, of 1, 2, 4 or 8 bytes, in either byte order."""
    order, what = "<>"[what % 2], what // 2
    code, what = "BHIQ"[what % 4], what // 4
    number = INTERESTING_WIDE[what % len(INTERESTING_WIDE)]
    return struct.pack(order + code, number % 256 ** struct.calcsize(code))


def rolled(seeds: list[bytes], dice: random.Random) -> bytes:
    """One of the seeds with some edits, for where neither hypothesis nor a coverage-guided fuzzer chooses."""
    count = dice.choice((0, 1, 1, 2, 3, 8))
    edits = [Edit(dice.randrange(KINDS), dice.randrange(1 << 16), dice.randrange(1 << 16)) for _ in range(count)]
    return edited(dice.choice(seeds), edits)

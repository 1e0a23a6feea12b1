"""streamcli-format(5): its examples, byte for byte, are what the code writes and reads."""

from __future__ import annotations

import re

from crc32c import crc32c

from streamcli.groups.journal import FIRST_LINE, LONGEST, decode_line, encode_line
from streamcli.record.batch import Columns
from streamcli.storage.body import decode_body, encode_batch
from streamcli.storage.checkpoint import Checkpoint, decode_checkpoint
from streamcli.storage.format import HEADER, HEADER_SIZE, MAGIC, NO_TIMESTAMP, check_body, decode_header
from streamcli.storage.index import ENTRY, decode_entry, encode_entry
from tests.docs.project import MAN

PAGE = (MAN / "streamcli-format.5").read_text().replace(r"\-", "-")
BLOCKS = re.findall(r"^\.EX\n(.*?)^\.EE", PAGE, re.MULTILINE | re.DOTALL)
HEX_LINE = re.compile(r"^((?:[0-9a-f]{2} )+) *(\S.*)$", re.MULTILINE)

FIRST_TIME = 1700000000000
FIRST = Columns(3, b"one\ntwo\nthree\n")
SECOND = Columns(
    2,
    [b"a\nb", None],
    keys=b"k1\nk2\n",
    headers=[[("h", b"v")], []],
    timestamps=[FIRST_TIME + 5, FIRST_TIME + 3],
)


def examples() -> list[bytes]:
    """The bytes of the hex listings, in the page's order: two batches and an index entry."""
    found = [b"".join(bytes.fromhex(digits) for digits, _ in HEX_LINE.findall(block)) for block in BLOCKS]
    return [data for data in found if data]


def written(columns: Columns, position: int, base_offset: int) -> bytes:
    _, buffers = encode_batch(columns, position=position, base_offset=base_offset, timestamp=FIRST_TIME)
    return b"".join(buffers)


def fields(title: str) -> list[tuple[int, int]]:
    """(offset, size) of each row of the table in a section."""
    section = PAGE.partition(f".SH {title}\n")[2].partition(".SH ")[0]
    return [(int(offset), int(size)) for offset, size in re.findall(r"^ +(\d+) +(\d+)  \w", section, re.MULTILINE)]


def sizes_of(layout: str) -> list[tuple[int, int]]:
    """(offset, size) of each field of a struct format."""
    rows, at = [], 0
    for piece in re.findall(r"\d*[a-zA-Z]", layout):
        size = int(piece[:-1]) if piece[-1] == "s" else {"B": 1, "H": 2, "I": 4, "Q": 8, "q": 8}[piece]
        rows.append((at, size))
        at += size
    return rows


def test_the_examples_are_what_the_code_writes() -> None:
    first, second, entry = examples()
    assert first == written(FIRST, 0, 0)
    assert second == written(SECOND, len(first), 3)
    assert entry == encode_entry(decode_header(first, 0), NO_TIMESTAMP)


def test_the_examples_are_what_the_code_reads() -> None:
    first, second, entry = examples()
    position = 0
    for data, columns in ((first, FIRST), (second, SECOND)):
        header = decode_header(data, position)
        check_body(header, data[HEADER_SIZE:])
        assert decode_body(header, data[HEADER_SIZE:]) == columns
        position = header.end
    found = decode_entry(entry)
    assert found is not None
    assert found.leads_to(decode_header(first, 0))


def test_numbers_beside_the_bytes_are_those_in_the_bytes() -> None:
    for block in BLOCKS:
        for digits, meaning in HEX_LINE.findall(block):
            number = re.search(r"(?:position|offset|length|delta|count|timestamp) (\d+)", meaning)
            if number:
                assert int.from_bytes(bytes.fromhex(digits), "little") == int(number[1]), meaning


def test_the_checkpoint_is_what_the_code_writes() -> None:
    (line,) = (block for block in BLOCKS if re.match(r"streamcli-checkpoint 1 [0-9a-f]", block))
    found = decode_checkpoint(line.encode())
    end = sum(len(batch) for batch in examples()[:2])
    assert found == Checkpoint("d37b0b58-2d2a-4dfc-ba9a-116029a8d2d1", 0, end, 5, FIRST_TIME + 5)
    assert found.encode() == line.encode()


def test_a_line_of_commits_is_what_the_code_writes() -> None:
    (line,) = (block for block in BLOCKS if re.match(r"\d+ commit ", block))
    commits = decode_line(line.encode()[:-1])
    assert commits is not None
    assert encode_line(commits) == line.encode()
    assert FIRST_LINE.decode()[:-1] in PAGE
    assert LONGEST == 1 << 20


def test_the_tables_are_the_structs() -> None:
    assert fields("THE BATCH HEADER") == sizes_of(HEADER.format)
    assert fields("INDEX ENTRIES") == sizes_of(ENTRY.format)


def test_magic_and_checksum_are_as_said() -> None:
    assert f"magic: {MAGIC.hex(' ')}" in PAGE
    assert f"123456789 is {crc32c(b'123456789'):#010x}" in PAGE

"""The noted size of very many segments: always the sum of what is there, whatever became of the note."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamcli.storage import layout
from streamcli.storage.layout import PlainSegments, SegmentName
from streamcli.storage.sizes import MANY, decode_sizes, encode_sizes, size_of_log


def make_segment(directory: Path, base: int, size: int, end: int | None = None) -> None:
    Path(layout.segment_path(str(directory), SegmentName.of(base, end))).write_bytes(bytes(size))


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A partition with one segment more than is asked for without a note; segment i has i % 7 bytes."""
    directory = tmp_path / "0"
    directory.mkdir()
    for number in range(MANY + 1):
        make_segment(directory, number, number % 7)
    return directory


def listed(directory: Path) -> PlainSegments:
    names = layout.list_segments(str(directory))
    assert isinstance(names, PlainSegments)
    return names


def size(directory: Path) -> int:
    found = size_of_log(str(directory), layout.list_segments(str(directory)))
    assert found == sum(path.stat().st_size for path in directory.glob("*.log"))
    return found


def test_the_closed_segments_are_noted_and_the_active_one_is_asked(directory: Path):
    before = size(directory)
    noted = (directory / layout.SIZES).read_bytes()
    names = listed(directory)
    assert decode_sizes(noted, names) == (MANY, before - MANY % 7)
    make_segment(directory, MANY, 100)
    make_segment(directory, MANY + 1, 50)
    size(directory)
    assert (directory / layout.SIZES).read_bytes() == noted


def test_a_note_is_what_is_gone_by(directory: Path):
    names = listed(directory)
    (directory / layout.SIZES).write_bytes(encode_sizes(names[:10], 1_000_000))
    assert size_of_log(str(directory), names) == 1_000_000 + sum(number % 7 for number in range(10, MANY + 1))


def test_a_note_of_other_segments_does_not_count(directory: Path):
    size(directory)
    (directory / f"{SegmentName.of(0)}.log").unlink()
    size(directory)
    (directory / f"{SegmentName.of(5)}.log").unlink()
    make_segment(directory, 5, 1, end=6)
    size(directory)


@pytest.mark.parametrize("damage", [b"", b"streamcli-sizes 2", b"x" * 80])
def test_a_damaged_note_does_not_count(directory: Path, damage: bytes):
    size(directory)
    (directory / layout.SIZES).write_bytes(damage)
    size(directory)


def test_every_flipped_bit_of_a_note_is_noticed():
    names = PlainSegments([b"%020d.log" % number for number in range(4)])
    note = encode_sizes(names[:3], 12345)
    assert decode_sizes(note, names) == (3, 12345)
    for bit in range(8 * len(note)):
        flipped = bytearray(note)
        flipped[bit // 8] ^= 1 << bit % 8
        assert decode_sizes(bytes(flipped), names) == (0, 0)


def test_few_segments_and_compacted_ones_are_not_noted(tmp_path: Path):
    directory = tmp_path / "0"
    directory.mkdir()
    for number in range(MANY):
        make_segment(directory, number, 1)
    size(directory)
    make_segment(directory, MANY, 1, end=MANY + 1)
    make_segment(directory, MANY + 1, 1)
    size(directory)
    assert not (directory / layout.SIZES).exists()

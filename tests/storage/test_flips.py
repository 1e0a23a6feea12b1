"""Every byte of a small log flipped, one at a time: it is always told, and costs the batch hit and no other."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamcli.record.batch import Columns, Record
from streamcli.record.errors import CorruptData
from streamcli.storage import cursor
from streamcli.storage.append import RollPolicy
from streamcli.storage.format import HEADER_SIZE, BatchHeader

from .partition_log import PartitionLog, cut_to, flip, lines

BATCHES = [
    lines("one", "two"),
    Columns(2, [None, b"a\nb"], keys=b"k\nl\n", timestamps=[5, 3]),
    lines(""),
    lines("four", "five", "six"),
    Columns(1, b"x\n", common_key=b"k", common_headers=[("h", None)]),
]


@pytest.fixture
def small(partition: PartitionLog, monkeypatch: pytest.MonkeyPatch) -> PartitionLog:
    """Two segments, of three and two batches."""
    # Only how long a failing batch is looked at again: 20 ms for each of some thousand flips is too long.
    monkeypatch.setattr(cursor, "_PAUSE", 0)
    partition.policy = RollPolicy(380, 1 << 60)
    partition.write(*BATCHES)
    assert [len(headers) for headers in by_segment(partition).values()] == [3, 2]
    return partition


def by_segment(partition: PartitionLog) -> dict[Path, list[BatchHeader]]:
    found: dict[Path, list[BatchHeader]] = {}
    for path, header in partition.headers():
        found.setdefault(path, []).append(header)
    return found


def read_what_is_left(partition: PartitionLog) -> tuple[list[Record], list[CorruptData]]:
    damages: list[CorruptData] = []
    return partition.read(on_damage=damages.append), damages


@pytest.mark.parametrize("mask", [1, 0x80])
@pytest.mark.parametrize("segment", [0, 1])
def test_every_byte_flipped(small: PartitionLog, segment: int, mask: int):
    whole = small.read()
    path, headers = list(by_segment(small).items())[segment]
    last_of_all = small.headers()[-1][1]
    for header in headers:
        lost = range(header.base_offset, header.next_offset)
        for position in range(header.position, header.end):
            flip(path, position, mask)
            is_told(small, path, header)
            left, damages = read_what_is_left(small)
            assert left == [record for record in whole if record.offset not in lost], f"at {position}"
            assert len(damages) == 1
            told = damages[0]
            known_end = header != last_of_all or position >= header.position + HEADER_SIZE
            assert (told.first, told.next_offset) == (lost.start, lost.stop if known_end else None)
            flip(path, position, mask)
    assert small.read() == whole


def is_told(partition: PartitionLog, path: Path, header: BatchHeader) -> None:
    """Reading to the end raises CorruptData that names the file, the position and the offsets of the batch."""
    with pytest.raises(CorruptData) as raised:
        partition.read()
    damage = raised.value
    assert damage.path == str(path)
    assert damage.position == header.position
    assert damage.first == header.base_offset
    assert damage.length == header.end - header.position
    assert str(path) in str(damage)
    assert f"position {header.position}" in str(damage)
    assert f"offset{'s' if header.record_count > 1 or damage.next_offset is None else ''}" in str(damage)


@pytest.mark.parametrize("pair", [(0, 1), (1, 2), (2, 3), (3, 4), (0, 4), (0, 2)])
@pytest.mark.parametrize("place", [3, 86])
def test_two_headers_damaged(small: PartitionLog, pair: tuple[int, int], place: int):
    """Neighbours within a segment are told as one; the records of every other batch are served."""
    headers = small.headers()
    whole = small.read()
    lost: set[int] = set()
    for number in pair:
        path, header = headers[number]
        flip(path, header.position + place, 0x10)
        lost |= set(range(header.base_offset, header.next_offset))
    left, damages = read_what_is_left(small)
    assert left == [record for record in whole if record.offset not in lost]
    end = whole[-1].offset + 1
    told = [
        n for damage in damages for n in range(damage.first, end if damage.next_offset is None else damage.next_offset)
    ]
    assert sorted(told) == sorted(lost)


def test_reading_from_behind_damage_gives_nothing_from_before(partition: PartitionLog):
    """A damaged header lies between the index entry and the offset asked for: going past it may not move back."""
    partition.write(*[lines(f"{number}") for number in range(6)])
    path, header = partition.headers()[1]
    flip(path, header.position + 20, 1)
    damages: list[CorruptData] = []
    assert [record.offset for record in partition.read(4, on_damage=damages.append)] == [4, 5]
    for damage in damages:
        assert damage.next_offset is not None
        assert damage.first < damage.next_offset <= 4, str(damage)


@pytest.mark.parametrize("start", range(9))
@pytest.mark.parametrize("hit", range(5))
def test_from_every_offset_with_a_damaged_header_in_the_way(small: PartitionLog, start: int, hit: int):
    whole = small.read()
    path, header = small.headers()[hit]
    flip(path, header.position + 20, 1)
    lost = range(header.base_offset, header.next_offset)
    damages: list[CorruptData] = []
    left = small.read(start, on_damage=damages.append)
    assert left == [record for record in whole if record.offset >= start and record.offset not in lost]
    for damage in damages:
        assert damage.next_offset is None or damage.first < damage.next_offset, str(damage)


@pytest.mark.parametrize("place", [0, 8, 87])
def test_a_segment_stored_as_a_record_is_never_taken_for_batches(partition: PartitionLog, place: int):
    partition.write(lines("inner one"), lines("inner two"), lines("inner three"))
    inner = partition.segment().read_bytes()
    cut_to(partition.segment(), 0)
    partition.checkpoint_path().unlink()
    # A list, so that its bytes lie in the body as they are, newlines and all; padding moves them by every amount.
    stored = [b"." * padding + inner for padding in range(9)]
    partition.write(lines("before"), *[Columns(1, [value]) for value in stored], lines("after"))
    for number in range(1, len(stored) + 1):
        path, header = next(found for found in partition.headers() if found[1].base_offset == number)
        flip(path, header.position + place, 1)
        left, damages = read_what_is_left(partition)
        assert [record.offset for record in left] == [n for n in range(len(stored) + 2) if n != number]
        assert [(damage.first, damage.next_offset) for damage in damages] == [(number, number + 1)]
        flip(path, header.position + place, 1)

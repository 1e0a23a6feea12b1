"""Slices of a batch are what its records are, whatever the shape of its columns."""

from __future__ import annotations

import pytest

from streamcli.record.batch import Columns, RecordBatch

SHAPES = {
    "joined": Columns(4, b"a\nb\n\nd\n"),
    "joined keys, listed values": Columns(4, [b"a", None, b"", b"d"], keys=b"k\nl\n\nn\n"),
    "all columns": Columns(
        4,
        [b"a", None, b"", b"\n"],
        keys=b"k\nl\n\nn\n",
        headers=[[("h", b"1")], [], [("h", None)], []],
        common_headers=[("c", b"")],
        timestamps=[9, 7, 8, 8],
        offset_deltas=[0, 2, 3, 9],
    ),
    "a common key": Columns(4, memoryview(b"a\nb\n\nd\n"), common_key=b"k"),
}


def batch_of(columns: Columns) -> RecordBatch:
    next_offset = 110 if columns.offset_deltas else 104
    return RecordBatch(100, next_offset, 4, min(columns.timestamps or [8]), 8, lambda: columns)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("first", "last"), [(0, 4), (0, 1), (1, 3), (2, 4), (3, 4)])
def test_a_slice_has_the_same_records(shape: str, first: int, last: int):
    batch = batch_of(SHAPES[shape])
    part = batch.listed().slice(first, last)
    assert list(part.records()) == list(batch.records())[first:last]
    assert part.count == last - first
    assert part.base_offset == batch.offsets()[first]
    assert part.next_offset > part.offsets()[-1]


@pytest.mark.parametrize("shape", SHAPES)
def test_listed_twice_is_listed_once(shape: str):
    listed = batch_of(SHAPES[shape]).listed()
    assert listed.listed() is listed

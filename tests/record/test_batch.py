"""RecordBatch and its columns: parts of a batch, and the joined form."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamcli.record.batch import Columns, Record, RecordBatch, join_column, pick, split_column
from tests.storage.columns import ELEMENTS, NULLABLE, columns


def batch_of(made: Columns, base_offset: int = 10) -> RecordBatch:
    deltas, count = made.offset_deltas, made.record_count
    times = made.timestamps or [7]
    next_offset = base_offset + (deltas[-1] + 1 if deltas else count)
    return RecordBatch(base_offset, next_offset, count, min(times), max(times), lambda: made)


def rows(batch: RecordBatch | None) -> list[Record]:
    return [] if batch is None else list(batch.records())


def test_columns_are_loaded_once_and_only_when_looked_into():
    loaded = []

    def load() -> Columns:
        loaded.append(1)
        return Columns(1, b"v\n")

    batch = RecordBatch(0, 1, 1, 0, 0, load)
    assert (batch.count, loaded) == (1, [])
    assert rows(batch) == rows(batch) == [Record(0, 0, None, b"v", [])]
    assert loaded == [1]


@given(columns(), st.integers(0, 120), st.one_of(st.none(), st.integers(0, 120)))
def test_between_holds_the_offsets_asked_for(made: Columns, start: int, end: int | None):
    batch = batch_of(made)
    part = batch.between(start, end)
    assert rows(part) == [row for row in rows(batch) if start <= row.offset and (end is None or row.offset < end)]
    if part is not None and part is not batch:
        chosen = rows(part)
        assert (part.base_offset, part.next_offset, part.count) == (
            chosen[0].offset,
            chosen[-1].offset + 1,
            len(chosen),
        )
        times = [row.timestamp for row in chosen]
        assert (part.min_timestamp, part.max_timestamp) == (min(times), max(times))
        assert part.extent is None


@given(columns(), st.data())
def test_take_and_select_hold_the_records_by_number(made: Columns, data: st.DataObject):
    batch = batch_of(made)
    first = data.draw(st.integers(0, made.record_count - 1))
    last = data.draw(st.integers(first + 1, made.record_count))
    assert rows(batch.take(first, last)) == rows(batch)[first:last]
    chosen = sorted(data.draw(st.sets(st.sampled_from(range(made.record_count)), min_size=1)))
    assert rows(batch.select(chosen)) == [rows(batch)[index] for index in chosen]


@given(columns(gaps=False), st.data())
def test_pick_keeps_the_form_of_every_column(made: Columns, data: st.DataObject):
    chosen = sorted(data.draw(st.sets(st.sampled_from(range(made.record_count)), min_size=1)))
    picked = pick(made, chosen)
    assert picked.record_count == len(chosen)
    assert isinstance(picked.values, list) == isinstance(made.values, list)
    assert (picked.keys is None) == (made.keys is None)
    assert (picked.headers is None) == (made.headers is None)
    timestamps = batch_of(made).timestamps()
    wanted = [(row.key, row.value, row.headers) for row in (rows(batch_of(made))[index] for index in chosen)]
    assert [(row.key, row.value, row.headers) for row in rows(batch_of(picked))] == wanted
    if made.timestamps is not None:
        assert picked.timestamps == [timestamps[index] for index in chosen]


@given(st.lists(NULLABLE, min_size=1, max_size=6))
def test_joined_or_not_a_column_holds_its_elements(elements: list[bytes | None]):
    column = join_column(elements)
    assert split_column(column) == elements
    can_be_joined = all(element is not None and b"\n" not in element for element in elements)
    assert isinstance(column, bytes) == can_be_joined


@given(st.lists(ELEMENTS.filter(lambda element: b"\n" not in element), max_size=5))
def test_a_joined_column_can_be_a_view(elements: list[bytes]):
    joined = b"".join(element + b"\n" for element in elements)
    assert split_column(memoryview(joined)) == elements


@pytest.mark.parametrize("column", [b"", memoryview(b""), []])
def test_no_elements(column):
    assert split_column(column) == []

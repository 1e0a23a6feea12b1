"""newest_of_keys against the model that holds everything, and the memory it takes."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from hashlib import blake2b

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streamcli.record.batch import Columns, RecordBatch, join_column
from streamcli.storage.newest import ENTRY_SIZE, Survivors, newest_of_keys

Key = bytes | None

LONG = b"x" * 33
AS_DIGEST = blake2b(LONG, digest_size=33).digest()
"""What stands for LONG in the dict: as a key it is another one."""

KEYS = st.one_of(
    st.none(),
    st.sampled_from([b"", LONG, AS_DIGEST, AS_DIGEST[:32], b"y" * 32, b"a\nb"]),
    st.binary(max_size=1),
    st.integers(0, 40).map(lambda number: b"%d" % number),
)


def batch_of(keys: list[Key], shape: str) -> RecordBatch:
    """`shape`: how the batch holds its keys, where they can be held so."""
    if shape == "common" and len(set(keys)) <= 1:
        columns = Columns(len(keys), [None] * len(keys), common_key=keys[0] if keys else b"unused")
    elif shape == "listed":
        columns = Columns(len(keys), [None] * len(keys), keys=list(keys))
    else:
        columns = Columns(len(keys), [None] * len(keys), keys=join_column(list(keys)))
    return RecordBatch(0, len(keys), len(keys), 0, 0, lambda: columns)


def newest_of_all(keys: list[Key]) -> list[int]:
    newest = {key: number for number, key in enumerate(keys)}
    return [number for number, key in enumerate(keys) if key is None or newest[key] == number]


def numbers(survivors: Survivors) -> list[int]:
    return list(survivors.indexes(0, survivors.count))


def batches_strategy() -> st.SearchStrategy[list[tuple[list[Key], str]]]:
    shapes = st.sampled_from(["common", "listed", "joined"])
    same = st.tuples(KEYS, st.integers(0, 20)).map(lambda drawn: [drawn[0]] * drawn[1])
    return st.lists(st.tuples(st.one_of(st.lists(KEYS, max_size=30), same), shapes), max_size=8)


@given(batches_strategy(), st.sampled_from([0, 3 * ENTRY_SIZE, 20 * ENTRY_SIZE, 1 << 20]))
@example([([LONG, AS_DIGEST, LONG[:32], None, b""], "listed"), ([b"", AS_DIGEST], "joined")], 0)
def test_the_newest_record_of_each_key_survives(runs: list[tuple[list[Key], str]], memory: int):
    survivors = newest_of_keys(lambda: [batch_of(*run) for run in runs], memory=memory)
    expected = newest_of_all([key for keys, _ in runs for key in keys])
    assert numbers(survivors) == expected
    first = 0
    for keys, _ in runs:
        found = survivors.indexes(first, len(keys))
        assert [first + index for index in found] == [n for n in expected if first <= n < first + len(keys)]
        assert isinstance(found, range) == (len(found) == len(keys))
        first += len(keys)


def test_keys_as_many_as_fit_take_one_pass_and_eight_times_as_many_about_eight():
    keys: list[Key] = [b"%07d" % (number % 8000) for number in range(24_000)]
    batches = [batch_of(keys[start : start + 1000], "joined") for start in range(0, len(keys), 1000)]
    passes = 0

    def run() -> Iterator[RecordBatch]:
        nonlocal passes
        passes += 1
        yield from batches

    all_of_them = 8000 * (ENTRY_SIZE + 7)
    for share, fewest, most in ((1, 1, 1), (8, 8, 24)):
        passes = 0
        survivors = newest_of_keys(run, memory=all_of_them // share)
        assert numbers(survivors) == list(range(16_000, 24_000))
        assert fewest <= passes <= most


@pytest.mark.parametrize("length", [6, 32, 200])
def test_memory_is_bounded_whatever_the_number_and_length_of_keys(length: int):
    memory, count, run = 1 << 19, 12_000, 500
    numbered = [b"%0*d" % (length, number) for number in range(count)]
    columns = [Columns(run, b"", keys=join_column([*numbered[i : i + run]])) for i in range(0, count, run)]
    del numbered

    def batches() -> Iterator[RecordBatch]:
        for held in columns:
            yield RecordBatch(0, run, run, 0, 0, lambda held=held: held)  # type: ignore[misc]

    a_batch = 4 * run * (length + 49)
    tracemalloc.start()
    survivors = newest_of_keys(batches, memory=memory)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert survivors.indexes(0, count) == range(count)
    assert memory // 3 < peak < memory + a_batch

"""Whole columns are printed as their records would be, one by one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamcli.cli import assemble, envelope
from streamcli.cli.render import render_format, render_json, render_keyed, render_values
from streamcli.cli.values import format_time
from streamcli.engine.consume import Source, SourceBatch
from streamcli.record.batch import Columns, Record, RecordBatch, join_column

PARTITION = 3
TOPIC = "clicks"
SOURCE = Source(TOPIC, PARTITION, None)  # type: ignore[arg-type]  # its log is not looked at
TEMPLATE = "%%%t/%p %o|%T|%d|%h|%K %k|%S %s\\x00%s\\n"
LINES = "%k\\n %o%s\\n-%o\\n%s\\n"


def in_format(record: Record) -> bytes:
    headers = b",".join(name.encode() + b"=" + (value or b"") for name, value in record.headers)
    key, value = record.key or b"", record.value or b""
    lengths = [-1 if data is None else len(data) for data in (record.key, record.value)]
    return b"".join(
        [
            b"%%%s/%d %d|%d|" % (TOPIC.encode(), PARTITION, record.offset, record.timestamp),
            format_time(record.timestamp).encode() + b"|" + headers,
            b"|%d %b|%d %b\0%b\n" % (lengths[0], key, lengths[1], value, value),
        ]
    )


def in_lines(record: Record) -> bytes:
    key, value = record.key or b"", record.value or b""
    return b"%b\n %d%b\n-%d\n%b\n" % (key, record.offset, value, record.offset, value)


def in_json(record: Record) -> bytes:
    return envelope.encode(envelope.encode_source(TOPIC, PARTITION), record).encode()


PRINTED: dict[str, tuple[Callable[[SourceBatch], Any], Callable[[Record], bytes]]] = {
    "values": (render_values(b"\n"), lambda record: (record.value or b"") + b"\n"),
    "values, a delimiter": (render_values(b"\0--"), lambda record: (record.value or b"") + b"\0--"),
    "values, none": (render_values(b""), lambda record: record.value or b""),
    "keys": (
        render_keyed(b"\t", b"\n"),
        lambda record: (record.key or b"") + b"\t" + (record.value or b"") + b"\n",
    ),
    "a constant": (render_format("x%%"), lambda record: b"x%"),
    "in brackets": (render_format("[%s]"), lambda record: b"[" + (record.value or b"") + b"]"),
    "nothing": (render_format(""), lambda record: b""),
    "all fields": (render_format(TEMPLATE), in_format),
    "lines of fields": (render_format(LINES), in_lines),
    "shown": (
        render_format("%k%s%p;", show=lambda data: data.hex().encode()),
        lambda record: ((record.key or b"") + (record.value or b"")).hex().encode() + b"33;",
    ),
    "JSON": (render_json(), in_json),
}

plain = st.binary(max_size=12) | st.text(max_size=12).map(str.encode)
lines = plain.map(lambda data: data.replace(b"\n", b""))
escaped = st.text('a"\\\b\f\n\r\t\0\x1f\x7fé\U0001f600', max_size=8).map(str.encode)
elements = st.none() | plain | escaped
names = st.text(st.characters(codec="utf-8"), max_size=4)
headers = st.lists(st.tuples(names, elements), max_size=2)
times = st.integers(-(2**45), 2**45) | st.sampled_from([0, 1700000000123])


def columns_of(count: int) -> st.SearchStrategy[list[bytes | None]]:
    return st.one_of(*[st.lists(kind, min_size=count, max_size=count) for kind in (lines, elements)])


@st.composite
def batches(draw: st.DrawFn) -> RecordBatch:
    """A batch of any shape that its format allows."""
    count = draw(st.integers(1, 12))
    gaps = draw(st.none() | st.lists(st.integers(1, 1000), min_size=count, max_size=count))
    deltas = None if gaps is None else [sum(gaps[: number + 1]) for number in range(count)]
    stamps = draw(st.none() | st.lists(times, min_size=count, max_size=count))
    keys = draw(st.none() | columns_of(count))
    repeat = draw(st.sampled_from([1, 1, 400])) if deltas is None else 1
    columns = Columns(
        count * repeat,
        join_column(draw(columns_of(count)) * repeat),
        keys=None if keys is None else join_column(keys * repeat),
        common_key=draw(elements) if keys is None else None,
        headers=(draw(st.none() | st.lists(headers, min_size=count, max_size=count)) or []) * repeat or None,
        common_headers=draw(st.none() | headers),
        timestamps=(stamps or []) * repeat or None,
        offset_deltas=deltas,
    )
    base = draw(st.sampled_from([0, 7, 995, 999_999, 2**40]))
    span = (base, base + (deltas[-1] + 1 if deltas else count * repeat), count * repeat)
    return RecordBatch(*span, min(stamps or [5]), max(stamps or [5]), lambda: columns)


@pytest.mark.parametrize("name", PRINTED)
@given(batch=batches())
@settings(max_examples=40, deadline=None)
def test_a_batch_is_printed_as_its_records(name: str, batch: RecordBatch) -> None:
    render, reference = PRINTED[name]
    assert bytes(render(SourceBatch(SOURCE, batch))) == b"".join(map(reference, batch.records()))


@pytest.mark.parametrize("start", [0, 1, 998, 1000, 12_345, 999_500])
@pytest.mark.parametrize("count", [1, assemble.PART - 1, assemble.PART, assemble.PART + 1, 3 * assemble.PART])
@pytest.mark.parametrize(("before", "after"), [(b"", b""), (b"<", b">\n"), (b"", b" and more\n")])
def test_offsets_in_decimal(start: int, count: int, before: bytes, after: bytes) -> None:
    numbers = range(start, start + count)
    printed = assemble.assemble([before, assemble.numbers(numbers), after], count)
    assert list(printed) == [
        b"".join(before + b"%d" % number + after for number in numbers[first : first + assemble.PART])
        for first in range(0, count, assemble.PART)
    ]


def test_a_part_of_a_batch_is_printed_at_a_time() -> None:
    count = 1 << 18
    batch = RecordBatch(0, count, count, 0, 0, lambda: Columns(count, b"\n" * count, keys=b"k\n" * count))
    for render in (render_json(), render_keyed(b"\t", b"\n"), render_format("%o %s")):
        pieces = list(render.pieces(SourceBatch(SOURCE, batch)))
        assert max(map(len, pieces)) < 150 * assemble.PART
        assert b"".join(pieces) == render(SourceBatch(SOURCE, batch))

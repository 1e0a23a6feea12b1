"""produce --json reads lines in bulk: to the same records, or the same error at the same line, as one by one."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streamcli.cli import envelope
from streamcli.cli.envelope_columns import read_fields
from streamcli.cli.input import Chunk
from streamcli.cli.parse_envelopes import parse_envelopes
from streamcli.cli.parse_records import BadRecord, Parsed, RecordShape
from streamcli.record.batch import split_column

NOW = 77
LIMIT = 400
PARTITIONS = 4

TEXTS = ["", "a", "é", "two\\nlines", "\\ud83d\\ude00", "\\ud800", "\\u0000", 'q\\"q', "\u2028", "9007199254740993"]
STRINGS = st.sampled_from(TEXTS).map(lambda text: f'"{text}"')
B64 = st.sampled_from(['"AP8="', '"x"', '""', '"Zm9v\\n"', "7", "null"])
ODD = st.sampled_from(
    [
        "null",
        "true",
        "1",
        "1.0",
        "-0",
        "1e2",
        "NaN",
        "-Infinity",
        "[]",
        "{}",
        "[1",
        "2]",
        "9" * 30,
        "01",
        '"a',
        'b"',
        "1e400",
    ]
)
NUMBERS = st.sampled_from(["0", "3", "4", "-1", "1795000000000", "4611686018427387904", "9007199254740993", "null"])
HEADER = st.tuples(STRINGS, STRINGS | st.just("null") | st.just('{"b64":"AP8="}') | ODD).map(",".join)
HEADERS = st.lists(HEADER.map(lambda pair: f"[{pair}]") | ODD, max_size=3).map(lambda pairs: f"[{','.join(pairs)}]")


def objects(likely: bool) -> st.SearchStrategy[str]:
    """Lines; where not `likely` with every mistake that somebody thought of."""
    values = {
        "value": STRINGS if likely else STRINGS | ODD,
        "key": STRINGS | st.just("null") if likely else STRINGS | ODD,
        "timestamp": st.sampled_from(["1", "2"]) if likely else NUMBERS | ODD,
        "partition": st.sampled_from(["0", "3", "null"]) if likely else NUMBERS | ODD,
        "headers": st.just("[]") if likely else HEADERS | ODD,
        "value_b64": B64,
        "key_b64": B64,
        "x": ODD,
        "\\u0076alue": STRINGS,
    }
    names = list(values)[:5] if likely else list(values)
    field = st.sampled_from(names).flatmap(lambda name: values[name].map(lambda value: f'"{name}":{value}'))
    first = values["value"].map(lambda value: f'"value":{value}')
    return st.tuples(first, st.lists(field, max_size=4)).map(lambda fields: f"{{{','.join([fields[0], *fields[1]])}}}")


BREAKS = [
    "{}",
    "",
    " ",
    "[",
    "]",
    ",",
    "{},{}",
    '{"value":"a"',
    '"key":"b"}',
    '{"value":"a"},{"value":"b"}',
    "9007199254740993",
]
JOINTS = [
    '{"value":"a","x":[1',
    "2]}",
    '{"value":"a","x":"',
    '"}',
    '{"value":"a"},9007199254740993,{"value":"b"}',
    "\ufeff{}",
]
LINES = st.lists(
    st.one_of(objects(True), objects(True), objects(False), st.sampled_from(BREAKS + JOINTS)), min_size=1, max_size=6
)


def one_by_one(lines: list[bytes]) -> tuple[list[tuple[Any, ...]], str | None]:
    """The records before the first bad line, and what is wrong with that."""
    rows = []
    for line in lines:
        try:
            found = envelope.decode(line)
            if len(found.key or b"") + len(found.value or b"") > LIMIT:
                raise envelope.BadEnvelope(f"longer than {LIMIT} bytes (max.message.bytes)")
            if found.partition is not None and found.partition >= PARTITIONS:
                raise envelope.BadEnvelope(f"there is no partition {found.partition}: choose one with -p")
        except envelope.BadEnvelope as error:
            return rows, str(error)
        rows.append((found.key, found.value, found.headers, found.timestamp, found.partition))
    return rows, None


def rows_of(parsed: Parsed) -> list[tuple[Any, ...]]:
    columns, _, partitions = parsed
    count = columns.record_count
    keys = [columns.common_key] * count if columns.keys is None else split_column(columns.keys)
    headers = columns.headers or [[] for _ in range(count)]
    return list(
        zip(
            keys,
            split_column(columns.values),
            headers,
            columns.timestamps or [None] * count,
            partitions or [None] * count,
            strict=True,
        )
    )


def in_bulk(data: bytes) -> tuple[list[tuple[Any, ...]], int, str | None]:
    """The records before the first bad line, the bytes that they stand in, and what is wrong with the line."""
    chunk = Chunk(memoryview(bytearray(data)))
    try:
        found = parse_envelopes(chunk, RecordShape(), 1 << 20, partitions=PARTITIONS, limit=LIMIT, now_ms=NOW)
    except BadRecord as bad:
        return (rows_of(bad.good), bad.good.length, str(bad)) if bad.good else ([], 0, str(bad))
    return rows_of(found), found.length, None


def timed(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """With the time that the records of a chunk get, of which one at least has its own."""
    if all(row[3] is None for row in rows):
        return rows
    return [(*row[:3], NOW if row[3] is None else row[3], row[4]) for row in rows]


@pytest.mark.parametrize("padding", [0, 600_000], ids=["few", "many"])
@given(texts=LINES)
@example(texts=['{"value":"' + "v" * (LIMIT + 1) + '"}'])
@example(texts=['{"value":"a","x":[1', "2]}", '{"value":"a"},{"value":"b"}'])
@example(texts=['{"value":"a","x":"', '"}', '{"value":"a"},9007199254740993,{"value":"b"}'])
def test_lines_in_bulk_are_the_lines_one_by_one(padding: int, texts: list[str]) -> None:
    """Many: in several pieces, and read by orjson."""
    lines = [text.encode() for text in texts]
    if padding:
        good = [line for line in lines if one_by_one([line])[1] is None and b"9007" not in line]
        lines = [b'{"value":"","x":"%b"}' % (b" " * padding), *good * 3, *lines]
    data = b"".join(line + b"\n" for line in lines)
    rows, reason = one_by_one(lines)
    assert in_bulk(data) == (timed(rows), len(b"".join(line + b"\n" for line in lines[: len(rows)])), reason)


@pytest.mark.parametrize("loads", [lambda data: json.loads(data.decode()), orjson.loads], ids=["json", "orjson"])
@given(texts=st.lists(objects(True).filter(lambda text: "\\ud800" not in text and "9007" not in text), min_size=1))
def test_lines_of_the_usual_kind_need_not_be_read_one_by_one(loads: Any, texts: list[str]) -> None:
    """BadEnvelope would send them there; and these two readers agree."""
    lines = [text.encode() for text in texts]
    fields = read_fields(b"".join(line + b"\n" for line in lines), loads)
    rows, reason = one_by_one(lines)
    assert reason is None
    assert fields.records == len(rows)
    assert (split_column(fields.values) if fields.values is not None else None) == [row[1] for row in rows]
    assert (fields.timestamps or [None] * len(rows)) == [row[3] for row in rows]
    assert (fields.partitions or [None] * len(rows)) == [row[4] for row in rows]


@pytest.mark.parametrize("loads", [lambda data: json.loads(data.decode()), orjson.loads], ids=["json", "orjson"])
@given(texts=LINES)
def test_what_is_read_in_bulk_is_what_one_by_one_would_have_read(loads: Any, texts: list[str]) -> None:
    lines = [text.encode() for text in texts]
    rows, _ = one_by_one(lines)
    try:
        fields = read_fields(b"".join(line + b"\n" for line in lines), loads)
    except envelope.BadEnvelope:
        return
    if fields.partitions is not None and max(filter(None, fields.partitions), default=0) >= PARTITIONS:
        return
    assert (split_column(fields.values) if fields.values is not None else [None] * fields.records) == [
        r[1] for r in rows
    ]
    assert (split_column(fields.keys) if fields.keys is not None else [None] * fields.records) == [r[0] for r in rows]
    assert (fields.headers or [[]] * fields.records) == [r[2] for r in rows]

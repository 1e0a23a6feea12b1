"""From chunks of JSON envelopes to records: by columns, and line by line where one is bad, to say which."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast

from streamcli.cli import envelope
from streamcli.cli.envelope import BadEnvelope, Envelope
from streamcli.cli.envelope_columns import read_fields
from streamcli.cli.input import Chunk
from streamcli.cli.parse_records import BadRecord, Parsed, RecordShape, split_records
from streamcli.record.batch import Column, Columns, join_column, split_column

_WORTH_ORJSON = 512 << 10
"""Bytes of lines at once that promise more to come, so that orjson saves more than it takes to import."""


def parse_envelopes(chunk: Chunk, shape: RecordShape, most: int, *, partitions: int, limit: int, now_ms: int) -> Parsed:
    """The records of a chunk's first lines, `most` of them at most. BadRecord for a bad line, for a key and value of over
    `limit` bytes, and for a partition that is none of `partitions`."""
    if not chunk.unended:
        lines = bytes(chunk.data)
        if chunk.lines() > most:
            lines = lines[: split_records(chunk, b"\n", most)[1]]
        gc.disable()  # objects of JSON are in no cycles, and there are many: to look for some took a fourth of the time
        try:
            return _by_columns(lines, shape, partitions, limit, now_ms)
        except BadEnvelope:
            pass
        finally:
            gc.enable()
    return _by_lines(chunk, shape, most, partitions, limit, now_ms)


def _by_columns(lines: bytes, shape: RecordShape, partitions: int, limit: int, now_ms: int) -> Parsed:
    """The records of lines; BadEnvelope, without a reason, where one is bad."""
    found = read_fields(lines, _reader(len(lines)))
    keys, times = found.keys, None
    if found.timestamps is not None:
        times = _without_null(found.timestamps, now_ms)
    if len(lines) > limit and _longest(keys, found.values) > limit:
        raise BadEnvelope("too long")
    if found.partitions is not None and max(filter(None, set(found.partitions)), default=0) >= partitions:
        raise BadEnvelope("no such partition")
    if isinstance(keys, list) and shape.key is not None:
        keys = join_column([shape.key if key is None else key for key in keys])
    columns = Columns(
        record_count=found.records,
        values=[None] * found.records if found.values is None else found.values,
        keys=keys,
        common_key=shape.key if keys is None else None,
        headers=found.headers,
        common_headers=list(shape.headers) or None,
        timestamps=times,
    )
    return Parsed(columns, len(lines), found.partitions)


def _without_null(numbers: list[int | None], instead: int) -> list[int]:
    """The numbers, with another one for each null."""
    if None not in set(numbers):
        return cast("list[int]", numbers)
    return [instead if number is None else number for number in numbers]


def _loads(data: bytes) -> Any:
    """The json module, given bytes, would guess their encoding."""
    return json.loads(data.decode())


def _reader(length: int) -> Callable[[bytes], Any]:
    """What reads so many bytes of JSON: orjson, where it is installed and worth its import."""
    if length >= _WORTH_ORJSON:
        with suppress(ImportError):
            import orjson

            return cast("Callable[[bytes], Any]", orjson.loads)
    return _loads


def _longest(*columns: Column | None) -> int:
    """Bytes of the longest record."""
    present = [split_column(column) for column in columns if column is not None]
    return max((sum(len(element or b"") for element in row) for row in zip(*present, strict=True)), default=0)


def _by_lines(chunk: Chunk, shape: RecordShape, most: int, partitions: int, limit: int, now_ms: int) -> Parsed:
    found: list[Envelope] = []
    lines, length = split_records(chunk, b"\n", most)
    for line in lines:
        try:
            record = envelope.decode(line)
            if len(record.key or b"") + len(record.value or b"") > limit:
                raise BadEnvelope(f"longer than {limit} bytes (max.message.bytes)")
            if record.partition is not None and record.partition >= partitions:
                raise BadEnvelope(f"there is no partition {record.partition}: choose one with -p")
        except BadEnvelope as error:
            before = sum(map(len, lines[: len(found)])) + len(found)
            raise BadRecord(str(error), _from_envelopes(found, shape, before, now_ms) if found else None) from None
        found.append(record)
    return _from_envelopes(found, shape, length, now_ms)


def _from_envelopes(found: list[Envelope], shape: RecordShape, length: int, now_ms: int) -> Parsed:
    keys = [shape.key if record.key is None else record.key for record in found]
    timed = any(record.timestamp is not None for record in found)
    columns = Columns(
        record_count=len(found),
        values=join_column([record.value for record in found]),
        keys=None if keys.count(None) == len(keys) else join_column(keys),
        headers=[record.headers for record in found] if any(record.headers for record in found) else None,
        common_headers=list(shape.headers) or None,
        timestamps=[now_ms if record.timestamp is None else record.timestamp for record in found] if timed else None,
    )
    placed = any(record.partition is not None for record in found)
    return Parsed(columns, length, [record.partition for record in found] if placed else None)

"""The JSON envelope: a record as one JSON object a line, the same in both directions, without loss.

    {"topic","partition","offset","timestamp","key","value","headers":[["name","value"],...]}

What is not UTF-8 stands in base64: under key_b64, value_b64, or as {"b64": "..."} for a header's value. null is
null and "" is empty. Read back, topic and offset count for nothing; timestamp and partition are kept.
"""

from __future__ import annotations

import binascii
import json
from base64 import b64decode, b64encode
from json.encoder import encode_basestring as _quote
from typing import Any, NamedTuple

from streamcli.record.batch import Header, Record
from streamcli.record.errors import StreamcliError

TIMESTAMPS = range(-(2**62), 2**62)
PARTITIONS = range(2**31)
"""The numbers that a record can have."""

_scan = json.JSONDecoder().raw_decode


class BadEnvelope(StreamcliError):
    """A line that is no envelope, with the reason."""


class Envelope(NamedTuple):
    """A record read from JSON. timestamp (ms) and partition are None when not given."""

    key: bytes | None
    value: bytes | None
    headers: list[Header]
    timestamp: int | None
    partition: int | None


def encode(source_fields: str, record: Record) -> str:
    """One line, with its newline; `source_fields` from `encode_source`."""
    return (
        f'{{{source_fields},"offset":{record.offset},"timestamp":{record.timestamp},'
        f"{encode_field('key', record.key)},{encode_field('value', record.value)},"
        f'"headers":{encode_headers(record.headers)}}}\n'
    )


def encode_source(topic: str, partition: int) -> str:
    """The fields that all records of a partition share."""
    return f'"topic":{_quote(topic)},"partition":{partition}'


def encode_field(name: str, data: bytes | None) -> str:
    """A key or value with its name, which says whether it is in base64."""
    if data is None:
        return f'"{name}":null'
    try:
        return f'"{name}":{_quote(data.decode())}'
    except UnicodeDecodeError:
        return f'"{name}_b64":"{b64encode(data).decode()}"'


def encode_headers(headers: list[Header]) -> str:
    """The list of a record's headers."""
    return f"[{','.join([f'[{_quote(name)},{_header_value(value)}]' for name, value in headers])}]"


def decode(line: bytes) -> Envelope:
    """The record in a line; BadEnvelope says what is wrong with it."""
    found = _load(line)
    if not isinstance(found, dict):
        raise BadEnvelope("not a JSON object")
    if "value" not in found and "value_b64" not in found:
        raise BadEnvelope('no "value" (or "value_b64"); null makes a tombstone')
    return Envelope(
        key=take_bytes(found, "key"),
        value=take_bytes(found, "value"),
        headers=take_headers(found.get("headers")),
        timestamp=take_number(found, "timestamp", TIMESTAMPS),
        partition=take_number(found, "partition", PARTITIONS),
    )


def _load(line: bytes) -> Any:
    try:
        text = line.decode()
        try:
            found, end = _scan(text)
            if end == len(text):
                return found
        except ValueError:
            pass
        return json.loads(text)  # white space around it, or the error
    except (ValueError, RecursionError) as error:
        raise BadEnvelope(f"not JSON: {error}") from None


def _header_value(data: bytes | None) -> str:
    if data is None:
        return "null"
    try:
        return _quote(data.decode())
    except UnicodeDecodeError:
        return f'{{"b64":"{b64encode(data).decode()}"}}'


def take_bytes(found: dict[str, Any], name: str) -> bytes | None:
    """The key or value of an object; BadEnvelope."""
    if name + "_b64" in found:
        if found.get(name) is not None:
            raise BadEnvelope(f'both "{name}" and "{name}_b64"')
        return _from_b64(found[name + "_b64"], name + "_b64")
    return _from_text(found.get(name), name)


def _from_text(data: Any, name: str) -> bytes | None:
    if data is None:
        return None
    if not isinstance(data, str):
        raise BadEnvelope(f'"{name}" is neither a string nor null: encode it as a string (jq: tojson)')
    try:
        return data.encode()
    except UnicodeEncodeError:
        raise BadEnvelope(f'"{name}" holds half a surrogate pair, which no bytes can be') from None


def _from_b64(data: Any, name: str) -> bytes:
    try:
        if isinstance(data, str):
            return b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        pass
    raise BadEnvelope(f'"{name}" is not base64')


def take_headers(found: Any) -> list[Header]:
    """Headers, from what "headers" says; BadEnvelope."""
    if found is None:
        return []
    headers: list[Header] = []
    for pair in found if isinstance(found, list) else [None]:
        if not (isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], str)):
            raise BadEnvelope('"headers" is not a list of ["name", "value"]')
        name, value = pair
        _from_text(name, "headers")
        if isinstance(value, dict) and list(value) == ["b64"]:
            headers.append((name, _from_b64(value["b64"], "b64")))
        else:
            headers.append((name, _from_text(value, "headers")))
    return headers


def take_number(found: dict[str, Any], name: str, allowed: range) -> int | None:
    """A number of an object, if it has it; BadEnvelope."""
    number = found.get(name)
    if number is None or (type(number) is int and number in allowed):
        return number
    raise BadEnvelope(f'"{name}" is not a whole number that a record can have')

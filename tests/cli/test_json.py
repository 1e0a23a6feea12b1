"""The JSON envelope: the same in both directions, without loss."""

from __future__ import annotations

import json
import uuid
from base64 import b64encode

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.support.command import durable, ok, run

BYTES = st.one_of(
    st.none(),
    st.binary(max_size=12),
    st.text(max_size=8).map(lambda text: text.encode(errors="surrogatepass")),
    st.sampled_from([b"", b"\n", b"a\nb", b"\0", b"\xff", b'"quoted"', b"\\", "\u2028".encode()]),
)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
RECORDS = st.fixed_dictionaries(
    {
        "key": BYTES,
        "value": BYTES,
        "headers": st.lists(st.tuples(NAMES, BYTES), max_size=3),
        "timestamp": st.integers(0, 2**45),
        "partition": st.integers(0, 2),
    }
)


def envelope(record: dict) -> dict:
    """A record of bytes as JSON has it, written here from the specification and not by streamcli."""
    fields = {name: record[name] for name in ("timestamp", "partition")}
    for name in ("key", "value"):
        data = record[name]
        try:
            fields[name] = None if data is None else data.decode()
        except UnicodeDecodeError:
            fields[name + "_b64"] = b64encode(data).decode()
    fields["headers"] = [[name, header_value(value)] for name, value in record["headers"]]
    return fields


def header_value(data: bytes | None) -> object:
    try:
        return None if data is None else data.decode()
    except UnicodeDecodeError:
        return {"b64": b64encode(data).decode()}


def by_partition(lines: bytes) -> dict[int, list[dict]]:
    found: dict[int, list[dict]] = {}
    for line in lines.splitlines():
        record = json.loads(line)
        for name in ("topic", "offset"):
            record.pop(name, None)
        found.setdefault(record["partition"], []).append(record)
    return found


@settings(max_examples=15)
@given(st.lists(RECORDS, min_size=1, max_size=40))
@example(
    [{"key": b"", "value": None, "headers": [("h", b"1"), ("h", b"1"), ("h", None)], "timestamp": 0, "partition": 1}]
)
def test_any_records_there_back_and_there_again(records: list[dict]) -> None:
    first, second = uuid.uuid4().hex, uuid.uuid4().hex
    ok("topics", "create", first, second, "-p", "3")
    given_lines = "".join(json.dumps(envelope(record)) + "\n" for record in records).encode()
    ok("produce", first, "--json", stdin=given_lines)
    once = ok("consume", first, "--json")
    ok("produce", second, "--json", stdin=once)
    assert by_partition(once) == by_partition(given_lines)
    assert by_partition(ok("consume", second, "--json")) == by_partition(given_lines)


def test_the_envelope_of_a_record() -> None:
    ok("produce", "t", "-k", "k", "-H", "h=v", stdin=b"caf\xc3\xa9\n")
    line = ok("consume", "t", "--json")
    found = json.loads(line)
    assert list(found) == ["topic", "partition", "offset", "timestamp", "key", "value", "headers"]
    assert found["timestamp"] > 1_600_000_000_000
    del found["timestamp"]
    expected = {"topic": "t", "partition": 0, "offset": 0, "key": "k", "value": "café", "headers": [["h", "v"]]}
    assert found == expected
    assert "café".encode() in line


def test_only_a_value_is_needed() -> None:
    ok("produce", "t", "--json", stdin=b'{"value":"v"}\n{"value":null}\n {"value_b64": "/w=="} \n{"value":"last"}')
    found = [json.loads(line) for line in ok("consume", "t", "--json").splitlines()]
    assert [record.get("value") for record in found] == ["v", None, None, "last"]
    assert found[2]["value_b64"] == "/w=="
    assert all(record["key"] is None and record["headers"] == [] for record in found)


def test_topic_and_offset_are_not_taken_over() -> None:
    ok("produce", "t", "--json", stdin=b'{"topic":"other","offset":77,"value":"v","extra":[1]}\n')
    assert ok("consume", "t", "-F", "%t %o %s\\n") == b"t 0 v\n"
    assert ok("topics", "list") == b"t\n"


def test_a_partition_told_beats_the_envelope() -> None:
    ok("topics", "create", "t", "-p", "3")
    ok("produce", "t", "--json", "-p", "2", stdin=b'{"partition":0,"value":"a"}\n{"partition":9,"value":"b"}\n')
    assert ok("consume", "t", "-F", "%p%s ") == b"2a 2b "


def test_key_and_header_flags_complete_the_envelope() -> None:
    ok(
        "produce",
        "t",
        "--json",
        "-k",
        "k",
        "-H",
        "a=1",
        stdin=b'{"value":"x","headers":[["b","2"]]}\n{"key":"own","value":"y"}\n',
    )
    found = [json.loads(line) for line in ok("consume", "t", "--json").splitlines()]
    assert [record["key"] for record in found] == ["k", "own"]
    assert [record["headers"] for record in found] == [[["a", "1"], ["b", "2"]], [["a", "1"]]]


BAD = [
    b"not json",
    b"",
    b"[]",
    b'"text"',
    b"{}",
    b'{"key":"k"}',
    b'{"value":1}',
    b'{"value":{}}',
    b'{"value_b64":"?"}',
    b'{"value":"a","value_b64":"YQ=="}',
    b'{"value":"\\ud800"}',
    b'{"value":"v","key":5}',
    b'{"value":"v","headers":{"a":"b"}}',
    b'{"value":"v","headers":[["a"]]}',
    b'{"value":"v","headers":[["a",1]]}',
    b'{"value":"v","headers":[[1,"a"]]}',
    b'{"value":"v","timestamp":"now"}',
    b'{"value":"v","timestamp":1.5}',
    b'{"value":"v","timestamp":true}',
    b'{"value":"v","timestamp":99999999999999999999}',
    b'{"value":"v","partition":-1}',
    b'{"value":"v","partition":1}',
    b'{"value":"v"} trailing',
    b'{"value":"\xff"}',
    b"[" * 100_000,
    b"1" * 5000,
]


@pytest.mark.parametrize("line", BAD, ids=lambda line: repr(line[:30]))
def test_a_bad_line_is_named_and_nothing_after_it_is_written(line: bytes) -> None:
    before = b'{"value":"1"}\n{"value":"2"}\n'
    result = run("produce", "t", "--json", stdin=before + line + b'\n{"value":"4"}\n')
    assert (result.status, result.out) == (8, b"")
    assert len(result.err.splitlines()) == 1
    assert result.err.startswith("streamcli: record 3 of standard input: ")
    assert durable(result.err) == 2
    assert ok("consume", "t") == b"1\n2\n"


def test_a_bad_line_in_a_file_names_the_file(tmp_path) -> None:
    good, bad = tmp_path / "good", tmp_path / "bad"
    good.write_bytes(b'{"value":"1"}\n')
    bad.write_bytes(b'{"value":"2"}\noops\n')
    result = run("produce", "t", "--json", str(good), str(bad))
    assert result.status == 8
    assert f"record 2 of {bad}" in result.err
    assert durable(result.err) == 2
    assert ok("consume", "t") == b"1\n2\n"

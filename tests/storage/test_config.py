"""Topic config: what is stored, what is refused."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streamcli.record.errors import StreamcliError, UsageError
from streamcli.storage.config import (
    MAX_PARTITIONS,
    SETTINGS,
    UNLIMITED,
    TopicConfig,
    check_config,
    checked_value,
    decode_config,
    encode_config,
)

JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(
                [
                    "partitions",
                    "config",
                    "segment.bytes",
                    "cleanup.policy",
                    "retention.ms",
                    "min.cleanable.dirty.ratio",
                    "x",
                ]
            ),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=8,
)


@given(st.one_of(st.binary(max_size=60), JSON.map(lambda value: json.dumps(value).encode())))
@example(b"[" * 100_000)
@example(b'{"partitions": 1' + b"0" * 5000 + b"}")
def test_any_bytes_as_a_config(data: bytes):
    try:
        found = decode_config(data, "config.json")
    except StreamcliError as error:
        found = str(error)
    if isinstance(found, str):
        assert "config.json" in found
        return
    assert decode_config(encode_config(found), "config.json") == found


SEGMENT_BYTES = SETTINGS["segment.bytes"]


def test_a_value_that_was_not_set_is_the_default():
    config = TopicConfig(1, {"segment.bytes": 4096})
    assert config.number("segment.bytes") == 4096
    assert config.number("segment.ms") == SETTINGS["segment.ms"].default
    assert config.ratio("min.cleanable.dirty.ratio") == 0.5
    assert config.choice("compression.type") == "none"


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS.keys())
def test_a_default_is_a_value_that_can_be_had(setting):
    check_config(TopicConfig(1, {setting.name: setting.default}))


@pytest.mark.parametrize("partitions", [1, MAX_PARTITIONS])
@pytest.mark.parametrize("size", [SEGMENT_BYTES.minimum, SEGMENT_BYTES.maximum])
def test_the_limits_can_be_had(partitions: int, size: int):
    config = TopicConfig(partitions, {"segment.bytes": size})
    check_config(config)
    assert decode_config(encode_config(config), "config.json") == config


REFUSED = [
    ("segment.byte", 4096, "segment.bytes"),
    ("segment.bytes", SEGMENT_BYTES.minimum - 1, f"use {SEGMENT_BYTES.minimum}"),
    ("segment.bytes", SEGMENT_BYTES.maximum + 1, f"to {SEGMENT_BYTES.maximum}"),
    ("segment.bytes", UNLIMITED, f"use {SEGMENT_BYTES.minimum}"),
    ("segment.bytes", 4096.0, "segment.bytes 4096.0"),
    ("segment.bytes", "4096", "segment.bytes 4096"),
    ("segment.bytes", True, "segment.bytes True"),
    ("retention.ms", -2, "or -1 for unlimited"),
    ("min.cleanable.dirty.ratio", 1.1, "use 0 to 1"),
    ("min.cleanable.dirty.ratio", float("nan"), "ratio nan"),
    ("cleanup.policy", "", "use delete, compact or compact,delete"),
    ("cleanup.policy", "Compact", "use delete, compact"),
    ("cleanup.policy", "compact,", "use delete, compact"),
    ("cleanup.policy", 1, "cleanup.policy 1"),
    ("compression.type", "none,gzip", "use none, gzip, zstd or lz4"),
]


@pytest.mark.parametrize(("name", "value", "named"), REFUSED)
def test_what_is_refused_names_what_there_is(name: str, value: object, named: str):
    with pytest.raises(UsageError, match=re.escape(named)):
        checked_value(name, value)
    data = json.dumps({"partitions": 1, "config": {name: value}}).encode()
    with pytest.raises(StreamcliError, match="damaged"):
        decode_config(data, "config.json")


@pytest.mark.parametrize("partitions", [0, MAX_PARTITIONS + 1])
def test_how_many_partitions_there_can_be(partitions: int):
    with pytest.raises(UsageError, match=f"partitions {partitions}: use 1 to {MAX_PARTITIONS}"):
        check_config(TopicConfig(partitions, {}))


@pytest.mark.parametrize("text", ["compact,delete", "delete,compact", " delete , compact", "compact,delete,compact"])
def test_the_order_of_both_policies_does_not_matter(text: str):
    assert checked_value("cleanup.policy", text) == "compact,delete"
    found = decode_config(json.dumps({"partitions": 1, "config": {"cleanup.policy": text}}).encode(), "config.json")
    assert found.compacts
    assert found.deletes
    assert found == TopicConfig(1, {"cleanup.policy": "compact,delete"})


def test_a_ratio_may_be_written_as_a_whole_number():
    found = decode_config(b'{"partitions": 1, "config": {"min.cleanable.dirty.ratio": 1}}', "config.json")
    assert found.ratio("min.cleanable.dirty.ratio") == 1.0


def test_what_an_earlier_version_wrote():
    data = b'{\n  "partitions": 4,\n  "config": {\n    "segment.bytes": 65536,\n    "segment.ms": 90000\n  }\n}\n'
    found = decode_config(data, "config.json")
    assert found == TopicConfig(4, {"segment.bytes": 65536, "segment.ms": 90_000})
    assert encode_config(found) == data
    assert (found.compacts, found.deletes, found.number("retention.ms")) == (False, True, UNLIMITED)

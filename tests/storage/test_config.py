"""Topic config: what is stored, what is refused."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streamcli.record.errors import StreamcliError, UsageError
from streamcli.storage.config import MAX_PARTITIONS, SETTINGS, TopicConfig
from streamcli.storage.directory import check_config, decode_config, encode_config

JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["partitions", "config", "segment.bytes", "x"]), inner, max_size=4),
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
    assert config.value("segment.bytes") == 4096
    assert config.value("segment.ms") == SETTINGS["segment.ms"].default


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS.keys())
def test_a_default_is_a_value_that_can_be_had(setting):
    check_config(TopicConfig(1, {setting.name: setting.default}))


@pytest.mark.parametrize("partitions", [1, MAX_PARTITIONS])
@pytest.mark.parametrize("size", [SEGMENT_BYTES.minimum, SEGMENT_BYTES.maximum])
def test_the_limits_can_be_had(partitions: int, size: int):
    config = TopicConfig(partitions, {"segment.bytes": size})
    check_config(config)
    assert decode_config(encode_config(config), "config.json") == config


@pytest.mark.parametrize(
    ("config", "named"),
    [
        (TopicConfig(0, {}), "partitions 0"),
        (TopicConfig(MAX_PARTITIONS + 1, {}), f"1 to {MAX_PARTITIONS}"),
        (TopicConfig(1, {"segment.byte": 4096}), "segment.bytes"),
        (TopicConfig(1, {"segment.bytes": SEGMENT_BYTES.minimum - 1}), f"use {SEGMENT_BYTES.minimum}"),
        (TopicConfig(1, {"segment.bytes": SEGMENT_BYTES.maximum + 1}), f"to {SEGMENT_BYTES.maximum}"),
    ],
)
def test_what_is_refused_names_what_there_is(config: TopicConfig, named: str):
    with pytest.raises(UsageError, match=named):
        check_config(config)
    with pytest.raises(StreamcliError, match="damaged"):
        decode_config(encode_config(config), "config.json")

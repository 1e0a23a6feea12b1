"""The names in a log directory."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamcli.record.errors import UsageError
from streamcli.storage import layout


@pytest.mark.parametrize("name", ["a", "clicks", "A.b_c-9", "...", "lock", "-x", "x" * 249])
def test_legal_topic_names(name: str):
    assert layout.check_topic_name(name) == name


BAD_NAMES = [
    "",
    ".",
    "..",
    "a/b",
    "../a",
    "/etc",
    "a b",
    "a+b",
    "+a",
    "a\n",
    "a\0",
    "é",
    "x" * 250,
    "*",
    "a:b",
    "a\\b",
    "~",
]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_bad_topic_names_are_refused_before_a_path_is_built(name: str):
    with pytest.raises(UsageError, match="bad topic name"):
        layout.check_topic_name(name)
    with pytest.raises(UsageError):
        layout.topic_directory("/d", name)
    assert not name or not layout.is_topic_name(name)


def test_a_long_bad_name_is_not_shown_whole():
    with pytest.raises(UsageError) as raised:
        layout.check_topic_name("/" * 100_000)
    assert len(str(raised.value)) < 300


@given(st.text(max_size=30))
def test_a_topic_directory_lies_in_the_topics_directory(name: str):
    try:
        path = layout.topic_directory("/d", name)
    except UsageError:
        return
    assert os.path.dirname(os.path.normpath(path)) == "/d/topics"


def test_every_legal_name_can_be_seen_as_a_topic():
    """A topic that can be created can be listed."""
    for name in ("lock", "checkpoint", "config.json", "..."):
        try:
            layout.check_topic_name(name)
        except UsageError:
            continue
        assert layout.is_topic_name(name), name


def test_the_names_of_a_partition():
    assert layout.partition_directory("/d", "clicks", 3) == "/d/topics/clicks/3"
    assert layout.segment_path("/p", layout.SegmentName.of(42)) == "/p/00000000000000000042.log"
    assert layout.index_path("/p", layout.SegmentName.of(42)) == "/p/00000000000000000042.index"
    assert layout.segment_path("/p", layout.SegmentName.of(2**63)) == "/p/09223372036854775808.log"


def test_a_temporary_name_is_no_topic_and_lies_beside():
    path = layout.temporary_name("/d/topics/clicks")
    assert os.path.dirname(path) == "/d/topics"
    assert not layout.is_topic_name(os.path.basename(path))
    assert path.startswith("/d/topics/+clicks.")


def test_cut_bytes_get_a_free_name(tmp_path: Path):
    segment = layout.segment_path(str(tmp_path), layout.SegmentName.of(7))
    first = layout.cut_path(segment, 100)
    assert first == str(tmp_path / "00000000000000000007.cut-100-1")
    Path(first).touch()
    Path(tmp_path / "00000000000000000007.cut-100-2").symlink_to("nowhere")
    assert layout.cut_path(segment, 100) == str(tmp_path / "00000000000000000007.cut-100-3")


def test_only_our_names_are_segments(tmp_path: Path):
    for name in [
        "00000000000000000010.log",
        "00000000000000000002.log",
        "00000000000000000002.index",
        "00000000000000000002.cut-5-1",
        "0000000000000000003.log",
        "000000000000000000004.log",
        "0000000000000000000x.log",
        "+00000000000000000005.log.77",
        "٠٠٠٠٠٠٠٠٠٠٠٠٠٠٠٠٠٠٠٦.log",
        "lock",
        "checkpoint",
    ]:
        (tmp_path / name).touch()
    assert [name.base_offset for name in layout.segments(str(tmp_path))] == [2, 10]


@given(
    st.lists(
        st.one_of(
            st.builds(layout.SegmentName.of, st.integers(0, 30)).map(lambda name: name + ".log"),
            st.builds(
                lambda base, more: layout.SegmentName.of(base, base + more), st.integers(0, 30), st.integers(1, 9)
            ).map(lambda name: name + ".log"),
            st.sampled_from(
                ["checkpoint", "0.log", "0" * 16 + ".log.log", f"{2**63:020d}.log", "\u0660" * 20 + ".log", "x\udcff"]
            ),
        ),
        unique=True,
    )
)
def test_the_segments_that_are_listed_fast_are_those(files: list[str]):
    found = layout.segments_among(list(map(os.fsencode, files)))
    stems = sorted(name.removesuffix(".log") for name in files if name.endswith(".log"))
    plain = [stem for stem in stems if len(stem) == 20 and stem.isascii() and stem.isdecimal() and int(stem) < 2**63]
    assert [name for name in found if name.end_offset is None] == [
        name for name in plain if not any(c.base_offset <= int(name) < (c.end_offset or 0) for c in found)
    ]
    if isinstance(found, layout.PlainSegments):
        assert list(found) == plain == [found[number] for number in range(len(found))]
        assert list(found[1:]) == plain[1:]
        assert found == plain
        assert found != plain[1:]

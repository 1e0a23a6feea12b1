"""The C library's search finds what bytes.find does."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamcli.cli.memmem import LEAST_DATA, find

fillings = st.sampled_from([b"\0", b"a", b"ab", b"abcab", b"a line of text\n"])
needles = st.one_of(
    st.binary(max_size=9), st.text("ab\0", max_size=40).map(str.encode), st.integers(1, 300).map(lambda n: b"ab" * n)
)


@given(filling=fillings, needle=needles, at=st.integers(0, 100), after=st.integers(0, 9), start=st.integers(0, 200))
@settings(max_examples=150, deadline=None)
def test_where_a_needle_is_found(filling: bytes, needle: bytes, at: int, after: int, start: int) -> None:
    much = filling * (LEAST_DATA // len(filling) + 300)
    for data in (much[:at] + needle + much, much + needle + much[:after], much):
        assert find(data, needle, start) == data.find(needle, start)


@pytest.mark.parametrize("start", [0, 1, 7, 1 << 40])
def test_little_data_and_a_start_behind_it(start: int) -> None:
    for data in (b"", b"a needle", b"a needle" * LEAST_DATA):
        assert find(data, b"a needle", start) == data.find(b"a needle", start)

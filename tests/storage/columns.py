"""Hypothesis strategies for columns of every form."""

from __future__ import annotations

from hypothesis import strategies as st

from streamcli.record.batch import Columns, join_column

INT64 = st.integers(-(2**63), 2**63 - 1)
# Bytes where it hurts: newline, carriage return, NUL, invalid UTF-8, the batch magic, empty.
ELEMENTS = st.one_of(
    st.sampled_from([b"", b"\n", b"a\nb", b"\r\n", b"\0", b"\xff\xfe", b"\xd7SCB\x01", "é".encode()]),
    st.binary(max_size=30),
)
NULLABLE = st.one_of(st.none(), ELEMENTS)
HEADER_LISTS = st.lists(st.tuples(st.text(max_size=8), NULLABLE), max_size=3)


@st.composite
def columns(draw: st.DrawFn, gaps: bool = True, max_records: int = 8) -> Columns:
    """Columns of 1 to max_records records; every column absent, joined where it can be, or a list."""
    count = draw(st.integers(1, max_records))

    def one_each(element: st.SearchStrategy) -> st.SearchStrategy:
        return st.lists(element, min_size=count, max_size=count)

    def column() -> st.SearchStrategy:
        lists = one_each(NULLABLE)
        return st.one_of(lists, lists.map(join_column), one_each(ELEMENTS).map(join_column))

    keys = draw(st.one_of(st.none(), column()))
    deltas = None
    if gaps and draw(st.booleans()):
        deltas = sorted(draw(st.sets(st.integers(0, 100), min_size=count, max_size=count)))
    return Columns(
        record_count=count,
        values=draw(column()),
        keys=keys,
        common_key=draw(st.one_of(st.none(), ELEMENTS)) if keys is None else None,
        headers=draw(st.one_of(st.none(), one_each(HEADER_LISTS))),
        common_headers=draw(st.one_of(st.none(), HEADER_LISTS)),
        timestamps=draw(st.one_of(st.none(), one_each(INT64))),
        offset_deltas=deltas,
    )

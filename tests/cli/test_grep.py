"""--grep finds what the expression matches in a value on its own, however the values are stored."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from streamcli.cli.filter import make_filter
from streamcli.cli.grep import make_grep
from streamcli.record.batch import Columns, Extent, RecordBatch, join_column
from streamcli.record.errors import CorruptData

PATTERNS = [
    *(
        "",
        "a",
        "ab",
        "a.b",
        "^a",
        "a$",
        "^$",
        "^a$",
        "\\Aab",
        "b\\Z",
        "a\\nb",
        "\\n",
        "[^a]",
        "[^a]b",
        "a[^x]b",
        "\\s",
        "a\\sb",
    ),
    *(
        "a\\Sb",
        "\\Wab",
        "\\Dab",
        "(?s)a.b",
        "(?s)a.*b",
        "(?m)^ab$",
        "(?m)a$",
        "(?i)AB",
        "(?i:A)b",
        "(?-i:a)b",
        "(?i)(?-i:a)B",
    ),
    *(
        "a|b",
        "ab|ba",
        "(ab|ba)c",
        "a(b|)c",
        "a(b|c)?",
        "ab|",
        "(?:ab)+",
        "(?:ab)*c",
        "(?:ab){2}",
        "(?:ab){0,2}c",
        "ab*?c",
    ),
    *(
        "a(?=b)",
        "a(?=bc)b",
        "a(?!b)",
        "(?<=a)b",
        "(?<!a)b",
        "(?<=\\n)b",
        "(a)\\1",
        "(a)(?(1)b|c)",
        "\\bab",
        "\\Bb",
        "a\\b",
    ),
    *(
        "(?>ab)c",
        "ab++",
        "a{2}",
        "[ab]c",
        "[a]b",
        "(?x) a b # c",
        "(?P<x>ab)(?P=x)",
        "a\\\\",
        "\\x00",
        "\udcff",
        "é",
        "(?L)ab",
    ),
    *(
        "|".join(["a", "b", "c", "ab", "bc", "abc", "ca", "cb", "cc"]),
        "ab.*bc",
        ".*ab",
        "a[b-c]+c",
        "(?i)\udcc3",
        "(?!)",
    ),
]

lines = st.text("aAbBc \\\t\r\0\n\xe9\xff\xc3", max_size=6).map(lambda text: text.encode("latin1"))
columns = st.lists(lines | lines | st.none(), min_size=1, max_size=12) | st.lists(
    lines.map(lambda data: data.replace(b"\n", b"")), min_size=1, max_size=12
)
sparse = st.tuples(lines, st.integers(0, 60)).map(
    lambda drawn: [b"-"] * drawn[1] + [drawn[0].replace(b"\n", b"")] + [b"-"] * (60 - drawn[1])
)
grammar = st.recursive(
    st.sampled_from(["a", "b", "c", "A", ".", "\\s", "[^a]", "[ab]", "^", "$", "\\b", "\\n", "ab", "bc", "\\\\"]),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=4).map("".join),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: f"(?:{'|'.join(parts)})"),
        st.builds("(?:{}){}".format, inner, st.sampled_from(["*", "+", "?", "{2}", "{0,1}", "*?", "++"])),
        st.builds("({}{})".format, st.sampled_from(["", "?=", "?!", "?>", "?i:"]), inner),
    ),
    max_leaves=6,
)
patterns = st.builds("{}{}".format, st.sampled_from(["", "", "(?i)", "(?s)", "(?m)"]), grammar)


def check(pattern: str, values: list[bytes | None]) -> None:
    search = re.compile(pattern.encode(errors="surrogateescape")).search
    wanted = [index for index, value in enumerate(values) if value is not None and search(value)]
    grep = make_grep(pattern)
    for column in (values, join_column(values)):
        found, chosen = grep.matches(column, len(values))
        assert found == wanted
        assert chosen == [values[index] for index in wanted]
    if wanted:
        assert grep.may_match(b"".join(value + b"\xc4" for value in values if value is not None))


@pytest.mark.parametrize("pattern", PATTERNS)
@given(values=columns | sparse)
@example(values=[b"ab", b"ba", b"", b"b", b"a", b"abab", b"abc", b"aab", b"a b"])
@example(values=[b"x"] * 50 + [b"a", b"b", b"ab", b""] + [b"-"] * 50)
@settings(max_examples=10, deadline=None)
def test_each_kind_of_expression(pattern: str, values: list[bytes | None]) -> None:
    check(pattern, values)


@given(pattern=patterns, values=columns | sparse)
@settings(max_examples=300, deadline=None)
def test_any_expression(pattern: str, values: list[bytes | None]) -> None:
    check(pattern, values)


@pytest.mark.parametrize(
    ("pattern", "data", "may"),
    [
        ("ERROR", b"WARN", False),
        ("ERROR", b"an ERROR", True),
        ("(?i)error", b"an ErRoR", True),
        ("(?i)error", b"a warning", False),
        ("ERROR|FATAL", b"FATAL", True),
        ("ERROR|FATAL", b"WARN", False),
        ("^[0-9]+ (GET|PUT) /x", b"POST /y", False),
        ("[0-9]+", b"", True),
    ],
)
def test_a_batch_without_a_needle_is_passed_by(pattern: str, data: bytes, may: bool) -> None:
    assert make_grep(pattern).may_match(data) is may


@pytest.mark.parametrize("needle", [b"zab", b"azb", b"abz", b"z", b"zzb", b"abab"])
@pytest.mark.parametrize("near_misses", [0, 1, 63, 64, 65, 200])
@pytest.mark.parametrize("where", ["nowhere", "first", "last", "amid"])
def test_a_needle_is_found_however_common_its_bytes_are(needle: bytes, near_misses: int, where: str) -> None:
    misses = b"z-a-b-" * near_misses
    before, after = {"first": (b"", misses), "last": (misses, b""), "amid": (misses, misses)}.get(
        where, (misses, misses)
    )
    data = before + (b"" if where == "nowhere" else needle) + after
    assert make_grep(needle.decode()).may_match(data) is (needle in data)


def test_of_several_needles_a_rare_one_is_looked_for() -> None:
    """The longest is in each line, and where the expression is tried it takes seconds."""
    lines: list[bytes | None] = [b"%s is long, no. %d" % (b"a" * 36, number) for number in range(2000)]
    lines[700] = b"xyz is long"
    assert make_grep("^(a|aa)*xyz.* is long").matches(join_column(lines), len(lines)) == ([700], [b"xyz is long"])


def test_undecoded_values_that_are_no_lines_are_left_to_the_decoder() -> None:
    def damaged() -> Columns:
        raise CorruptData("damaged", "file", 0)

    body = memoryview(b"a needle" * 100)
    batch = RecordBatch(0, 2, 2, 5, 5, damaged, Extent(-1, 0, len(body)), body)
    with pytest.raises(CorruptData):
        make_filter("a needle", None, []).select(batch)


def batch_of(columns: Columns) -> RecordBatch:
    return RecordBatch(7, 7 + columns.record_count, columns.record_count, 5, 5, lambda: columns)


keys = st.sampled_from([b"k", b"l", b"", None])


@given(
    rows=st.lists(st.tuples(keys, lines | st.none(), st.sampled_from(["", "h", "hh"])), min_size=1, max_size=8),
    grep=st.sampled_from([None, "a", "[ab]$"]),
    key=st.sampled_from([None, "k", "l", ""]),
    header=st.sampled_from([[], [("h", b"1")]]),
)
@settings(max_examples=150, deadline=None)
def test_filters_together(
    rows: list[tuple[bytes | None, bytes | None, str]],
    grep: str | None,
    key: str | None,
    header: list[tuple[str, bytes]],
) -> None:
    columns = Columns(
        len(rows),
        join_column([value for _, value, _ in rows]),
        keys=join_column([key for key, _, _ in rows]),
        headers=[[("h", b"1")] * len(names) for _, _, names in rows],
    )
    batch = batch_of(columns)
    found = make_filter(grep, key, header).select(batch)
    wanted = [
        record
        for record in batch.records()
        if (grep is None or (record.value is not None and re.search(grep.encode(), record.value)))
        and (key is None or record.key == key.encode())
        and all(pair in record.headers for pair in header)
    ]
    assert ([] if found is None else list(found.records())) == wanted

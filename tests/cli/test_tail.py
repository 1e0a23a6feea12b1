"""tail: for eyes on a terminal, plain in a pipe."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.support.command import ok, refused, started
from tests.support.terminal import on_terminal
from tests.support.waiting import DEADLINE, read_lines, read_now

T0 = 1_700_000_000_000
CONTROL_SEQUENCE = re.compile(rb"\x1b\[[0-9;?]*[a-zA-Z]")


@pytest.fixture
def three() -> str:
    """Thirty records 0 to 29, in this order of time, on three partitions in turn; every third has a key and a header."""
    ok("topics", "create", "three", "-p", "3")
    for part in range(3):
        lines = [
            {"value": str(n), "timestamp": T0 + n, "partition": n % 3, "key": "k" if n % 3 == 0 else None}
            for n in range(part * 10, part * 10 + 10)
        ]
        for line in lines:
            line["headers"] = [["h", "1"]] if line["key"] else []
        ok("produce", "three", "--json", stdin="".join(json.dumps(line) + "\n" for line in lines).encode())
    return "three"


def numbers(*flags: str) -> list[int]:
    return [int(line) for line in ok("tail", *flags).split()]


def in_order_of_partitions(found: list[int]) -> bool:
    return all([n for n in found if n % 3 == part] == sorted(n for n in found if n % 3 == part) for part in range(3))


@pytest.mark.parametrize("count", [0, 1, 2, 9, 10, 11, 29, 30, 31, 1000])
def test_the_last_n_over_all_partitions(count: int) -> None:
    ok("topics", "create", "t", "-p", "3")
    for n in range(12):
        ok("produce", "t", "--json", stdin=b'{"value":"%d","timestamp":%d,"partition":%d}\n' % (n, T0 + n, n % 3))
    assert numbers("t", "-n", str(count)) == list(range(12))[max(0, 12 - count) :]


def test_ten_by_default() -> None:
    ok("produce", "t", stdin=b"".join(b"%d\n" % n for n in range(25)))
    assert numbers("t") == list(range(15, 25))


def test_batches_that_overlap_in_time_keep_each_partitions_order(three: str) -> None:
    found = numbers(three, "-n", "30")
    assert sorted(found) == list(range(30))
    assert in_order_of_partitions(found)


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (("-n", "2", "--key", "k"), {24, 27}),
        (("-n", "10", "--grep", "^1.$"), set(range(10, 20))),
        (("-n", "100", "--grep", "^2$"), {2}),
        (("-n", "1", "--header", "h=1"), {27}),
        (("-n", "2", "-p", "1"), {25, 28}),
        (("--since", f"@{T0 + 27}"), {27, 28, 29}),
        (("--until", f"@{T0 + 2}"), {0, 1}),
        (("--grep", "nothing"), set()),
    ],
)
def test_filters(three: str, flags: tuple[str, ...], expected: set[int]) -> None:
    assert set(numbers(three, *flags)) == expected


def test_shapes(three: str) -> None:
    assert ok("tail", three, "-n", "1", "-F", "%p:%o=%s;") == b"2:9=29;"
    assert json.loads(ok("tail", three, "-n", "1", "--json"))["value"] == "29"
    refused(2, "tail", three, "--json", "-F", "%s")
    refused(2, "tail", three, "-n", "1", "--since", "1h")


def test_plain_lines_in_a_pipe_are_the_bytes() -> None:
    ok("produce", "t", stdin=b"\x1b[31m\xff\0\r\n")
    assert ok("tail", "t") == b"\x1b[31m\xff\0\r\n"


def test_follow_in_a_pipe() -> None:
    ok("produce", "t", stdin=b"1\n2\n3\n")
    with started("tail", "-f", "t", "-n", "2", "--grep", "[0-9]") as follower:
        assert read_lines(follower.stdout, 2) == [b"2", b"3"]
        ok("produce", "t", stdin=b"x\n4\n")
        assert read_lines(follower.stdout, 1) == [b"4"]


def test_follow_only_what_comes() -> None:
    ok("produce", "t", stdin=b"old\n")
    with started("tail", "-f", "t", "-n", "0", "--grep", "end", "-F", "%o\\n") as follower:
        seen = b""
        while not seen:  # it may not have looked for the end yet
            ok("produce", "t", stdin=b"end\n")
            seen = read_now(follower.stdout)
        assert int(seen.split()[0]) >= 1


def shown_lines(shown: bytes) -> list[str]:
    return CONTROL_SEQUENCE.sub(b"", shown).decode().replace("\r\n", "\n").splitlines()


def test_a_line_on_a_terminal_says_when_where_and_what() -> None:
    ok("produce", "clicks", "-k", "the key", stdin=b"the value\n")
    with on_terminal("tail", "clicks") as terminal:
        status, shown = terminal.finish()
    assert status == 0
    assert b"\x1b[" in shown
    (line,) = shown_lines(shown)
    assert re.fullmatch(r"\d\d:\d\d:\d\d\.\d{3} clicks 0:0 the key the value", line)


def test_no_colour_where_it_is_not_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    ok("produce", "t", "-k", "k", stdin=b'{"json": 1}\n')
    monkeypatch.setenv("NO_COLOR", "1")
    with on_terminal("tail", "t") as terminal:
        status, shown = terminal.finish()
    assert status == 0
    assert shown_lines(shown)[0].endswith(' k {"json": 1}')
    styles = [style for found in re.findall(rb"\x1b\[([0-9;]*)m", shown) for style in found.split(b";")]
    assert not [style for style in styles if style[:1] in b"349" and len(style) > 1]


EVIL = [
    b"\x1b]0;title\x07",
    b"\x1b[2J\x1b[31mred",
    b"\x9b31mC1",
    "\u009b31mC1 in UTF-8".encode(),
    b"back\b\b\b\rspace",
    b"bell\x07nul\0tab\tvt\x0bff\x0c",
    b"[red]rich markup[/red] :smile: [/]",
    "right to left \u202e override".encode(),
    "zero\u200bwidth \u2028 separators".encode(),
    b"\xff\xfe\xc3",
    b'{"json": "\x1b[31m", "a": [1, null, true]}',
    b"{not json \x1b[5m",
    b"[" * 3000,
]


@pytest.mark.parametrize("flags", [[], ["--wrap"]])
@pytest.mark.parametrize("data", EVIL, ids=lambda data: repr(data[:20]))
def test_a_record_cannot_drive_the_terminal(data: bytes, flags: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    ok("produce", "t", "--whole", "-k", "key\\x1b[35m", stdin=data)
    with on_terminal("tail", "t", *flags, columns=200) as terminal:
        status, shown = terminal.finish()
    assert status == 0
    assert not set(CONTROL_SEQUENCE.sub(b"", shown).replace(b"\r\n", b"")) & {*range(32), 127}
    assert b"\x1b[35m" not in shown
    assert b"\x1b[31m" not in shown
    assert not {"\u009b", "\u202e", "\u2028"} & set(shown.decode())
    assert b"key\\x1b[35m" in shown


@pytest.mark.parametrize("columns", [40, 80, 133])
def test_long_values_are_cut_to_the_width(columns: int) -> None:
    ok("produce", "t", stdin=b"x" * 5000 + b"\n" + "日本語".encode() * 500 + b"\nshort\n" + b"y" * 3_000_000 + b"\n")
    with on_terminal("tail", "t", columns=columns) as terminal:
        status, shown = terminal.finish()
    lines = shown_lines(shown)
    assert (status, len(lines)) == (0, 4)
    widths = [sum(2 if ord(character) > 0x2FFF else 1 for character in line) for line in lines]
    assert max(widths) <= columns
    assert widths[0] == columns
    assert lines[0].endswith("…")
    assert lines[2].endswith("short")


def test_wrap_shows_all_of_it() -> None:
    value = b"".join(b"%05d" % n for n in range(1000))
    ok("produce", "t", stdin=value + b"\n")
    with on_terminal("tail", "t", "--wrap", columns=60) as terminal:
        status, shown = terminal.finish()
    assert status == 0
    assert value in b"".join(line.encode() for line in shown_lines(shown))


def test_json_is_highlighted_and_null_told_from_empty() -> None:
    ok("produce", "t", "-Z", stdin=b'{"a": 1}\n\n')
    with on_terminal("tail", "t") as terminal:
        _, shown = terminal.finish()
    lines = shown_lines(shown)
    assert lines[0].endswith('{"a": 1}')
    assert lines[1].endswith("null")
    assert b'{"a": 1}' not in shown


def test_following_on_a_terminal_until_ctrl_c() -> None:
    ok("produce", "t", stdin=b"first\n")
    with on_terminal("tail", "-f", "t") as terminal:
        terminal.see(lambda shown: b"first" in shown)
        ok("produce", "t", stdin=b"second\n")
        terminal.see(lambda shown: b"second" in shown)
        terminal.process.send_signal(2)
        status, shown = terminal.finish()
    assert status == 130
    assert b"Traceback" not in shown


def test_shapes_on_a_terminal_are_as_asked() -> None:
    ok("produce", "t", stdin=b"v\n")
    with on_terminal("tail", "t", "-F", "%s!\\n") as terminal:
        assert terminal.finish() == (0, b"v!\r\n")


def test_a_line_is_cut_to_the_width_that_the_terminal_has_by_then() -> None:
    ok("produce", "t", stdin=b"x" * 500 + b"\n")
    with on_terminal("tail", "-f", "t", columns=80) as terminal:
        terminal.see(lambda shown: b"xxx" in shown and b"\n" in shown)
        terminal.resize(50)
        ok("produce", "t", stdin=b"y" * 500 + b"\n")
        shown = terminal.see(lambda shown: b"yyy" in shown and shown.endswith(b"\n"))
    assert [len(line) for line in shown_lines(shown)] == [80, 50]


def test_a_dumb_terminal_gets_characters_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    ok("produce", "t", "-k", "k", stdin=b'{"a": 1}\n')
    with on_terminal("tail", "t") as terminal:
        status, shown = terminal.finish()
    assert (status, shown.endswith(b' t 0:0 k {"a": 1}\r\n')) == (0, True)
    assert b"\x1b" not in shown


def test_a_terminal_whose_encoding_has_not_the_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    ok("produce", "t", stdin="日本\n".encode())
    with on_terminal("tail", "t") as terminal:
        status, shown = terminal.finish()
    assert status == 0
    assert shown_lines(shown)[0].endswith("\\u65e5\\u672c")


def test_a_flood_is_skipped_on_a_terminal_and_the_newest_shown(tmp_path: Path) -> None:
    flood = tmp_path / "flood"
    flood.write_bytes(b"".join(b"%06d\n" % n for n in range(100_000)))  # a file, which comes at once
    ok("produce", "t", stdin=b"first\n")
    with on_terminal("tail", "-f", "t") as terminal:
        terminal.see(lambda shown: b"first" in shown)
        ok("produce", "t", str(flood))
        shown = terminal.see(lambda shown: b"m099999" in shown and shown.endswith(b"\n"))
    lines = shown_lines(shown)[1:]
    skipped = [int(line.split()[1].replace(",", "")) for line in lines if line.startswith("... ")]
    records = [int(line.split()[-1]) for line in lines if not line.startswith("... ")]
    assert sum(skipped) + len(records) == 100_000
    assert records == sorted(records)
    assert len(records) < 10_000


def test_a_burst_is_shown_whole() -> None:
    ok("produce", "t", stdin=b"first\n")
    with on_terminal("tail", "-f", "t") as terminal:
        terminal.see(lambda shown: b"first" in shown)
        ok("produce", "t", stdin=b"".join(b"%d\n" % n for n in range(500)))
        shown = terminal.see(lambda shown: b"m499\r\n" in shown)
    assert [int(line.split()[-1]) for line in shown_lines(shown)[1:]] == list(range(500))


@pytest.mark.parametrize("flags", [["-n", "3000"], ["--since", "1h"]])
def test_nothing_that_was_asked_for_is_skipped(flags: list[str]) -> None:
    ok("produce", "t", stdin=b"".join(b"%d\n" % n for n in range(3000)))
    with on_terminal("tail", "t", *flags) as terminal:
        status, shown = terminal.finish()
    assert status == 0
    assert [int(line.split()[-1]) for line in shown_lines(shown)] == list(range(3000))


def test_a_flood_in_a_pipe_comes_whole() -> None:
    ok("produce", "t", stdin=b"first\n")
    with started("tail", "-f", "t") as follower:
        read_lines(follower.stdout, 1)
        ok("produce", "t", stdin=b"".join(b"%d\n" % n for n in range(100_000)))
        assert read_lines(follower.stdout, 100_000) == [b"%d" % n for n in range(100_000)]


def test_one_ctrl_c_is_enough_while_the_terminal_takes_nothing() -> None:
    ok("produce", "t", stdin=b"".join(b"%0100d\n" % n for n in range(3000)))
    with on_terminal("tail", "-n", "3000", "t") as terminal:
        terminal.see(lambda shown: len(shown) > 1000)
        terminal.process.send_signal(2)
        assert terminal.process.wait(DEADLINE) == 130


def test_topics_in_columns_with_a_colour_each() -> None:
    for topic in ("orders", "a", "clicks"):
        ok("produce", topic, stdin=b"v\n")
    with on_terminal("tail", "*") as terminal:
        _, shown = terminal.finish()
    assert [line[13:] for line in shown_lines(shown)] == ["orders 0:0 v", "a      0:0 v", "clicks 0:0 v"]
    colours = re.findall(rb"\x1b\[(3[1-6])m (?:orders|a|clicks)", shown)
    assert len(set(colours)) == 3

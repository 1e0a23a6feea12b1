"""top without a terminal: rates from two looks, order, numbers in few characters, sparklines, and what keys do."""

from __future__ import annotations

import pytest

from streamcli.cli.top_table import (
    ASCII_BLOCKS,
    BLOCKS,
    GROUPS,
    TOPICS,
    Trend,
    chosen,
    format_count,
    format_wait,
    in_order,
    name_of,
    scaled,
)
from streamcli.cli.top_view import HELP, Surroundings, View, draw, pressed, room, rows_shown, scroll_within
from streamcli.engine.activity import (
    Activity,
    GroupActivity,
    GroupState,
    History,
    Look,
    TopicActivity,
    activity,
    caught_up_in,
)
from streamcli.record.errors import StreamcliError
from streamcli.storage.glance import LogState

ABOUT = Surroundings("/var/log/streamcli", "12:34:56", "2s")


def topic(name: str, **more: float | None) -> TopicActivity:
    known = {
        "partitions": 1,
        "records": 0,
        "size": 0,
        "records_in": 0.0,
        "bytes_in": 0.0,
        "records_out": 0.0,
        "lag": None,
    }
    return TopicActivity(name, **(known | more))  # type: ignore[arg-type]


def look(time: float, ends: dict[str, int], committed: dict[str, int] | None = None) -> Look:
    """A look at topics of one partition, of records of 10 bytes, that a group `g` consumes."""
    found = Look(time)
    found.logs = {(name, 0): LogState(0, end, end * 10, end * 10, 0) for name, end in ends.items()}
    if committed is not None:
        found.groups["g"] = GroupState(1, {(name, 0): offset for name, offset in committed.items()})
    return found


def test_rates_lag_and_when_it_is_caught_up() -> None:
    found = activity(look(10, {"t": 100}, {"t": 40}), look(12, {"t": 120}, {"t": 80}))
    assert found.topics == [TopicActivity("t", 1, 120, 1200, 10.0, 100.0, 20.0, 40)]
    assert found.groups == [GroupActivity("g", 1, 1, 1, 40, 10.0, 20.0, 4.0)]


def test_groups_that_were_told_later_have_their_own_time() -> None:
    before, after = look(10, {"t": 100}, {"t": 40}), look(12, {"t": 120}, {"t": 80})
    after.groups_time = 14
    (found,) = activity(before, after).groups
    assert (found.records_in, found.records_out) == (10.0, 10.0)


def test_without_an_earlier_look_there_are_no_rates() -> None:
    found = activity(None, look(1, {"t": 5}, {"t": 5}))
    assert found.topics == [TopicActivity("t", 1, 5, 50, None, None, None, 0)]
    assert found.groups == [GroupActivity("g", 1, 1, 1, 0, None, None, 0.0)]


def test_what_was_made_deleted_or_made_anew_meanwhile() -> None:
    found = activity(look(0, {"gone": 9, "anew": 9}, {"anew": 9}), look(1, {"anew": 3, "new": 4}, {"anew": 1}))
    assert [(row.topic, row.records_in, row.records_out) for row in found.topics] == [("anew", 0, 0), ("new", 4, 0)]


def test_the_rate_is_over_the_window_and_the_trend_over_an_interval() -> None:
    history = History(5)
    for second in range(20):
        history.add(look(second, {"t": second**2}))
    assert history.activity().topics[0].records_in == (19**2 - 14**2) / 5
    assert history.last_activity().topics[0].records_in == 19**2 - 18**2


@pytest.mark.parametrize(
    ("lag", "came", "went", "seconds"),
    [(0, None, None, 0), (10, 0, 5, 2), (10, 5, 5, None), (10, 6, 5, None), (10, None, 5, None), (10, 5, None, None)],
)
def test_caught_up_in(lag: int, came: float | None, went: float | None, seconds: float | None) -> None:
    assert caught_up_in(lag, came, went) == seconds


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (None, "-"),
        (0, "0"),
        (0.26, "0.3"),
        (7, "7"),
        (9.96, "10.0"),
        (99.6, "100"),
        (999, "999"),
        (999.7, "1.0k"),
        (48_210, "48.2k"),
        (999_960, "1.0M"),
        (1_234_567, "1.2M"),
        (2e9, "2.0G"),
        (2.5e14, "250.0T"),
    ],
)
def test_counts_in_six_characters(number: float | None, shown: str) -> None:
    assert format_count(number) == shown
    assert len(shown) <= 6


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(None, "-"), (0, "0s"), (59.4, "59s"), (59.6, "1m00s"), (200, "3m20s"), (7500, "2h05m"), (277_200, "3d05h")],
)
def test_waits(seconds: float | None, shown: str) -> None:
    assert format_wait(seconds) == shown


def test_order_and_its_reverse() -> None:
    rows = [topic("b", lag=5), topic("a", lag=5), topic("c", lag=None), topic("d", lag=7)]
    lag, name = TOPICS.columns[6], TOPICS.columns[0]
    assert [name_of(row) for row in in_order(rows, lag, reverse=False)] == ["d", "a", "b", "c"]
    assert [name_of(row) for row in in_order(rows, lag, reverse=True)] == ["a", "b", "d", "c"]
    assert [name_of(row) for row in in_order(rows, name, reverse=False)] == ["a", "b", "c", "d"]
    assert [name_of(row) for row in in_order(rows, name, reverse=True)] == ["d", "c", "b", "a"]


@pytest.mark.parametrize(
    ("pattern", "names"), [("", "abc abd x"), ("b", "abc abd"), ("a*", "abc abd"), ("b*", ""), ("[x]", "x")]
)
def test_filters(pattern: str, names: str) -> None:
    rows = [topic("abc"), topic("abd"), topic("x")]
    assert [name_of(row) for row in chosen(rows, pattern)] == names.split()


def test_blocks_are_scaled_to_the_greatest() -> None:
    assert scaled([0, 1, 4, 8, None, 0.01], BLOCKS) == "▁▂▅█ ▂"
    assert scaled([0, 0], BLOCKS) == "▁▁"
    assert scaled([5, 10], ASCII_BLOCKS) == "=#"


def test_a_trend_fills_from_the_right_and_then_takes_means() -> None:
    trend = Trend(100)
    assert trend.sparkline(4) == "    "
    for value in (1, 2):
        trend.add(value)
    assert trend.sparkline(4) == "  ▅█"
    for _ in range(100):
        trend.add(8)
    assert trend.sparkline(10) == "█" * 10
    trend.add(None)
    assert trend.sparkline(0) == ""
    assert len(trend.sparkline(7)) == 7


def press(keys: list[str], view: View | None = None) -> View:
    for key in keys:
        view = pressed(view or View(), key, 10)
    assert view is not None
    return view


def test_keys() -> None:
    first = View()
    assert press(["q"]).is_done
    assert press(["t"]).shown is GROUPS
    assert press(["t", "\t"]) == first
    assert press([">"]).sorts == (3, GROUPS.sort)
    assert press(["t", "<"]).sorts == (TOPICS.sort, 4)
    assert press(["1", "<"]).sorts[0] == len(TOPICS.columns) - 1
    assert press(["9"]) == first
    assert press(["²"]) == first
    assert press(["r", "r"]) == first
    assert press(["p"]).is_paused
    assert press(["?", "q"]).is_done
    assert press(["?", "x"]) == first
    assert press(["KEY_DOWN", "KEY_NPAGE", "k"]).first == 10
    assert press(["KEY_UP"]).first == 0
    assert press(["KEY_RESIZE"]) == first


def test_typing_a_filter() -> None:
    assert press([*"/ab", "KEY_BACKSPACE"]).typed == "a"
    assert press([*"/qt", "\n"]).filter == "qt"
    assert press([*"/q", "\n", *"/", "\x1b"]).filter == ""
    assert press([*"/q", "\n", "\x1b"]).filter == ""


def text_of(view: View, found: Activity, width: int = 80, height: int = 24) -> list[str]:
    return ["".join(text for text, _ in line) for line in draw(view, found, {}, ABOUT, width, height)]


def activity_of(topics: int) -> Activity:
    rows = [topic(f"topic{n:04}-{'x' * (n % 40)}", records_in=float(n), size=n**5, lag=n**3) for n in range(topics)]
    groups = [GroupActivity(f"group{n}", n, 1, n, n**4, float(n), 2.0 * n, float(n**3)) for n in range(topics)]
    return Activity(rows, groups, {"broken": StreamcliError("its config is \x1b[31mgone")} if topics % 2 else {})


@pytest.mark.parametrize("width", [1, 20, 60, 80, 200])
@pytest.mark.parametrize("height", [1, 2, 5, 24, 70])
@pytest.mark.parametrize("topics", [0, 1, 30, 1001])
def test_a_screen_never_exceeds_the_terminal(width: int, height: int, topics: int) -> None:
    found = activity_of(topics)
    for view in (View(), View(table=1), View(is_help=True), View(typed="t"), View(filter="0", first=3, is_paused=True)):
        lines = text_of(scroll_within(view, found, height), found, width, height)
        assert len(lines) <= height
        assert all(len(line) <= width and line.isprintable() for line in lines)


@pytest.mark.parametrize("table", [0, 1])
def test_at_80_columns_all_columns_are_there(table: int) -> None:
    lines = text_of(View(table=table), activity_of(30))
    assert all(column.title in lines[3] for column in View(table=table).shown.columns)
    assert len(lines) == 24
    assert sum(line.startswith(("topic", "group")) for line in lines) == room(24, activity_of(30)) == 19
    assert "1-19 of 30" in lines[-1]


def test_help_fits_the_smallest_screen() -> None:
    lines = text_of(View(is_help=True), activity_of(3))
    assert lines[3:-1] == list(HELP)


def test_the_last_rows_can_be_reached() -> None:
    found = activity_of(30)
    view = scroll_within(press(["KEY_END"]), found, 24)
    lines = text_of(view, found)
    assert name_of(rows_shown(view, found)[-1])[:8] in "".join(lines)
    assert "12-30 of 30" in lines[-1]


def test_what_cannot_be_read_is_said() -> None:
    assert r"broken is left out: its config is \x1b[31mgone" in text_of(View(), activity_of(3))[-2]

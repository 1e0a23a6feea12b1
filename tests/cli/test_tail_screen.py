"""What tail shows on a terminal: which records, in which colour, how much of them. Pure functions."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from streamcli.cli.tail_lines import TopicColours, cut_to
from streamcli.cli.tail_screen import BURST, PERIOD, Pace
from streamcli.engine.consume import Source, SourceBatch
from streamcli.record.batch import Columns, RecordBatch
from streamcli.storage.log import Log

SOURCE = Source("t", 0, Log("/nowhere"))
PAGE = 20


def batch(first: int, count: int, size: int = 0) -> SourceBatch:
    """Records whose values are their offsets, `size` bytes longer than these."""
    values = b"".join(b"%d%s\n" % (n, b"x" * size) for n in range(first, first + count))
    return SourceBatch(SOURCE, RecordBatch(first, first + count, count, 0, 0, lambda: Columns(count, values)))


def offsets(batches: list[SourceBatch]) -> list[int]:
    return [offset for taken in batches for offset in taken.batch.offsets()]


def offer_all(pace: Pace, first: int, count: int, in_one: int) -> None:
    for start in range(first, first + count, in_one):
        pace.offer(batch(start, min(in_one, first + count - start)))


def test_what_trickles_is_shown_at_once() -> None:
    pace = Pace(PAGE)
    assert pace.left(0) is None
    for n in range(PAGE):
        pace.offer(batch(n, 1))
        assert pace.left(0) == 0
        assert pace.take(0)[0] == 0
    pace.offer(batch(PAGE, 1))
    assert pace.left(0) == PERIOD
    assert pace.left(PERIOD) == 0


@pytest.mark.parametrize("in_one", [1, 7, 100, BURST])
def test_a_burst_waits_for_its_period_and_is_whole(in_one: int) -> None:
    pace = Pace(PAGE)
    offer_all(pace, 0, PAGE, PAGE)
    pace.take(10)
    offer_all(pace, PAGE, BURST, in_one)
    left = pace.left(10)
    assert left == pytest.approx(PERIOD)
    skipped, batches = pace.take(10 + PERIOD)
    assert (skipped, offsets(batches)) == (0, list(range(PAGE, PAGE + BURST)))
    assert pace.left(11) is None


@pytest.mark.parametrize("in_one", [1, 7, 100, BURST, 5000])
@pytest.mark.parametrize("count", [BURST + 1, 12_345])
def test_of_a_flood_the_newest_page_is_shown(in_one: int, count: int) -> None:
    pace = Pace(PAGE)
    offer_all(pace, 0, count, in_one)
    skipped, batches = pace.take(0)
    assert (skipped, offsets(batches)) == (count - PAGE, list(range(count - PAGE, count)))
    pace.offer(batch(count, 1))
    assert pace.take(PERIOD)[0] == 0


def test_large_records_are_not_kept_waiting_by_the_thousand() -> None:
    pace = Pace(PAGE)
    for n in range(10):
        pace.offer(batch(n, 1, 3 << 20))
    skipped, batches = pace.take(0)
    assert offsets(batches) == list(range(skipped, 10))
    assert 0 < len(batches) <= 3


@pytest.mark.parametrize(
    ("data", "width", "shown"),
    [
        (b"", 5, ""),
        (b"short", 5, "short"),
        (b"longer", 5, "long…"),
        ("日本".encode(), 4, "日本"),
        ("日本語".encode(), 5, "日本…"),
        ("日本語".encode(), 4, "日 …"),
        ("e\u0301e\u0301".encode(), 2, "e\u0301e\u0301"),
        (b"\x1b[m", 10, "\\x1b[m"),
        (b"\x1b[m", 4, "\\x1…"),
        (b"abc", 1, "…"),
    ],
)
def test_cut_to_the_width(data: bytes, width: int, shown: str) -> None:
    assert cut_to(data, width) == shown
    assert cell_len(shown) <= width


def test_marks_without_end_are_cut_too() -> None:
    assert cut_to(b"e" + "\u0301".encode() * 100_000, 10).endswith("…")


def test_a_topics_colour_is_that_of_its_name() -> None:
    assert len({colours.of("clicks") for colours in (TopicColours(), TopicColours())}) == 1
    many = TopicColours()
    assert len({many.of(f"topic{n}") for n in range(6)}) == 6
    assert many.of("topic0") == many.of("topic0")
    assert many.of("one more")

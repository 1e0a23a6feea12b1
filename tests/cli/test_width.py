"""What is wider than the terminal is folded between words, and tables between columns; in a pipe nothing is."""

from __future__ import annotations

import pytest

from tests.support.command import ok
from tests.support.terminal import on_terminal

WIDE = ([], ["stats"], ["groups", "describe", "billing"])


@pytest.fixture(autouse=True)
def consumed() -> None:
    """A topic without recent records, so without rates, and a group that has consumed a part of it."""
    ok("produce", "clicks-of-a-shop", "--json", stdin=b'{"value":"1","timestamp":1700000000000}\n' * 3)
    ok("consume", "clicks-of-a-shop", "-g", "billing", "-n", "2")


def shown(words: list[str], columns: int) -> list[str]:
    with on_terminal(*words, columns=columns) as terminal:
        status, printed = terminal.finish()
    assert status == 0
    return printed.decode().splitlines()


@pytest.mark.parametrize("words", WIDE)
def test_fits_80_columns_and_leaves_out_nothing(words: list[str]) -> None:
    piped = ok(*words).decode()
    assert max(map(len, piped.splitlines())) > 80
    narrow = shown(words, 80)
    assert max(map(len, narrow)) <= 80
    assert set(piped.split()) <= set(" ".join(narrow).split())
    assert shown(words, 200) == piped.splitlines()


def test_a_part_of_a_table_says_what_its_rows_are_of() -> None:
    table = [line.split() for line in shown(["groups", "describe", "billing"], 80)[1:]]
    assert [row[:2] for row in table if row] == [["TOPIC", "PARTITION"], ["clicks-of-a-shop", "0"]] * 2
    assert table[-2][-1] == "CAUGHT-UP-IN"


def test_a_terminal_too_narrow_for_a_column_gets_it_all_the_same() -> None:
    assert len(shown(["stats"], 10)) > 10

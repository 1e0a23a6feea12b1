"""Errors: one exit status each, and messages that say where."""

from __future__ import annotations

import pytest

from streamcli.record import errors
from streamcli.record.errors import EXIT_STATUSES, CorruptData, PartWritten, StreamcliError


def kinds(error: type[StreamcliError]) -> list[type[StreamcliError]]:
    return [error, *(kind for child in error.__subclasses__() for kind in kinds(child))]


def test_every_error_has_a_status_that_is_in_the_table():
    here = [kind for kind in kinds(StreamcliError) if kind.__module__ == errors.__name__]
    assert {kind.status for kind in here} == set(EXIT_STATUSES) - {0}
    own = [kind for kind in here if "status" in vars(kind)]
    assert len({kind.status for kind in own}) == len(own)
    assert all(kind.status in EXIT_STATUSES for kind in kinds(StreamcliError))


def test_the_tree_in_the_docstring_is_the_tree():
    for kind in kinds(StreamcliError):
        if kind.__module__ == errors.__name__:
            assert any(kind.__name__ in line and str(kind.status) in line for line in errors.__doc__.splitlines()), kind


@pytest.mark.parametrize(
    ("first", "next_offset", "words"),
    [
        (None, None, "offsets unknown"),
        (4, None, "offsets from 4 on"),
        (4, 5, "offset 4"),
        (4, 9, "offsets 4 to 8"),
        (0, 1, "offset 0"),
    ],
)
def test_corrupt_data_says_file_position_and_offsets(first: int | None, next_offset: int | None, words: str):
    error = CorruptData("bad", "/d/x.log", 88, length=17, first=first, next_offset=next_offset)
    assert error.offsets() == words
    assert str(error) == f"corrupt data: bad (/d/x.log, position 88, 17 bytes, {words})"
    assert "bytes" not in str(CorruptData("bad", "/d/x.log", 88))


def test_part_written_counts_what_is_durable():
    error = PartWritten("disk full", 41)
    assert (str(error), error.durable, error.status) == ("disk full", 41, 8)

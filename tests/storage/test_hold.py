"""Holds: what retention and trim may not remove."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamcli.record.errors import StreamcliError
from streamcli.storage import layout
from streamcli.storage.hold import (
    Hold,
    check_not_held,
    encode_hold,
    first_hold,
    has_hold,
    holds,
    remove_hold,
    write_hold,
)


def test_the_one_that_holds_most_counts(tmp_path: Path) -> None:
    directory = str(tmp_path)
    assert first_hold(directory) is None
    write_hold(directory, Hold("b", 7))
    write_hold(directory, Hold("a", 9))
    assert holds(directory) == [Hold("a", 9), Hold("b", 7)]
    assert first_hold(directory) == Hold("b", 7)
    write_hold(directory, Hold("b", 12))
    assert first_hold(directory) == Hold("a", 9)
    check_not_held(directory, 9)
    with pytest.raises(StreamcliError, match="mirror a holds what lies from offset 9 on"):
        check_not_held(directory, 10)


def test_it_ends_when_it_is_removed(tmp_path: Path) -> None:
    write_hold(str(tmp_path), Hold("a", 9))
    assert has_hold(str(tmp_path), "a")
    assert remove_hold(str(tmp_path), "a")
    assert not remove_hold(str(tmp_path), "a")
    assert first_hold(str(tmp_path)) is None


@pytest.mark.parametrize("damage", [b"", encode_hold(9)[:-1], encode_hold(9).replace(b"9", b"8"), b"\0" * 50])
def test_one_that_cannot_be_read_holds_everything(tmp_path: Path, damage: bytes) -> None:
    Path(layout.hold_path(str(tmp_path), "a")).write_bytes(damage)
    assert holds(str(tmp_path)) == [Hold("a", 0)]


def test_names_that_no_mirror_has_are_passed_over(tmp_path: Path) -> None:
    for name in ("hold", "hold.", "hold.a b", "holdings.a"):
        (tmp_path / name).touch()
    assert holds(str(tmp_path)) == []

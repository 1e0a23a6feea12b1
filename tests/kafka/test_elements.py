"""Where elements of a joined column lie: found by glibc, or by Python where that cannot."""

from __future__ import annotations

import ctypes

import pytest

from streamcli.kafka import elements
from streamcli.kafka.elements import Elements, place_joined


@pytest.fixture
def kafka() -> str:
    """No broker is asked here."""
    return ""


def read(placed: Elements) -> list[bytes]:
    """The elements, by address and length."""
    return [ctypes.string_at(address, length) for address, length in zip(placed.addresses, placed.lengths, strict=True)]


@pytest.mark.parametrize(
    "expected",
    [
        [],
        [b""],
        [b"", b"", b""],
        [b"one"],
        [b"one", b"", b"three"],
        [b"\xff\xfe", b"zero \0 byte", b"\0", b""],
        [b"%d" % number * 9 for number in range(20_000)],
    ],
)
@pytest.mark.parametrize("has_glibc", [True, False])
def test_elements_lie_where_they_are_said_to(
    has_glibc: bool, expected: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    if not has_glibc:
        monkeypatch.setattr(elements, "_argz_extract", lambda: None)
    joined = b"".join(element + b"\n" for element in expected)
    assert read(place_joined(joined, len(expected))) == expected

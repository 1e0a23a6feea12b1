"""What every match of a regular expression has to hold: *needles*, sets of literals of which one at least is in each match."""

from __future__ import annotations

import re
from re import _parser  # type: ignore[attr-defined]  # no other way to see what an expression is made of
from typing import Any

Needles = tuple[bytes, ...]

_MOST = 8
"""Literals of one set at most, and sets that are told."""


def needles_of(pattern: re.Pattern[bytes]) -> list[Needles]:
    """The sets of an expression, what is likely to be rarest first; none where nothing is known. In lower case where case is
    ignored."""
    if pattern.flags & re.LOCALE:
        return []
    found = dict.fromkeys(_in_sequence(_parser.parse(pattern.pattern)))
    by_worth = sorted(found, key=_worth, reverse=True)[:_MOST]
    if pattern.flags & re.IGNORECASE:
        return [tuple(needle.lower() for needle in needles) for needles in by_worth]
    return by_worth


def literal_of(pattern: re.Pattern[bytes]) -> bytes | None:
    """What a value has to hold to match, and need not more than that; None where there is more to the expression."""
    if pattern.flags & (re.LOCALE | re.IGNORECASE):
        return None
    parsed = _parser.parse(pattern.pattern)
    if not parsed or any(op.name != "LITERAL" for op, _ in parsed):
        return None
    return bytes(argument for _, argument in parsed)


def _in_sequence(parsed: Any) -> list[Needles]:
    """The sets of parts that stand one after the other."""
    found: list[Needles] = []
    run = bytearray()
    for op, argument in parsed:
        if op.name == "LITERAL":
            run.append(argument)
        elif op.name != "AT":  # which takes no room
            found += [(bytes(run),)] if run else []
            found += _in_part(op.name, argument)
            run.clear()
    return found + ([(bytes(run),)] if run else [])


def _in_part(name: str, argument: Any) -> list[Needles]:
    """The sets of one part that is no literal."""
    if name == "SUBPATTERN":
        _, added_flags, _, inner = argument
        return [] if added_flags & re.IGNORECASE else _in_sequence(inner)
    if name == "ATOMIC_GROUP":
        return _in_sequence(argument)
    if name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
        least, _, inner = argument
        return _in_sequence(inner) if least else []
    if name == "BRANCH":
        choices = [max(_in_sequence(choice), key=_worth, default=()) for choice in argument[1]]
        if all(choices) and sum(map(len, choices)) <= _MOST:
            return [tuple(dict.fromkeys(needle for choice in choices for needle in choice))]
    return []


def _worth(needles: Needles) -> int:
    """Longer ones are rarer."""
    return min(map(len, needles), default=0)

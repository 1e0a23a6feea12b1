"""What lies in a partition's directory, by the names alone."""

from __future__ import annotations

import re


def leftovers(names: list[str], start: int = 0) -> list[str]:
    """What a finished cleaner has no use for: segments that lie within a compacted one or before the log start offset, indexes
    without their segment, and what was being made."""
    spans = [re.fullmatch(r"(\d{20})(?:-(\d{20}))?\.log", name) for name in names]
    found = [(int(span[1]), int(span[2] or 0), span[0]) for span in spans if span]
    superseded = [
        name
        for base, end, name in found
        for other, other_end, other_name in found
        if name != other_name and other <= base < other_end and other_end >= end
    ]
    bases = sorted(base for base, _, name in found if name not in superseded)
    removed = [
        name
        for base, _, name in found
        if any(base < following <= start for following in bases) and name not in superseded
    ]
    indexes = [name for name in names if name.endswith(".index") and name.removesuffix(".index") + ".log" not in names]
    return superseded + removed + indexes + [name for name in names if name.startswith("+")]

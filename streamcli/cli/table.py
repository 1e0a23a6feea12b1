"""Tables on standard output: plain text, columns two spaces apart, for people and for awk."""

from __future__ import annotations

from collections.abc import Sequence


def print_table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Numbers stand right, all else left."""
    widths = [max(len(row[column]) for row in (titles, *rows)) for column in range(len(titles))]
    numeric = [bool(rows) and all(row[column][:1].isdigit() for row in rows) for column in range(len(titles))]
    for row in (titles, *rows):
        cells = zip(row, widths, numeric, strict=True)
        print("  ".join(cell.rjust(width) if right else cell.ljust(width) for cell, width, right in cells).rstrip())

"""Tables on standard output: plain text, columns two spaces apart, for people and for awk."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from streamcli.cli.context import show


def print_table(titles: Sequence[str], rows: Sequence[Sequence[str]], *, right: Collection[int]) -> None:
    """`right`: the columns that stand right, as numbers do. Cells are shown with control characters escaped."""
    rows = [[show(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in (titles, *rows)) for column in range(len(titles))]
    for row in (titles, *rows):
        cells = [
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        print("  ".join(cells).rstrip())

"""Tables on standard output: plain text, columns two spaces apart, for people and for awk."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from streamcli.cli.context import show
from streamcli.cli.width import terminal_width


def print_table(
    titles: Sequence[str], rows: Sequence[Sequence[str]], *, right: Collection[int], names: int = 1
) -> None:
    """`right`: the columns that stand right, as numbers do; `names`: how many of the first ones say what a row is of. Cells are
    shown with control characters escaped. On a terminal that is too narrow, tables below each other, each with the names."""
    table = [titles, *([show(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(titles))]
    for number, columns in enumerate(_parts(widths, names)):
        if number:
            print()
        for row in table:
            cells = (
                row[column].rjust(widths[column]) if column in right else row[column].ljust(widths[column])
                for column in columns
            )
            print("  ".join(cells).rstrip())


def _parts(widths: Sequence[int], names: int) -> Iterator[list[int]]:
    """The columns of each table, so that it fits on the terminal, where it can."""
    available = terminal_width()
    part = list(range(names))
    for column in range(names, len(widths)):
        fits = available is None or sum(widths[it] + 2 for it in [*part, column]) - 2 <= available
        if not fits and len(part) > names:
            yield part
            part = list(range(names))
        part.append(column)
    yield part

"""Lines no wider than the terminal, which would break them within a word. Elsewhere, as in a pipe, they stay whole."""

from __future__ import annotations

import os
import sys


def terminal_width() -> int | None:
    """Columns of the terminal that standard output is; None where it is none, or does not tell."""
    if not sys.stdout.isatty():
        return None
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or None
    except OSError:
        return None


def print_folded(text: str, start: str = "") -> None:
    """Print `start` and the text; on a terminal that is too narrow as several lines, all of the text below its beginning."""
    width = terminal_width()
    if width is None or len(start) + len(text) <= width or width < 2 * len(start):
        print(start + text)
        return
    import textwrap  # 2 ms, for narrow terminals

    margin = " " * len(start)
    lines = textwrap.wrap(text, width - len(start), break_long_words=False, break_on_hyphens=False)
    print(start + f"\n{margin}".join(lines))

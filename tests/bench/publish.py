"""The results in this source tree: tests/bench/speed.json and speed.svg, a table in README, one in streamcli-performance(7)."""

from __future__ import annotations

from pathlib import Path

from tests.bench.results import Findings
from tests.bench.tables import manual, readme

_HERE = Path(__file__).parent
_ROOT = _HERE.parents[1]
PUBLISHED = str(_HERE / "speed.json")
PLOT = str(_HERE / "speed.svg")
README = _ROOT / "README.md"
PAGE = _ROOT / "man" / "streamcli-performance.7"
README_MARKERS = ("<!-- speed: begin -->\n", "<!-- speed: end -->\n")
PAGE_MARKERS = ('.\\" table: begin\n', '.\\" table: end\n')


def publish(findings: Findings) -> None:
    """Write the plot, and what stands between the markers of README and of the page."""
    from tests.bench.plot import draw

    draw(findings, PLOT)
    README.write_text(replaced(README.read_text(), README_MARKERS, readme(findings) + "\n"))
    PAGE.write_text(replaced(PAGE.read_text(), PAGE_MARKERS, manual(findings) + "\n"))


def replaced(text: str, markers: tuple[str, str], new: str) -> str:
    """`text` with `new` between the markers, which have to be there."""
    begin, end = (text.index(marker) for marker in markers)
    return text[: begin + len(markers[0])] + new + text[end:]

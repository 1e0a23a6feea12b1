"""The ratios as horizontal bars: an SVG that reads on a light and on a dark page, the same bytes for the same results."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import matplotlib

matplotlib.use("svg")

from matplotlib import pyplot as plt  # after use()

from tests.bench.results import Findings, Result

_INK, _INK_ON_DARK, _GRID = "#6a737d", "#c9d1d9", "#8b949e"
_COLOURS = {"access": "#2f81f7", "json": "#d98b1f", "": "#2da07a"}
_NAMES = {"access": "access-log lines of 83 bytes", "json": "JSON lines of 1 KiB"}
_WIDTH, _ROW, _HEAD = 8.6, 0.2, 0.62
"""Inches: the figure, a bar, and what a panel has above and below its bars."""

_STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "streamcli",
    "font.family": "sans-serif",
    "font.size": 9,
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.edgecolor": _GRID,
    "xtick.color": _INK,
    "ytick.color": _INK,
}


class _Panel(NamedTuple):
    """rows: (label, the results that share it)."""

    title: str
    rows: Sequence[tuple[str, list[Result]]]
    log: bool


def draw(findings: Findings, path: str) -> None:
    """Write the plot; nothing is drawn of sections that were not measured."""
    panels = [panel for panel in _panels(findings) if panel.rows]
    heights = [_HEAD + _ROW * sum(len(results) + 0.5 for _, results in panel.rows) for panel in panels]
    with plt.rc_context(_STYLE):
        figure, axes = plt.subplots(
            len(panels), squeeze=False, figsize=(_WIDTH, sum(heights)), height_ratios=heights, layout="constrained"
        )
        figure.patch.set_alpha(0)
        for axis, panel in zip(axes[:, 0], panels, strict=True):
            _draw_panel(axis, panel)
        _legend(figure, panels)
        written = io.StringIO()
        figure.savefig(written, format="svg", metadata={"Date": None, "Creator": None})
        plt.close(figure)
    with open(path, "w", encoding="utf-8") as file:
        file.write(_for_dark_pages(written.getvalue()))


def _panels(findings: Findings) -> list[_Panel]:
    streams = [result for section in ("produce", "consume") for result in findings.of(section)]
    starts = [result for result in findings.of("start") if result.target]
    return [
        _Panel("Throughput, in multiples of cat, or of grep for --grep", _rows(streams), log=True),
        _Panel("Throughput, in multiples of a peer", _rows(findings.of("peers")), log=True),
        _Panel("Start, in multiples of python -c pass (less is better)", _rows(starts), log=False),
    ]


def _rows(results: list[Result]) -> list[tuple[str, list[Result]]]:
    rows: dict[str, list[Result]] = {}
    for result in results:
        if result.ratio:
            rows.setdefault(result.title, []).append(result)
    return list(rows.items())


def _draw_panel(axis: Any, panel: _Panel) -> None:
    ratios = [result.ratio.median for _, results in panel.rows for result in results if result.ratio]
    bounds = [bound for _, results in panel.rows for result in results if (bound := _bound(result)) is not None]
    left = min([0.5, *ratios]) / 1.6 if panel.log else 0.0
    right = max([1.0, *ratios, *bounds]) * (2.4 if panel.log else 1.25)
    place, ticks = 0.0, []
    for label, results in panel.rows:
        ticks.append((place + (len(results) - 1) / 2, label))
        for result in results:
            _draw_bar(axis, place, left, result)
            place += 1
        place += 0.5
    axis.set_xscale("log" if panel.log else "linear")
    axis.set_xlim(left, right)
    axis.set_ylim(place - 0.5, -1)
    axis.set_yticks([at for at, _ in ticks], [label for _, label in ticks])
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.xaxis.set_minor_formatter(lambda value, _: "")
    axis.axvline(1, color=_INK, linewidth=1)
    axis.grid(axis="x", color=_GRID, linewidth=0.4, alpha=0.5)
    axis.set_axisbelow(True)
    axis.tick_params(axis="y", length=0)
    axis.patch.set_alpha(0)
    for side in ("top", "right", "left"):
        axis.spines[side].set_visible(False)
    axis.set_title(panel.title, loc="left", fontsize=10, fontweight="bold", color=_INK)


def _draw_bar(axis: Any, place: float, left: float, result: Result) -> None:
    assert result.ratio
    ratio = result.ratio.median
    axis.barh(place, ratio - left, left=left, height=0.86, color=_COLOURS[result.input])
    axis.text(ratio, place, f" {ratio:.2g}" if ratio < 10 else f" {ratio:.0f}", va="center", fontsize=8)
    bound = _bound(result)
    if bound is not None:
        axis.plot([bound, bound], [place - 0.5, place + 0.5], color=_INK, linewidth=1.5, linestyle=(0, (1, 1)))


def _bound(result: Result) -> float | None:
    """What the ratio is to be, where that is the target."""
    of, _, bound = (result.target or "").split(" ") if result.target else ("", "", "")
    return float(bound) if of == "ratio" else None


def _legend(figure: Any, panels: list[_Panel]) -> None:
    results = [result for panel in panels for _, of_row in panel.rows for result in of_row]
    inputs = {result.input for result in results}
    handles = [
        plt.Rectangle((0, 0), 1, 1, color=_COLOURS[name], label=_NAMES[name]) for name in _NAMES if name in inputs
    ]
    if any(_bound(result) is not None for result in results):
        handles.append(plt.Line2D([], [], color=_INK, linewidth=1.5, linestyle=(0, (1, 1)), label="target"))
    if handles:
        figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False, fontsize=9)


def _for_dark_pages(svg: str) -> str:
    """Where the page is dark, so is what was the ink: light. Viewers that do not know show it as it is."""
    rule = (
        f"@media (prefers-color-scheme: dark) {{ text {{ fill: {_INK_ON_DARK} !important }} "
        f"path[style*='{_INK}'] {{ stroke: {_INK_ON_DARK} !important }} }}"
    )
    return re.sub(r"(<svg [^>]*>)", rf"\1\n <style>{rule}</style>", svg, count=1)

"""The results as text on a terminal, as Markdown for README, and as a block for the manual page."""

from __future__ import annotations

from collections.abc import Iterable

from tests.bench.results import Findings, Result
from tests.bench.suite import SECTIONS

_SHOWN_STARTS = ("start-consume", "start-consume-group", "start-tail", "start-topics-list", "loop-produce")
"""Those that README shows beside those that have a target; the manual page has all."""


def text(findings: Findings) -> str:
    """A table of everything, then each comparison's command lines, and what was left out."""
    rows = [("", "input", "streamcli", "yardstick", "ratio", "least-greatest", "target", "met")]
    for result in findings.results:
        rows.append((result.title, result.input, *_both(result), *_ratio_and_spread(result), *_target(result)))
    commands = [
        f"{result.title}\n    {result.ours.command}\n    {result.yardstick.command}" for result in findings.results
    ]
    parts = [
        about(findings),
        columns(rows),
        "What was run, ours and the yardstick:\n\n" + "\n".join(dict.fromkeys(commands)),
    ]
    failed = [f"Failed: {name}: {why}" for name, why in findings.failed.items()]
    return "\n\n".join(parts + _absent(findings) + failed)


def about(findings: Findings) -> str:
    """The machine and the run, in a sentence."""
    machine = findings.machine
    pairs = sorted({len(result.ours.runs) for result in findings.results}) or [0]
    how_many = f"{pairs[0]} to {pairs[-1]}" if pairs[1:] else str(pairs[0])
    return (
        f"{machine['records']:,} access-log lines of 83 bytes and {machine['long_records']:,} JSON lines of 1 KiB, "
        f"medians of {how_many} pairs; {machine['cores']} cores, {machine['memory']}, {machine['file_system']}, "
        f"{machine['system']}, {machine['python']}; load {machine['load_before']:.1f} before, {machine['load_after']:.1f} after"
    )


def columns(rows: list[tuple[str, ...]]) -> str:
    """Lines in columns."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def readme(findings: Findings) -> str:
    """The tables of README's section on speed, and the plot."""
    parts = ["![Ratios to cat, to peers and to Python's start](tests/bench/speed.svg)"]
    parts.append(f"{about(findings)}. In brackets the least and the greatest ratio of a pair.")
    for section in ("produce", "consume"):
        head = (SECTIONS[section], "yardstick", "83-byte lines", "ratio", "1 KiB JSON", "ratio", "target")
        parts += _table(head, _by_input(findings.of(section)))
    starts = [result for result in findings.of("start") if result.target or result.case in _SHOWN_STARTS]
    head = (SECTIONS["start"], "streamcli", "yardstick", "ratio", "target")
    parts += _table(head, [_start_row(result) for result in starts])
    for section in ("latency", "producers", "idle", "memory", "peers"):
        head = (SECTIONS[section], "yardstick", "streamcli", "yardstick", "ratio", "target")
        parts += _table(head, [_plain_row(result) for result in findings.of(section)])
    return "\n\n".join(parts + _absent(findings))


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    return [markdown([head, *rows])] if rows else []


def _absent(findings: Findings) -> list[str]:
    absent = "; ".join(f"{peer} ({why})" for peer, why in sorted(findings.absent.items()))
    return [f"Left out: {absent}."] if absent else []


def markdown(rows: Iterable[tuple[str, ...]]) -> str:
    """A table; the first row is its head."""
    head, *body = [tuple(cell.replace("|", "\\|") for cell in row) for row in rows]
    lines = ["| " + " | ".join(row) + " |" for row in (head, *body)]
    return "\n".join([lines[0], "|" + "---|" * len(head), *lines[1:]])


def manual(findings: Findings) -> str:
    """What options cost, and starts, as roff: blocks of text in columns."""
    options = [("", "records/s", "of plain", "least-greatest")]
    for result in findings.of("options"):
        options.append((result.title, number(result.ours.median, ""), *_ratio_and_spread(result)))
    starts = [("", "ms", "of Python's", "least-greatest")]
    for result in findings.of("start"):
        if result.unit == "ms":
            starts.append((result.title, f"{result.ours.median:.0f}", *_ratio_and_spread(result)))
    return "\n".join(
        [
            f".PP\n{_escaped(about(findings))}.",
            *_block(options),
            ".SS Starting a command",
            ".PP\nThe time of a whole process on a topic of one record, and its ratio to that of python \\-c pass.",
            *_block(starts),
        ]
    )


def _block(rows: list[tuple[str, ...]]) -> list[str]:
    return [".PP", ".EX", *(_escaped(line) for line in columns(rows).splitlines()), ".EE"]


def number(value: float, unit: str) -> str:
    """A value as a person reads it."""
    if unit == "records/s" or not unit:
        text = f"{value / 1e6:.2f} M" if value >= 1e5 else f"{value:,.0f}" if value >= 10 else f"{value:.1f}"
        return f"{text}/s" if unit else text
    digits = 0 if value >= 100 else 1 if value >= 10 else 2
    return f"{value:.{digits}f} {unit}" if not unit.startswith("/") else f"{value:.{digits}f}{unit}"


def _both(result: Result) -> tuple[str, str]:
    return number(result.ours.median, result.unit), number(result.yardstick.median, result.unit)


def _ratio_and_spread(result: Result) -> tuple[str, str]:
    if result.ratio is None:
        return "-", ""
    return _short(result.ratio.median), f"{_short(result.ratio.least)}-{_short(result.ratio.greatest)}"


def _short(ratio: float) -> str:
    return f"{ratio:.3f}" if ratio < 0.1 else f"{ratio:.2f}" if ratio < 10 else f"{ratio:.0f}"


def _target(result: Result) -> tuple[str, str]:
    return (result.target or "", "" if result.met is None else "yes" if result.met else "NO")


def _by_input(results: list[Result]) -> list[tuple[str, ...]]:
    """A row for each case, of both inputs; the yardstick's command is that of the first."""
    rows: dict[str, list[str]] = {}
    for name in dict.fromkeys(result.case for result in results):
        found = {result.input: result for result in results if result.case == name}
        first = next(iter(found.values()))
        cells = [first.title, f"`{first.yardstick.command}`"]
        for data in ("access", "json"):
            cells += _rate_and_ratio(found[data]) if data in found else ("", "")
        rows[name] = [*cells, _in_words(*found.values())]
    return [tuple(cells) for cells in rows.values()]


def _rate_and_ratio(result: Result) -> tuple[str, str]:
    ratio, spread = _ratio_and_spread(result)
    return number(result.ours.median, result.unit), f"{ratio} ({spread})"


def _plain_row(result: Result) -> tuple[str, ...]:
    ratio, spread = _ratio_and_spread(result)
    title = f"{result.title}, {result.input}" if result.input else result.title
    return (
        title,
        f"`{result.yardstick.command.partition(' (with ')[0]}`",
        *_both(result),
        f"{ratio} ({spread})" if spread else ratio,
        _in_words(result),
    )


def _start_row(result: Result) -> tuple[str, ...]:
    ratio, spread = _ratio_and_spread(result)
    return f"`{result.ours.command}`", *_both(result), f"{ratio} ({spread})", _in_words(result)


def _in_words(*results: Result) -> str:
    """The target of the first, and which of them met theirs."""
    aimed = [result for result in results if result.target]
    met = [result for result in aimed if result.met]
    if not aimed:
        return ""
    outcome = "met" if met == aimed else f"met with {met[0].input}, missed with the other" if met else "missed"
    unit = f" {aimed[0].unit}" if (aimed[0].target or "").startswith("ours") else ""
    return f"{aimed[0].target}{unit}: {outcome}"


def _escaped(line: str) -> str:
    line = line.replace("\\", "\\(rs").replace("-", "\\-").replace("'", "\\(aq")
    return "\\&" + line if line.startswith(".") else line

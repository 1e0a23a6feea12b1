"""mirror --status: how far a mirror has come, by partition."""

from __future__ import annotations

import json as json_format

from streamcli.cli.context import now_ms, show
from streamcli.cli.table import print_table
from streamcli.mirror.status import PartitionStatus

_TITLES = ("TOPIC", "PARTITION", "SOURCE-END", "MIRRORED", "LAG", "BEHIND", "LOST", "HELD-FROM")


def print_status(name: str, target: str, found: list[PartitionStatus], *, json: bool) -> None:
    """Print a row, or an object, for each partition."""
    if json:
        for status in found:
            print(json_format.dumps({"mirror": name, **_fields(status)}, separators=(",", ":")))
        return
    print(show(f"mirror {name} to {target}"))
    now = now_ms()
    print_table(_TITLES, [_row(status, now) for status in found], right=range(1, len(_TITLES)), names=2)


def _fields(status: PartitionStatus) -> dict[str, str | int | None]:
    return {
        "topic": status.topic,
        "partition": status.partition,
        "log_start_offset": status.start,
        "log_end_offset": status.end,
        "mirrored_offset": status.mirrored,
        "lag": status.lag,
        "waiting_since": status.waiting_since,
        "lost": status.lost,
        "held_from": status.held,
    }


def _row(status: PartitionStatus, now: int) -> tuple[str, ...]:
    behind = "-" if status.waiting_since is None else f"{max(0, now - status.waiting_since) // 1000}s"
    numbers = (status.partition, status.end, status.mirrored, status.lag)
    return (status.topic, *map(_or_dash, numbers), behind, str(status.lost), _or_dash(status.held))


def _or_dash(number: int | None) -> str:
    return "-" if number is None else str(number)

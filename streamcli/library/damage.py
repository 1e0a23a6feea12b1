"""What a read does about damage, and what it tells."""

from __future__ import annotations

from collections.abc import Callable

from streamcli.engine.consume import Source
from streamcli.library.process import warn
from streamcli.record.errors import CorruptData
from streamcli.record.lost import LostRecords

OnDamage = Callable[[CorruptData], None]
"""Gets damage that is met; returns to go past it, or raises."""


def handler(on_damage: OnDamage | None) -> OnDamage:
    """What the engine is to call. Where nothing is given damage is raised; records that were lost and repaired are told."""

    def handle(damage: CorruptData) -> None:
        if isinstance(damage, LostRecords):
            warn(str(damage))
        elif on_damage is None:
            raise damage
        else:
            on_damage(damage)

    return handle


def tell_missing(source: Source, size: int) -> None:
    """Tell of a partition that has lost `size` bytes at its end."""
    warn(
        f"{size} bytes that were known to be on disk are missing at the end of {source.topic}, partition {source.partition} "
        f"({source.log.directory}): was a file cut, or restored from a copy?"
    )

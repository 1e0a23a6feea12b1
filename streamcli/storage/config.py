"""Topic config: Kafka's names, with what each value may be. Stored are only the values that were set."""

from __future__ import annotations

from typing import NamedTuple

SIZE = "size"
DURATION = "duration"


class Setting(NamedTuple):
    """`kind` says how a value is written by people: SIZE (stored in bytes) or DURATION (stored in ms)."""

    name: str
    kind: str
    default: int
    minimum: int
    maximum: int
    summary: str


SETTINGS = {
    setting.name: setting
    for setting in (
        Setting(
            "segment.bytes", SIZE, 1 << 30, 1 << 10, 1 << 40, "size at which a segment is closed and the next begun"
        ),
        Setting(
            "segment.ms",
            DURATION,
            7 * 86_400_000,
            1,
            2**62,
            "a record that much younger than a segment's first goes to the next",
        ),
        Setting(
            "max.message.bytes", SIZE, 16 << 20, 1, 1 << 30, "longest record that is taken: its key and value together"
        ),
    )
}

MAX_PARTITIONS = 10_000


class TopicConfig(NamedTuple):
    """partitions: how many; overrides: setting name -> value, in bytes or ms."""

    partitions: int
    overrides: dict[str, int]

    def value(self, name: str) -> int:
        """The value in force of a setting."""
        return self.overrides.get(name, SETTINGS[name].default)

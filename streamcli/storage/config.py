"""Topic config: Kafka's names, with what each value may be. Stored are only the values that were set.

    config.json := {"partitions": integer, "config": {name: value ...}}

A SIZE is stored as an integer of bytes, a DURATION of ms, a RATIO as a number, a CHOICE as a string: one of `choices`. Where
`unlimited` may be had it is -1, as in Kafka.
"""

from __future__ import annotations

import json
from typing import NamedTuple

from streamcli.record.errors import StreamcliError, UsageError, did_you_mean

SIZE, DURATION, RATIO, CHOICE = "size", "duration", "ratio", "choice"

Value = int | float | str
"""An int for SIZE and DURATION, a float for RATIO, a str for CHOICE."""

UNLIMITED = -1

DELETE, COMPACT, COMPACT_AND_DELETE = "delete", "compact", "compact,delete"
CREATE_TIME, LOG_APPEND_TIME = "CreateTime", "LogAppendTime"

_DAY = 86_400_000
_LONGEST = 2**62


class Setting(NamedTuple):
    """What a value may be: SIZE (bytes) and DURATION (ms) from `minimum` to `maximum`, or UNLIMITED where `unlimited` says so;
    RATIO the same; CHOICE one of `choices`."""

    name: str
    kind: str
    default: Value
    summary: str
    minimum: int = 0
    maximum: int = 0
    unlimited: bool = False
    choices: tuple[str, ...] = ()

    def range_in_words(self) -> str:
        """What may be given."""
        if self.kind == CHOICE:
            return f"{', '.join(self.choices[:-1])} or {self.choices[-1]}"
        return f"{self.minimum} to {self.maximum}" + (", or -1 for unlimited" if self.unlimited else "")


SETTINGS = {
    setting.name: setting
    for setting in (
        Setting(
            "cleanup.policy",
            CHOICE,
            DELETE,
            "what happens to old records: delete removes whole segments by retention, compact keeps the newest record of each "
            "key, compact,delete does both",
            choices=(DELETE, COMPACT, COMPACT_AND_DELETE),
        ),
        Setting(
            "retention.ms",
            DURATION,
            UNLIMITED,
            "age at which records may be deleted, where cleanup.policy has delete",
            0,
            _LONGEST,
            unlimited=True,
        ),
        Setting(
            "retention.bytes",
            SIZE,
            UNLIMITED,
            "size of a partition above which its oldest segments are deleted, where cleanup.policy has delete",
            0,
            _LONGEST,
            unlimited=True,
        ),
        Setting(
            "delete.retention.ms",
            DURATION,
            _DAY,
            "time that compaction keeps a tombstone (a key with a null value) after it first met it",
            0,
            _LONGEST,
        ),
        Setting(
            "min.cleanable.dirty.ratio",
            RATIO,
            0.5,
            "share of a partition that was not compacted yet, from which on its writers compact it",
            0,
            1,
        ),
        Setting(
            "segment.bytes", SIZE, 1 << 30, "size at which a segment is closed and the next begun", 1 << 10, 1 << 40
        ),
        Setting(
            "segment.ms",
            DURATION,
            7 * _DAY,
            "age of a segment: a record that much younger than its first goes to the next",
            1,
            _LONGEST,
        ),
        Setting(
            "max.message.bytes",
            SIZE,
            16 << 20,
            "size of the longest record that is taken, its key and value together",
            1,
            1 << 30,
        ),
        Setting(
            "message.timestamp.type",
            CHOICE,
            CREATE_TIME,
            "time that a record gets: CreateTime, the one given with it, else that of its append; LogAppendTime, always that of "
            "its append",
            choices=(CREATE_TIME, LOG_APPEND_TIME),
        ),
        Setting(
            "compression.type",
            CHOICE,
            "none",
            "codec of its record batches, where produce is not given another with -z",
            choices=("none", "gzip", "zstd", "lz4"),
        ),
    )
}

MAX_PARTITIONS = 10_000


class TopicConfig(NamedTuple):
    """partitions: how many; overrides: setting name -> the value that was set."""

    partitions: int
    overrides: dict[str, Value]

    def value(self, name: str) -> Value:
        """The value in force of a setting."""
        return self.overrides.get(name, SETTINGS[name].default)

    def number(self, name: str) -> int:
        """The value in force of a SIZE (bytes) or DURATION (ms); UNLIMITED where that may be had."""
        value = self.value(name)
        assert isinstance(value, int), name
        return value

    def ratio(self, name: str) -> float:
        """The value in force of a RATIO."""
        return float(self.value(name))

    def choice(self, name: str) -> str:
        """The value in force of a CHOICE."""
        return str(self.value(name))

    @property
    def compacts(self) -> bool:
        """Whether only the newest record of each key is kept, so that each needs one."""
        return self.value("cleanup.policy") != DELETE

    @property
    def deletes(self) -> bool:
        """Whether retention applies."""
        return self.value("cleanup.policy") != COMPACT


def setting_named(name: str) -> Setting:
    """The setting of that name; UsageError, which names the nearest, where there is none."""
    if name not in SETTINGS:
        raise UsageError(
            f"no such topic config: {name}: {did_you_mean(name, SETTINGS, 'there is ' + ', '.join(SETTINGS))}"
        )
    return SETTINGS[name]


def checked_value(name: str, value: object) -> Value:
    """A value as it is stored: `delete, compact` is `compact,delete`. UsageError unless it can be had."""
    setting = setting_named(name)
    found = _choice(setting, value) if setting.kind == CHOICE else _number(setting, value)
    if found is None:
        shown = value if isinstance(value, str) else repr(value)
        remedy = did_you_mean(str(shown), setting.choices, f"use {setting.range_in_words()}")
        raise UsageError(f"bad {name} {str(shown)[:60]}: {remedy}")
    return found


def _choice(setting: Setting, value: object) -> str | None:
    if not isinstance(value, str):
        return None
    words = ",".join(sorted({word.strip() for word in value.split(",")}))
    return words if words in setting.choices else None


def _number(setting: Setting, value: object) -> int | float | None:
    if type(value) is int:
        if setting.unlimited and value == UNLIMITED:
            return value
    elif type(value) is not float or setting.kind != RATIO:
        return None
    if not setting.minimum <= value <= setting.maximum:
        return None
    return float(value) if setting.kind == RATIO else value


def check_partitions(count: int) -> None:
    """UsageError unless a topic can have so many partitions."""
    if type(count) is not int or not 1 <= count <= MAX_PARTITIONS:
        raise UsageError(f"bad number of partitions {count!r}: use 1 to {MAX_PARTITIONS}")


def check_config(config: TopicConfig) -> None:
    """UsageError unless every value is one that can be had, and as it is stored."""
    check_partitions(config.partitions)
    for name, value in config.overrides.items():
        assert checked_value(name, value) == value, name


def encode_config(config: TopicConfig) -> bytes:
    return (json.dumps({"partitions": config.partitions, "config": config.overrides}, indent=2) + "\n").encode()


def decode_config(data: bytes, path: str) -> TopicConfig:
    """The config in a topic's config.json; StreamcliError when it is damaged."""
    try:
        found = json.loads(data)
        if type(found["partitions"]) is not int:
            raise TypeError("the number of partitions is no number")
        overrides = {name: checked_value(name, value) for name, value in dict(found["config"]).items()}
        config = TopicConfig(found["partitions"], overrides)
        check_config(config)
    except (ValueError, KeyError, TypeError, UsageError, RecursionError) as error:
        raise StreamcliError(f"the topic's config is damaged ({path}): {error}: restore it from a copy") from None
    return config

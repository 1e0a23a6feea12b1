"""Topic config as people write and read it: `retention.ms=7d`, `segment.bytes=64M`, `retention.bytes=unlimited`."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from streamcli.cli.values import format_duration, parse_duration, parse_number, parse_size
from streamcli.record.errors import UsageError
from streamcli.storage.config import (
    CHOICE,
    COMPACT,
    COMPACT_AND_DELETE,
    DURATION,
    RATIO,
    SETTINGS,
    SIZE,
    UNLIMITED,
    TopicConfig,
    Value,
    checked_value,
)

_UNITS = (("T", 1 << 40), ("G", 1 << 30), ("M", 1 << 20), ("K", 1 << 10))


class ConfigFlags(NamedTuple):
    """What a command line says of a topic's config, as declared in cli.commands: None, False and [] say nothing."""

    retention: int | None
    retention_bytes: int | None
    segment_bytes: int | None
    segment_age: int | None
    compact: bool
    config: list[str]

    def settings(self) -> dict[str, Value]:
        """The settings by name; UsageError for a bad one, and for two values of one."""
        settings = parse_settings(self.config)
        named = {
            "retention.ms": self.retention,
            "retention.bytes": self.retention_bytes,
            "segment.bytes": self.segment_bytes,
            "segment.ms": self.segment_age,
        }
        for name, value in named.items():
            if value is not None:
                _put(settings, name, value)
        if self.compact and settings.get("cleanup.policy") != COMPACT_AND_DELETE:
            _put(settings, "cleanup.policy", COMPACT)
        return settings


def idle_settings(config: TopicConfig) -> str | None:
    """What to tell of settings that do nothing beside the others; None where there are none."""
    idle = [name for name in ("retention.ms", "retention.bytes") if config.number(name) != UNLIMITED]
    if config.deletes or not idle:
        return None
    return (
        f"{' and '.join(idle)} {'does' if len(idle) == 1 else 'do'} nothing while cleanup.policy is {COMPACT}: "
        f"-c cleanup.policy={COMPACT_AND_DELETE} deletes old records too"
    )


def parse_settings(assignments: list[str]) -> dict[str, Value]:
    """NAME=VALUE of -c as stored; UsageError for an unknown name, a bad value, or two values for one name."""
    overrides: dict[str, Value] = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals or name not in SETTINGS:
            raise UsageError(f"bad topic config {assignment!r}: use NAME=VALUE, with {', '.join(SETTINGS)}")
        _put(overrides, name, parse_value(name, text))
    return overrides


def _put(overrides: dict[str, Value], name: str, value: Value) -> None:
    value = checked_value(name, value)
    if overrides.setdefault(name, value) != value:
        both = f"{show_value(name, overrides[name])} and {show_value(name, value)}"
        raise UsageError(f"{name} is given twice, as {both}: leave out one")


def parse_value(name: str, text: str) -> Value:
    """The value of a setting as people write it, and as Kafka does: bytes and ms are taken as bare numbers too."""
    setting = SETTINGS[name]
    if setting.unlimited and text in ("unlimited", str(UNLIMITED)):
        return UNLIMITED
    parse: dict[str, Callable[[str], Value]] = {
        SIZE: parse_size,
        DURATION: _parse_milliseconds,
        RATIO: _parse_ratio,
        CHOICE: str,
    }
    return checked_value(name, parse[setting.kind](text))


def show_value(name: str, value: Value) -> str:
    """A value as `parse_value` takes it."""
    setting = SETTINGS[name]
    if isinstance(value, str) or setting.kind == RATIO:
        return str(value)
    if setting.unlimited and value == UNLIMITED:
        return "unlimited"
    return format_duration(int(value)) if setting.kind == DURATION else _show_size(int(value))


def _show_size(size: int) -> str:
    unit, divisor = next(((unit, divisor) for unit, divisor in _UNITS if size and size % divisor == 0), ("", 1))
    return f"{size // divisor}{unit}"


def _parse_milliseconds(text: str) -> int:
    """A duration, or as in Kafka a bare number of ms."""
    return parse_number(text) if text.isdigit() else parse_duration(text)


def _parse_ratio(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"bad ratio {text!r}: use a number from 0 to 1, as in 0.5") from None

"""Topic config as people write and read it: `retention.ms=7d`, `segment.bytes=64M`, `retention.bytes=unlimited`."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from streamcli.cli.values import format_duration, naming, parse_duration, parse_number, parse_size
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
    setting_named,
)

_LONG_MAX = 2**63 - 1
"""What Kafka has for `never`, which is no unlimited: that is -1."""

_UNITS = (("T", 1 << 40), ("G", 1 << 30), ("M", 1 << 20), ("K", 1 << 10))


class ConfigFlags(NamedTuple):
    """What a command line says of a topic's config, as declared in cli.commands: None, False and [] say nothing."""

    retention: int | None
    retention_bytes: int | None
    segment_bytes: int | None
    segment_age: int | None
    compact: bool
    config: list[str]

    def settings(self, *, on_kafka: bool = False) -> dict[str, Value]:
        """The settings by name; UsageError for a bad one, and for two values of one. on_kafka: names and values that brokers
        know or refuse, not we."""
        settings = _parse_brokers_settings(self.config) if on_kafka else parse_settings(self.config)
        named = {
            "retention.ms": self.retention,
            "retention.bytes": self.retention_bytes,
            "segment.bytes": self.segment_bytes,
            "segment.ms": self.segment_age,
        }
        for name, value in named.items():
            if value is not None:
                _put(settings, name, value if on_kafka else checked_value(name, value))
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
        setting_named(name)
        if not equals:
            raise UsageError(
                f"bad topic config {assignment!r}: use NAME=VALUE, as in {name}={show_value(name, SETTINGS[name].default)}"
            )
        _put(overrides, name, parse_value(name, text))
    return overrides


def _parse_brokers_settings(assignments: list[str]) -> dict[str, Value]:
    """NAME=VALUE of -c as brokers take them: human sizes and durations as numbers, all else as it is given."""
    overrides: dict[str, Value] = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals or not name:
            raise UsageError(f"bad topic config {assignment!r}: use NAME=VALUE, as in retention.ms=7d")
        _put(overrides, name, _parse_brokers_value(name, text))
    return overrides


def _parse_brokers_value(name: str, text: str) -> Value:
    """A value: a size where the name ends in .bytes, a duration where it ends in .ms."""
    if text == "unlimited":
        return UNLIMITED
    parsers: dict[str, Callable[[str], Value]] = {".ms": _parse_milliseconds, ".bytes": parse_size}
    parse = next((parse for suffix, parse in parsers.items() if name.endswith(suffix)), None)
    if parse is None or text[:1] == "-":
        return text
    with naming(name):
        return parse(text)


def _put(overrides: dict[str, Value], name: str, value: Value) -> None:
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
    with naming(name):
        value = parse[setting.kind](text)
    return checked_value(name, value)


def show_value(name: str, value: Value) -> str:
    """A value as `parse_value` takes it, and as brokers' settings are given."""
    setting = SETTINGS.get(name)
    if isinstance(value, str | float) or value == _LONG_MAX:
        return str(value)
    if setting is not None and setting.unlimited and value == UNLIMITED:
        return "unlimited"
    if value >= 0 and name.endswith(".ms"):
        return format_duration(value)
    return _show_size(value) if name.endswith(".bytes") else str(value)


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

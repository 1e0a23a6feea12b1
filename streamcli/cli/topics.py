"""The topics commands."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from streamcli.cli.context import Context, complain, show
from streamcli.cli.describe_topics import print_json
from streamcli.cli.settings import ConfigFlags, idle_settings, show_value
from streamcli.engine.alter import Alteration
from streamcli.engine.interface import Engine
from streamcli.engine.topic_state import TopicSettings
from streamcli.record.errors import StreamcliError, UsageError
from streamcli.storage import strangers
from streamcli.storage.config import TopicConfig, check_partitions, setting_named
from streamcli.storage.directory import TopicExists


def create(
    context: Context, names: list[str], partitions: int, replication: int | None, if_not_exists: bool, **flags: Any
) -> int:
    """Create each topic; all names and values are checked before the first is made."""
    wanted = TopicConfig(partitions, ConfigFlags(**flags).settings(on_kafka=context.kafka is not None))
    engine = context.engine()
    engine.check_new(names, wanted, replication)
    status = 0
    for name in names:
        try:
            engine.create(name, wanted, replication)
        except TopicExists as error:
            if not if_not_exists:
                complain(f"{error}: use --if-not-exists if that is all right")
                status = error.status
    _tell_idle(context, wanted)
    return status


def alter(context: Context, name: str, partitions: int | None, unset: list[str], **flags: Any) -> int:
    """Change a topic's config, or give it more partitions; nothing to change is told, and no error."""
    on_kafka = context.kafka is not None
    settings = ConfigFlags(**flags).settings(on_kafka=on_kafka)
    alteration = Alteration(partitions, settings, frozenset(unset) if on_kafka else _names_to_unset(unset))
    both = alteration.unset & alteration.settings.keys()
    if both:
        raise UsageError(f"{min(both)} is set and unset at once: leave out one")
    if alteration == Alteration(None, {}, frozenset()):
        raise UsageError("nothing to alter is given: use -p for more partitions, -c NAME=VALUE or --unset NAME")
    if partitions is not None:
        check_partitions(partitions)
    before, after = context.engine().alter(name, alteration)
    if after == before:
        context.notice(f"topic {name} is like that already: nothing was changed")
    else:
        context.summary(f"topic {name}: {', '.join(_changes(before, after))}")
    _tell_idle(context, after.config())
    return 0


def _names_to_unset(names: list[str]) -> frozenset[str]:
    for name in names:
        setting_named(name)
    return frozenset(names)


def _changes(before: TopicSettings, after: TopicSettings) -> Iterator[str]:
    if before.partitions != after.partitions:
        yield f"partitions {before.partitions} -> {after.partitions}"
    for name, new in after.in_force.items():
        old = before.in_force[name]
        if old != new:
            yield f"{name} {show_value(name, old)} -> {show_value(name, new)}"
        elif (name in before.set) != (name in after.set):
            yield f"{name} {show_value(name, new)}, {'set' if name in after.set else 'the default'} now"


def _tell_idle(context: Context, config: TopicConfig) -> None:
    idle = idle_settings(config)
    if idle is not None:
        context.notice(idle)


def list_topics(context: Context, pattern: str | None, json: bool) -> int:
    """Print the names, sorted; with `json` the partitions and config too."""
    engine = context.engine()
    if not engine.exists():
        context.notice(f"there is no log directory at {engine.where} yet: produce or topics create makes it")
    names = engine.topics(pattern or "*")
    if json:
        for name, settings in engine.settings(names):
            print_json({"topic": name, "partitions": settings.partitions, "config": settings.in_force})
    else:
        for name in names:
            print(name)
    if context.kafka is None:
        context.tell_strangers(strangers.in_root(context.path) + strangers.in_topics(context.path))
    return 0


def delete(context: Context, names: list[str], yes: bool) -> int:
    """Delete each topic, once all are known to exist and the user has said so."""
    engine = context.engine()
    for name in names:
        engine.config(name)
    if not yes and not _confirmed(engine, names):
        return StreamcliError.status
    for name in names:
        engine.delete(name)
    return 0


def _confirmed(engine: Engine, names: list[str]) -> bool:
    if not sys.stdin.isatty():
        raise UsageError("topics delete removes all records: add -y to do it without being asked")
    question = show(f"Delete {', '.join(names)} and all records in {engine.where}? [y/N] ")
    print(question, end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")

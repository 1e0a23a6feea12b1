"""The topics commands."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from streamcli.cli.context import Context, complain, show
from streamcli.cli.describe_topics import config_in_force, print_json
from streamcli.cli.settings import ConfigFlags, idle_settings, show_value
from streamcli.engine.alter import Alteration, alter_topic
from streamcli.engine.ensure_topic import create_topic
from streamcli.record.errors import StreamcliError, UsageError
from streamcli.storage import strangers
from streamcli.storage.config import SETTINGS, TopicConfig, check_config
from streamcli.storage.directory import LogDirectory, TopicExists
from streamcli.storage.layout import check_topic_name


def create(context: Context, names: list[str], partitions: int, if_not_exists: bool, **flags: Any) -> int:
    """Create each topic; all names and values are checked before the first is made."""
    wanted = TopicConfig(partitions, ConfigFlags(**flags).settings())
    check_config(wanted)
    for name in names:
        check_topic_name(name)
    directory = context.open(create=True)
    status = 0
    for name in names:
        try:
            create_topic(directory, name, wanted)
        except TopicExists as error:
            if not if_not_exists:
                complain(f"{error}: use --if-not-exists if that is all right")
                status = error.status
    _tell_idle(context, wanted)
    return status


def alter(context: Context, name: str, partitions: int | None, unset: list[str], **flags: Any) -> int:
    """Change a topic's config, or give it more partitions; nothing to change is told, and no error."""
    alteration = Alteration(partitions, ConfigFlags(**flags).settings(), _names_to_unset(unset))
    both = alteration.unset & alteration.settings.keys()
    if both:
        raise UsageError(f"{min(both)} is set and unset at once: leave out one")
    if alteration == Alteration(None, {}, frozenset()):
        raise UsageError("nothing to alter is given: use -p for more partitions, -c NAME=VALUE or --unset NAME")
    if partitions is not None:
        check_config(TopicConfig(partitions, {}))
    before, after = alter_topic(context.open(), check_topic_name(name), alteration)
    if after == before:
        context.notice(f"topic {name} is like that already: nothing was changed")
    else:
        context.summary(f"topic {name}: {', '.join(_changes(before, after))}")
    _tell_idle(context, after)
    return 0


def _names_to_unset(names: list[str]) -> frozenset[str]:
    for name in names:
        if name not in SETTINGS:
            raise UsageError(f"no such topic config: {name}: there is {', '.join(SETTINGS)}")
    return frozenset(names)


def _changes(before: TopicConfig, after: TopicConfig) -> Iterator[str]:
    if before.partitions != after.partitions:
        yield f"partitions {before.partitions} -> {after.partitions}"
    for name in SETTINGS:
        old, new = before.value(name), after.value(name)
        if old != new:
            yield f"{name} {show_value(name, old)} -> {show_value(name, new)}"
        elif (name in before.overrides) != (name in after.overrides):
            yield f"{name} {show_value(name, new)}, {'set' if name in after.overrides else 'the default'} now"


def _tell_idle(context: Context, config: TopicConfig) -> None:
    idle = idle_settings(config)
    if idle is not None:
        context.notice(idle)


def list_topics(context: Context, pattern: str | None, json: bool) -> int:
    """Print the names, sorted; with `json` the partitions and config too."""
    directory = context.open()
    if not directory.exists:
        context.notice(f"there is no log directory at {directory.path} yet: produce or topics create makes it")
    for name in directory.topics(pattern or "*"):
        if json:
            config = directory.config(name)
            print_json({"topic": name, "partitions": config.partitions, "config": config_in_force(config)})
        else:
            print(name)
    context.tell_strangers(strangers.in_root(directory.path) + strangers.in_topics(directory.path))
    return 0


def delete(context: Context, names: list[str], yes: bool) -> int:
    """Delete each topic, once all are known to exist and the user has said so."""
    directory = context.open()
    for name in names:
        directory.config(name)
    if not yes and not _confirmed(directory, names):
        return StreamcliError.status
    for name in names:
        directory.delete_topic(name)
    return 0


def _confirmed(directory: LogDirectory, names: list[str]) -> bool:
    if not sys.stdin.isatty():
        raise UsageError("topics delete removes all records: add -y to do it without being asked")
    question = show(f"Delete {', '.join(names)} and all records in {directory.path}? [y/N] ")
    print(question, end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")

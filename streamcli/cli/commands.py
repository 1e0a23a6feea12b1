"""Every command and flag, declared once: parsing, help, completion and man pages come from here."""

from __future__ import annotations

from streamcli.cli.flags import Command
from streamcli.cli.group_commands import (
    GROUPS_DELETE,
    GROUPS_DESCRIBE,
    GROUPS_EXPORT,
    GROUPS_IMPORT,
    GROUPS_LIST,
    GROUPS_LOG,
    GROUPS_RESET,
    GROUPS_UNDO,
    GROUPS_WAIT,
)
from streamcli.cli.mirror_commands import MIRROR
from streamcli.cli.record_commands import CONSUME, PRODUCE, TABLE, TAIL
from streamcli.cli.shared_flags import COMMON
from streamcli.cli.topic_commands import (
    TOPICS_ALTER,
    TOPICS_CLEAN,
    TOPICS_CREATE,
    TOPICS_DELETE,
    TOPICS_DESCRIBE,
    TOPICS_LIST,
    TOPICS_TRIM,
)
from streamcli.cli.upkeep_commands import BENCH, COMPLETION, DOCTOR, DUMP, REPAIR, STATS, TOP, VERIFY

COMMANDS: dict[str, Command] = {
    command.name: command._replace(flags=command.flags + COMMON)
    for command in (
        PRODUCE,
        CONSUME,
        TAIL,
        TABLE,
        TOPICS_CREATE,
        TOPICS_ALTER,
        TOPICS_LIST,
        TOPICS_DESCRIBE,
        TOPICS_CLEAN,
        TOPICS_TRIM,
        TOPICS_DELETE,
        GROUPS_LIST,
        GROUPS_DESCRIBE,
        GROUPS_RESET,
        GROUPS_DELETE,
        GROUPS_LOG,
        GROUPS_UNDO,
        GROUPS_EXPORT,
        GROUPS_IMPORT,
        GROUPS_WAIT,
        VERIFY,
        REPAIR,
        DUMP,
        STATS,
        TOP,
        DOCTOR,
        MIRROR,
        BENCH,
        COMPLETION,
    )
}

GROUPS: dict[str, str] = {
    "topics": "Create, alter, list, describe and delete topics.",
    "groups": "List, describe, reset and delete consumer groups.",
}

SUMMARY = "Topics, partitions and offsets over a plain directory: Apache Kafka's idea for Unix shells, with no server."

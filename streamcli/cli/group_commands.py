"""The groups commands, declared."""

from __future__ import annotations

from streamcli.cli.flags import Argument, Command, Flag, text
from streamcli.cli.shared_flags import JSON_LIST
from streamcli.cli.values import parse_duration, parse_number

_GROUP = Argument("name", "GROUP", "The group.", complete="groups")

GROUPS_LIST = Command(
    "groups list",
    "List the groups.",
    "streamcli.cli.groups:list_groups",
    (),
    (JSON_LIST,),
    examples=(("streamcli groups list", "all"), ("streamcli groups list --json", "with members and lag")),
    statuses=(0, 1, 2, 6),
)

GROUPS_DESCRIBE = Command(
    "groups describe",
    "Show the committed offsets, lag, member and rate of each partition of a group.",
    "streamcli.cli.groups:describe",
    (_GROUP._replace(required=False),),
    (Flag("all", ("--all",), "All groups."), JSON_LIST),
    examples=(
        ("streamcli groups describe billing", "a table"),
        ("streamcli groups describe --all --json", "for scripts"),
    ),
    statuses=(0, 1, 2, 4, 6),
)

GROUPS_RESET = Command(
    "groups reset",
    "Move the committed offsets of a group; refused while members are alive.",
    "streamcli.cli.groups:reset",
    (_GROUP, Argument("topics", "TOPIC", "Only these topics.", required=False, many=True, complete="topics")),
    (
        Flag("to", ("--to",), "Where to: beginning, end, N, @TIME, current, or +N and -N from where it is.", "OFFSET", text, complete="resets"),
        Flag("dry_run", ("--dry-run",), "Show what would be done, and do nothing."),
        JSON_LIST,
    ),
    examples=(
        ("streamcli groups reset billing --to beginning --dry-run", "look first"),
        ("streamcli groups reset billing clicks --to @yesterday", "one topic, by time"),
    ),
    statuses=(0, 1, 2, 4, 5, 6, 7),
)  # fmt: skip

GROUPS_DELETE = Command(
    "groups delete",
    "Delete groups and their commits; refused while members are alive.",
    "streamcli.cli.groups:delete",
    (Argument("names", "GROUP", "The group.", many=True, complete="groups"),),
    (),
    examples=(("streamcli groups delete billing", "it begins anew the next time"),),
    statuses=(0, 1, 2, 4, 7),
)

GROUPS_LOG = Command(
    "groups log",
    "Print the history of a group's commits, oldest first.",
    "streamcli.cli.groups:log",
    (_GROUP,),
    (JSON_LIST,),
    examples=(("streamcli groups log billing | tail", "the newest commits"),),
    statuses=(0, 1, 2, 4, 6),
    directory_only="prints the journal of a log directory: Apache Kafka keeps the newest commit only",
)

GROUPS_UNDO = Command(
    "groups undo",
    "Take back the last commit, reset or import of a group; refused while members are alive.",
    "streamcli.cli.groups:undo",
    (_GROUP,),
    (JSON_LIST,),
    description="Undo again to bring it back. `groups log` shows what there is to take back.",
    examples=(("streamcli groups undo billing", "after a reset that went wrong"),),
    statuses=(0, 1, 2, 4, 6, 7),
    directory_only="needs the journal of a log directory: Apache Kafka keeps the newest commit only",
)

GROUPS_EXPORT = Command(
    "groups export",
    "Print the committed offsets of a group as JSON, a partition a line.",
    "streamcli.cli.groups:export",
    (_GROUP,),
    (),
    examples=(("streamcli groups export billing > billing.json", "to keep"),),
    statuses=(0, 1, 2, 4, 6),
)

GROUPS_IMPORT = Command(
    "groups import",
    "Commit the offsets on standard input, as export printed them; refused while members are alive.",
    "streamcli.cli.groups:import_offsets",
    (_GROUP,),
    (),
    examples=(("streamcli groups import billing < billing.json", "all or nothing"),),
    statuses=(0, 1, 2, 4, 6, 7),
)

GROUPS_WAIT = Command(
    "groups wait",
    "Wait until a group has caught up.",
    "streamcli.cli.groups:wait",
    (_GROUP,),
    (
        Flag("lag", ("--lag",), "Caught up means this many records behind, at most (default 0).", "N", parse_number, 0),
        Flag("timeout", ("--timeout",), "Give up with status 7 after that long.", "D", parse_duration),
        JSON_LIST,
    ),
    examples=(("streamcli groups wait billing --timeout 5m", "before a script goes on"),),
    statuses=(0, 1, 2, 4, 6, 7),
)

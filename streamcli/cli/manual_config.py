"""What streamcli-config(5) says: the keys come from the declarations."""

from __future__ import annotations

from streamcli.cli.commands import COMMANDS
from streamcli.cli.defaults import common_flags, settable, variable
from streamcli.cli.flags import Command

DESCRIPTION = (
    "Every command takes the defaults of its options from the environment and from a file, before those that are built in. "
    "The strongest comes first:",
)

PRECEDENCE = (
    ("1", "The option on the command line."),
    (
        "2",
        "STREAMCLI_COMMAND_OPTION in the environment, as STREAMCLI_PRODUCE_SYNC=batch or STREAMCLI_TOPICS_LIST_JSON=1.",
    ),
    ("3", "STREAMCLI_OPTION in the environment, for the options that every command has, as STREAMCLI_LOCK_TIMEOUT=5s."),
    ("4", "The table of the command in the file, as [produce] or [topics.list]."),
    ("5", "The top of the file, before the first table, for the options that every command has."),
    ("6", "What is built in: see the command's page."),
)

RULES = (
    "What is given wins quietly. A default that contradicts what is given is passed over, as json = true where -F is "
    "given; and so is one that means nothing without an option that is not there, as retries without a COMMAND. "
    "Two defaults that contradict each other in one table are an error.",
    "The file is TOML. A key is the long name of an option without its dashes; its value is text in quotes, as it is given "
    "on the command line, or a bare number where a number or a size is wanted, true or false for an option that takes no "
    "value, and a list for one that may be repeated. dir is a path from / or ~ on. An unknown table or key, or a value of the "
    "wrong type, ends every command with status 2 and names the file and the key; streamcli doctor tells of it too.",
    "In the environment an option that takes no value is 1 or 0, and a variable that is empty counts for nothing. An option "
    "that may be repeated gets one value there.",
    "Set STREAMCLI_CONFIG to nothing in scripts that are to do the same for everyone: no file is read then. It is not read "
    "from Python either: import streamcli takes the log directory it is given, or STREAMCLI_DIR.",
    "Options that say what to do this time have no default, on purpose: which records, partitions or group (-p, -o, -g, --key, "
    "--grep, --since ...), the config of a topic, --yes, --dry-run, and the arguments.",
)

FILES = (
    (
        "$XDG_CONFIG_HOME/streamcli/config.toml",
        "The file; ~/.config/streamcli/config.toml where XDG_CONFIG_HOME is not set. None there is no error.",
    ),
)

EXAMPLE = """dir = "~/streams"
lock-timeout = "5s"

[produce]
sync = "batch"
compress = "zstd"

[tail]
count = 20

[consume]
retries = 5
backoff = "10s"

[topics.list]
json = true"""


def keys(command: Command) -> str:
    """The keys of a command's table, in the order of its page."""
    common = common_flags(command)
    return ", ".join(name for name in settable(command) if name not in common)


def tables() -> list[tuple[str, str]]:
    """Each table and the keys that it may have, besides those of all."""
    return [(f"[{name.replace(' ', '.')}]", keys(command) + ".") for name, command in COMMANDS.items() if keys(command)]


def common_keys() -> list[tuple[str, str]]:
    """The keys at the top of the file, and their variables."""
    command = next(iter(COMMANDS.values()))
    return [(name, f"{flag.help} {variable(name)} in the environment.") for name, flag in common_flags(command).items()]


def own_variables(command: Command) -> list[tuple[str, str]]:
    """The row of a page's ENVIRONMENT for the command's own options; none where none of them may have a default."""
    if not keys(command):
        return []
    return [
        (variable("OPTION", command), f"The default of an option; OPTION is one of {_as_variables(keys(command))}.")
    ]


def _as_variables(names: str) -> str:
    return names.replace("-", "_").upper()

r"""The man pages of section 1, streamcli-config(5) and streamcli-json(5), made from the declarations in cli.commands: `python -m streamcli.cli.manual DIR`.

man(7) with inline fonts only, so that no text is ever the argument of a macro and quoting is no matter. Nothing in a
page changes by itself: no date, no version.
"""

from __future__ import annotations

import os
import re
import sys

from streamcli.cli import manual_config, manual_json
from streamcli.cli.commands import COMMANDS, GROUPS, SUMMARY
from streamcli.cli.flags import Argument, Command, Flag
from streamcli.cli.settings import show_value
from streamcli.cli.shared_flags import COMMON
from streamcli.cli.tour import STEPS
from streamcli.record.errors import EXIT_STATUSES
from streamcli.storage.config import SETTINGS

_CHARACTERS = {"\\": r"\(rs", "-": r"\-", "'": r"\(aq", "`": r"\(ga", "^": r"\(ha", "~": r"\(ti"}

_STOPPED = ("128+N", "stopped by signal N: what was in hand is finished first")

ENVIRONMENT = (
    ("STREAMCLI_DIR", "The log directory, where --dir does not name one."),
    ("XDG_DATA_HOME", "Where nothing does, the log directory is streamcli in here (default ~/.local/share)."),
    (
        "STREAMCLI_URL, STREAMCLI_PROPERTIES, STREAMCLI_PROPERTY",
        "The defaults of --url, --properties and, for one property, -X. Where STREAMCLI_URL is set, STREAMCLI_DIR counts for nothing.",
    ),
    (
        "XDG_CONFIG_HOME",
        "Where streamcli/config.toml is, with defaults of options (default ~/.config): see streamcli-config(5).",
    ),
    ("STREAMCLI_CONFIG", "Another file instead; set to nothing, none."),
    (
        "STREAMCLI_LOCK_TIMEOUT, STREAMCLI_QUIET, STREAMCLI_VERBOSE",
        "The defaults of these options; 1 for the last two.",
    ),
    ("NO_COLOR", "Set to anything but the empty string: no colour."),
    ("TERM", "The kind of terminal. On a dumb one there is no colour, and top does not draw."),
    (
        "STREAMCLI_ALLOW_REMOTE",
        "Set to 1: write to a log directory on a network file system. Only where no other machine uses it: locks and "
        "wake-ups do not reach from one to the other.",
    ),
    (
        "STREAMCLI_NO_INOTIFY",
        "Set to 1: follow by looking every 50 ms instead of being woken by the kernel. A follower that is woken by it takes no processor time while nothing comes; a member of a group looks around once a second all the same.",
    ),
)

FILES = (
    ("DIR/format.json", "The format of the log directory, DIR. A newer one than this streamcli knows is refused."),
    ("DIR/topics/NAME/config.json", "Partitions and config of a topic."),
    ("DIR/topics/NAME/P/*.log", "The segments of a partition: its records, and the only truth about them."),
    ("DIR/topics/NAME/P/log-start", "The log start offset, where it is not 0. Not a cache: not to be deleted."),
    (
        "DIR/topics/NAME/P/producers",
        "How far each input with a --producer-id has come, and each mirror. To be kept with the log: without it, what retention "
        "or compaction has removed may be appended again.",
    ),
    ("DIR/topics/NAME/P/*.index, checkpoint", "Caches: rebuilt when they are missing or damaged."),
    ("DIR/topics/NAME/P/*.cut-*", "What recovery cut off the end of a segment. Never read; yours to delete."),
    (
        "DIR/groups/NAME/commits",
        "The committed offsets of a group, and their history: text, each line with its checksum.",
    ),
    (
        "DIR/groups/NAME/generation.json, members, leases",
        "Who consumes what. Rebuilt by the next member; not to be touched while the group has members.",
    ),
)

_PROMISES = (
    "A topic is a directory of partitions, a partition a log of records, each with its offset. Every command is a "
    "process of its own; any number of them work on one log directory at once, and none of them is a daemon.",
    "Exit status 0 from produce means on disk. What is acknowledged is not lost or changed by the death of any process "
    "or by a power cut, and every batch carries a checksum, so damage is an error that names file, position and offsets. "
    "Within a partition records are read in the order they were appended. What goes in comes out, byte for byte.",
    "A group's members share the partitions of its topics: each has one owner at any moment, held by a lock of the kernel "
    "that ends with its process. A committed offset never passes what was processed nor what is on disk. After the death of "
    "a process, what it had not committed is consumed again.",
    "Data goes to standard output and nothing else does; everything else goes to standard error.",
)

_VALUES = (
    ("Sizes", "512, 64K, 256M, 1G: bytes, or units of 1024."),
    ("Durations", "500ms, 30s, 15m, 2h, 7d."),
    (
        "Times",
        "2026-11-22, '2026-11-22 08:00' (local where no zone is given), 2026-11-22T08:00:00Z, @1700000000000 (ms since "
        "1970), a duration ago as 2h, now, today, yesterday.",
    ),
)

_ENVELOPE = (
    'One object a line: {"topic", "partition", "offset", "timestamp", "key", "value", "headers": [["name", "value"], ...]}. '
    "timestamp is in ms since 1970; null is null and an empty string is empty. A key, value or header value that is no "
    'UTF-8 is in base64 instead, under "key_b64" or "value_b64", or as {"b64": "..."} for a header value. Read back by '
    "produce --json, topic and offset count for nothing, timestamp and partition are kept, and only value has to be there."
)


def escape(text: str) -> str:
    """Text as roff prints it, wherever in a line it stands."""
    escaped = "".join(_CHARACTERS.get(character, character) for character in text)
    return "\n".join(r"\&" + line if line.startswith(".") else line for line in escaped.split("\n"))


def bold(text: str) -> str:
    return rf"\fB{escape(text)}\fR"


def italic(text: str) -> str:
    return rf"\fI{escape(text)}\fR"


def pages() -> dict[str, str]:
    """File name -> content of every page."""
    found = {"streamcli.1": main_page(), "streamcli-config.5": config_page(), "streamcli-json.5": json_page()}
    found |= {page_name(group) + ".1": group_page(group) for group in GROUPS}
    return found | {page_name(name) + ".1": command_page(command) for name, command in COMMANDS.items()}


def page_name(command: str) -> str:
    """streamcli-topics-create of `topics create`."""
    return "streamcli-" + command.replace(" ", "-")


def main_page() -> str:
    """streamcli(1)."""
    commands = [*((name, command.summary) for name, command in COMMANDS.items())]
    return _page(
        "streamcli",
        SUMMARY,
        f"{bold('streamcli')} [{italic('OPTION')} ...] {italic('COMMAND')} ...",
        [
            ("DESCRIPTION", _paragraphs(*_PROMISES)),
            ("COMMANDS", _tagged(*((bold(name), summary) for name, summary in commands))),
            ("OPTIONS", _options(COMMON) + _tagged((bold("--version"), "Print the version."))),
            ("VALUES", _tagged(*((escape(name), text) for name, text in _VALUES))),
            ("JSON ENVELOPE", _paragraphs(_ENVELOPE)),
            ("EXIT STATUS", _statuses(tuple(EXIT_STATUSES))),
            *_surroundings(),
            ("EXAMPLES", _examples(STEPS)),
            ("SEE ALSO", _see_also([page_name(name) for name in (*GROUPS, *COMMANDS)])),
        ],
    )


def group_page(group: str) -> str:
    """The page of a group of commands: which there are, and the first example of each."""
    members = [command for name, command in COMMANDS.items() if name.startswith(group + " ")]
    return _page(
        page_name(group),
        GROUPS[group],
        f"{bold('streamcli ' + group)} {italic('COMMAND')} ...",
        [
            ("COMMANDS", _tagged(*((bold(command.name), command.summary) for command in members))),
            ("EXIT STATUS", _statuses(tuple(sorted({status for command in members for status in command.statuses})))),
            *_surroundings(),
            ("EXAMPLES", _examples(tuple(command.examples[0] for command in members))),
            ("SEE ALSO", _see_also(["streamcli", *(page_name(command.name) for command in members)])),
        ],
    )


def command_page(command: Command) -> str:
    """The page of one command."""
    own = tuple(flag for flag in command.flags if flag not in COMMON)
    about = [command.summary, *filter(None, command.description.split("\n\n"))]
    sections = [
        ("DESCRIPTION", _paragraphs(*about)),
        ("ARGUMENTS", _arguments(command)),
        ("OPTIONS", _options(own) + (".SS Common options\n" if own else "") + _options(COMMON)),
    ]
    if any("config" in flag.dest for flag in own):
        sections.append(("TOPIC CONFIG", _settings()))
    sections += [
        ("EXIT STATUS", _statuses(command.statuses)),
        *_surroundings(command),
        ("EXAMPLES", _examples(command.examples)),
        ("SEE ALSO", _see_also(["streamcli"])),
    ]
    return _page(page_name(command.name), command.summary, _synopsis(command), sections)


def config_page() -> str:
    """streamcli-config(5)."""
    about = manual_config
    every = _tagged(*((bold(name), text) for name, text in about.common_keys()))
    tables = _tagged(*((bold(name), text) for name, text in about.tables()))
    return _page(
        "streamcli-config",
        "Defaults of options, in a file and in the environment.",
        italic("$XDG_CONFIG_HOME/streamcli/config.toml"),
        [
            ("DESCRIPTION", _paragraphs(*about.DESCRIPTION) + _tagged(*about.PRECEDENCE) + _paragraphs(*about.RULES)),
            ("KEYS", _paragraphs("At the top, and in every table:") + every + ".SS Tables\n" + tables),
            ("FILES", _tagged(*((italic(name), text) for name, text in about.FILES))),
            ("EXAMPLES", f".PP\n.RS 4\n.EX\n{escape(about.EXAMPLE)}\n.EE\n.RE\n"),
            ("SEE ALSO", _see_also(["streamcli"])),
        ],
        manual_section=5,
    )


def json_page() -> str:
    """streamcli-json(5)."""
    objects = "".join(
        f".SS {escape(command)}\n"
        + _tagged(
            *((f"{bold(name)} {escape(type_)}", f"{about[0].upper()}{about[1:]}.") for name, type_, about in fields)
        )
        for command, fields in manual_json.OBJECTS.items()
    )
    return _page(
        "streamcli-json",
        "Objects that streamcli prints with --json.",
        f"{bold('streamcli')} {italic('COMMAND')} {bold('--json')}",
        [
            ("DESCRIPTION", _paragraphs(*manual_json.DESCRIPTION)),
            ("OBJECTS", objects),
            ("SEE ALSO", _see_also(["streamcli"])),
        ],
        manual_section=5,
    )


def _page(name: str, summary: str, synopsis: str, sections: list[tuple[str, str]], *, manual_section: int = 1) -> str:
    purpose = escape(summary.removesuffix(".").replace(": a record a line", ""))
    lines = [
        r".\" Made by python -m streamcli.cli.manual from the declarations in streamcli/cli/commands.py",
        f'.TH {escape(name.upper())} {manual_section} "" streamcli "streamcli manual"',
        ".ad l",
        ".SH NAME",
        rf"{escape(name)} \- {purpose[0].lower()}{purpose[1:]}",
        ".SH SYNOPSIS",
        synopsis,
    ]
    body = "".join(f".SH {title}\n{text}" for title, text in sections if text)
    return "\n".join(lines) + "\n" + body


def _synopsis(command: Command) -> str:
    words = [bold("streamcli " + command.name), f"[{italic('OPTION')} ...]"]
    for argument in command.arguments:
        word = _argument_tag(argument)
        words.append(word if argument.required else f"[{word}]")
    if command.rest is not None:
        words.append(f"[{_rest_tag(command.rest)}]")
    return " ".join(words)


def _arguments(command: Command) -> str:
    rows = [(_argument_tag(argument), argument.help) for argument in command.arguments]
    if command.rest is not None:
        rows.append((_rest_tag(command.rest), command.rest.help))
    return _tagged(*rows)


def _rest_tag(rest: Argument) -> str:
    """-- COMMAND [ARG ...]: words in italics, brackets and dots as they are."""
    words = (italic(word) if word[0].isalpha() else escape(word) for word in re.split(r"(\W+)", rest.metavar) if word)
    return f"{bold('--')} {''.join(words)}"


def _argument_tag(argument: Argument) -> str:
    return _value(argument.metavar) + (" ..." if argument.many else "")


def _value(metavar: str) -> str:
    """What to put in: a name for it, or the words there are to choose from."""
    return "|".join(bold(word) for word in metavar.split("|")) if "|" in metavar else italic(metavar)


def _options(flags: tuple[Flag, ...]) -> str:
    return _tagged(*((_flag_tag(flag), flag.help) for flag in flags))


def _flag_tag(flag: Flag) -> str:
    names = ", ".join(bold(name) for name in flag.names)
    return f"{names} {_value(flag.metavar)}" if flag.metavar else names


def _statuses(statuses: tuple[int, ...]) -> str:
    rows = [(str(status), EXIT_STATUSES[status]) for status in statuses]
    return _tagged(*((bold(status), meaning) for status, meaning in (*rows, _STOPPED)))


def _settings() -> str:
    rows = []
    for name, setting in SETTINGS.items():
        rows.append(
            (
                bold(name),
                f"{setting.summary[0].upper()}{setting.summary[1:]} (default {show_value(name, setting.default)}).",
            )
        )
    return _tagged(*rows)


def _surroundings(command: Command | None = None) -> list[tuple[str, str]]:
    own = manual_config.own_variables(command) if command else []
    return [
        ("ENVIRONMENT", _tagged(*((bold(name), text) for name, text in (*own, *ENVIRONMENT)))),
        ("FILES", _tagged(*((italic(name), text) for name, text in FILES))),
    ]


def _examples(examples: tuple[tuple[str, str], ...]) -> str:
    shown = ((line, what[0].upper() + what[1:]) for line, what in examples)
    return "".join(f".PP\n{escape(what)}:\n.PP\n.RS 4\n.EX\n{escape(line)}\n.EE\n.RE\n" for line, what in shown)


def _see_also(names: list[str]) -> str:
    references = [rf"\%{bold(name)}(1)" for name in names]
    references += [rf"\%{bold(f'streamcli-{name}')}(5)" for name in ("config", "format")]
    references += [
        rf"\%{bold(f'streamcli-{name}')}(7)" for name in ("kafka", "performance", "recipes", "scale", "sharing")
    ]
    return ",\n".join(references) + "\n"


def _paragraphs(*texts: str) -> str:
    return "".join(f".PP\n{escape(text)}\n" for text in texts)


def _tagged(*rows: tuple[str, str]) -> str:
    """A list of terms, as roff already, and what each means."""
    return "".join(f".TP\n{tag}\n{escape(text)}\n" for tag, text in rows)


def write_pages(directory: str) -> None:
    """Write every page into a directory that is there."""
    for name, text in pages().items():
        with open(os.path.join(directory, name), "w", encoding="utf-8") as file:
            file.write(text)


if __name__ == "__main__":
    write_pages(sys.argv[1])

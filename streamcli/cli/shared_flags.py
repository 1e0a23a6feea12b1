"""Flags and arguments that several commands have."""

from __future__ import annotations

from streamcli.cli.flags import Argument, Flag, text
from streamcli.cli.values import parse_duration, parse_escapes, parse_header, parse_number
from streamcli.engine.properties import parse_property
from streamcli.engine.url import parse_url
from streamcli.record.errors import UsageError, did_you_mean


def choice(*choices: str):  # type: ignore[no-untyped-def]  # a parser for Flag.parse
    def parse(value: str) -> str:
        if value not in choices:
            raise UsageError(f"bad value {value!r}: {did_you_mean(value, choices, 'use ' + ', '.join(choices))}")
        return value

    return parse


COMMON = (
    Flag("dir", ("--dir",), "The log directory (default: STREAMCLI_DIR, else dir in the config file, else ~/.local/share/streamcli).", "DIR", text, complete="directories"),
    Flag("url", ("--url",), "An Apache Kafka cluster in place of a log directory: kafka://HOST:PORT[,HOST:PORT ...] (default: STREAMCLI_URL, else the log directory). See streamcli-kafka(7).", "URL", parse_url),
    Flag("properties", ("-X", "--property"), "With --url: a property of librdkafka, as security.protocol=ssl; may be repeated. Secrets are better in --properties: everyone sees the words of a command.", "NAME=VALUE", parse_property, repeat=True),
    Flag("properties_file", ("--properties",), "With --url: a file of such properties, NAME=VALUE a line.", "FILE", text, complete="files"),
    Flag("lock_timeout", ("--lock-timeout",), "How long to wait for a lock before giving up with status 7, and with --url for an answer of the cluster (default 30s).", "D", parse_duration, 30_000),
    Flag("quiet", ("-q", "--quiet"), "Print no summary, progress or notice."),
    Flag("verbose", ("-v", "--verbose"), "Print a summary even where standard error is not a terminal."),
)  # fmt: skip

VERSION = Flag("version", ("--version",), "Print the version.")
HELP = Flag("help", ("-h", "--help"), "Show help, with examples.")

JSON_LIST = Flag("json", ("--json",), "Print one JSON object a line: see streamcli-json(5).")
TOPICS = Argument("topics", "TOPIC", "The topic, or a glob of topics (quote it).", many=True, complete="topics")
NAMES = Argument("names", "NAME", "The topic.", many=True, complete="topics")

CHOOSE = (
    Flag("since", ("--since",), "Start at the first record of this time or later; the same as -o @TIME.", "TIME", text, complete="times"),
    Flag("until", ("--until",), "Stop before the first record of this time or later.", "TIME", text, complete="times"),
    Flag("grep", ("--grep",), "Only records whose value matches this regular expression.", "REGEX", text),
    Flag("key", ("--key",), "Only records with this key.", "KEY", text),
    Flag("header", ("--header",), "Only records with this header; may be repeated, all must be there.", "NAME=VALUE", parse_header, repeat=True),
    Flag("partition", ("-p", "--partition"), "Only this partition; may be repeated.", "N", parse_number, repeat=True, complete="partitions"),
)  # fmt: skip

SHAPE = (
    Flag("format", ("-F", "--format"), "Print each record in this format: %s value, %k key, %t topic, %p partition, %o offset, %T time in ms, %d time as RFC 3339, %h headers, %S and %K lengths of value and key (-1: null), %%, and escapes as in -D.", "STR", text),
    Flag("json", ("--json",), "Print each record as a JSON object, losslessly; produce --json takes it back."),
)  # fmt: skip

DELIMITERS = (
    Flag("delimiter", ("-D", "--delimiter"), r"What to print after each record (default \n).", "STR", parse_escapes),
    Flag("null", ("-0", "--null"), "Print a NUL byte after each record."),
)

SKIP = Flag("skip_corrupt", ("--skip-corrupt",), "Go past corrupt data, report it, and exit with status 6 at the end.")

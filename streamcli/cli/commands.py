"""Every command and flag, declared once: parsing, help, completion and man pages come from here."""

from __future__ import annotations

from streamcli.cli.flags import Argument, Command, Flag, text
from streamcli.cli.values import (
    parse_delimiter,
    parse_duration,
    parse_escapes,
    parse_header,
    parse_number,
    parse_size,
    unlimited_or,
)
from streamcli.record.errors import UsageError

SHELLS = ("bash", "zsh", "fish")
BENCHES = ("produce", "consume", "latency")


def _choice(*choices: str):  # type: ignore[no-untyped-def]  # a parser for Flag.parse
    def parse(value: str) -> str:
        if value not in choices:
            raise UsageError(f"bad value {value!r}: use {', '.join(choices)}")
        return value

    return parse


COMMON = (
    Flag("dir", ("--dir",), "The log directory (default: STREAMCLI_DIR, else ~/.local/share/streamcli).", "DIR", text),
    Flag("lock_timeout", ("--lock-timeout",), "How long to wait for a lock before giving up with status 7 (default 30s).", "D", parse_duration, 30_000),
    Flag("quiet", ("-q", "--quiet"), "Print no summary, progress or notice."),
    Flag("verbose", ("-v", "--verbose"), "Print a summary even where standard error is not a terminal."),
)  # fmt: skip

VERSION = Flag("version", ("--version",), "Print the version.")

_JSON_LIST = Flag("json", ("--json",), "Print one JSON object a line.")
_TOPICS = Argument("topics", "TOPIC", "The topic, or a glob of topics (quote it).", many=True, complete="topics")
_NAMES = Argument("names", "NAME", "The topic.", many=True, complete="topics")

_CHOOSE = (
    Flag("since", ("--since",), "Start at the first record of this time or later; the same as -o @TIME.", "TIME", text),
    Flag("until", ("--until",), "Stop before the first record of this time or later.", "TIME", text),
    Flag("grep", ("--grep",), "Only records whose value matches this regular expression.", "REGEX", text),
    Flag("key", ("--key",), "Only records with this key.", "KEY", text),
    Flag("header", ("--header",), "Only records with this header; may be repeated, all must be there.", "NAME=VALUE", parse_header, repeat=True),
    Flag("partition", ("-p", "--partition"), "Only this partition; may be repeated.", "N", parse_number, repeat=True, complete="partitions"),
)  # fmt: skip

_SHAPE = (
    Flag("format", ("-F", "--format"), "Print each record in this format: %s value, %k key, %t topic, %p partition, %o offset, %T time in ms, %d time as RFC 3339, %h headers, %S and %K lengths of value and key (-1: null), %%, and escapes as in -D.", "STR", text),
    Flag("json", ("--json",), "Print each record as a JSON object, losslessly; produce --json takes it back."),
)  # fmt: skip

_DELIMITERS = (
    Flag("delimiter", ("-D", "--delimiter"), r"What to print after each record (default \n).", "STR", parse_escapes),
    Flag("null", ("-0", "--null"), "Print a NUL byte after each record."),
)

_SKIP = Flag("skip_corrupt", ("--skip-corrupt",), "Go past corrupt data, report it, and exit with status 6 at the end.")

PRODUCE = Command(
    "produce",
    "Append standard input, or files, to a topic: a record a line.",
    "streamcli.cli.produce:run",
    (
        Argument("topic", "TOPIC", "The topic; it is created when missing.", complete="topics"),
        Argument("files", "FILE", "Files to read, in order; - is standard input, as is none.", required=False, many=True, complete="files"),
    ),
    (
        Flag("delimiter", ("-D", "--delimiter"), r"What ends a record: one byte or more, with \n \t \r \0 \\ \xNN (default \n).", "STR", parse_delimiter, b"\n"),
        Flag("null", ("-0", "--null"), "Records end in a NUL byte, as from find -print0."),
        Flag("whole", ("--whole",), "Each file, or all of standard input, is one record."),
        Flag("key_delimiter", ("-K", "--key-delimiter"), "The key comes before the first of these in the record, the value after.", "STR", parse_delimiter),
        Flag("key", ("-k", "--key"), "The key of every record.", "KEY", parse_escapes),
        Flag("headers", ("-H", "--header"), "A header of every record; may be repeated, duplicates are kept.", "NAME=VALUE", parse_header, repeat=True),
        Flag("empty_null", ("-Z", "--empty-null"), "An empty value is null (a tombstone), an empty key is no key."),
        Flag("json", ("--json",), "Each line is a JSON object as consume --json prints it; key, value, headers, timestamp and partition are taken from it."),
        Flag("partition", ("-p", "--partition"), "Append to this partition.", "N", parse_number, complete="partitions"),
        Flag("partitions", ("--partitions",), "How many partitions the topic gets if it is created now (default 1).", "N", parse_number),
        Flag("no_create", ("--no-create",), "Fail with status 4 when the topic does not exist."),
        Flag("sync", ("--sync",), "When records are fsynced: exit (at the end of input, and every second while it runs), batch (each batch, before it is acknowledged) or none.", "exit|batch|none", _choice("exit", "batch", "none"), "exit"),
        Flag("compress", ("-z", "--compress"), "How batches are compressed, whatever the topic's compression.type says; zstd and lz4 where they are installed.", "none|gzip|zstd|lz4", _choice("none", "gzip", "zstd", "lz4")),
        Flag("offsets", ("--offsets",), "Print 'partition offset' for each record once it is durable."),
        Flag("tee", ("--tee",), "Copy the input to standard output once it is appended."),
        Flag("rate", ("--rate",), "At most N records a second.", "N", parse_number),
        Flag("progress", ("--progress",), "Show progress on standard error (the default on a terminal)."),
    ),
    description=(
        "Exit status 0 means on disk: everything read was appended, in order, and fsynced. After any other status, "
        "standard error says how many records are durable, counted from the beginning of the input, so where to go on.\n\n"
        "What has arrived is appended at once: a slow pipe is never held back to fill a batch.\n\n"
        "A topic whose cleanup.policy has compact takes only records with a key: the first without one ends the command with "
        "status 2, and nothing after it is written. Where message.timestamp.type is LogAppendTime a record gets the time of its "
        "append, whatever --json says. A change of the topic's config counts about a second later at most."
    ),
    examples=(
        ("cat access.log | streamcli produce clicks", "a record a line"),
        ("streamcli produce users -K : < users.txt", "key:value lines; equal keys share a partition"),
        ("find . -name '*.py' -print0 | streamcli produce files -0", "names with newlines in them"),
        ("streamcli consume clicks --json | streamcli produce copy --json", "a copy, with keys, headers and times"),
    ),
    statuses=(0, 1, 2, 4, 7, 8),
)  # fmt: skip

CONSUME = Command(
    "consume",
    "Print the records of topics, from the beginning to the end as it is now.",
    "streamcli.cli.consume:run",
    (_TOPICS,),
    (
        Flag("group", ("-g", "--group"), "Share the partitions with the group's other members, and resume at the committed offset.", "G", text, complete="groups"),
        Flag("commit", ("--commit",), "With -g: end commits what was printed, none commits nothing.", "end|none", _choice("end", "none"), "end"),
        Flag("offset", ("-o", "--offset"), "Where to start, or START:STOP. START is beginning, end, N, -N (the last N over all partitions) or @TIME; STOP, which is not printed, is N, @TIME or end.", "RANGE", text),
        *_CHOOSE,
        Flag("number", ("-n", "--count"), "Stop after N records.", "N", parse_number),
        Flag("follow", ("-f", "--follow"), "Go on with what is appended later, for ever; new topics that match a glob are picked up."),
        Flag("idle", ("--idle",), "With -f, stop when nothing came for that long.", "D", parse_duration),
        *_SHAPE,
        *_DELIMITERS,
        Flag("key_delimiter", ("-K", "--key-delimiter"), "Print the key and this before each value; a record without a key prints as one with an empty key.", "STR", parse_escapes),
        Flag("fail_empty", ("--fail-empty",), "Exit with status 3 when no record was printed."),
        _SKIP,
        Flag("batch", ("--batch",), "With COMMAND: at most N records in one run (default: all that is there, up to 8 MiB).", "N", parse_number),
        Flag("linger", ("--linger",), "With COMMAND: wait that long to fill a run.", "D", parse_duration, 0),
        Flag("each", ("--each",), "With COMMAND: one record a run, its key in STREAMCLI_KEY."),
        Flag("jobs", ("-j", "--jobs"), "With COMMAND: runs for N partitions at once (default 1).", "N", parse_number, 1),
        Flag("retries", ("--retries",), "With COMMAND: how often a failed run is tried again (default 3).", "N", parse_number, 3),
        Flag("backoff", ("--backoff",), "With COMMAND: the pause before the first retry; it doubles with each, to 5 minutes at most (default 1s).", "D", parse_duration, 1000),
        Flag("timeout", ("--timeout",), "With COMMAND: a run that takes longer has failed; it gets SIGTERM, and SIGKILL two seconds later.", "D", parse_duration),
        Flag("dead_letter", ("--dead-letter",), "With COMMAND: the topic for records whose run failed for good; without it the run stops, status 1, uncommitted.", "TOPIC", text, complete="topics"),
    ),
    Argument("command", "COMMAND [ARG ...]", "With -g: gets the records on its standard input; they are committed when it exits 0.", required=False, many=True),
    description=(
        "The end is pinned when the command starts, so that it ends even while others produce. Records of several "
        "partitions come by the time of their batches; within a partition always in their order. A null value prints "
        "as an empty one: --json and -F tell them apart.\n\n"
        "With -g the group's members share the partitions, each with one owner at any moment; without -f a run takes the "
        "partitions that are free. What was written to standard output is committed, or with -- COMMAND, what COMMAND "
        "exited 0 for: it runs again after a failure, and gets STREAMCLI_TOPIC, STREAMCLI_PARTITION, STREAMCLI_OFFSET (the "
        "first), STREAMCLI_LAST_OFFSET, STREAMCLI_KEY (--each) and STREAMCLI_ATTEMPT in its environment. Records of one "
        "partition go to one run after the other, in order.\n\n"
        "TIME is 2026-11-22, '2026-11-22 08:00', RFC 3339, @1700000000000 (ms), a duration ago as 2h, now, today or yesterday."
    ),
    examples=(
        ("streamcli consume clicks | wc -l", "all of it"),
        ("streamcli consume clicks -o -100", "the last 100, over all partitions"),
        ("streamcli consume clicks --since 2h --grep ' 500 '", "two hours' errors"),
        ("streamcli consume clicks -f --json | jq -r .value", "follow, as JSON"),
        (r"streamcli consume 'log-*' -F '%t %p %o %s\n'", "several topics, with where each record lies"),
        ("streamcli consume clicks -g stats", "from cron: what came since the last run"),
        ("streamcli consume orders -g billing -f -- ./bill.sh", "commits when the work is done"),
    ),
    statuses=(0, 1, 2, 3, 4, 5, 6, 7),
)  # fmt: skip

TAIL = Command(
    "tail",
    "Show the last records of topics, and with -f what comes.",
    "streamcli.cli.tail:run",
    (_TOPICS,),
    (
        Flag("follow", ("-f", "--follow"), "Go on with what is appended later, for ever."),
        Flag("number", ("-n", "--count"), "How many records, over all partitions (default 10; with --since all of them).", "N", parse_number),
        *_CHOOSE,
        Flag("wrap", ("--wrap",), "Show long values whole, on several lines."),
        *_SHAPE,
        _SKIP,
    ),
    description=(
        "On a terminal each record is a line with its time, topic, partition:offset, key and value; control characters "
        "are shown escaped, and long values cut to the width. Piped, plain values, as consume prints them."
    ),
    examples=(
        ("streamcli tail clicks", "the last ten"),
        ("streamcli tail -f clicks orders", "two topics, live"),
        ("streamcli tail -f -n 0 clicks --grep error", "only what comes, and matches"),
    ),
    statuses=(0, 1, 2, 4, 6),
)  # fmt: skip

_CONFIG = (
    Flag("retention", ("--retention",), "Age at which records may be deleted, as 7d, or unlimited (retention.ms).", "D", unlimited_or(parse_duration)),
    Flag("retention_bytes", ("--retention-bytes",), "Size of a partition above which its oldest segments are deleted, or unlimited (retention.bytes).", "S", unlimited_or(parse_size)),
    Flag("segment_bytes", ("--segment-bytes",), "Size at which a segment is closed (segment.bytes).", "S", parse_size),
    Flag("segment_age", ("--segment-age",), "A record that much younger than a segment's first goes to the next segment (segment.ms).", "D", parse_duration),
    Flag("compact", ("--compact",), "Keep the newest record of each key, and no older ones (cleanup.policy=compact); every record needs a key then."),
    Flag("config", ("-c", "--config"), "A topic config, as in retention.ms=7d (see TOPIC CONFIG); may be repeated.", "NAME=VALUE", text, repeat=True),
)  # fmt: skip

TABLE = Command(
    "table",
    "Print a topic as a table: the newest value of each key, or of the keys named.",
    "streamcli.cli.topic_table:run",
    (
        Argument("topic", "TOPIC", "The topic.", complete="topics"),
        Argument("keys", "KEY", "Print the values of these keys only, in this order; with escapes as in -D.", required=False, many=True),
    ),
    (
        Flag("until", ("--until",), "The table as it was at this time.", "TIME", text),
        Flag("partition", ("-p", "--partition"), "Only this partition; may be repeated.", "N", parse_number, repeat=True, complete="partitions"),
        *_SHAPE,
        *_DELIMITERS,
        Flag("key_delimiter", ("-K", "--key-delimiter"), r"Print the key and this before each value (default \t; with KEY only the value is printed).", "STR", parse_escapes),
        Flag("fail_empty", ("--fail-empty",), "Exit with status 3 when no record was printed."),
        _SKIP,
    ),
    description=(
        "A key whose newest record is a tombstone (its value is null) is not in the table, nor are records without a key. "
        "Any topic will do; of a compacted one less is to be read. Rows come in the order in which consume prints their "
        "records. Where a key or a value may hold a tab or a newline, use --json, or -0 and -K.\n\n"
        "With KEY the log is searched from its end backwards, to the key's newest record; it exits with status 3 when a KEY has "
        "no value, after printing those that have one.\n\n"
        "The table is that of the moment when the command starts. In one partition the newest record of a key is its last. "
        "A key lies in several only where the topic got more partitions, or where records were produced with -p: then the one with "
        "the latest time counts. So the other partitions are searched for a KEY too, back to the time of the record that was "
        "found; for a KEY that is nowhere, all records are read.\n\n"
        "Memory is bounded: where the keys do not fit in 64 MiB, records are read in several passes. With --until, what "
        "compaction has removed is not there any more."
    ),
    examples=(
        ("streamcli table users", "key, tab, value: a line for each key"),
        ("streamcli table users ann", "the value of one key"),
        ("streamcli table users --json | jq -r 'select(.value == \"admin\") | .key'", "for jq"),
        ("streamcli table users --until yesterday", "as it was when yesterday began"),
    ),
    statuses=(0, 1, 2, 3, 4, 6),
)  # fmt: skip

TOPICS_CREATE = Command(
    "topics create",
    "Create topics.",
    "streamcli.cli.topics:create",
    (Argument("names", "NAME", "The new topic.", many=True),),
    (
        Flag("partitions", ("-p", "--partitions"), "How many partitions (default 1: total order).", "N", parse_number, 1),
        *_CONFIG,
        Flag("if_not_exists", ("--if-not-exists",), "A topic that is there already is no error."),
    ),
    examples=(
        ("streamcli topics create clicks -p 4", "four partitions"),
        ("streamcli topics create audit --retention 90d --segment-bytes 64M", "records of three months"),
        ("streamcli topics create users --compact", "the newest record of each key"),
    ),
    statuses=(0, 1, 2, 7),
)  # fmt: skip

TOPICS_ALTER = Command(
    "topics alter",
    "Change the config of a topic, or give it more partitions.",
    "streamcli.cli.topics:alter",
    (Argument("name", "NAME", "The topic.", complete="topics"),),
    (
        Flag("partitions", ("-p", "--partitions"), "How many partitions there are to be: as many as there are, or more.", "N", parse_number),
        *_CONFIG,
        Flag("unset", ("--unset",), "The default value again for this topic config; may be repeated.", "NAME", text, repeat=True),
    ),
    description=(
        "It is safe while others produce and consume. Producers and consumers that run take notice about a second later at "
        "most: records are spread over the new partitions too, and who follows the topic reads these from their beginning. "
        "A key may go to another partition from then on than its earlier records.\n\n"
        "All changes are made at once or, with another status than 0, none. Where nothing is to change, that is told on "
        "standard error, and the status is 0. Fewer partitions cannot be had: their records would be lost."
    ),
    examples=(
        ("streamcli topics alter clicks -p 8", "eight partitions"),
        ("streamcli topics alter clicks --retention 30d -c max.message.bytes=1M", "other config"),
        ("streamcli topics alter clicks --unset retention.ms", "keep all records again"),
    ),
    statuses=(0, 1, 2, 4, 7),
)  # fmt: skip

TOPICS_LIST = Command(
    "topics list",
    "List the topics.",
    "streamcli.cli.topics:list_topics",
    (Argument("pattern", "GLOB", "Only topics that match (quote it).", required=False),),
    (_JSON_LIST,),
    examples=(("streamcli topics list", "all"), ("streamcli topics list 'log-*' --json", "some, for scripts")),
    statuses=(0, 1, 2),
)

TOPICS_DESCRIBE = Command(
    "topics describe",
    "Show the config of topics, and of each partition its offsets, size, segments and times.",
    "streamcli.cli.describe_topics:describe",
    (_NAMES,),
    (_JSON_LIST,),
    description=(
        "First the config: what was set, and what is the default. Then for each partition (P) the log start offset, the log "
        "end offset (the next to be written), its bytes, its segments, and the times of its first record and of its newest, in "
        "UTC. Compaction leaves gaps in the offsets: then there may be fewer records than offsets.\n\n"
        "With --json, an object for each topic: topic; config, the value of every setting, sizes in bytes, durations in ms, -1 "
        "for unlimited; set, the names of those that are not left at their default; offsets, from log start to log end, of all "
        "partitions together; size in bytes; segments; first_timestamp and last_timestamp, in ms, null without a record; and "
        "partitions, a list with an object for each: partition, log_start_offset, log_end_offset, size, segments, "
        "first_timestamp and last_timestamp."
    ),
    examples=(
        ("streamcli topics describe clicks", "a table"),
        ("streamcli topics describe clicks --json", "for scripts"),
    ),
    statuses=(0, 1, 2, 4),
)

TOPICS_CLEAN = Command(
    "topics clean",
    "Apply retention and compaction now.",
    "streamcli.cli.clean:clean",
    (Argument("topics", "TOPIC", "Only this topic, or glob of topics (quote it).", required=False, many=True, complete="topics"),),
    (_JSON_LIST,),
    description=(
        "Does what the topics' configs say: retention (retention.ms, retention.bytes) removes whole segments, the oldest first; "
        "compaction (cleanup.policy=compact) keeps the newest record of each key, at its offset. Writers do so when they close a "
        "segment; this is for cron, and for topics that are seldom written. It works while others produce and consume, and may be "
        "killed at any point.\n\n"
        "The active segment is closed first where it is older than segment.ms, where all of its records have passed retention.ms, "
        "and for compaction where it holds anything. A tombstone (a key with a null value) goes delete.retention.ms after "
        "compaction first met it. Compaction needs room for a copy of the segments that it puts together, segment.bytes at most.\n\n"
        "A line is printed for each thing that was done to a partition; with --json an object with topic, partition, action "
        "(removed or compacted), segments and bytes; removed: log_start_offset; compacted: records, "
        "records_before and bytes_before. A partition with damage is left as it is, and the status is 6."
    ),
    examples=(
        ("streamcli topics clean", "in a cron job, once an hour"),
        ("streamcli topics clean users", "one topic"),
    ),
    statuses=(0, 1, 2, 4, 6, 7),
)  # fmt: skip

TOPICS_TRIM = Command(
    "topics trim",
    "Remove the records before an offset or a time.",
    "streamcli.cli.clean:trim",
    (Argument("name", "TOPIC", "The topic.", complete="topics"),),
    (
        Flag("before", ("--before",), "The new log start offset: N, @TIME for the first record of that time or later, or end.", "OFFSET", text),
        Flag("partitions", ("-p", "--partition"), "Only this partition; may be repeated.", "N", parse_number, repeat=True),
        _JSON_LIST,
    ),
    description=(
        "Records before that offset are not given out any more; the segments that hold nothing else are removed, the rest goes "
        "with later ones. Groups that have not come so far are told how many records are gone, and go on at the log start offset."
    ),
    examples=(
        ("streamcli topics trim clicks --before @7d", "what is older than a week"),
        ("streamcli topics trim clicks -p 0 --before 1000", "one partition, up to an offset"),
        ("streamcli topics trim clicks --before end", "everything there is"),
    ),
    statuses=(0, 1, 2, 4, 5, 6, 7),
)  # fmt: skip

TOPICS_DELETE = Command(
    "topics delete",
    "Delete topics and all their records.",
    "streamcli.cli.topics:delete",
    (_NAMES,),
    (Flag("yes", ("-y", "--yes"), "Do not ask; needed where standard input is not a terminal."),),
    description="Producers to a deleted topic stop with an error; nothing they did not acknowledge is lost silently.",
    examples=(("streamcli topics delete clicks -y", "without asking"),),
    statuses=(0, 1, 2, 4, 7),
)

_GROUP = Argument("name", "GROUP", "The group.", complete="groups")

GROUPS_LIST = Command(
    "groups list",
    "List the groups.",
    "streamcli.cli.groups:list_groups",
    (),
    (_JSON_LIST,),
    examples=(("streamcli groups list", "all"), ("streamcli groups list --json", "with members and lag")),
    statuses=(0, 1, 2, 6),
)

GROUPS_DESCRIBE = Command(
    "groups describe",
    "Show the committed offsets, lag, member and rate of each partition of a group.",
    "streamcli.cli.groups:describe",
    (_GROUP._replace(required=False),),
    (Flag("all", ("--all",), "All groups."), _JSON_LIST),
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
        Flag("to", ("--to",), "Where to: beginning, end, N, @TIME, current, or +N and -N from where it is.", "OFFSET", text),
        Flag("dry_run", ("--dry-run",), "Show what would be done, and do nothing."),
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
    (_JSON_LIST,),
    examples=(("streamcli groups log billing | tail", "the newest commits"),),
    statuses=(0, 1, 2, 4, 6),
)

GROUPS_UNDO = Command(
    "groups undo",
    "Take back the last commit, reset or import of a group; refused while members are alive.",
    "streamcli.cli.groups:undo",
    (_GROUP,),
    (),
    description="Undo again to bring it back. `groups log` shows what there is to take back.",
    examples=(("streamcli groups undo billing", "after a reset that went wrong"),),
    statuses=(0, 1, 2, 4, 6, 7),
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
    ),
    examples=(("streamcli groups wait billing --timeout 5m", "before a script goes on"),),
    statuses=(0, 1, 2, 4, 6, 7),
)

_CHECKED = Argument("topics", "TOPIC", "Only this topic, or glob of topics (quote it).", required=False, many=True, complete="topics")  # fmt: skip

VERIFY = Command(
    "verify",
    "Read everything, check it, and report what is damaged; change nothing.",
    "streamcli.cli.verify:verify",
    (_CHECKED,),
    (_JSON_LIST,),
    description=(
        "Checks every record batch, index and checkpoint, the topics' configs, and what groups have committed, up to the end "
        "of each log as it is at the start. Others may produce and consume meanwhile. A line is printed for each problem, "
        "with its file, position and offsets; the status is 6 if there is any.\n\n"
        "What recovery deals with by itself is no problem: an append that a dead writer did not finish, or what a power cut "
        "left after the last fsync. An index or checkpoint that is missing is none either: it is made again. "
        "After a restart of the machine the index of a log's last segment is not checked until the next append, which mends it. "
        "Segments that are gone from a log's beginning are told from what retention or trim removed: these move the log start offset, "
        "which log-start in the partition's directory says.\n\n"
        "With --json a problem is an object with topic, partition, group, part (log, index, checkpoint, config, commits, or "
        "unreadable for what could not be looked at), reason, path, position and length in bytes, first_offset and next_offset "
        "(excluded); null where it does not apply or is not known."
    ),
    examples=(("streamcli verify || mail -s 'log damaged' ops < /dev/null", "in a cron job"),),
    statuses=(0, 1, 2, 4, 6),
)

REPAIR = Command(
    "repair",
    "Give up what verify finds damaged, keeping a copy, so that all else can be read again.",
    "streamcli.cli.verify:repair",
    (_CHECKED,),
    (_JSON_LIST,),
    description=(
        "Works while others produce and consume. Damaged bytes are copied to a file beside the segment whose name says the "
        "position and the offsets, then marked as lost in the log: readers go past them, and say so. No other batch moves, "
        "and no offset that was given out is given out again. Indexes and checkpoints are made anew. A damaged config is "
        "replaced by default settings, a damaged commit journal by its whole lines; copies of both are kept.\n\n"
        "A line is printed for each repair; with --json verify's object with done, mended, and kept, the file with the copy. The "
        "status is 6 if something could not be mended."
    ),
    examples=(("streamcli verify; streamcli repair && streamcli verify", "look, mend, look again"),),
    statuses=(0, 1, 2, 4, 6, 7),
)

DUMP = Command(
    "dump",
    "Print what lies in segments, batch by batch, and in index, checkpoint and log-start files.",
    "streamcli.cli.dump:run",
    (Argument("names", "FILE|TOPIC", "A file, or a topic or glob of topics (quote it); ./NAME is a file even where a topic has that name.", many=True, complete="topics"),),
    (
        Flag("partition", ("-p", "--partition"), "Of a topic: only this partition; may be repeated.", "N", parse_number, repeat=True, complete="partitions"),
        Flag("offset", ("-o", "--offset"), "Of a topic: only batches with these offsets, START:STOP as in consume.", "RANGE", text),
        Flag("records", ("--records",), "Print the records in the batches instead, with offset, time, key and value; with --json as consume --json does."),
        _JSON_LIST,
    ),
    description=(
        "A segment may lie anywhere and have any name. It is read as it is, without its index, each header and body is held against "
        "its checksum, and each header against its position. Damage is passed by, and told with its position and length; the status "
        "is 6 if there is any. Nothing is changed.\n\n"
        "The state of a batch is ok, lost (the mark of records that repair gave up), or damaged, with the reason; unfinished is the "
        "beginning of an append at the end of a topic's log, which goes on just now or which the next append cuts off. Of an index "
        "entry it says whether it leads to its batch in the segment beside it: after a restart of the machine the last ones of the "
        "active segment may not, until the next append mends them.\n\n"
        "With --json a batch is an object with file, position and length in bytes, base_offset, next_offset (the offset after the "
        "batch), records, min_timestamp and max_timestamp in ms, codec, columns, body_length, raw_length (before compression), "
        "values_length (of values stored as lines), producer_id, producer_epoch and producer_sequence (0: none), header_crc and "
        "body_crc in hexadecimal, body_right (whether the body is what body_crc says; null where none is checked), state and reason. "
        "What is no batch has file, position, length, state and reason alone."
    ),
    examples=(
        ("streamcli dump clicks | less -S", "all batches of a topic"),
        ("streamcli dump clicks -o -1000 --json | jq .records", "the batches of the last 1000 records"),
        ("streamcli dump old/00000000000000000000.log", "a copy of a segment"),
        ("streamcli dump --records --json old/*.log | streamcli produce saved --json", "the records of copied segments into a topic"),
    ),
    statuses=(0, 1, 2, 4, 5, 6),
)  # fmt: skip

STATS = Command(
    "stats",
    "Show totals of topics and groups: records, bytes, segments, what came lately, lag.",
    "streamcli.cli.stats:run",
    (_CHECKED,),
    (
        _JSON_LIST,
        Flag("prometheus", ("--prometheus",), "Print each partition and each group in the text format of Prometheus, version 0.0.4."),
    ),
    description=(
        "Nothing is scanned: offsets, sizes and times come from the ends of the logs and their indexes. RECORDS is the log end "
        "offset less the log start offset, so an upper bound (<=) where a topic is compacted. RECORDS/S and BYTES/S are "
        "what was appended in the last minute, divided by 60; HOUR and HOUR-SIZE what was in the last hour. Both count by the "
        "records' own times: from the first record of that time or later on, bytes by whole batches. LAG counts from the log start "
        "where a group has committed nothing; RATE is records a second by the group's commits of the last minute.\n\n"
        "With --json an object for each topic, group and for all topics together, its kind topic, group or total; is_exact is "
        "false where records is an upper bound, last_minute and last_hour have records and size. Times are in ms, sizes in bytes.\n\n"
        "With --prometheus there are no rates: Prometheus makes them, as rate(streamcli_partition_records_appended_total[5m]). For "
        "node_exporter's textfile collector write the file beside and rename it, so that it never sees half of it.\n\n"
        "What cannot be read is told on standard error and hides nothing else; it is the exit status."
    ),
    examples=(
        ("streamcli stats", "all topics and groups"),
        ("streamcli stats 'log-*' --json | jq 'select(.kind == \"total\").size'", "bytes of some topics"),
        (
            "* * * * * cd /var/lib/node_exporter && streamcli stats --prometheus > streamcli.prom.$$ && mv streamcli.prom.$$ streamcli.prom",
            "a line of a crontab, for Prometheus",
        ),
    ),
    statuses=(0, 1, 2, 4, 6),
)  # fmt: skip

BENCH = Command(
    "bench",
    "Measure the speed of this log directory on this machine, beside plain files.",
    "streamcli.cli.bench:run",
    (Argument("what", "|".join(BENCHES), "What to measure.", complete="benches"),),
    (
        Flag("records", ("--records",), "How many records, in each run (default 1000000; latency: 5000).", "N", parse_number),
        Flag("size", ("--size",), "Bytes of a record (default 100).", "S", parse_size, 100),
        Flag("partitions", ("--partitions",), "Partitions of the temporary topic (default 1).", "N", parse_number, 1),
        Flag("seconds", ("--seconds",), "Stop a run after that many seconds, with fewer records (default 10).", "N", parse_number, 10),
        Flag("json", ("--json",), "Print a JSON object."),
    ),
    description=(
        "A temporary topic is made in the log directory, streamcli-bench-ID, and removed at the end, on Ctrl-C too; what a bench that "
        "was killed left, the next one removes. One bench runs at a time in a log directory. produce takes up to four times the "
        "size of its records on the disk meanwhile: 440 MB if not told otherwise.\n\n"
        "produce: records through a pipe into streamcli produce, against cat into a file and fsync. consume: streamcli consume into a "
        "pipe, against cat of a file, both from the page cache. Three runs of each in turn, on one disk; rates are medians, and count "
        "the start of the process. latency: 1000 records a second into streamcli produce and out of streamcli consume -f, against cat "
        ">> and tail -f; p99.9 is the time that one in a thousand exceeds, and - where there are too few records to tell.\n\n"
        "A ratio compares the two sides of one run and says more than a rate: both had the same machine, at the same time. "
        "Records are random letters, a newline after each."
    ),
    examples=(
        ("streamcli bench produce", "a million records of 100 bytes"),
        ("streamcli bench consume --size 1K --records 100000", "longer records"),
        ("streamcli bench latency --seconds 2 --json", "follow latency, for scripts"),
    ),
    statuses=(0, 1, 2, 7),
)  # fmt: skip

COMPLETION = Command(
    "completion",
    "Print the completion script of a shell.",
    "streamcli.cli.help:completion",
    (Argument("shell", "bash|zsh|fish", "The shell.", complete="shells"),),
    (),
    description="Completes commands, options, topics, groups and partitions.",
    examples=(
        ('eval "$(streamcli completion bash)"', "in ~/.bashrc"),
        ("streamcli completion fish > ~/.config/fish/completions/streamcli.fish", "once, for fish"),
    ),
    statuses=(0, 2),
)

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
        BENCH,
        COMPLETION,
    )
}

GROUPS: dict[str, str] = {
    "topics": "Create, alter, list, describe and delete topics.",
    "groups": "List, describe, reset and delete consumer groups.",
}

SUMMARY = "Topics, partitions and offsets over a plain directory: Apache Kafka's idea for Unix shells, with no server."

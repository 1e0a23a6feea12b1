"""The commands that write and read records, declared."""

from __future__ import annotations

from streamcli.cli.flags import Argument, Command, Flag, text
from streamcli.cli.shared_flags import CHOOSE, DELIMITERS, SHAPE, SKIP, TOPICS, choice
from streamcli.cli.values import parse_delimiter, parse_duration, parse_escapes, parse_header, parse_number

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
        Flag("sync", ("--sync",), "When records are fsynced: exit (at the end of input, and every second while it runs), batch (each batch, before it is acknowledged) or none.", "exit|batch|none", choice("exit", "batch", "none"), "exit", complete="choices"),
        Flag("compress", ("-z", "--compress"), "How batches are compressed, whatever the topic's compression.type says; zstd and lz4 where they are installed.", "none|gzip|zstd|lz4", choice("none", "gzip", "zstd", "lz4"), complete="choices"),
        Flag("offsets", ("--offsets",), "Print 'partition offset' for each record once it is durable."),
        Flag("tee", ("--tee",), "Copy the input to standard output once it is appended."),
        Flag("producer_id", ("--producer-id",), "The name of this input: run again with it, only the records are appended that are not there yet.", "NAME", text),
        Flag("growing", ("--growing",), "With --producer-id: a last record without its delimiter is being written; it is left for a later run."),
        Flag("rate", ("--rate",), "At most N records a second.", "N", parse_number),
        Flag("progress", ("--progress",), "Show progress on standard error (the default on a terminal)."),
    ),
    description=(
        "Exit status 0 means on disk: everything read was appended, in order, and fsynced. After any other status, "
        "standard error says how many records are durable, counted from the beginning of the input, so where to go on.\n\n"
        "What has arrived is appended at once: a slow pipe is never held back to fill a batch.\n\n"
        "A topic whose cleanup.policy has compact takes only records with a key: the first without one ends the command with "
        "status 2, and nothing after it is written. Where message.timestamp.type is LogAppendTime a record gets the time of its "
        "append, whatever --json says. A change of the topic's config counts about a second later at most.\n\n"
        "With --producer-id a run that ended in any way, by kill -9 or a power cut too, can be run again with the same input from its "
        "beginning: what is in the log already is left out, also what retention or compaction has removed since, and what is missing is "
        "added, each record once and in order. Two such runs at once do no harm. One NAME is one input, which may have grown at "
        "its end; -p, -K, -k, --json and the delimiter have to be the same. A record without a key goes by its index, 10,000 of them to a "
        "partition and then as many to the next; after topics alter -p the records from there on are spread over all partitions. The last "
        "record that each partition has of the input is compared with what is given now: where it is another one, or not there any more, the "
        "command ends with status 2. A file that was rotated needs another NAME. Records that were there count as durable once "
        "what holds them is fsynced; --offsets prints a - for their offset, --tee copies them too, and --rate does not wait for them. The "
        "100,000 names that a partition heard of last are remembered. A log directory only: a cluster is reached by mirror."
    ),
    examples=(
        ("cat access.log | streamcli produce clicks", "a record a line"),
        ("streamcli produce clicks --producer-id access --growing access.log", "from cron: the lines that are new"),
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
    (TOPICS,),
    (
        Flag("group", ("-g", "--group"), "Share the partitions with the group's other members, and resume at the committed offset.", "G", text, complete="groups"),
        Flag("commit", ("--commit",), "With -g: end commits what was printed, none commits nothing.", "end|none", choice("end", "none"), "end", complete="choices"),
        Flag("offset", ("-o", "--offset"), "Where to start, or START:STOP. START is beginning, end, N, -N (the last N over all partitions) or @TIME; STOP, which is not printed, is N, @TIME or end.", "RANGE", text, complete="ranges"),
        *CHOOSE,
        Flag("number", ("-n", "--count"), "Stop after N records.", "N", parse_number),
        Flag("follow", ("-f", "--follow"), "Go on with what is appended later, for ever; new topics that match a glob are picked up."),
        Flag("idle", ("--idle",), "With -f, stop when nothing came for that long.", "D", parse_duration),
        *SHAPE,
        *DELIMITERS,
        Flag("key_delimiter", ("-K", "--key-delimiter"), "Print the key and this before each value; a record without a key prints as one with an empty key.", "STR", parse_escapes),
        Flag("fail_empty", ("--fail-empty",), "Exit with status 3 when no record was printed."),
        SKIP,
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
    (TOPICS,),
    (
        Flag("follow", ("-f", "--follow"), "Go on with what is appended later, for ever."),
        Flag("number", ("-n", "--count"), "How many records, over all partitions (default 10; with --since all of them).", "N", parse_number),
        *CHOOSE,
        Flag("wrap", ("--wrap",), "Show long values whole, on several lines."),
        *SHAPE,
        SKIP,
    ),
    description=(
        "On a terminal each record is a line with its time, topic, partition:offset, key and value; control characters "
        "are shown escaped, and long values cut to the width, keys and topics to a third of it. Each topic has a colour, unless "
        "NO_COLOR is set or the terminal is dumb. Piped, plain values, as consume prints them.\n\n"
        "With -f on a terminal, what comes faster than it can be read is skipped for newer records, and counted: a page is shown "
        "each fifth of a second where more than 1,000 records wait. Nothing is skipped in a pipe, nor without -f."
    ),
    examples=(
        ("streamcli tail clicks", "the last ten"),
        ("streamcli tail -f clicks orders", "two topics, live"),
        ("streamcli tail -f -n 0 clicks --grep error", "only what comes, and matches"),
    ),
    statuses=(0, 1, 2, 4, 6),
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
        Flag("until", ("--until",), "The table as it was at this time.", "TIME", text, complete="times"),
        Flag("partition", ("-p", "--partition"), "Only this partition; may be repeated.", "N", parse_number, repeat=True, complete="partitions"),
        *SHAPE,
        *DELIMITERS,
        Flag("key_delimiter", ("-K", "--key-delimiter"), r"Print the key and this before each value (default \t; with KEY only the value is printed).", "STR", parse_escapes),
        Flag("fail_empty", ("--fail-empty",), "Exit with status 3 when no record was printed."),
        SKIP,
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
        "compaction has removed is not there any more.\n\n"
        "On an Apache Kafka cluster segments cannot be held while they are read: where the newest record of a key is removed "
        "meanwhile, it exits with status 1 and says so; and a little is remembered of each row. See streamcli-kafka(7)."
    ),
    examples=(
        ("streamcli table users", "key, tab, value: a line for each key"),
        ("streamcli table users ann", "the value of one key"),
        ("streamcli table users --json | jq -r 'select(.value == \"admin\") | .key'", "for jq"),
        ("streamcli table users --until yesterday", "as it was when yesterday began"),
    ),
    statuses=(0, 1, 2, 3, 4, 6),
)  # fmt: skip

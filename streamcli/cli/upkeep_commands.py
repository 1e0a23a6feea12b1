"""The commands that look after a log directory, and completion, declared."""

from __future__ import annotations

from streamcli.cli.flags import Argument, Command, Flag, text
from streamcli.cli.shared_flags import JSON_LIST
from streamcli.cli.values import parse_duration, parse_number, parse_size

SHELLS = ("bash", "zsh", "fish")
BENCHES = ("produce", "consume", "latency")

_CHECKED = Argument("topics", "TOPIC", "Only this topic, or glob of topics (quote it).", required=False, many=True, complete="topics")  # fmt: skip

VERIFY = Command(
    "verify",
    "Read everything, check it, and report what is damaged; change nothing.",
    "streamcli.cli.verify:verify",
    (_CHECKED,),
    (JSON_LIST,),
    description=(
        "Checks every record batch, index and checkpoint, the topics' configs, and what groups have committed, up to the end "
        "of each log as it is at the start. Others may produce and consume meanwhile. A line is printed for each problem, "
        "with its file, position and offsets; the status is 6 if there is any.\n\n"
        "What recovery deals with by itself is no problem: an append that a dead writer did not finish, or what a power cut "
        "left after the last fsync. An index or checkpoint that is missing is none either: it is made again. "
        "After a restart of the machine the index of a log's last segment is not checked until the next append, which mends it. "
        "Segments that are gone from a log's beginning are told from what retention or trim removed: these move the log start offset, "
        "which log-start in the partition's directory says.\n\n"
        "With --json a problem is an object with topic, partition, group, part (log, index, checkpoint, log-start, producers, config, commits, or "
        "unreadable for what could not be looked at), reason, path, position and length in bytes, first_offset and next_offset "
        "(excluded); null where it does not apply or is not known."
    ),
    examples=(("streamcli verify || mail -s 'log damaged' ops < /dev/null", "in a cron job"),),
    statuses=(0, 1, 2, 4, 6),
    directory_only="reads the files of a log directory: brokers check their own",
)

REPAIR = Command(
    "repair",
    "Give up what verify finds damaged, keeping a copy, so that all else can be read again.",
    "streamcli.cli.verify:repair",
    (_CHECKED,),
    (JSON_LIST,),
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
    directory_only="works on the files of a log directory: brokers mend their own, from their replicas",
)

DUMP = Command(
    "dump",
    "Print what lies in segments, batch by batch, and in index, checkpoint and log-start files.",
    "streamcli.cli.dump:run",
    (Argument("names", "FILE|TOPIC", "A file, or a topic or glob of topics (quote it); ./NAME is a file even where a topic has that name.", many=True, complete="topics files"),),
    (
        Flag("partition", ("-p", "--partition"), "Of a topic: only this partition; may be repeated.", "N", parse_number, repeat=True, complete="partitions"),
        Flag("offset", ("-o", "--offset"), "Of a topic: only batches with these offsets, START:STOP as in consume.", "RANGE", text, complete="ranges"),
        Flag("records", ("--records",), "Print the records in the batches instead, with offset, time, key and value; with --json as consume --json does."),
        JSON_LIST,
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
    directory_only="prints files of a log directory: a broker has kafka-dump-log",
)  # fmt: skip

STATS = Command(
    "stats",
    "Show totals of topics and groups: records, bytes, segments, what came lately, lag.",
    "streamcli.cli.stats:run",
    (_CHECKED,),
    (
        JSON_LIST,
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
        "A cluster of Apache Kafka tells no sizes, segments and rates of groups: these are - in tables, null with --json, and left out "
        "with --prometheus; RECORDS is an upper bound (<=) of every topic, for marks of transactions have offsets too.\n\n"
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

TOP = Command(
    "top",
    "Watch topics and groups live: rates in and out, sizes, lags, members.",
    "streamcli.cli.top:run",
    (_CHECKED,),
    (
        Flag("once", ("--once",), "Print tables once, with the rates of the last minute (a cluster: of the --interval), and end."),
        JSON_LIST,
        Flag("interval", ("--interval",), "How often to look (default 2s, at least 100ms).", "D", parse_duration, 2000),
    ),
    description=(
        "On a terminal a screen of its own, until q: t for topics or groups, < and > for the column by which they are sorted, r to "
        "reverse, / for a filter, p to pause, ? for all keys. IN/S and BYTES/S are what was appended, OUT/S what groups have "
        "committed, each second over the last five or, if longer, the interval. LAG of a topic is that of the group which is "
        "furthest behind; CAUGHT-UP is how long until a group's lag is 0 if it all goes on so, - where it never will be. On the "
        "right is how IN/S, or LAG, went in the last five minutes.\n\n"
        "It looks at file sizes, ends of logs and commits, never through the logs, and only into what has changed.\n\n"
        "With --json an object for each topic and group, its kind topic or group, with time in ms; of a topic partitions, records "
        "(an upper bound where it is compacted), size in bytes, records_in, bytes_in and records_out a second, and lag; of a group "
        "members, topics, partitions, lag, records_in, records_out and caught_up_in in seconds. null is what is not known, or "
        "never comes. Without --once there is a set of lines each interval, with what went on in it, until it is stopped or "
        "nobody reads; with it one set, with the rates of the last minute by the times of records and commits.\n\n"
        "Of a cluster of Apache Kafka sizes and bytes are not known, and --once takes two looks, --interval apart, for the rates "
        "between them: a cluster keeps no times of commits. While it does not answer, the screen says so, keeps what it showed, and goes "
        "on when it answers again; --json tells that on standard error.\n\n"
        "What cannot be read is told, hides nothing else, and with --once is status 1."
    ),
    examples=(
        ("streamcli top", "on a terminal"),
        ("streamcli top 'log-*' --once", "some topics, once"),
        ("streamcli top --json --interval 10s >> activity.json", "a line for each topic and group every ten seconds"),
    ),
    statuses=(0, 1, 2, 4),
)  # fmt: skip

DOCTOR = Command(
    "doctor",
    "Look at the log directory, this machine and your setup, and say what to mend.",
    "streamcli.cli.doctor:run",
    (),
    (JSON_LIST,),
    description=(
        "A line for each thing, which begins with ok, warning or problem: the log directory, its owner and mode; its file system, "
        "whether it is local, its mount options, free space and inodes; locks, rename, fsync and inotify, each really tried in a "
        "scratch directory inside the log directory that is removed again, unless that may not be written; topics that are compressed "
        "with what is not installed; mirrors that retention waits for; limits of open files, inotify and pipes; versions; the config file and the environment; terminal, "
        "locale and completion. After a warning or a problem it says what to do. Nothing is changed.\n\n"
        "The status is 1 if there is a problem, and 0 where there are warnings at most. verify looks for damaged records; this does not.\n\n"
        "With --json a line is an object with check, state, found and remedy, which is empty where there is nothing to do."
    ),
    examples=(
        ("streamcli doctor", "all of it"),
        ("streamcli doctor | sed '/^ok/d'", "what could be better"),
        ("streamcli doctor --json | jq -r 'select(.state == \"problem\").remedy'", "what to mend, for scripts"),
    ),
    statuses=(0, 1, 2),
    directory_only="looks at a log directory and what it lies on",
)  # fmt: skip

BENCH = Command(
    "bench",
    "Measure the speed of this log directory on this machine, beside plain files.",
    "streamcli.cli.bench:run",
    (Argument("what", "|".join(BENCHES), "What to measure.", complete="choices"),),
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
    directory_only="measures a log directory: Apache Kafka has kafka-producer-perf-test",
)  # fmt: skip

COMPLETION = Command(
    "completion",
    "Print the completion script of a shell.",
    "streamcli.cli.completion:script",
    (Argument("shell", "bash|zsh|fish", "The shell.", complete="choices"),),
    (),
    description=(
        "Completes commands, options, topics, groups, partitions, topic configs and their values, words as in -o, files and "
        "directories; after -- the command there. Names come from the log directory of the line (--dir), else from that of the "
        "environment: one that stands in front of the command, as in STREAMCLI_DIR=/data streamcli, is not told by bash; export it.\n\n"
        "For good: in bash and zsh the line below goes to the end of ~/.bashrc or ~/.zshrc, there after compinit; fish loads a file. "
        "bash, zsh and fish also find the scripts by themselves where streamcli is installed under /usr or /usr/local (bash with the "
        "package bash-completion). A TAB starts streamcli once."
    ),
    examples=(
        ('eval "$(streamcli completion bash)"', "in ~/.bashrc"),
        ('eval "$(streamcli completion zsh)"', "in ~/.zshrc"),
        ("streamcli completion fish > ~/.config/fish/completions/streamcli.fish", "once, for fish"),
    ),
    statuses=(0, 2),
)

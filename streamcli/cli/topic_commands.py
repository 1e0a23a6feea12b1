"""The topics commands, declared."""

from __future__ import annotations

from streamcli.cli.flags import Argument, Command, Flag, text
from streamcli.cli.shared_flags import JSON_LIST, NAMES
from streamcli.cli.values import parse_duration, parse_number, parse_size, unlimited_or

_CONFIG = (
    Flag("retention", ("--retention",), "Age at which records may be deleted, as 7d, or unlimited (retention.ms).", "D", unlimited_or(parse_duration)),
    Flag("retention_bytes", ("--retention-bytes",), "Size of a partition above which its oldest segments are deleted, or unlimited (retention.bytes).", "S", unlimited_or(parse_size)),
    Flag("segment_bytes", ("--segment-bytes",), "Size at which a segment is closed (segment.bytes).", "S", parse_size),
    Flag("segment_age", ("--segment-age",), "A record that much younger than a segment's first goes to the next segment (segment.ms).", "D", parse_duration),
    Flag("compact", ("--compact",), "Keep the newest record of each key, and no older ones (cleanup.policy=compact); every record needs a key then."),
    Flag("config", ("-c", "--config"), "A topic config, as in retention.ms=7d (see TOPIC CONFIG); may be repeated.", "NAME=VALUE", text, repeat=True, complete="settings"),
)  # fmt: skip

TOPICS_CREATE = Command(
    "topics create",
    "Create topics.",
    "streamcli.cli.topics:create",
    (Argument("names", "NAME", "The new topic.", many=True),),
    (
        Flag("partitions", ("-p", "--partitions"), "How many partitions (default 1: total order).", "N", parse_number, 1),
        *_CONFIG,
        Flag("replication", ("--replication-factor",), "On Apache Kafka: how many brokers have each partition (default: as the cluster is set up).", "N", parse_number),
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
        Flag("unset", ("--unset",), "The default value again for this topic config; may be repeated.", "NAME", text, repeat=True, complete="setting-names"),
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
    (Argument("pattern", "GLOB", "Only topics that match (quote it).", required=False, complete="topics"),),
    (JSON_LIST,),
    examples=(("streamcli topics list", "all"), ("streamcli topics list 'log-*' --json", "some, for scripts")),
    statuses=(0, 1, 2),
)

TOPICS_DESCRIBE = Command(
    "topics describe",
    "Show the config of topics, and of each partition its offsets, size, segments and times.",
    "streamcli.cli.describe_topics:describe",
    (NAMES,),
    (JSON_LIST,),
    description=(
        "First the config: what was set, and what is the default. Then for each partition (P) the log start offset, the log "
        "end offset (the next to be written), its bytes, its segments, and the times of its first record and of its newest, in "
        "UTC. Compaction leaves gaps in the offsets: then there may be fewer records than offsets. A line tells of each partition that a mirror holds.\n\n"
        "With --json, an object for each topic: topic; config, the value of every setting, sizes in bytes, durations in ms, -1 "
        "for unlimited; set, the names of those that are not left at their default; offsets, from log start to log end, of all "
        "partitions together; size in bytes; segments; first_timestamp and last_timestamp, in ms, null without a record; and "
        "partitions, a list with an object for each: partition, log_start_offset, log_end_offset, size, segments, "
        "first_timestamp and last_timestamp; and holds, a list with an object for each: partition, mirror and offset."
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
    (JSON_LIST,),
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
    directory_only="cleans files of a log directory: brokers clean their own",
)  # fmt: skip

TOPICS_TRIM = Command(
    "topics trim",
    "Remove the records before an offset or a time.",
    "streamcli.cli.clean:trim",
    (Argument("name", "TOPIC", "The topic.", complete="topics"),),
    (
        Flag("before", ("--before",), "The new log start offset: N, @TIME for the first record of that time or later, or end.", "OFFSET", text, complete="trims"),
        Flag("partitions", ("-p", "--partition"), "Only this partition; may be repeated.", "N", parse_number, repeat=True, complete="partitions"),
        JSON_LIST,
    ),
    description=(
        "Records before that offset are not given out any more; the segments that hold nothing else are removed, the rest goes "
        "with later ones. What a mirror holds (streamcli mirror --hold) cannot be trimmed. Groups that have not come so far are told how many records are gone, and go on at the log start offset."
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
    (NAMES,),
    (Flag("yes", ("-y", "--yes"), "Do not ask; needed where standard input is not a terminal."),),
    description="Producers to a deleted topic stop with an error; nothing they did not acknowledge is lost silently.",
    examples=(("streamcli topics delete clicks -y", "without asking"),),
    statuses=(0, 1, 2, 4, 7),
)

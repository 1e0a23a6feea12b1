"""The mirror command, declared."""

from __future__ import annotations

from streamcli.cli.flags import Argument, Command, Flag, text
from streamcli.cli.shared_flags import JSON_LIST, SKIP
from streamcli.cli.values import parse_duration
from streamcli.engine.url import KafkaUrl, parse_url


def parse_place(value: str) -> KafkaUrl | str:
    """A URL as it is, anything else as the path of a log directory."""
    return parse_url(value) if "://" in value else text(value)


def parse_name(value: str) -> str:
    """A name that a mirror may have."""
    from streamcli.mirror.name import check_mirror_name  # every command starts by way of this module

    return check_mirror_name(value)


MIRROR = Command(
    "mirror",
    "Copy topics to another log directory or an Apache Kafka cluster, or from one, each record exactly once.",
    "streamcli.cli.mirror:run",
    (Argument("topics", "TOPIC", "Only this topic, or glob of topics (quote it).", required=False, many=True, complete="topics"),),
    (
        Flag("to", ("--to",), "Where to: kafka://HOST:PORT[,HOST:PORT ...], or a log directory, which is made when missing.", "URL|DIR", parse_place, complete="directories"),
        Flag("follow", ("-f", "--follow"), "Go on for ever with what comes, new topics that match and new partitions too."),
        Flag("name", ("--name",), "The mirror's name, under which the target keeps its progress (default: made of the host's name and a digest of both sides).", "NAME", parse_name),
        Flag("hold", ("--hold",), "From a log directory: have retention wait for the mirror, until --release. The disk may fill up."),
        Flag("release", ("--release",), "Let retention go on again, and mirror nothing."),
        Flag("give_up", ("--give-up",), "Stop once the target could not be reached for that long (default 1m; with -f never).", "D", parse_duration),
        SKIP,
        Flag("status", ("--status",), "Print how far the mirror has come, and mirror nothing."),
        JSON_LIST._replace(help="With --status: print one JSON object a line: see streamcli-json(5)."),
    ),
    description=(
        "The source is the log directory, or the cluster of --url; the target is that of --to, and one of both is a log directory. "
        "Topics keep their names, records their partitions, order, keys, values, headers and timestamps. A topic that the target does "
        "not have is made there with as many partitions, in a log directory with the same config, in a cluster with the cluster's and a "
        "max.message.bytes that takes what the source takes; where it has fewer partitions it is given more. Brokers remove records "
        "by their times too: old records need a topic that keeps them. Time 0 becomes 1 ms in a cluster, and read from "
        "one times before 1970 are 0. Without a topic all are mirrored. Without -f a run ends at the end as it was at its start.\n\n"
        "Each record is there exactly once, whatever is killed or cut off when: the progress of a mirror is kept in the target and "
        "together with the records, in Apache Kafka by a transaction (read it with isolation.level=read_committed, as consume does; "
        "the progress is what the group streamcli-mirror.NAME has committed), in a log directory by the header of each batch. A "
        "mirror that starts goes on where the target says. What is not yet safe on the source's disk is made so before it is "
        "mirrored for good.\n\n"
        "A target that does not answer, or has no room, is tried again with growing pauses, which is told once, and when it is over. "
        "What comes meanwhile waits in the source; retention removes it there all the same when its time has come: such records are "
        "lost to the target, with their count on standard error and in --status, and a run without -f ends with status 8. With --hold "
        "retention and trim wait for the mirror (a file in each partition of the source says so), and the disk may fill up in their "
        "place; --release ends that.\n\n"
        "NAME is HOST-DIGEST if none is given: the host's name and 10 digits of a SHA-256 of it and both sides. It is chosen once, and "
        "remembered in the log directory (the target, where both are one), in mirrors/NAME.json: it stays when the host is renamed. "
        "A second run of the same name waits until the first has ended, --lock-timeout at most, then leaves with status 7; on another "
        "host it shuts the first one out. Mirrors of one pair that are to run at once, of different topics, need names. "
        "Give a name to one target only: a hold goes by it, and of two targets the one that is ahead would move it on for both.\n\n"
        "Where the source ends before what was mirrored of it, or has another record there, because a topic was deleted and made anew "
        "or a copy was restored, the mirror stops, and also where the target knows nothing any more of what was mirrored to it: "
        "another --name mirrors everything once more. Once a day a mirror commits its progress anew, for brokers forget what is older "
        "than offsets.retention.minutes (7 days): let it run more often than that.\n\n"
        "A topic goes one way: what a mirror brings here from the target is not mirrored back to it, where its records would go round for "
        "ever; the run ends with status 1.\n\n"
        "-X and --properties are of the cluster, on whichever side it is. From cluster to cluster is what Apache Kafka's MirrorMaker "
        "is for.\n\n"
        "With --status, by partition: the log end offset of the source, the offset up to which all is mirrored (- for nothing), the "
        "lag between them, how old the first record is that is not mirrored, how many were lost, and the offset from which on they "
        "are held."
    ),
    examples=(
        ("streamcli mirror --to ~/backup", "all topics, into another directory: what is new since the last run"),
        ("streamcli mirror --to ~/backup --status", "how far it is"),
        ("streamcli mirror 'log-*' --to kafka://kafka1:9092 -f", "forward a host's logs to a cluster, for ever"),
        ("streamcli mirror clicks --to ~/clicks --url kafka://kafka1:9092", "a topic of a cluster into a log directory"),
    ),
    statuses=(0, 1, 2, 4, 6, 7, 8),
)  # fmt: skip

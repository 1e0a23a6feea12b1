"""The text exposition format of Prometheus, version 0.0.4: what node_exporter's textfile collector reads.

    family := "# HELP " name " " help "\\n" "# TYPE " name " " kind "\\n" sample*
    sample := name "{" label "=" '"' value '"' ("," ...)* "}" " " number "\\n"

A backslash and a newline are escaped in help and label values, a quotation mark in label values. No sample has a timestamp:
the textfile collector refuses those.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from streamcli.engine.stats import GroupStats, TopicStats

COUNTER, GAUGE = "counter", "gauge"

Labels = tuple[tuple[str, str], ...]


class Sample(NamedTuple):
    labels: Labels
    value: int | float


class Family(NamedTuple):
    """A metric: `name` with its unit, and `_total` for a counter."""

    name: str
    kind: str
    help: str
    samples: list[Sample]


def exposition(families: Iterable[Family]) -> str:
    """The text of all families that have samples."""
    return "".join([line for family in families if family.samples for line in _lines(family)])


def _lines(family: Family) -> Iterator[str]:
    described = family.help.replace("\\", r"\\").replace("\n", r"\n")
    yield f"# HELP {family.name} {described}\n"
    yield f"# TYPE {family.name} {family.kind}\n"
    for labels, value in family.samples:
        yield f"{family.name}{{{','.join([_label(*label) for label in labels])}}} {value}\n"


def _label(name: str, value: str) -> str:
    escaped = value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
    return f'{name}="{escaped}"'


def topic_families(topics: list[TopicStats]) -> list[Family]:
    """What there is of topics, a sample for each partition."""
    summaries = [
        ((("topic", topic.topic), ("partition", str(number))), summary)
        for topic in topics
        for number, summary in enumerate(topic.partitions)
    ]

    def gauge(name: str, about: str, values: Iterable[tuple[Labels, int | None]], divisor: int = 1) -> Family:
        samples = [
            Sample(labels, value if divisor == 1 else value / divisor) for labels, value in values if value is not None
        ]
        return Family(f"streamcli_partition_{name}", GAUGE, about, samples)

    return [
        Family(
            "streamcli_topic_partitions",
            GAUGE,
            "Partitions of the topic.",
            [Sample((("topic", topic.topic),), len(topic.partitions)) for topic in topics],
        ),
        Family(
            "streamcli_partition_records_appended_total",
            COUNTER,
            "Records appended since the partition was made: its log end offset.",
            [Sample(labels, found.end) for labels, found in summaries],
        ),
        gauge("log_start_offset", "First offset that can be read.", ((at, found.start) for at, found in summaries)),
        gauge(
            "records",
            "Records from the log start to the log end; at most that many where compaction removes some between.",
            ((at, found.end - found.start) for at, found in summaries),
        ),
        gauge("size_bytes", "Size of the partition's segments.", ((at, found.size) for at, found in summaries)),
        gauge("segments", "Segments of the partition.", ((at, found.segments) for at, found in summaries)),
        gauge(
            "first_timestamp_seconds",
            "Least time of the first record batch, since 1970; not there without records.",
            ((at, found.first_timestamp) for at, found in summaries),
            1000,
        ),
        gauge(
            "last_timestamp_seconds",
            "Greatest time of a record, since 1970; not there without records.",
            ((at, found.last_timestamp) for at, found in summaries),
            1000,
        ),
    ]


def group_families(groups: list[GroupStats]) -> list[Family]:
    """How far groups are, a sample for each partition."""
    states = [
        ((("group", group.group), ("topic", state.topic), ("partition", str(state.partition))), state, lag)
        for group in groups
        for state, lag in zip(group.states, group.lags, strict=True)
    ]
    return [
        Family(
            "streamcli_group_members",
            GAUGE,
            "Members of the group that live.",
            [Sample((("group", group.group),), group.members) for group in groups],
        ),
        Family(
            "streamcli_group_committed_offset",
            GAUGE,
            "Offset at which the group resumes; not there without a commit.",
            [Sample(labels, state.committed) for labels, state, _ in states if state.committed is not None],
        ),
        Family(
            "streamcli_group_lag_records",
            GAUGE,
            "Records from the committed offset, or without one from the log start, to the log end.",
            [Sample(labels, lag) for labels, _, lag in states],
        ),
    ]

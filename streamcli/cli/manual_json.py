"""What streamcli-json(5) says: every object that a command prints with --json, field by field."""

from __future__ import annotations

from typing import NamedTuple


class Field(NamedTuple):
    """A field; `type` as JSON has it, with its unit; `a.b` is field b of the object, or of each object of the list, in a."""

    name: str
    type: str
    about: str


DESCRIPTION = (
    "With --json a command prints one JSON object a line (RFC 8259, UTF-8), and nothing else on standard output. Field names, types "
    "and units stay as they are; later versions may add fields, so pass over those you do not know.",
    "Times are integers: ms since 1970, UTC. Sizes are in bytes, and so are positions and lengths in files. Where a field does not "
    "apply, or its value is not known, it is null; it is left out only where this page says so.",
)

_TOPIC = Field("topic", "string", "the topic")
_PARTITION = Field("partition", "integer", "the partition")
_GROUP = Field("group", "string", "the group")
_FIRST = Field("first_timestamp", "integer (ms) or null", "time of the first record")
_LAST = Field("last_timestamp", "integer (ms) or null", "greatest time of a record")
_START = Field("log_start_offset", "integer", "offset of the first record that is there")
_END = Field("log_end_offset", "integer", "offset that the next record gets")
_SIZE = Field("size", "integer (bytes)", "of all segments")
_SEGMENTS = Field("segments", "integer", "how many segments")
_CONFIG = Field(
    "config",
    "object",
    "value of every topic config by its name: sizes in bytes, durations in ms, -1 for unlimited; on Apache Kafka its own, as it has them",
)
_UNKNOWN = "; null on Apache Kafka"
_SIZE_OR_NULL = Field("size", "integer (bytes) or null", _SIZE.about + _UNKNOWN)
_SEGMENTS_OR_NULL = Field("segments", "integer or null", _SEGMENTS.about + _UNKNOWN)
_NO_LEADER = "; null where no broker leads it"
_START_OR_NULL = Field("log_start_offset", "integer or null", _START.about + _NO_LEADER)
_END_OR_NULL = Field("log_end_offset", "integer or null", _END.about + _NO_LEADER)
REPLICATION = (
    Field("leader", "integer or null", "id of the broker that leads it, null while none does; on Apache Kafka alone, as are the next two"),
    Field("replicas", "list", "ids of the brokers that are to have it"),
    Field("isr", "list", "ids of those that are in sync"),
)  # fmt: skip
"""What is printed of a partition on Apache Kafka alone."""

_LAG = Field(
    "lag",
    "integer",
    "records between the committed offset, the log start offset where there is none, and the log end offset",
)
_STATE = Field("state", "string", '"ok", "lost", "damaged", "unfinished" or "unsupported"')
_REASON = Field("reason", "string or null", "why it is not ok")
_FILE = Field("file", "string", "path of the file")
_POSITION = Field("position", "integer (bytes) or null", "where in the file it begins")
_LENGTH = Field("length", "integer (bytes) or null", "how long it is")
_HEADER_CRC = Field("header_crc", "string", "CRC-32C of the batch header, in hexadecimal")

_PLACE = (_TOPIC, _PARTITION)

_RECORD = (
    *_PLACE,
    Field("offset", "integer", "the record's offset"),
    Field("timestamp", "integer (ms)", "its time"),
    Field("key", "string or null", "its key; left out where it is no UTF-8"),
    Field("key_b64", "string", "then its key in base64"),
    Field("value", "string or null", "its value; left out where it is no UTF-8"),
    Field("value_b64", "string", "then its value in base64"),
    Field("headers", "list", 'its headers, in order, as ["name", "value"]; the value may be null, or {"b64": "..."} where it is no UTF-8'),
)  # fmt: skip

_MOVE = (
    *_PLACE,
    Field("from", "integer or null", "the committed offset before; null: none"),
    Field("to", "integer or null", "the committed offset after"),
)

_PROBLEM = (
    Field("topic", "string or null", "the topic"),
    Field("partition", "integer or null", "the partition"),
    Field("group", "string or null", "the group"),
    Field("part", "string", '"log", "index", "checkpoint", "log-start", "producers", "config", "commits", or "unreadable" for what could not be looked at'),
    Field("reason", "string", "what is wrong"),
    Field("path", "string", "the file"),
    _POSITION,
    _LENGTH,
    Field("first_offset", "integer or null", "first offset that is concerned"),
    Field("next_offset", "integer or null", "offset after the last that is concerned"),
)  # fmt: skip

_CLEANED = (
    *_PLACE,
    Field("action", "string", '"removed" (whole segments) or "compacted"'),
    _SEGMENTS,
    Field("bytes", "integer (bytes)", "of the segments that were removed, or after compaction"),
)
_REMOVED = Field("log_start_offset", "integer", "log start offset now; of removed alone")

_TOTALS = (
    Field("records", "integer", "log end offsets less log start offsets"),
    Field(
        "is_exact",
        "boolean",
        "false where there may be fewer records than that: after compaction, and on Apache Kafka always",
    ),
    _SIZE_OR_NULL,
    _SEGMENTS_OR_NULL,
    _FIRST,
    _LAST,
    *(
        field
        for name, span in (("last_minute", "minute"), ("last_hour", "hour"))
        for field in (
            Field(
                name,
                "object or null",
                f"what came in the last {span}, by the records' times; null where damage hides it",
            ),
            Field(f"{name}.records", "integer", "how many records"),
            Field(f"{name}.size", "integer (bytes) or null", "of whole batches" + _UNKNOWN),
        )
    ),
)

_SIDES = tuple(
    field
    for side, whose in (("streamcli", "streamcli"), ("plain", "plain files"))
    for field in (
        Field(side, "object", f"what {whose} did, the median of the runs"),
        Field(f"{side}.records_per_second", "number", "produce and consume"),
        Field(f"{side}.bytes_per_second", "number (bytes/s)", "produce and consume"),
        Field(f"{side}.seconds", "number (s)", "produce and consume: how long a run took"),
        *(
            Field(f"{side}.{name}", "number (ms) or null", f"latency: {about}; null: too few records to tell")
            for name, about in (
                ("p50", "half of the records took no longer"),
                ("p99", "99 of 100 took no longer"),
                ("p99.9", "999 of 1000 took no longer"),
                ("greatest", "the slowest record"),
            )
        ),
    )
)

OBJECTS: dict[str, tuple[Field, ...]] = {
    "consume, tail, table, dump --records": _RECORD,
    "topics list": (_TOPIC, Field("partitions", "integer", "how many partitions"), _CONFIG),
    "topics describe": (
        _TOPIC,
        _CONFIG,
        Field("set", "list of strings", "names of those that are not left at their default"),
        Field(
            "offsets",
            "integer or null",
            "log end offsets less log start offsets, of all partitions; null where one is not known",
        ),
        _SIZE_OR_NULL,
        _SEGMENTS_OR_NULL,
        _FIRST,
        _LAST,
        Field("partitions", "list of objects", "each partition"),
        *(
            each._replace(name=f"partitions.{each.name}")
            for each in (_PARTITION, _START_OR_NULL, _END_OR_NULL, _SIZE_OR_NULL, _SEGMENTS_OR_NULL, _FIRST, _LAST)
        ),
        *(each._replace(name=f"partitions.{each.name}") for each in REPLICATION),
        Field("holds", "list of objects", "what mirrors hold, see streamcli-mirror(1)"),
        Field("holds.partition", "integer", "the partition"),
        Field("holds.mirror", "string", "the mirror"),
        Field("holds.offset", "integer", "offset from which on retention and trim wait for it"),
    ),
    "topics clean": (
        *_CLEANED,
        _REMOVED,
        Field("records_before", "integer", "how many records there were; of compacted alone, as are the next two"),
        Field("records", "integer", "how many records are left"),
        Field("bytes_before", "integer (bytes)", "of the segments that were put together"),
    ),
    "topics trim": (
        *_PLACE,
        Field("action", "string", '"removed"'),
        Field("segments", "integer or null", "how many segments were removed" + _UNKNOWN),
        Field("bytes", "integer (bytes) or null", "of these" + _UNKNOWN),
        Field("log_start_offset", "integer", "log start offset now"),
    ),
    "groups list": (_GROUP, Field("members", "list of strings", "who is alive"), _LAG),
    "groups describe": (
        _GROUP,
        *_PLACE,
        Field("current_offset", "integer or null", "the committed offset"),
        _END,
        Field("lag", "integer or null", "records between these two"),
        Field("member", "string or null", "who consumes it now"),
        Field("rate", "number (records/s) or null", "by the commits of the last minute"),
    ),
    "groups log": (
        Field("time", "integer (ms)", "when"),
        Field("kind", "string", '"commit", "reset", "import", "undo" or "void"'),
        *_PLACE,
        Field("offset", "integer or null", "the offset that was committed"),
        Field("member", "string", "who did it; - for a person"),
    ),
    "groups reset, groups undo": _MOVE,
    "groups wait": (_GROUP, Field("lag", "integer", "how many records it is behind still")),
    "groups export": (*_PLACE, Field("offset", "integer", "the committed offset; groups import takes these objects")),
    "verify": _PROBLEM,
    "repair": (
        *_PROBLEM,
        Field("done", "string", "what was done about it"),
        Field("mended", "boolean", "whether all is well again there"),
        Field("kept", "string or null", "file with a copy of what was damaged"),
    ),
    "dump, of a segment": (
        _FILE,
        _POSITION,
        _LENGTH,
        Field("base_offset", "integer", "offset of the first record"),
        Field("next_offset", "integer", "offset after the last"),
        Field("records", "integer", "how many records"),
        Field("min_timestamp", "integer (ms)", "least time of a record"),
        Field("max_timestamp", "integer (ms)", "greatest time of a record"),
        Field("codec", "string", '"none", "gzip", "zstd" or "lz4"'),
        Field("columns", "list of strings", "which columns the body has: streamcli-format(5)"),
        Field("body_length", "integer (bytes)", "of the body as it lies there"),
        Field("raw_length", "integer (bytes)", "of the body before compression"),
        Field("values_length", "integer (bytes)", "of values stored as lines"),
        Field("producer_id", "integer", "0: none"),
        Field("producer_epoch", "integer", "0: none"),
        Field("producer_sequence", "integer", "0: none"),
        _HEADER_CRC,
        Field("body_crc", "string", "CRC-32C of the body, in hexadecimal"),
        Field("body_right", "boolean or null", "whether the body is what body_crc says"),
        _STATE,
        _REASON,
    ),
    "dump, of an index": (
        _FILE,
        Field("entry", "integer", "its number, from 0"),
        _POSITION,
        Field("base_offset", "integer", "offset of the batch it leads to"),
        Field("max_timestamp_before", "integer (ms) or null", "greatest time in the segment before that batch"),
        _HEADER_CRC,
        _STATE,
        _REASON,
    ),
    "dump, of a checkpoint": (
        _FILE,
        Field("boot_id", "string", "the boot of the machine in which it was written"),
        Field("segment", "integer", "base offset of the segment"),
        _POSITION,
        Field("offset", "integer", "next offset there"),
        Field("max_timestamp", "integer (ms) or null", "greatest time of a record up to there"),
        Field("this_boot", "boolean", "whether the machine runs since then"),
        _STATE,
    ),
    "dump, of a log-start": (_FILE, _START, _STATE),
    "stats, of a topic": (
        Field("kind", "string", '"topic"'),
        _TOPIC,
        Field("partitions", "integer", "how many partitions"),
        *_TOTALS,
    ),
    "stats, of a group": (
        Field("kind", "string", '"group"'),
        _GROUP,
        Field("members", "integer", "how many are alive"),
        Field("partitions", "integer", "of topics that it consumes"),
        _LAG,
        Field("rate", "number (records/s) or null", "by the commits of the last minute" + _UNKNOWN),
    ),
    "stats, of all": (
        Field("kind", "string", '"total"'),
        Field("topics", "integer", "how many topics"),
        Field("groups", "integer", "how many groups"),
        Field("partitions", "integer", "of all topics"),
        *_TOTALS,
    ),
    "top, of a topic": (
        Field("kind", "string", '"topic"'),
        Field("time", "integer (ms)", "when it was looked at"),
        _TOPIC,
        Field("partitions", "integer", "how many partitions"),
        Field("records", "integer", "log end offsets less log start offsets"),
        _SIZE_OR_NULL,
        Field("records_in", "number (records/s)", "appended"),
        Field("bytes_in", "number (bytes/s) or null", "appended" + _UNKNOWN),
        Field("records_out", "number (records/s)", "committed by all groups"),
        Field("lag", "integer or null", "of the group that is furthest behind"),
    ),
    "top, of a group": (
        Field("kind", "string", '"group"'),
        Field("time", "integer (ms)", "when it was looked at"),
        _GROUP,
        Field("members", "integer", "how many are alive"),
        Field("topics", "integer", "how many topics it consumes"),
        Field("partitions", "integer", "of these topics"),
        _LAG,
        Field("records_in", "number (records/s)", "appended to its topics"),
        Field("records_out", "number (records/s)", "committed by it"),
        Field("caught_up_in", "number (s) or null", "how long until it has caught up, at these rates"),
    ),
    "mirror --status": (
        Field("mirror", "string", "its name"),
        *_PLACE,
        _START,
        _END,
        Field("mirrored_offset", "integer or null", "offset before which all is mirrored"),
        Field("lag", "integer", "offsets from there, or from the log start offset, to the log end offset"),
        Field("waiting_since", "integer (ms) or null", "time of the first record that is not mirrored"),
        Field("lost", "integer", "records that were removed before they were mirrored"),
        Field("held_from", "integer or null", "offset from which on retention waits for the mirror"),
    ),
    "doctor": (
        Field("check", "string", "what was looked at"),
        Field("state", "string", '"ok", "warning" or "problem"'),
        Field("found", "string", "how it is"),
        Field("remedy", "string", "what to do; empty where nothing is"),
    ),
    "bench": (
        Field("bench", "string", '"produce", "consume" or "latency"'),
        Field("records", "integer", "how many, in the shortest run"),
        Field("size", "integer (bytes)", "of a record"),
        Field("partitions", "integer", "of the temporary topic"),
        Field("runs", "integer", "how many runs of each; of produce and consume alone"),
        Field("records_per_second", "integer", "how many were sent; of latency alone"),
        *_SIDES,
        Field("ratio", "object", "streamcli to plain files, of pairs of runs"),
        Field("ratio.median", "number", "above 1: more records a second, or a longer time"),
        Field("ratio.least", "number", "produce and consume"),
        Field("ratio.greatest", "number", "produce and consume"),
        Field("fsynced", "string", "what was on disk when the clock stopped"),
    ),
}

"""The flags of produce, checked against each other, and what they say of input and topic."""

from __future__ import annotations

import os
from typing import NamedTuple

from streamcli.cli.parse_records import RecordShape
from streamcli.engine.produce import find_codec
from streamcli.engine.syncing import SYNC_NONE
from streamcli.record.errors import UsageError
from streamcli.storage.config import TopicConfig, check_config
from streamcli.storage.layout import check_topic_name


class Options(NamedTuple):
    """The command's flags and arguments, as declared in cli.commands."""

    topic: str
    files: list[str]
    delimiter: bytes
    null: bool
    whole: bool
    key_delimiter: bytes | None
    key: bytes | None
    headers: list[tuple[str, bytes]]
    empty_null: bool
    json: bool
    partition: int | None
    partitions: int | None
    no_create: bool
    sync: str
    compress: str | None
    offsets: bool
    tee: bool
    rate: int | None
    producer_id: str | None
    growing: bool
    progress: bool

    def check(self, *, on_kafka: bool) -> None:
        """UsageError for flags that contradict each other, or cannot be had there."""
        if self.json and self.empty_null:
            raise UsageError("--json says itself what is null: leave out -Z")
        if self.json and (self.key_delimiter is not None or self.whole or self.null or self.delimiter != b"\n"):
            raise UsageError("--json takes a JSON object a line: leave out -D, -0, -K and --whole")
        if self.null and self.delimiter != b"\n":
            raise UsageError("-D and -0 each say what ends a record: leave out one")
        if self.whole and self.key_delimiter is not None:
            raise UsageError("--whole takes an input as one value: leave out -K, and give a key with -k")
        if self.key is not None and self.key_delimiter is not None:
            raise UsageError("-k gives one key for all, -K takes each from its record: leave out one")
        if self.producer_id == "":
            raise UsageError("--producer-id: give the input a name")
        if self.growing and (self.producer_id is None or self.whole):
            raise UsageError(
                "--growing is for inputs of several records that are read again: give --producer-id, and no --whole"
            )
        if self.rate == 0:
            raise UsageError("--rate: use 1 or more")
        if on_kafka and self.producer_id is not None:
            raise UsageError(
                "--producer-id is for a log directory: write to one and mirror that to the cluster, which is exactly once too"
            )
        if on_kafka and self.sync == SYNC_NONE:
            raise UsageError(
                "--sync none is for a log directory (a cluster acknowledges what all in-sync replicas have): leave out --sync"
            )
        if self.compress is not None and not on_kafka:
            find_codec(self.compress)
        check_topic_name(self.topic)
        check_config(self.new_topic())
        for name in self.files:
            reason = None if name == "-" else _hindrance(name)
            if reason is not None:
                raise UsageError(f"{reason}: {name}: nothing was read or written")

    def new_topic(self) -> TopicConfig:
        """The config of the topic, if it is created now."""
        return TopicConfig(1 if self.partitions is None else self.partitions, {})

    def tail_command(self) -> str | None:
        """The tail(1) that counts records as we do."""
        if self.whole or (self.delimiter != b"\n" and not self.null):
            return None
        return "tail -z" if self.null else "tail"

    def shape(self) -> RecordShape:
        key = None if self.empty_null and self.key == b"" else self.key
        delimiter = b"\0" if self.null else self.delimiter
        return RecordShape(delimiter, self.key_delimiter, key, tuple(self.headers), self.empty_null)


def _hindrance(path: str) -> str | None:
    """Why a file cannot be an input; None when it can."""
    if not os.access(path, os.R_OK):
        return "no permission to read" if os.path.exists(path) else "no such file"
    return "a directory, not a file" if os.path.isdir(path) else None

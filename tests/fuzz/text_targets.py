"""What lies around the partitions, and what comes in by a pipe: configs, group files, JSON."""

from __future__ import annotations

import io
import json
import os
import sys
from contextlib import redirect_stdout, suppress

import pytest

from streamcli.cli import envelope, groups
from streamcli.cli.context import Context, Place
from streamcli.cli.stop import StopSignals
from streamcli.cli.values import format_time
from streamcli.engine import group_admin
from streamcli.groups import orphan
from streamcli.groups.assignment import assign
from streamcli.groups.journal import decode_journal, encode_journal, newest
from streamcli.groups.member import Generation
from streamcli.groups.orphan import end_orphan, own_note
from streamcli.record.batch import Record
from streamcli.record.errors import StreamcliError
from streamcli.storage import layout
from streamcli.storage.config import MAX_PARTITIONS, TopicConfig, check_config, decode_config, encode_config
from streamcli.storage.directory import FORMAT_VERSION, LogDirectory
from streamcli.storage.durable import boot_id
from streamcli.storage.locks import try_exclusive

from .seal import sealed_lines
from .workspace import GROUP, NOW, TOPIC, clear_error, good_journal, read, workspace, write


def context() -> Context:
    place = Place(workspace().path, None, [], None, lock_timeout=30)
    return Context(place, quiet=True, verbose=False, stop=StopSignals())


def config_seeds() -> list[bytes]:
    whole = TopicConfig(3, {"segment.bytes": 1 << 20, "segment.ms": 60_000})
    kinds = TopicConfig(1, {"cleanup.policy": "compact,delete", "min.cleanable.dirty.ratio": 0.1, "retention.ms": -1})
    return [encode_config(kinds), encode_config(TopicConfig(1, {})), encode_config(whole)]


def config(_: int, data: bytes) -> None:
    """A topic's config.json."""
    try:
        found = decode_config(data, "config.json")
    except StreamcliError:
        return
    check_config(found)
    assert decode_config(encode_config(found), "again") == found


def format_seeds() -> list[bytes]:
    return [read(os.path.join(workspace().path, layout.FORMAT_FILE))]


def format_file(_: int, data: bytes) -> None:
    """format.json."""
    place = os.path.join(workspace().root, "format")
    os.makedirs(place, exist_ok=True)
    write(os.path.join(place, layout.FORMAT_FILE), data)
    with suppress(StreamcliError):
        LogDirectory(place, lock_timeout=0)
        assert json.loads(data[:4096])["version"] == FORMAT_VERSION


def journal_seeds() -> list[bytes]:
    return [good_journal()]


def journal(mode: int, data: bytes) -> None:
    """A group's commits."""
    data = sealed_lines(data) if mode & 1 else data
    path = os.path.join(workspace().group.path, layout.COMMITS_FILE)
    write(path, data)
    try:
        commits, size = decode_journal(data, path)
    except StreamcliError:
        return
    assert size <= len(data)
    for commit in commits:
        layout.check_topic_name(commit.topic)
        assert 0 <= commit.partition < 2**31
        assert commit.offset is None or 0 <= commit.offset < 2**63
        format_time(commit.time)
    assert newest(decode_journal(encode_journal(commits), path)[0]) == newest(commits)
    place = workspace()
    with clear_error():
        group_admin.describe_group(place.directory, place.group, NOW)
    with clear_error(), redirect_stdout(io.StringIO()):
        groups.undo(context(), GROUP, json=False)
        assert len(place.group.journal.read()) > len(commits)


def generation_seeds() -> list[bytes]:
    group = workspace().group
    group.write_generation(Generation(7, {"10-aa": [(TOPIC, 0), (TOPIC, 1)], "11-bb": [("other", 0)]}))
    return [read(os.path.join(group.path, layout.GENERATION_FILE))]


def generation(_: int, data: bytes) -> None:
    """generation.json: what cannot be one is none."""
    group = workspace().group
    write(os.path.join(group.path, layout.GENERATION_FILE), data)
    found = group.generation()
    assert type(found.number) is int
    for place in [place for places in found.assignment.values() for place in places]:
        layout.lease_path(group.path, *place)
        assert 0 <= place[1] < MAX_PARTITIONS
    after = assign({"10-aa": {TOPIC}, "12-cc": {TOPIC}}, {TOPIC: 3}, found.assignment)
    assert sum(map(len, after.values())) == 3
    group.write_generation(Generation(found.number + 1, found.assignment))
    assert group.generation() == Generation(found.number + 1, found.assignment)


def member_seeds() -> list[bytes]:
    return [b'{"pid": 77, "topics": ["t", "clicks-*"], "assigned": true}\n']


def member(_: int, data: bytes) -> None:
    """The file of a member that lives."""
    group = workspace().group
    path = os.path.join(group.members_path, "77-abcdef")
    write(path, data)
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        assert try_exclusive(fd)
        (info,) = group.living_members().values()
        assert type(info.pid) is int
        for topic in info.topics:
            assert any(letter in topic for letter in "*?[") or layout.check_topic_name(topic)
        with clear_error():
            group_admin.refuse_while_alive(group, "test")
    finally:
        os.close(fd)
        os.unlink(path)


def lease_seeds() -> list[bytes]:
    return [own_note(), f"1 1 {boot_id()}\n".encode().rjust(orphan.NOTE_SIZE)]


def lease(mode: int, data: bytes) -> None:
    """The note of a command in a lease's file: nothing is killed but what it names, by number and by time of start."""
    if mode & 1:
        data = b" ".join(data.split(b" ")[:-1]) + b" " + boot_id().encode()
    killed: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "killpg", lambda pid, number: killed.append(pid))
        patch.setattr(orphan, "_PATIENCE", 0)
        end_orphan(data, (TOPIC, 0))
    for pid in killed:
        started = read(f"/proc/{pid}/stat").rpartition(b")")[2].split()[19]
        assert [int(word) for word in data.decode(errors="replace").split()[:2]] == [pid, int(started)]


def envelope_seeds() -> list[bytes]:
    records = [
        Record(0, NOW, b"k", b"v", [("h", b"v"), ("n", None), ("x", b"\xff")]),
        Record(1, -1, None, None, []),
        Record(2**63 - 1, 2**62 - 1, b"\xff", b"\xfe\0", []),
    ]
    return [envelope.encode(envelope.encode_source(TOPIC, 0), record).encode() for record in records]


def envelope_line(_: int, data: bytes) -> None:
    """A line of `produce --json`."""
    try:
        found = envelope.decode(data)
    except envelope.BadEnvelope as error:
        str(error).encode()
        return
    record = Record(0, found.timestamp or 0, found.key, found.value, found.headers)
    again = envelope.decode(envelope.encode(envelope.encode_source(TOPIC, found.partition or 0), record).encode())
    assert again[:3] == found[:3]


def import_seeds() -> list[bytes]:
    return [b'{"topic":"t","partition":0,"offset":42}\n']


def import_line(_: int, data: bytes) -> None:
    """What `groups import` reads: all of it is taken, or nothing is."""
    group = workspace().group
    path = os.path.join(group.path, layout.COMMITS_FILE)
    write(path, good_journal())
    before = group.journal.committed()
    stdin = io.TextIOWrapper(io.BytesIO(data))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdin", stdin)
        try:
            assert groups.import_offsets(context(), GROUP) == 0
        except StreamcliError:
            assert group.journal.committed() == before
            return
    lines = [json.loads(line) for line in data.split(b"\n") if line]
    assert group.journal.committed() == before | {(line["topic"], line["partition"]): line["offset"] for line in lines}

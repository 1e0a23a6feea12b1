"""What streamcli is doing when a fault meets it: where it starts, the command, and the checks that are its own."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from streamcli.groups.journal import COMMIT, LONGEST, Commit, decode_line, encode_line
from streamcli.storage.checkpoint import read_checkpoint, write_checkpoint
from tests.crash import aftermath
from tests.crash.evidence import Evidence
from tests.crash.forked import Commands

Check = Callable[[Evidence], None]


class Scenario(NamedTuple):
    """words: the command; prepare: makes the start, of which the working directory is a part, with commands in it;
    checks: besides those for all; stdin: for the command, whose records are the values of `stdin` or of files named there.

    is_steady: whether each run makes the same calls: not when it depends on times. share: of its many trials, those that are
    made where not all are.
    """

    name: str
    words: list[str]
    checks: tuple[Check, ...]
    prepare: Callable[[Commands], object] = lambda _: None
    stdin: bytes = b""
    values: tuple[bytes, ...] = ()
    is_steady: bool = True
    share: float = 1.0


def values(first: int, end: int, size: int = 12) -> tuple[bytes, ...]:
    """Records first <= i < end, of `size` bytes at least, each with its key as its first word."""
    return tuple(b"k%d %0*d" % (number % 5, size - 3, number) for number in range(first, end))


def lines(records: tuple[bytes, ...]) -> bytes:
    """The records with their keys, for produce -K :"""
    return b"".join(record.split(b" ")[0] + b":" + record + b"\n" for record in records)


LOG = Path("../log/topics/t/0")
"""The first partition, seen from the working directory."""

SEGMENT = LOG / "00000000000000000000.log"

KEYED = ["-K", ":"]
BATCHES = ["a", "b", "c", "d"]
PRODUCE = ["produce", "t", *KEYED, "--sync", "batch", "--offsets"]
CONSUME = ["consume", "-g", "g", "t", "-F", "%p %o\\n"]


def _files(*portions: tuple[bytes, ...]) -> None:
    """Each portion in a file: produce makes a batch of each."""
    for name, portion in zip(BATCHES, portions, strict=False):
        Path(name).write_bytes(lines(portion))


def _some(commands: Commands, records: tuple[bytes, ...] = values(0, 4), partitions: int = 1, *options: str) -> None:
    commands.ok("topics", "create", "t", "-p", str(partitions), *options)
    commands.ok(*PRODUCE, stdin=lines(records))


def _portions(first: int, each: int, size: int = 12) -> list[tuple[bytes, ...]]:
    return [values(first + number * each, first + (number + 1) * each, size) for number in range(len(BATCHES))]


def _batches(commands: Commands) -> None:
    _some(commands)
    _files(*_portions(4, 3))


def _rolls(commands: Commands) -> None:
    _some(commands, values(0, 4, 200), 1, "--segment-bytes", "1K")
    _files(*_portions(4, 2, 400))


def _partitions(commands: Commands) -> None:
    _some(commands, values(0, 6), 3)
    _files(*_portions(6, 6))


def _for_group(commands: Commands) -> None:
    _some(commands, values(0, 24), 2)


def _with_group(commands: Commands) -> None:
    _for_group(commands)
    commands.ok("consume", "-g", "g", "t", "-n", "9")


def _consumed(commands: Commands) -> None:
    _for_group(commands)
    commands.ok("consume", "-g", "g", "t")


def _deleted(commands: Commands) -> None:
    _consumed(commands)
    commands.ok("topics", "delete", "-y", "t")


def _reset_before(commands: Commands) -> None:
    _with_group(commands)
    commands.ok("groups", "reset", "g", "t", "--to", "beginning")


def _journal_about_to_be_rewritten(commands: Commands) -> None:
    """Of the real length, in few lines: their member has a long name."""
    _with_group(commands)
    path = Path("../log/groups/g/commits")
    data = path.read_bytes()
    commits = decode_line(data.splitlines()[-1])
    assert commits is not None
    filler = [
        Commit(commit.time, COMMIT, commit.topic, commit.partition, commit.offset, "m" * 100_000) for commit in commits
    ]
    while len(data) < LONGEST - 10:
        room = LONGEST - 5 - len(data) - len(encode_line([commit._replace(member="") for commit in filler]))
        data += encode_line([commit._replace(member="m" * min(100_000, max(room, 1))) for commit in filler])
    assert len(data) < LONGEST
    path.write_bytes(data)


def _torn(commands: Commands) -> None:
    """What the death of a producer in the middle of a write leaves."""
    _some(commands)
    size = SEGMENT.stat().st_size
    commands.ok("produce", "t", "--sync", "none", stdin=b"never acknowledged\n" * 20)
    assert SEGMENT.stat().st_size > size + 100
    os.truncate(SEGMENT, SEGMENT.stat().st_size - 50)


def _rebooted(commands: Commands) -> None:
    """What a power cut leaves: after what the checkpoint of another boot tells of, bytes that are no batch, and then one."""
    _some(commands)
    checkpoint = read_checkpoint(str(LOG))
    assert checkpoint is not None
    assert checkpoint.position == SEGMENT.stat().st_size
    write_checkpoint(str(LOG), checkpoint._replace(boot_id="0" * 36))
    with SEGMENT.open("ab") as file:
        commands.ok("produce", "other", stdin=b"never acknowledged\n")
        file.write(b"\0" * 300 + Path("../log/topics/other/0/00000000000000000000.log").read_bytes())


def _without_checkpoint(commands: Commands) -> None:
    _batches(commands)
    (LOG / "checkpoint").unlink()


def _damaged(commands: Commands) -> None:
    """Three batches of the same length, a bit of the second flipped."""
    _some(commands)
    for first in (4, 8):
        commands.ok(*PRODUCE, stdin=lines(values(first, first + 4)))
    data = bytearray(SEGMENT.read_bytes())
    assert len(data) % 3 == 0
    data[len(data) // 3 * 2 - 2] ^= 1
    SEGMENT.write_bytes(data)


def _long(commands: Commands) -> None:
    """A log that is long enough for an index."""
    _some(commands)
    for first in (4, 84, 164):
        commands.ok(*PRODUCE, stdin=lines(values(first, first + 80, 1000)))
    assert SEGMENT.with_suffix(".index").stat().st_size >= 3 * 32


def _without_index(commands: Commands) -> None:
    _long(commands)
    SEGMENT.with_suffix(".index").unlink()


def _scrambled_index(commands: Commands) -> None:
    _long(commands)
    index = SEGMENT.with_suffix(".index")
    index.write_bytes(bytes(byte ^ 0x55 for byte in index.read_bytes()))


def _exported() -> bytes:
    entries = [{"topic": "t", "partition": partition, "offset": 3 + partition} for partition in range(2)]
    return b"".join(json.dumps(entry).encode() + b"\n" for entry in entries)


def _flat(portions: list[tuple[bytes, ...]]) -> tuple[bytes, ...]:
    return tuple(value for portion in portions for value in portion)


PRODUCED = (aftermath.check_produced,)
CONSUMED = (aftermath.check_untouched, aftermath.check_consumed)
MOVED = (aftermath.check_untouched, aftermath.check_moved)

SCENARIOS = (
    Scenario("produce", [*PRODUCE, *BATCHES], PRODUCED, _batches, values=_flat(_portions(4, 3))),
    Scenario(
        "produce, one fsync at the end",
        ["produce", "t", *KEYED, "--offsets", *BATCHES],
        PRODUCED,
        _batches,
        values=_flat(_portions(4, 3)),
    ),
    Scenario(
        "produce without a checkpoint",
        [*PRODUCE, *BATCHES],
        PRODUCED,
        _without_checkpoint,
        values=_flat(_portions(4, 3)),
    ),
    Scenario("roll", [*PRODUCE, *BATCHES], PRODUCED, _rolls, values=_flat(_portions(4, 2, 400))),
    Scenario("produce to three partitions", [*PRODUCE, *BATCHES], PRODUCED, _partitions, values=_flat(_portions(6, 6))),
    Scenario("make the log directory", PRODUCE, PRODUCED, stdin=lines(values(0, 3)), values=values(0, 3)),
    Scenario(
        "recover from a torn append",
        PRODUCE,
        (aftermath.check_recovered, *PRODUCED),
        _torn,
        stdin=lines(values(50, 53)),
        values=values(50, 53),
    ),
    Scenario(
        "recover after a power cut",
        PRODUCE,
        (aftermath.check_recovered, *PRODUCED),
        _rebooted,
        stdin=lines(values(50, 53)),
        values=values(50, 53),
    ),
    Scenario(
        "rebuild an index that is gone",
        PRODUCE,
        (*PRODUCED, aftermath.check_seeks),
        _without_index,
        stdin=lines(values(300, 303)),
        values=values(300, 303),
    ),
    Scenario(
        "rebuild an index that is damaged",
        PRODUCE,
        (*PRODUCED, aftermath.check_seeks),
        _scrambled_index,
        stdin=lines(values(300, 303)),
        values=values(300, 303),
    ),
    Scenario(
        "topics create",
        ["topics", "create", "n", "-p", "3"],
        (aftermath.check_untouched, aftermath.check_created),
        _some,
    ),
    Scenario("topics create, anew", ["topics", "create", "t", "-p", "2"], (aftermath.check_made_anew,), _deleted),
    Scenario("topics delete", ["topics", "delete", "-y", "t"], (aftermath.check_deleted,), _for_group),
    Scenario("consume as a new group", CONSUME, CONSUMED, _for_group),
    Scenario("consume as a group", CONSUME, CONSUMED, _with_group),
    Scenario("join, consume, leave", [*CONSUME, "-f", "--idle", "1ms"], CONSUMED, _with_group, is_steady=False),
    Scenario(
        "consume with a command",
        ["consume", "-g", "g", "t", "--batch", str(aftermath.ONE_RUN), "--backoff", "1ms", "--", "tee", "-a", "got"],
        (aftermath.check_untouched, aftermath.check_delivered),
        _with_group,
    ),
    Scenario(
        "consume to a dead-letter topic",
        [
            *("consume", "-g", "g", "t", "--batch", str(aftermath.ONE_RUN)),
            *("--retries", "0", "--dead-letter", "dead", "--", "false"),
        ],
        (aftermath.check_untouched, aftermath.check_dead_lettered),
        _with_group,
    ),
    Scenario("rewrite a journal", CONSUME, CONSUMED, _journal_about_to_be_rewritten),
    Scenario("groups reset", ["groups", "reset", "g", "t", "--to", "1"], MOVED, _consumed),
    Scenario("groups undo", ["groups", "undo", "g"], MOVED, _reset_before),
    Scenario("groups import", ["groups", "import", "g"], MOVED, _for_group, stdin=_exported()),
    Scenario("repair", ["repair"], (aftermath.check_repaired,), _damaged),
    Scenario("groups delete", ["groups", "delete", "g"], MOVED, _with_group),
)

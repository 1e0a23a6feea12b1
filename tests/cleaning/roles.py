"""Who is at work while topics are cleaned: writers with keys of their own, readers of every kind, and cleaners.

A role that writes has one process at a time, and keys that no other has: so the newest value of a key is what the last of its
processes wrote last.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from tests.soak.crowd import RATE, STOPPED, Role, value
from tests.support.command import ok

FORMAT = ["-F", "%t %p %o %T %k %S %s\\n"]

RETENTION_MS = 3000
RETENTION_BYTES = 24 << 10
SIZED_SEGMENT = 8 << 10
PARTITIONS = {"table": 3, "both": 2, "aged": 2, "sized": 1}
COMPACTED = ("table", "both")

_EAGER = ["-c", "min.cleanable.dirty.ratio=0.1", "-c", "delete.retention.ms=500ms"]
_AGED = ["-c", f"retention.ms={RETENTION_MS}"]
CONFIG = {
    "table": ["--segment-bytes", "4K", "-c", "cleanup.policy=compact", *_EAGER],
    "both": ["--segment-bytes", "8K", "-c", "cleanup.policy=compact,delete", *_EAGER, *_AGED],
    "aged": ["--segment-bytes", "4K", *_AGED],
    "sized": ["--segment-bytes", str(SIZED_SEGMENT), "-c", f"retention.bytes={RETENTION_BYTES}"],
}


def create_topics() -> None:
    for topic, partitions in PARTITIONS.items():
        ok("topics", "create", topic, "-p", str(partitions), *CONFIG[topic])


def table_lines(role: str) -> Callable[[int, random.Random], list[bytes]]:
    """Lines of key:value: a key that is written once, and others, some of them often; each tenth is a tombstone."""

    def lines(number: int, dice: random.Random) -> list[bytes]:
        found = [b"%s-once-%d:%s" % (role.encode(), number, value(number, 0))]
        for at in range(1, dice.randrange(2, 4 * RATE)):
            key = b"%s-%d" % (role.encode(), int(dice.random() ** 3 * 40))
            found.append(key + b":" + (b"" if dice.random() < 0.1 else value(number, at)))
        return found

    return lines


def plain_lines(number: int, dice: random.Random) -> list[bytes]:
    return [value(number, at) for at in range(dice.randrange(1, 4 * RATE))]


def _writer(name: str, topic: str, *options: str) -> Role:
    keyed = topic in COMPACTED
    words = ["produce", topic, "--offsets", "--rate", str(RATE), *(["-K", ":", "-Z"] if keyed else []), *options]
    return Role(name, 1, words, STOPPED, feed=table_lines(name) if keyed else plain_lines)


def _reader(name: str, count: int, *words: str, follows: bool = False, vary: object = None) -> Role:
    return Role(name, count, ["consume", *words, *FORMAT], (*STOPPED, 5), is_bounded=not follows, vary=vary)


def _from_anywhere(dice: random.Random) -> list[str]:
    topic = dice.choice(list(PARTITIONS))
    return [topic, "-p", str(dice.randrange(PARTITIONS[topic])), "-o", str(dice.randrange(2000))]


WRITERS = [
    _writer("t0", "table"),
    _writer("t1", "table"),
    _writer("t2", "table", "--sync", "batch"),
    _writer("b0", "both"),
    _writer("b1", "both", "--sync", "none"),
    _writer("aged0", "aged"),
    _writer("aged1", "aged", "--sync", "batch"),
    _writer("sized0", "sized"),
]
FOLLOWERS = [
    _reader("follow-tables", 1, *COMPACTED, "-f", follows=True),
    _reader("follow-others", 1, "aged", "sized", "-f", follows=True),
]
MEMBERS = [
    _reader("work", 2, "table", "sized", "-g", "work", "-f", follows=True),
    _reader("cron", 1, "both", "aged", "-g", "cron"),
]
BOUNDED = [
    _reader("from-anywhere", 1, vary=_from_anywhere),
    _reader("from-beginning", 1, vary=lambda dice: [dice.choice(list(PARTITIONS))]),
    _reader("last", 1, "-o", "-50", vary=lambda dice: [dice.choice(list(PARTITIONS))]),
    _reader("since", 1, "--since", "1s", vary=lambda dice: [dice.choice(list(PARTITIONS))]),
]
READERS = [*FOLLOWERS, *MEMBERS, *BOUNDED]
CLEANERS = [Role("clean", 2, ["topics", "clean"], STOPPED)]
LOOKERS = [
    Role("describe", 1, ["topics", "describe", *PARTITIONS], STOPPED),
    Role("groups", 1, ["groups", "describe", "--all"], STOPPED),
]
GROUPS = {"work": ("table", "sized"), "cron": ("both", "aged")}

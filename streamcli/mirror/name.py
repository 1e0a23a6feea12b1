"""The name of a mirror, under which its progress is kept in the target."""

from __future__ import annotations

import os
from typing import NamedTuple

from streamcli.record.errors import UsageError
from streamcli.storage.layout import check_topic_name

GROUP_PREFIX = "streamcli-mirror."
_LONGEST = 200
"""Characters: with the prefix, and with what names of files add, it stays below the 249 of a topic's or group's name."""


class Pair(NamedTuple):
    """What a mirror reads and writes: `home`, the log directory that it keeps its account in, and `other`, the other side, as
    "to cluster ID", "from cluster ID" or "from PATH". A cluster's id is the same whichever of its addresses is given."""

    home: str
    other: str


def new_name(pair: Pair) -> str:
    """HOST-DIGEST: the host's name up to its first dot, and the first 10 hexadecimal digits of the SHA-256 of host and pair."""
    import hashlib  # 3 ms, for who has a name already

    host = os.uname().nodename
    shown = "".join(character for character in host.partition(".")[0] if _is_legal(character))
    digest = hashlib.sha256("\0".join((host, *pair)).encode(errors="surrogateescape")).hexdigest()
    return f"{shown[:60] or 'host'}-{digest[:10]}"


def check_mirror_name(name: str) -> str:
    """`name` if a mirror may have it: the rules of topic names; else UsageError."""
    try:
        check_topic_name(name)
    except UsageError as error:
        raise UsageError(str(error).replace("topic", "mirror")) from None
    if len(name) > _LONGEST:
        raise UsageError(f"bad mirror name {name[:60]}...: use {_LONGEST} characters at most")
    return name


def group_of(name: str) -> str:
    """The group, and the transactional id, of a mirror in an Apache Kafka cluster."""
    return GROUP_PREFIX + name


def _is_legal(character: str) -> bool:
    try:
        check_topic_name(f"x{character}")
    except UsageError:
        return False
    return True

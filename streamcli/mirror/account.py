"""What a mirror has to remember besides its progress: what it mirrors, and which records were gone before it came to them.

It is a file in the log directory that the mirror writes, or where that is a cluster in the one that it reads:

    {"other": ..., "is_default": ..., "kept": ..., "topics": {topic: {partition: [accounted, lost, mirrored] ...} ...}}

`other` is the other side; `is_default` says that the mirror's name was made up, and not given by the user: a mirror of the
same pair without a name goes on under this one, though the host was renamed or the directory moved since.

`mirrored` is an offset up to which something was mirrored at least, 0 for nothing: a target that knows nothing of that any more
has lost the progress. `kept` is when it was last seen to that a cluster does not forget it, in ms.

Of a partition all records before the offset `accounted` are mirrored, or counted in `lost`, or were gone before the mirror
began. It is written before the progress goes past a loss: so a loss is counted once, whatever crashes when.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import NamedTuple

from streamcli.mirror.interface import Place
from streamcli.mirror.name import Pair, new_name
from streamcli.record.errors import Busy, StreamcliError
from streamcli.storage import durable, layout
from streamcli.storage.locks import ExclusiveLock
from streamcli.storage.opening import read_file, refuse_links

KEEP_INTERVAL = 86_400_000
"""ms: a cluster forgets what was committed a week ago, if not told otherwise (offsets.retention.minutes)."""


class _Partition(NamedTuple):
    accounted: int
    lost: int
    mirrored: int


_NOTHING = _Partition(0, 0, 0)


class Account:
    """That of the mirror `name` of a pair, as it is now or begins now. StreamcliError when it is of another pair, or damaged.
    is_default: whether the name was made up."""

    def __init__(self, pair: Pair, name: str, *, is_default: bool) -> None:
        self.pair = pair
        self.name = name
        self._is_default = is_default
        self._path = layout.account_path(pair.home, name)
        self._kept = 0
        self._places: dict[Place, _Partition] = {}
        self._load()

    def _load(self) -> None:
        refuse_links(self.pair.home, layout.MIRRORS)
        try:
            known = _decode(read_file(self._path), self._path)
        except (FileNotFoundError, NotADirectoryError):
            return
        if known.other != self.pair.other:
            raise StreamcliError(
                f"mirror {self.name} goes {known.other}, not {self.pair.other} ({self._path}): use another --name"
            )
        self._places, self._kept, self._is_default = known.places, known.kept, known.is_default

    def accounted(self, place: Place) -> int | None:
        """The offset before which nothing is left to account for; None where the partition was not met yet."""
        known = self._places.get(place)
        return None if known is None else known.accounted

    def lost(self, place: Place) -> int:
        """How many records of a partition were removed before they were mirrored."""
        return self._places.get(place, _NOTHING).lost

    def mirrored(self, place: Place) -> int:
        """An offset up to which something of a partition was mirrored at least; 0 for nothing."""
        return self._places.get(place, _NOTHING).mirrored

    def places(self) -> list[Place]:
        """All that it ever mirrored, in this run or others."""
        return list(self._places)

    def begin(self, starts: dict[Place, int]) -> None:
        """Partitions that are met for the first time, with their log start offsets: what was before is none of ours."""
        new = {place: _Partition(start, 0, 0) for place, start in starts.items() if place not in self._places}
        if new:
            self._places |= new
            self._save()

    def note_mirrored(self, positions: Mapping[Place, int]) -> None:
        """Something of these partitions is mirrored: noted once."""
        new = {place: offset for place, offset in positions.items() if offset and not self.mirrored(place)}
        for place, offset in new.items():
            self._places[place] = self._places.get(place, _NOTHING)._replace(mirrored=offset)
        if new:
            self._save()

    def lose(self, place: Place, first: int, next_offset: int) -> int:
        """Records first <= offset < next_offset are gone, unmirrored: how many of them were not counted yet."""
        known = self._places.get(place, _NOTHING)
        count = max(0, next_offset - max(first, known.accounted))
        if count:
            self._places[place] = known._replace(accounted=next_offset, lost=known.lost + count)
            self._save()
        return count

    def is_due(self, now: int) -> bool:
        """Whether it is to be seen to again that the target does not forget the progress. now: ms since the epoch."""
        return not self._kept <= now < self._kept + KEEP_INTERVAL

    def note_kept(self, now: int) -> None:
        """It was, now."""
        self._kept = now
        self._save()

    @contextmanager
    def locked(self, timeout: float) -> Iterator[None]:
        """Keep other mirrors of this name out; Busy after `timeout` seconds."""
        self._make_directory()
        lock = ExclusiveLock(layout.mirror_lock(self.pair.home, self.name), timeout)
        try:
            try:
                lock.__enter__()
            except Busy:
                raise Busy(
                    f"mirror {self.name} runs already ({self._path}; waited {timeout:g} s): wait longer with "
                    "--lock-timeout, or mirror other topics under another --name"
                ) from None
            try:
                self._load()  # the one before may have written it meanwhile
                yield
            finally:
                lock.release()
        finally:
            lock.close()

    def _make_directory(self) -> None:
        refuse_links(self.pair.home, layout.MIRRORS)
        durable.make_directories(os.path.join(self.pair.home, layout.MIRRORS))

    def _save(self) -> None:
        topics: dict[str, dict[str, list[int]]] = {}
        for (topic, partition), known in sorted(self._places.items()):
            topics.setdefault(topic, {})[str(partition)] = list(known)
        fields = {"other": self.pair.other, "is_default": self._is_default, "kept": self._kept, "topics": topics}
        text = json.dumps(fields)
        self._make_directory()
        try:
            durable.replace_file(self._path, f"{text}\n".encode())
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise  # else the next one says it too: on a full disk it is the mirror that makes room


def find_account(pair: Pair, name: str | None) -> Account:
    """The account of the mirror `name`; None: of the one of this pair whose name was made up, before or now."""
    if name is not None:
        return Account(pair, name, is_default=False)
    for known in layout.mirror_names(pair.home):
        path = layout.account_path(pair.home, known)
        with suppress(OSError, StreamcliError):
            found = _decode(read_file(path), path)
            if found.is_default and found.other == pair.other:
                return Account(pair, known, is_default=True)
    return Account(pair, new_name(pair), is_default=True)


def topics_of(pair: Pair) -> dict[str, str]:
    """The topics that mirrors of this pair began with, and of each the path of such a mirror's account."""
    found: dict[str, str] = {}
    for name in layout.mirror_names(pair.home):
        path = layout.account_path(pair.home, name)
        with suppress(OSError, StreamcliError):
            known = _decode(read_file(path), path)
            if known.other == pair.other:
                found |= {topic: path for topic, _ in known.places}
    return found


class _Known(NamedTuple):
    other: str
    is_default: bool
    kept: int
    places: dict[Place, _Partition]


def _decode(data: bytes, path: str) -> _Known:
    try:
        found = json.loads(data)
        places = {
            (topic, int(partition)): _Partition(*map(int, numbers))
            for topic, partitions in found["topics"].items()
            for partition, numbers in partitions.items()
        }
        return _Known(str(found["other"]), bool(found["is_default"]), int(found["kept"]), places)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise StreamcliError(f"a mirror's account is damaged ({path}): move it away to begin a new one") from None

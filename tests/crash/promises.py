"""What streamcli promised by a point of a trace.

A scenario notes what it is about to do and what was acknowledged (tests.crash.trace). From the notes before a crash
follows what may be on the disk and what must be:

    append TOPIC PARTITION VALUES      about to be appended: any prefix of these may be there, and nothing else
    found TOPIC PARTITION VALUES       were there when the machine started: must be there
    appended TOPIC PARTITION END       acknowledged: everything before offset END must be there, and the checkpoint say so, so
                                       that damage there is never taken for what the power cut left
    create, created TOPIC              from `created` on the topic must be there, whole
    delete, deleted TOPIC              from `deleted` on it must be gone; between the two it is whole or gone
    processed GROUP TOPIC PARTITION OFFSET   handed out: a committed offset may be as high, and no higher
    committed GROUP TOPIC PARTITION OFFSET   acknowledged: the committed offset must be as high
    lettered TOPIC OFFSET COUNT        a group that committed past OFFSET left COUNT dead letters at least
"""

from __future__ import annotations

from collections.abc import Iterable

from tests.crash.trace import Line


class Topic:
    """What is known of a topic, of each partition: values that were appended, how many have to be there, and how many the
    checkpoint has to cover."""

    def __init__(self, partitions: int) -> None:
        self.must_be = self.may_go = False
        self.appended: list[list[bytes]] = [[] for _ in range(partitions)]
        self.acknowledged = [0] * partitions
        self.covered = [0] * partitions


class Promises:
    """What was promised by a point of a trace."""

    def __init__(self, notes: Iterable[Line]) -> None:
        self.topics: dict[str, Topic] = {}
        self.gone: set[str] = set()
        self.processed: dict[tuple[str, str, int], int] = {}
        self.committed: dict[tuple[str, str, int], int] = {}
        self.letters: list[Line] = []
        for note in notes:
            getattr(self, f"_{note['note']}")(note)

    @property
    def acknowledged(self) -> int:
        """Records."""
        return sum(sum(topic.acknowledged) for topic in self.topics.values())

    def _begin(self, note: Line) -> None:
        """Nothing is promised yet."""

    def _create(self, note: Line) -> None:
        self.gone.discard(note["topic"])
        self.topics[note["topic"]] = Topic(note["partitions"])

    def _created(self, note: Line) -> None:
        self.topics[note["topic"]].must_be = True

    def _delete(self, note: Line) -> None:
        self.topics[note["topic"]].may_go = True

    def _deleted(self, note: Line) -> None:
        del self.topics[note["topic"]]
        self.gone.add(note["topic"])

    def _append(self, note: Line) -> None:
        values = [value.encode("latin-1") for value in note["values"]]
        self.topics[note["topic"]].appended[note["partition"]] += values

    def _found(self, note: Line) -> None:
        self._append(note)
        self.topics[note["topic"]].acknowledged[note["partition"]] = len(note["values"])

    def _appended(self, note: Line) -> None:
        topic = self.topics[note["topic"]]
        topic.acknowledged[note["partition"]] = topic.covered[note["partition"]] = note["end"]

    def _processed(self, note: Line) -> None:
        self.processed[note["group"], note["topic"], note["partition"]] = note["offset"]

    def _committed(self, note: Line) -> None:
        self.committed[note["group"], note["topic"], note["partition"]] = note["offset"]

    def _lettered(self, note: Line) -> None:
        self.letters.append(note)

"""A run of a mirror: from its progress on, once to the end or for ever, through whatever fails meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from streamcli.engine.consume import SourceBatch
from streamcli.mirror.account import Account
from streamcli.mirror.interface import Place, Progress, Source, Target, Unreachable
from streamcli.mirror.outage import GaveUp, Outage
from streamcli.record.errors import CorruptData, PartWritten, StreamcliError

LOOK_AGAIN = 5.0
"""Seconds from one look for new topics and partitions to the next, where nothing tells of them."""


class Options(NamedTuple):
    """follow: go on with what comes, and never end; wakeup: a descriptor that ends a wait when it can be read; is_stopping: asked
    after each transaction, and in each wait; clock: ms since the epoch; tell: takes a line for the user; opposite: asked for the topics
    that a mirror brings from the target to the source, each with the path of its account."""

    follow: bool
    wakeup: int
    is_stopping: Callable[[], bool]
    clock: Callable[[], int]
    tell: Callable[[str], None]
    opposite: Callable[[], Mapping[str, str]]


class Counts:
    """Of one run: records and bytes (of values) that are mirrored for good, and records lost before they were."""

    def __init__(self) -> None:
        self.records = self.bytes = self.lost = 0


class Written(NamedTuple):
    """What was written and not committed yet: records, bytes, and by partition the offset after them."""

    positions: dict[Place, int]
    records: int = 0
    bytes: int = 0

    def and_also(self, taken: SourceBatch, size: int) -> Written:
        """With one more batch."""
        source, batch = taken
        self.positions[source.topic, source.partition] = batch.next_offset
        return Written(self.positions, self.records + batch.count, self.bytes + size)


class Mirroring:
    """One run of a mirror. counts: what it has come to, also where it raises."""

    def __init__(self, target: Target, account: Account, outage: Outage, options: Options) -> None:
        self._target = target
        self._account = account
        self._outage = outage
        self._options = options
        self.counts = Counts()
        self._topics: dict[str, int] = {}
        self._written = Written({})
        self._in_doubt: Written | None = None

    def run(self, source: Source) -> None:
        """Mirror what there is in the source, and with `follow` what comes, until `is_stopping`. Whatever takes the target away is
        waited out. PartWritten where that takes too long."""
        self._source = source
        while not self._options.is_stopping():
            try:
                self._session()
                return
            except Unreachable as error:
                failure = str(error)
            except GaveUp as error:
                raise self._gave_up(str(error)) from None
            finally:
                self._end_session()
            try:
                self._outage.wait(failure)
            except GaveUp:
                raise self._gave_up(failure) from None

    def lose(self, place: Place, first: int, next_offset: int) -> None:
        """Records that are gone before they were mirrored: counted, told, and not to be had again."""
        self._commit()  # what comes before: the account never says more than is mirrored or lost
        count = self._account.lose(place, first, next_offset)
        self.counts.lost += count
        if count:
            records = "1 record was" if count == 1 else f"{count} records were"
            self._options.tell(
                f"{records} removed by retention or trim before being mirrored ({place[0]}, partition {place[1]}, offsets "
                f"{next_offset - count} to {next_offset - 1}): --hold makes retention wait"
            )

    def _session(self) -> None:
        """From the target's progress on, until all is mirrored, or anything fails."""
        self._target.connect()
        self._adopt()
        self._keep_progress()
        looked = time.monotonic()
        while True:
            self._mirror_what_is_there()
            if not self._options.follow or self._options.is_stopping():
                return
            left = [LOOK_AGAIN - (time.monotonic() - looked), self._target.due_in() or LOOK_AGAIN]
            if self._source.wait(max(0.0, min(left)), self._options.wakeup) or time.monotonic() - looked >= LOOK_AGAIN:
                self._adopt()
                self._keep_progress()
                looked = time.monotonic()

    def _adopt(self) -> None:
        """Begin with the topics and partitions that were not there before."""
        new: dict[Place, int] = {}
        ends: dict[Place, int] = {}
        topics = self._source.topics()
        self._refuse_circles(topics)
        self._topics = {topic: partitions for topic, partitions in self._topics.items() if topic in topics}
        for topic in topics:
            config = self._source.config(topic)
            known = self._topics.get(topic, 0)
            if config.partitions <= known:
                continue
            self._target.prepare(topic, config)
            for partition, span in self._source.spans(topic).items():
                if partition >= known:
                    new[topic, partition] = span.start
                    ends[topic, partition] = span.end
            self._topics[topic] = config.partitions
        if not new:
            return
        self._commit()
        self._account.begin(new)
        positions = {place: self._account.accounted(place) or 0 for place in new}
        progress = self._target.progress(new)
        self._settle(progress)
        self._refuse_forgotten(new, progress)
        self._account.note_mirrored({place: found.offset for place, found in progress.items()})
        for place, found in progress.items():
            if found.offset > ends[place] or self._is_another(place, found, new[place]):
                raise _went_back(place, found.offset, ends[place], self._source.where, self._account.name)
            positions[place] = max(positions[place], found.offset)
        for place, offset in positions.items():
            if offset < new[place]:
                self.lose(place, offset, new[place])
                positions[place] = new[place]
        self._source.open(positions)

    def _refuse_circles(self, topics: list[str]) -> None:
        opposite = self._options.opposite()
        for topic in topics:
            if topic in opposite:
                raise StreamcliError(
                    f"a mirror brings {topic} from {self._target.where} to {self._source.where} ({opposite[topic]}), and what it brings "
                    "would be brought back, round and round: name other topics, or move that file away where it has ended"
                )

    def _refuse_forgotten(self, places: Iterable[Place], progress: dict[Place, Progress]) -> None:
        for place in places:
            if place not in progress and self._account.mirrored(place):
                raise StreamcliError(
                    f"{self._target.where} knows no more how far mirror {self._account.name} has come in {place[0]}, partition "
                    f"{place[1]}, which was offset {self._account.mirrored(place)} at least: was the topic deleted there, or did what "
                    "groups commit expire (offsets.retention.minutes)? To mirror all of it once more, use another --name"
                )

    def _keep_progress(self) -> None:
        now = self._options.clock()
        if not self._written.records and self._account.is_due(now):
            self._target.keep_progress(self._account.places())
            self._account.note_kept(now)

    def _is_another(self, place: Place, progress: Progress, start: int) -> bool:
        """Whether the record that was mirrored last is another one in the source now: then all of them are."""
        if progress.time is None or progress.offset <= start:
            return False
        try:
            last = self._source.first_record(place, progress.offset - 1)
        except CorruptData:  # it is mirrored
            return False
        return last is not None and last[0] == progress.offset - 1 and last[1] != progress.time

    def _mirror_what_is_there(self) -> None:
        try:
            for taken in self._source.batches():
                self._write(taken)
                if self._target.is_full():
                    self._commit()
                    if self._options.is_stopping():
                        return
        except CorruptData:
            self._commit()  # what comes before the damage
            raise
        due_in = self._target.due_in()
        if due_in is not None and (due_in <= 0 or not self._options.follow or self._options.is_stopping()):
            self._commit()
        if not self._written.records:
            self._outage.over()

    def _write(self, taken: SourceBatch) -> None:
        try:
            self._written = self._written.and_also(taken, self._target.write(taken))
        except Unreachable:
            if not self._target.is_atomic:
                self._commit()  # the batches before
            raise

    def _commit(self) -> None:
        written = self._written
        if not written.records:
            return
        self._source.make_durable(written.positions)
        self._in_doubt = written
        self._target.commit()
        self._account.note_mirrored(written.positions)
        self._source.mirrored(written.positions)
        self._count(written)
        self._outage.over()  # also where more is there than one transaction holds

    def _settle(self, progress: dict[Place, Progress]) -> None:
        """What came of the commit in which the target was lost: all of it is there, or nothing."""
        doubted = self._in_doubt
        if doubted is not None and all(
            place in progress and progress[place].offset >= offset for place, offset in doubted.positions.items()
        ):
            self._count(doubted)
        self._in_doubt = None

    def _count(self, written: Written) -> None:
        self.counts.records += written.records
        self.counts.bytes += written.bytes
        self._written, self._in_doubt = Written({}), None

    def _end_session(self) -> None:
        self._source.close()
        self._target.close()
        self._topics.clear()
        self._written = Written({})

    def _gave_up(self, reason: str) -> StreamcliError:
        doubt = f"; of {self._in_doubt.records} more it is not known" if self._in_doubt else ""
        records = "1 record is" if self.counts.records == 1 else f"{self.counts.records} records are"
        message = (
            f"gave up mirroring to {self._target.where}: {reason}; {records} mirrored by this run{doubt}: run it again, it goes "
            "on where the target says"
        )
        return PartWritten(message, self.counts.records) if self.counts.records else StreamcliError(message)


def _went_back(place: Place, offset: int, end: int, where: str, name: str) -> StreamcliError:
    topic, partition = place
    found = f"ends at {end}" if offset > end else "has another record there"
    return StreamcliError(
        f"mirror {name} has mirrored {topic}, partition {partition}, up to offset {offset}, and the source {found} ({where}): "
        "was the topic deleted and made anew, or restored from a copy, or is this the name of a mirror on another host? To mirror it "
        "from its beginning, beside what is there, use another --name"
    )

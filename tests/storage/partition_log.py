"""A partition's log as tests see it: write, read, and damage of every kind."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from streamcli.engine.consume import PartitionRead, Source, merged
from streamcli.record.batch import Columns, Record, join_column
from streamcli.record.errors import CorruptData
from streamcli.record.lost import LostRecords
from streamcli.storage import layout
from streamcli.storage.append import Appender, RollPolicy
from streamcli.storage.body import encode_batch
from streamcli.storage.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from streamcli.storage.format import CODEC_NONE, BatchHeader
from streamcli.storage.layout import SegmentName
from streamcli.storage.log import Log
from streamcli.storage.segment import Segment

OTHER_BOOT = "00000000-0000-0000-0000-000000000000"
NO_ROLL = RollPolicy(segment_bytes=1 << 40, segment_ms=1 << 60)


def lines(*values: bytes | str) -> Columns:
    """A batch of values alone."""
    return Columns(len(values), join_column([v.encode() if isinstance(v, str) else v for v in values]))


def raise_damage(damage: CorruptData) -> None:
    if not isinstance(damage, LostRecords):
        raise damage


class PartitionLog:
    """A partition's directory. `now` is what its appenders' clock says (ms), `codec` how they compress; `warnings` is what they
    said."""

    def __init__(self, directory: Path, policy: RollPolicy = NO_ROLL) -> None:
        self.directory = str(directory)
        self.policy = policy
        self.log = Log(self.directory)
        self.now = 1_000_000
        self.codec = CODEC_NONE
        self.warnings: list[str] = []
        self._opened: list[Appender] = []

    def appender(self, policy: RollPolicy | None = None, lock_timeout: float = 30) -> Appender:
        appender = Appender(
            self.directory,
            policy or self.policy,
            lock_timeout=lock_timeout,
            clock=lambda: self.now,
            warn=self.warnings.append,
            codec=self.codec,
        )
        self._opened.append(appender)
        return appender

    def close(self) -> None:
        while self._opened:
            self._opened.pop().close()

    def write(self, *batches: Columns, sync: bool = True) -> list[int]:
        """Append with an appender of its own, as one process would; the base offsets."""
        appender = self.appender()
        offsets = [appender.append(columns) for columns in batches]
        if sync:
            appender.sync()
        self.close()
        return offsets

    def write_raw(self, columns: Columns, timestamp: int | None = None) -> BatchHeader:
        """Write a batch at the end with none of an appender's work: no lock, no index, no checkpoint."""
        end = self.log.end()
        header, buffers = encode_batch(
            columns,
            position=end.position,
            base_offset=end.offset,
            timestamp=self.now if timestamp is None else timestamp,
        )
        with open(self.segment(), "r+b") as file:
            file.seek(end.position)
            file.write(b"".join(buffers))
        return header

    def read(
        self, start: int = 0, on_damage: Callable[[CorruptData], None] = raise_damage, stop: int | None = None
    ) -> list[Record]:
        """All records from `start` to the end as it is now. `on_damage` is told of no more pieces than a small log has."""
        told = 0

        def tell(damage: CorruptData) -> None:
            nonlocal told
            told += 1
            assert told < 100, f"told of damage without end: {damage}"
            on_damage(damage)

        cursor = self.log.cursor(start, self.log.end())
        try:
            read = PartitionRead(Source("t", 0, self.log), cursor, stop)
            return [record for taken in merged([read], tell) for record in taken.batch.records()]
        finally:
            cursor.close()

    def values(self, start: int = 0) -> list[bytes | None]:
        return [record.value for record in self.read(start)]

    @contextmanager
    def open_segment(self) -> Iterator[Segment]:
        """The last one."""
        segment = Segment(self.directory, SegmentName.of(self.bases()[-1]))
        try:
            yield segment
        finally:
            segment.close()

    def bases(self) -> list[int]:
        return [name.base_offset for name in layout.segments(self.directory)]

    def segment(self, number: int = -1) -> Path:
        return Path(layout.segment_path(self.directory, layout.segments(self.directory)[number]))

    def index(self, number: int = -1) -> Path:
        return Path(layout.index_path(self.directory, layout.segments(self.directory)[number]))

    def checkpoint_path(self) -> Path:
        return Path(self.directory, layout.CHECKPOINT)

    def checkpoint(self) -> Checkpoint | None:
        return read_checkpoint(self.directory)

    def cut_files(self) -> list[Path]:
        return sorted(Path(self.directory).glob("*.cut-*"))

    def headers(self) -> list[tuple[Path, BatchHeader]]:
        """Every batch's header with its segment, by a plain scan."""
        found = []
        for base in self.bases():
            segment = Segment(self.directory, SegmentName.of(base))
            found += [(Path(segment.path), header) for header in segment.headers(0, segment.size())]
            segment.close()
        return found

    def set_checkpoint(self, kind: str) -> None:
        """Make the checkpoint say: "present" what it says now, "absent" nothing, "rebooted" that the boot was another."""
        if kind == "absent":
            self.checkpoint_path().unlink()
        elif kind == "rebooted":
            known = self.checkpoint()
            assert known is not None
            write_checkpoint(self.directory, known._replace(boot_id=OTHER_BOOT))


def flip(path: Path, position: int, mask: int) -> None:
    """Change one byte of a file in place."""
    with open(path, "r+b") as file:
        file.seek(position)
        byte = file.read(1)[0]
        file.seek(position)
        file.write(bytes([byte ^ mask]))


def add_tail(path: Path, data: bytes) -> None:
    with open(path, "ab") as file:
        file.write(data)


def cut_to(path: Path, size: int) -> None:
    os.truncate(path, size)

"""What produce tells: on standard output where records went, or the records themselves; at the end how many records are durable,
and where in the input to go on."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from streamcli.cli.parse_records import BadRecord
from streamcli.engine.syncing import SYNC_NONE
from streamcli.record.errors import OtherInput, PartWritten, StreamcliError, UsageError

if TYPE_CHECKING:
    from streamcli.cli.produce_options import Options
    from streamcli.cli.stop import StopSignals
    from streamcli.engine.interface import Producer
    from streamcli.engine.partitioner import Placement

_REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ELOOP, errno.EINVAL)
"""Errors of a log directory that takes no record at all."""


class ProduceOutput:
    """Standard output, for as long as it has a reader: that producing goes on does not depend on one."""

    def __init__(self, stop: StopSignals) -> None:
        self._stop = stop
        self._is_open = True
        self._waiting: list[tuple[int, int, list[Placement]]] = []

    def add_places(self, first: int, count: int, placements: list[Placement]) -> None:
        """Where `count` records from index `first` of the input on went, to be printed once they are durable."""
        if self._is_open:
            self._waiting.append((first, count, placements))

    def print_places(self, durable: int) -> None:
        """Print the places of the first `durable` records of the input, as far as that was not done."""
        while self._waiting and self._is_open:
            first, count, placements = self._waiting[0]
            if first + count > durable:
                return
            del self._waiting[0]
            places = [""] * count
            for partition, base_offset, indexes in placements:
                for number, index in enumerate(indexes):
                    offset = "-" if base_offset is None else base_offset + number
                    places[index] = f"{partition} {offset}\n"
            self.print("".join(places).encode())

    def print(self, data: memoryview | bytes) -> None:
        """Print all of it; nothing any more once the reader is gone."""
        if not self._is_open:
            return
        try:
            with self._stop.interruptible(another=True):
                while data:
                    data = data[os.write(1, data) :]
        except BrokenPipeError:
            self.end()

    def end(self) -> None:
        """Print nothing any more."""
        self._is_open = False
        self._waiting.clear()


def outcome_of(error: StreamcliError | OSError, producer: Producer, options: Options) -> StreamcliError:
    """The error to leave with: what happened, and how many records are durable. To be asked once `producer` has synced what it
    could."""
    from streamcli.cli.main import reason_of

    reason = reason_of(error)
    if isinstance(error, OtherInput):
        return UsageError(f"{reason}; {producer.durable - producer.already} of its records were appended")
    written = producer.appended + producer.scattered
    refused = isinstance(error, OSError) and error.errno in _REFUSED
    if not written and (refused or (isinstance(error, StreamcliError) and not isinstance(error, BadRecord))):
        told = StreamcliError(f"{reason}; 0 records are durable in {options.topic}")
        told.status = error.status if isinstance(error, StreamcliError) else told.status
        return told
    where = where_to_resume(producer, options)
    if isinstance(error, UsageError):
        return UsageError(f"{reason}; {where}")
    return PartWritten(f"{reason}; {where}", producer.durable)


def where_to_resume(producer: Producer, options: Options) -> str:
    """How many records are durable, and the record of the input at which to go on."""
    durable, scattered = producer.durable, producer.scattered
    noun = "record is" if durable == 1 else "records are"
    how = "appended, and not fsynced," if options.sync == SYNC_NONE else "durable"
    text = f"{durable} {noun} {how} in {options.topic}, to go on start at record {durable + 1} of the input"
    tail = options.tail_command()
    if tail:
        text += f" ({tail} -n +{durable + 1})"
    if scattered:
        text += f"; {scattered} records after it are in other partitions already"
    return text


def summary(producer: Producer, options: Options, size: int, seconds: float) -> str:
    """What was done, of `size` bytes of input."""
    from streamcli.cli.values import format_size

    noun = "record" if producer.appended == 1 else "records"
    if options.producer_id is not None:
        noun += f" ({producer.already:,} there already)"
    return f"{producer.appended:,} {noun}, {format_size(size)} -> {options.topic} in {seconds:.1f} s"

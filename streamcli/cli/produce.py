"""The produce command: input to records, records to the topic, and an exact count when something fails."""

from __future__ import annotations

import errno
import os
import select
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from streamcli.cli.context import Context, complain, now_ms
from streamcli.cli.input import CannotRead, Chunk, RecordTooLong, read_chunks, read_whole, split_chunk
from streamcli.cli.parse_records import BadRecord, Parsed, RecordShape, parse_envelopes, parse_lines
from streamcli.cli.stop import Stopped
from streamcli.engine.ensure_topic import ensure_topic
from streamcli.engine.produce import SYNC_NONE, Placement, Producer, find_codec
from streamcli.record.batch import Columns
from streamcli.record.errors import PartWritten, StreamcliError, UsageError
from streamcli.storage.config import TopicConfig, check_config
from streamcli.storage.directory import LogDirectory
from streamcli.storage.layout import check_topic_name

_MOST_RECORDS = 1 << 16
"""Records that are taken apart at once: a chunk of short ones would take a hundred times its size in memory."""

_REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ELOOP, errno.EINVAL)


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
    progress: bool

    def check(self) -> None:
        """UsageError for flags that contradict each other."""
        if self.json and self.empty_null:
            raise UsageError("--json says itself what is null: leave out -Z")
        if self.json and (self.key_delimiter is not None or self.whole or self.null or self.delimiter != b"\n"):
            raise UsageError("--json takes a JSON object a line: leave out -D, -0, -K and --whole")
        if self.whole and self.key_delimiter is not None:
            raise UsageError("--whole takes an input as one value: leave out -K, and give a key with -k")
        if self.key is not None and self.key_delimiter is not None:
            raise UsageError("-k gives one key for all, -K takes each from its record: leave out one")
        if self.rate == 0:
            raise UsageError("--rate: use 1 or more")
        if self.compress is not None:
            find_codec(self.compress)
        check_topic_name(self.topic)
        check_config(self.new_topic())
        for name in self.files:
            if name != "-" and not os.access(name, os.R_OK):
                reason = "no permission to read" if os.path.exists(name) else "no such file"
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


def run(context: Context, **values: Any) -> int:
    """Produce to a topic; the status, or an error with the count that is durable."""
    options = Options(**values)
    options.check()
    directory = context.open(create=not options.no_create)
    if not options.no_create:
        find_topic(context, directory, options)
    with context.stop.deferred() as wakeup:
        return Production(context, directory, options, wakeup).run()


def find_topic(context: Context, directory: LogDirectory, options: Options) -> None:
    """Create the topic unless it is there."""
    there = ensure_topic(directory, options.topic, options.new_topic(), partition=options.partition).partitions
    if options.partitions not in (None, there):
        context.notice(f"topic {options.topic} exists already and has {there} partitions: --partitions changes nothing")


class Production:
    """One run of produce."""

    def __init__(self, context: Context, directory: LogDirectory, options: Options, wakeup: int) -> None:
        self._context = context
        self._options = options
        self._shape = options.shape()
        self._wakeup = wakeup
        self._producer = Producer(
            directory,
            options.topic,
            partition=options.partition,
            sync=options.sync,
            compress=options.compress,
            clock=now_ms,
            warn=complain,
            is_stopping=lambda: context.stop.pending is not None,
        )
        self._started = time.monotonic()
        self._bytes = 0
        self._unacknowledged: list[tuple[int, int, list[Placement]]] = []
        self._tee = options.tee
        self._acknowledges = options.offsets
        self._next_piece = self._started
        self._input = ""
        self._read = 0  # records of the present input so far
        self._on_progress = _progress(context, options)

    def run(self) -> int:
        try:
            if self._producer.config.compacts and not self._shape.has_keys() and not self._options.json:
                raise UsageError(f"no record has a key, and {self._needs_keys()}")
            for parsed, data in self._inputs():
                self._append(parsed, data)
            self._producer.finish()
            self._acknowledge()
        except (StreamcliError, OSError) as error:
            raise self._failure(error) from None
        except Stopped as stopped:
            self._acknowledges = False
            self._sync_what_is_there()
            self._context.notice(f"stopped by {stopped}: {self._where_to_resume()}")
            raise
        finally:
            self._on_progress(None)
        if self._context.stop.pending is not None:
            self._context.notice(f"stopped by {self._context.stop.pending}: {self._where_to_resume()}")
            raise self._context.stop.pending
        self._summarise()
        return 0

    def _inputs(self) -> Iterator[tuple[Parsed, memoryview | bytes]]:
        """What to append, in order, with the bytes it came from."""
        for name in self._options.files or ["-"]:
            if self._context.stop.pending is not None:
                return
            self._input, self._read = name, 0
            fd = 0 if name == "-" else self._open(name)
            try:
                yield from self._parsed(fd)
            except RecordTooLong:
                limit = f"longer than {self._limit()} bytes (max.message.bytes)"
                raise BadRecord(self._name_record(limit), None) from None
            except CannotRead as error:
                raise BadRecord(f"cannot read {self._input_name()}: {error}", None) from None
            finally:
                if fd:
                    os.close(fd)

    def _open(self, name: str) -> int:
        with self._context.stop.interruptible():  # a FIFO waits for its writer
            return os.open(name, os.O_RDONLY | os.O_CLOEXEC)

    def _parsed(self, fd: int) -> Iterator[tuple[Parsed, memoryview | bytes]]:
        if self._options.whole:
            whole = read_whole(fd, self._limit(), self._wait)
            if whole is not None:
                yield self._parse_whole(whole), whole
            return
        for chunk in read_chunks(fd, self._shape.delimiter, self._longest, self._wait):
            for piece in self._paced(chunk):
                try:
                    parsed = self._parse(piece)
                except BadRecord as error:
                    if error.good is not None:
                        self._read += error.good.columns.record_count
                        yield error.good, self._first_records(piece.data, error.good.columns.record_count)
                    raise BadRecord(self._name_record(str(error)), None) from None
                self._read += parsed.columns.record_count
                yield parsed, piece.data

    def _parse(self, chunk: Chunk) -> Parsed:
        if not self._options.json:
            return parse_lines(chunk, self._shape)
        partitions = self._producer.config.partitions if self._options.partition is None else 1 << 31
        return parse_envelopes(chunk, self._shape, partitions=partitions, limit=self._limit(), now_ms=now_ms())

    def _limit(self) -> int:
        """Bytes of the longest record that is taken."""
        return self._producer.config.number("max.message.bytes")

    def _longest(self) -> int:
        """Bytes of the longest record as it may stand in the input: in JSON it takes more room than its bytes do."""
        return 2 * self._limit() + (1 << 20) if self._options.json else self._limit()

    def _first_records(self, data: memoryview | bytes, count: int) -> bytes:
        """The bytes of the first records of a piece of input."""
        delimiter = self._shape.delimiter
        return delimiter.join([*bytes(data).split(delimiter)[:count], b""])

    def _parse_whole(self, whole: bytes) -> Parsed:
        self._read += 1
        value = None if self._shape.empty_null and not whole else whole
        return Parsed(Columns(1, [value], common_key=self._shape.key, common_headers=list(self._shape.headers) or None))

    def _name_record(self, reason: str) -> str:
        return f"record {self._read + 1} of {self._input_name()}: {reason}"

    def _input_name(self) -> str:
        return "standard input" if self._input == "-" else self._input

    def _append(self, parsed: Parsed, data: memoryview | bytes) -> None:
        """Append all; or those before the first that the topic refuses, which is a UsageError."""
        refused = self._producer.first_refused(parsed.columns)
        if refused is None:
            self._append_all(parsed, data)
            return
        if refused:
            self._append_all(parsed.first(refused), self._first_records(data, refused))
        self._read -= parsed.columns.record_count - refused
        raise UsageError(self._name_record(f"it has no key, and {self._needs_keys()}"))

    def _needs_keys(self) -> str:
        policy = self._producer.config.choice("cleanup.policy")
        return f"{self._options.topic} keeps the newest record of each key (cleanup.policy={policy}): give keys with -K, -k or --json"

    def _append_all(self, parsed: Parsed, data: memoryview | bytes) -> None:
        first = self._producer.appended
        placements = self._producer.append(parsed.columns, parsed.partitions)
        if self._acknowledges:
            self._unacknowledged.append((first, parsed.columns.record_count, placements))
            self._acknowledge()
        self._bytes += len(data)
        self._producer.tick()
        if self._tee:
            self._tee = self._print(data)
        self._on_progress((self._producer.appended, self._bytes))

    def _paced(self, chunk: Chunk) -> Iterator[Chunk]:
        """The chunk in pieces that are small enough to take apart, and come at most `--rate` records a second."""
        rate = self._options.rate
        portion = _MOST_RECORDS if rate is None else min(_MOST_RECORDS, max(1, rate // 20))
        if chunk.unended or (rate is None and self._shape.is_plain() and not self._options.json):
            pieces = iter((chunk,))
        else:
            pieces = split_chunk(chunk, self._shape.delimiter, portion)
        for piece in pieces:
            if rate is not None:
                self._sleep_until(self._next_piece)
                if self._context.stop.pending is not None:
                    return
                records = bytes(piece.data).count(self._shape.delimiter) or 1
                self._next_piece = max(self._next_piece, time.monotonic()) + records / rate
            yield piece

    def _sleep_until(self, moment: float) -> None:
        while self._context.stop.pending is None and (left := moment - time.monotonic()) > 0:
            self._poll(None, left)

    def _wait(self, fd: int) -> bool:
        """True once `fd` can be read; False when it is time to stop. fsyncs that come due meanwhile are done."""
        while self._context.stop.pending is None:
            if self._poll(fd, None):
                return self._context.stop.pending is None
        return False

    def _poll(self, fd: int | None, timeout: float | None) -> bool:
        """Whether `fd` can be read, after `timeout` seconds or what the next fsync leaves of them."""
        due = self._producer.due_in()
        waits = [seconds for seconds in (due, timeout) if seconds is not None]
        poll = select.poll()
        poll.register(self._wakeup, select.POLLIN)
        if fd is not None:
            poll.register(fd, select.POLLIN)
        ready = poll.poll(min(waits) * 1000 + 1 if waits else None)
        if due is not None and not ready:
            self._producer.tick()
            self._acknowledge()
        return any(found == fd for found, _ in ready)

    def _acknowledge(self) -> None:
        """Print the places of the records that are durable by now."""
        while self._unacknowledged and self._acknowledges:
            first, count, placements = self._unacknowledged[0]
            if first + count > self._producer.durable:
                return
            del self._unacknowledged[0]
            places = [""] * count
            for partition, base_offset, indexes in placements:
                for number, index in enumerate(indexes):
                    places[index] = f"{partition} {base_offset + number}\n"
            self._acknowledges = self._print("".join(places).encode())

    def _print(self, data: memoryview | bytes) -> bool:
        """Write to standard output. False when its reader is gone: printing ends then, and producing does not."""
        try:
            with self._context.stop.interruptible(another=True):
                while data:
                    data = data[os.write(1, data) :]
        except BrokenPipeError:
            return False
        return True

    def _failure(self, error: StreamcliError | OSError) -> StreamcliError | OSError:
        """The error to leave with: what happened, and how many records are durable."""
        from streamcli.cli.main import describe_os_error

        reason = describe_os_error(error) if isinstance(error, OSError) else str(error)
        self._sync_what_is_there()
        written = self._producer.appended + self._producer.scattered
        refused = isinstance(error, OSError) and error.errno in _REFUSED
        if not written and (refused or (isinstance(error, StreamcliError) and not isinstance(error, BadRecord))):
            told = StreamcliError(f"{reason}; 0 records are durable in {self._options.topic}")
            told.status = error.status if isinstance(error, StreamcliError) else told.status
            return told
        if isinstance(error, UsageError):
            return UsageError(f"{reason}; {self._where_to_resume()}")
        return PartWritten(f"{reason}; {self._where_to_resume()}", self._producer.durable)

    def _sync_what_is_there(self) -> None:
        try:
            self._producer.finish()
            self._acknowledge()
        except (StreamcliError, OSError):
            return  # durable stays at what was synced before

    def _where_to_resume(self) -> str:
        durable, scattered = self._producer.durable, self._producer.scattered
        noun = "record is" if durable == 1 else "records are"
        how = "appended, and not fsynced," if self._options.sync == SYNC_NONE else "durable"
        text = f"{durable} {noun} {how} in {self._options.topic}, to go on start at record {durable + 1} of the input"
        tail = self._options.tail_command()
        if tail:
            text += f" ({tail} -n +{durable + 1})"
        if scattered:
            text += f"; {scattered} records after it are in other partitions already"
        return text

    def _summarise(self) -> None:
        from streamcli.cli.values import format_size

        seconds = time.monotonic() - self._started
        count = self._producer.appended
        noun = "record" if count == 1 else "records"
        self._context.summary(
            f"{count:,} {noun}, {format_size(self._bytes)} -> {self._options.topic} in {seconds:.1f} s"
        )


def _progress(context: Context, options: Options) -> Callable[[tuple[int, int] | None], None]:
    """What to call with (records, bytes) so far, and with None at the end."""
    if context.quiet or not (options.progress or sys.stderr.isatty()):
        return lambda _: None
    from streamcli.cli.progress import Progress

    sizes = [os.stat(name).st_size for name in options.files if name != "-"]
    return Progress(sum(sizes) if options.files and "-" not in options.files else None).update

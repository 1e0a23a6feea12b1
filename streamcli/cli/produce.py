"""The produce command: input to records, records to the topic, and an exact count when something fails."""

from __future__ import annotations

import os
import select
import sys
import time
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

from streamcli.cli.context import Context, complain, now_ms
from streamcli.cli.input import CannotRead, Chunk, RecordTooLong, read_chunks, read_whole
from streamcli.cli.parse_records import BadRecord, Parsed, parse_lines
from streamcli.cli.produce_options import Options
from streamcli.cli.produce_report import ProduceOutput, outcome_of, summary, where_to_resume
from streamcli.cli.progress import Progress
from streamcli.cli.stop import Stopped
from streamcli.engine.produce_request import ProduceRequest
from streamcli.record.batch import Columns
from streamcli.record.errors import StreamcliError, UsageError

if TYPE_CHECKING:
    from streamcli.cli.encode_beside import EncodingBeside
    from streamcli.engine.interface import Engine

_MOST_RECORDS = 1 << 16
"""Records that are taken apart at once: a chunk of short ones would take a hundred times its size in memory."""


def run(context: Context, **values: Any) -> int:
    """Produce to a topic; the status, or an error with the count that is durable."""
    options = Options(**values)
    options.check(on_kafka=context.kafka is not None)
    engine = context.engine(create=not options.no_create)
    if not options.no_create:
        find_topic(context, engine, options)
    with context.stop.deferred() as wakeup:
        return Production(context, engine, options, wakeup).run()


def find_topic(context: Context, engine: Engine, options: Options) -> None:
    """Create the topic unless it is there."""
    there = engine.ensure_topic(options.topic, options.new_topic(), partition=options.partition).partitions
    if options.partitions not in (None, there):
        context.notice(f"topic {options.topic} exists already and has {there} partitions: --partitions changes nothing")


class Production:
    """One run of produce."""

    def __init__(self, context: Context, engine: Engine, options: Options, wakeup: int) -> None:
        self._context = context
        self._options = options
        self._shape = options.shape()
        self._wakeup = wakeup
        self._polled: tuple[tuple[int | None, ...], select.poll] | None = None
        request = ProduceRequest(
            partition=options.partition,
            sync=options.sync,
            compress=options.compress,
            offsets=options.offsets,
            copies=options.tee,
            clock=now_ms,
            warn=self._warn,
            is_stopping=lambda: context.stop.pending is not None,
            name=options.producer_id,
        )
        self._producer = engine.producer(options.topic, request)
        self._started = time.monotonic()
        self._bytes = 0
        self._output = ProduceOutput(context.stop)
        self._portion = _MOST_RECORDS if options.rate is None else min(_MOST_RECORDS, max(1, options.rate // 20))
        self._next_piece = self._started
        self._input = ""
        self._read = 0  # records of the present input so far
        self._progress = _progress(context, options)
        self._beside = self._encoding_beside()

    def run(self) -> int:
        try:
            if self._producer.config.compacts and not self._shape.has_keys() and not self._options.json:
                raise UsageError(f"no record has a key, and {self._needs_keys()}")
            with self._progress:
                self._append_inputs()
                self._producer.finish()
                self._acknowledge()
                if self._context.stop.pending is None:
                    self._producer.check_end()
        except (StreamcliError, OSError) as error:
            self._sync_what_is_there()
            raise outcome_of(error, self._producer, self._options) from None
        except Stopped as stopped:
            self._output.end()
            self._sync_what_is_there()
            self._tell_stop(stopped)
            raise
        finally:
            if self._beside is not None:
                self._beside.close()
        if self._context.stop.pending is not None:
            self._tell_stop(self._context.stop.pending)
            raise self._context.stop.pending
        seconds = time.monotonic() - self._started
        self._context.summary(summary(self._producer, self._options, self._bytes, seconds))
        return 0

    def _tell_stop(self, stopped: Stopped) -> None:
        self._context.notice(f"stopped by {stopped}: {where_to_resume(self._producer, self._options)}")

    def _encoding_beside(self) -> EncodingBeside | None:
        """A second process, for what takes long. Lines are as fast as they are read; those with keys, into one partition, gained
        nothing by it: 0.80 s, for a third more processor time."""
        encoder, options, config = self._producer.encoder, self._options, self._producer.config
        if encoder is None or options.offsets or options.tee or options.whole or options.rate is not None:
            return None
        is_stored_as_is = (options.compress or config.choice("compression.type")) == "none" and not options.json
        if is_stored_as_is and (self._shape.is_plain() or options.partition is not None or config.partitions == 1):
            return None
        from streamcli.cli.encode_beside import EncodingBeside

        return EncodingBeside(encoder, self._parse)

    def _append_inputs(self) -> None:
        for name in self._options.files or ["-"]:
            if self._context.stop.pending is not None:
                return
            self._input, self._read = name, 0
            fd = 0 if name == "-" else self._open(name)
            try:
                self._append_input(fd)
            except RecordTooLong:
                self._take_back()
                limit = f"longer than {self._limit()} bytes (max.message.bytes)"
                raise BadRecord(self._name_record(limit), None) from None
            except CannotRead as error:
                self._take_back()
                raise BadRecord(f"cannot read {self._input_name()}: {error}", None) from None
            finally:
                if fd:
                    os.close(fd)

    def _open(self, name: str) -> int:
        with self._context.stop.interruptible():  # a FIFO waits for its writer
            return os.open(name, os.O_RDONLY | os.O_CLOEXEC)

    def _append_input(self, fd: int) -> None:
        """Append what `fd` gives, up to its end or the time to stop."""
        if self._options.whole:
            whole = read_whole(fd, self._limit(), self._wait)
            if whole is not None:
                self._append(self._parse_whole(whole), whole)
            return
        counts = self._shape.is_plain() and self._options.rate is None and not self._options.json
        with closing(read_chunks(fd, self._shape.delimiter, self._longest, self._wait, are_counted=counts)) as chunks:
            for chunk in chunks:
                if chunk.unended and self._options.growing:
                    break
                if not (self._beside is not None and self._beside.take(chunk)) and not self._append_chunk(chunk):
                    break
        self._take_back()

    def _append_chunk(self, chunk: Chunk) -> bool:
        """Take it apart and append it, after what was given away before it. False when it is time to stop."""
        rest = chunk
        while rest.data:
            try:
                parsed = self._parse(rest)
            except BadRecord as error:
                self._take_back()
                if error.good is not None:
                    self._append_parsed(error.good, rest)
                raise BadRecord(self._name_record(str(error)), None) from None
            if not self._pace(parsed.columns.record_count):
                return False
            if not self._append_beside(parsed):
                self._append_parsed(parsed, rest)
            rest = rest.after(parsed.length)
        return True

    def _append_beside(self, parsed: Parsed) -> bool:
        """Append what was given away before, and, where that was being worked on, this too: encoded meanwhile."""
        if self._beside is None or self._beside.answers is None:
            return False
        encoded = self._beside.encode(parsed)
        self._take_back()
        if encoded is None or not self._beside.append_encoded(encoded):
            return False
        self._read += encoded.record_count
        self._go_on(parsed.length)
        return True

    def _take_back(self) -> None:
        """Append what was given away, if anything was."""
        if self._beside is None or self._beside.answers is None:
            return
        records = self._beside.append()
        if records:
            self._read += records
            self._go_on(self._beside.length)
        else:
            self._append_chunk(self._beside.taken())

    def _append_parsed(self, parsed: Parsed, chunk: Chunk) -> None:
        self._read += parsed.columns.record_count
        self._append(parsed, chunk.data[: parsed.length])

    def _parse(self, chunk: Chunk) -> Parsed:
        """The first records of a chunk: as many as may be taken apart at once, and appended at once."""
        if not self._options.json:
            is_plain = self._shape.is_plain() and self._options.rate is None
            is_divided = self._options.partition is None and self._producer.config.partitions > 1
            most, among = None if is_plain else self._portion, self._producer.divides_among
            return parse_lines(chunk, self._shape, most, is_divided=is_divided, partitions=among)
        from streamcli.cli.parse_envelopes import parse_envelopes

        return parse_envelopes(
            chunk,
            self._shape,
            self._portion,
            partitions=self._producer.config.partitions if self._options.partition is None else 1 << 31,
            limit=self._limit(),
            now_ms=now_ms(),
        )

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
        columns = Columns(1, [value], common_key=self._shape.key, common_headers=list(self._shape.headers) or None)
        return Parsed(columns, len(whole))

    def _warn(self, line: str) -> None:
        self._progress.wipe()
        complain(line)

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
            before = self._first_records(data, refused)
            self._append_all(parsed.first(refused, len(before)), before)
        self._read -= parsed.columns.record_count - refused
        raise UsageError(self._name_record(f"it has no key, and {self._needs_keys()}"))

    def _needs_keys(self) -> str:
        policy = self._producer.config.choice("cleanup.policy")
        return f"{self._options.topic} keeps the newest record of each key (cleanup.policy={policy}): give keys with -K, -k or --json"

    def _append_all(self, parsed: Parsed, data: memoryview | bytes) -> None:
        first, already = self._producer.appended, self._producer.already
        placements = self._producer.append(parsed.columns, parsed.partitions)
        if self._options.rate is not None:  # what is there already is gone through without waiting
            self._next_piece -= (self._producer.already - already) / self._options.rate
        if self._options.offsets:
            self._output.add_places(first, parsed.columns.record_count, placements)
            self._acknowledge()
        self._go_on(len(data))
        if self._options.tee:
            self._output.print(data)

    def _go_on(self, length: int) -> None:
        """Do what is due after so many bytes of the input."""
        self._bytes += length
        self._producer.tick()
        self._progress.update(self._bytes, self._producer.appended)

    def _pace(self, records: int) -> bool:
        """Wait until so many records may be appended; False when it is time to stop."""
        rate = self._options.rate
        if rate is not None:
            self._sleep_until(self._next_piece)
            self._next_piece = max(self._next_piece, time.monotonic()) + records / rate
        return rate is None or self._context.stop.pending is None

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
        wait = due if timeout is None else timeout if due is None else min(due, timeout)
        answers = None if self._beside is None else self._beside.answers
        ready = dict(self._poller(fd, answers).poll(None if wait is None else wait * 1000 + 1))
        if due is not None and not ready:
            self._producer.tick()
            self._acknowledge()
        if answers in ready:
            self._take_back()
        return fd in ready

    def _poller(self, *others: int | None) -> select.poll:
        """What polls the wake-up descriptor and others, made anew where these are others than before."""
        if self._polled is None or self._polled[0] != others:
            poll = select.poll()
            for fd in (self._wakeup, *others):
                if fd is not None:
                    poll.register(fd, select.POLLIN)
            self._polled = others, poll
        return self._polled[1]

    def _acknowledge(self) -> None:
        self._output.print_places(self._producer.durable)

    def _sync_what_is_there(self) -> None:
        try:
            self._producer.finish()
            self._acknowledge()
        except (StreamcliError, OSError):
            return  # durable stays at what was synced before


def _progress(context: Context, options: Options) -> Progress:
    def total() -> int | None:
        if not options.files or "-" in options.files:
            return None
        with suppress(OSError):  # told when its turn comes
            return sum(os.stat(name).st_size for name in options.files)
        return None

    writes_on_terminal = (options.tee or options.offsets) and sys.stdout.isatty()
    wanted = context.shows_progress() or (options.progress and not context.quiet)
    return Progress(total, is_shown=wanted and not writes_on_terminal)

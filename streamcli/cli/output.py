"""Record bytes to standard output: copied by the kernel where that can be done, else in large writes."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from streamcli.cli.context import STANDARD_OUTPUT
from streamcli.cli.input import widen_pipe
from streamcli.record.batch import Extent, RecordBatch
from streamcli.record.errors import StreamcliError

SPLICE_FROM = 64 << 10
"""Bytes from which on splice beats write: a page moved is a slot of the pipe taken, however little it holds."""

_GATHER = 128 << 10


class Output:
    """Writes to a descriptor. Small writes are gathered: `flush` before waiting for anything. `written`: bytes it took."""

    def __init__(self, fd: int = 1) -> None:
        self.fd = fd
        self._pending: list[bytes | memoryview] = []
        self._pending_size = 0
        self.is_pipe = stat.S_ISFIFO(os.fstat(fd).st_mode)
        self._can_splice = self.is_pipe and hasattr(os, "splice")
        self._is_wide = False
        self.written = 0

    def __enter__(self) -> Output:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Flush, after an error of ours too; not when stopped, or when nobody reads: that could wait for ever."""
        if kind is None or issubclass(kind, StreamcliError):
            self.flush()

    def write(self, data: bytes | memoryview) -> None:
        self._pending.append(data)
        self._pending_size += len(data)
        if self._pending_size >= _GATHER:
            self.flush()

    def copy(self, extent: Extent, render: Callable[[], bytes | memoryview]) -> None:
        """Write the bytes of `extent`, by splice, without a copy in user space; where it cannot be, what `render` gives."""
        if not self._can_splice or extent.length < SPLICE_FROM:
            self.write(render())
            return
        self.flush()
        self._widen()
        done = 0
        while done < extent.length:
            try:
                moved = os.splice(extent.fd, self.fd, extent.length - done, offset_src=extent.position + done)
            except OSError as error:
                if done or isinstance(error, BrokenPipeError):
                    raise
                self._can_splice = False  # a file system without it
                self.write(render())
                return
            if moved == 0:
                raise StreamcliError("a segment was cut while it was being read: read again")
            done += moved
            self.written += moved

    def write_lines(self, batch: RecordBatch) -> None:
        """Write the values of a batch that is scattered."""
        self.flush()
        self._widen()
        with self._named():
            taken = batch.write_lines(self.fd)
        self.written += taken
        if taken < batch.value_size() + batch.count:
            self.write(memoryview(b"".join([(value or b"") + b"\n" for value in batch.values()]))[taken:])

    def flush(self) -> None:
        pending, self._pending, self._pending_size = self._pending, [], 0
        if not pending:
            return
        data = memoryview(pending[0] if len(pending) == 1 else b"".join(pending))
        if len(data) >= _GATHER:
            self._widen()
        while data:
            with self._named():
                count = os.write(self.fd, data)
            self.written += count
            data = data[count:]

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Errors of writing say what could not be written to."""
        try:
            yield
        except OSError as error:
            error.filename = STANDARD_OUTPUT if self.fd == 1 else None
            raise

    def _widen(self) -> None:
        if not self._is_wide:
            widen_pipe(self.fd)
            self._is_wide = True

"""Copying what lies scattered in memory, as records that librdkafka holds do."""

from __future__ import annotations

import ctypes
import os
from array import array

import pytest

from streamcli.kafka.gather import Gatherer

VALUES = [b"", b"one", b"a\nb", b"\0" * 5000, *(b"%d" % number * 30 for number in range(1500))]
LINES = b"".join(value + b"\n" for value in VALUES)


class Scattered:
    """Values at addresses of their own."""

    def __init__(self, values: list[bytes]) -> None:
        self._memory = [ctypes.create_string_buffer(value, max(len(value), 1)) for value in values]
        self.addresses = memoryview(array("Q", map(ctypes.addressof, self._memory)))
        self.sizes = list(map(len, values))
        self.lengths = memoryview(array("Q", self.sizes))


@pytest.fixture
def scattered() -> Scattered:
    return Scattered(VALUES)


def test_pieces_are_put_together() -> None:
    four = Scattered([b"abcd", b"efgh", b"ijkl"])
    assert Gatherer(3).pieces(four.addresses, 4) == b"abcdefghijkl"


def test_lines_are_put_together_again_and_again(scattered: Scattered) -> None:
    gatherer = Gatherer(len(VALUES))
    assert gatherer.lines(scattered.addresses, scattered.lengths, len(LINES)) == LINES
    assert gatherer.lines(scattered.addresses[1:3], scattered.lengths[1:3], 8) == b"one\na\nb\n"


def test_lines_are_written(scattered: Scattered) -> None:
    end, begin = os.pipe()
    with os.fdopen(end, "rb") as reader, os.fdopen(begin, "wb") as writer:
        few = (scattered.addresses[:3], scattered.lengths[:3], scattered.sizes[:3])
        assert Gatherer(3).write_lines(writer.fileno(), *few) == 9
        writer.close()
        assert reader.read() == b"\none\na\nb\n"


def test_a_pipe_that_takes_less_is_told_of_and_nothing_is_left_out_in_between(scattered: Scattered) -> None:
    end, begin = os.pipe()
    with os.fdopen(end, "rb") as reader, os.fdopen(begin, "wb") as writer:
        os.set_blocking(begin, False)
        arguments = (begin, scattered.addresses, scattered.lengths, scattered.sizes)
        taken = Gatherer(len(VALUES)).write_lines(*arguments)
        assert 0 < taken < len(LINES)
        assert Gatherer(len(VALUES)).write_lines(*arguments) == 0
        writer.close()
        assert reader.read() == LINES[:taken]


def test_an_error_of_writing_is_raised(scattered: Scattered) -> None:
    end, begin = os.pipe()
    os.close(end)
    with os.fdopen(begin, "wb") as writer, pytest.raises(BrokenPipeError):
        Gatherer(len(VALUES)).write_lines(writer.fileno(), scattered.addresses, scattered.lengths, scattered.sizes)

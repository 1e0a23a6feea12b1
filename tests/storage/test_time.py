"""Finding a time: by the index, whatever the clocks did, at a cost that does not grow with the log."""

from __future__ import annotations

import random
from bisect import bisect_left
from collections.abc import Callable
from itertools import accumulate

import pytest

from streamcli.record.batch import Columns
from streamcli.storage import segment
from streamcli.storage.append import RollPolicy
from streamcli.storage.format import BatchHeader, decode_header
from streamcli.storage.index import INTERVAL
from streamcli.storage.retention import remove_before
from streamcli.storage.verify import PartitionCheck

from .partition_log import PartitionLog

BATCHES, EACH, SIZE = 1500, 3, 5000
"""A log of 1,500 batches of 5 kB, in segments of 320 kB: each has five entries in its index."""
POLICY = RollPolicy(320_000, 1 << 60)
HOUR = 3_600_000

Clock = Callable[[int], list[int]]
"""The times of the records of batch number so-and-so."""


def steady(number: int) -> list[int]:
    return [number * 1000 + more for more in range(EACH)]


def jitter(number: int) -> list[int]:
    rng = random.Random(number)
    return [number * 1000 + rng.randrange(-20_000, 20_000) for _ in range(EACH)]


def set_back(number: int) -> list[int]:
    """Twice the clock is set back by ten minutes; the second time in the middle of a batch."""
    return [time - 600_000 * (number > 500) - 600_000 * ((number, time % 1000) > (1000, 1)) for time in steady(number)]


def backwards(number: int) -> list[int]:
    return [-time for time in steady(number)]


def sawtooth(number: int) -> list[int]:
    return [time % 400_000 for time in steady(number)]


def of_two_machines(number: int) -> list[int]:
    """Every other batch comes from a machine whose clock is an hour behind."""
    return [time - HOUR * (number % 2) for time in steady(number)]


def once_far_ahead(number: int) -> list[int]:
    return [time + 1000 * HOUR * (number == 700) for time in steady(number)]


CLOCKS = [steady, jitter, set_back, backwards, sawtooth, of_two_machines, once_far_ahead]


class Headers:
    """Counts the batch headers that are looked at."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seen = 0

        def counted(data: bytes | memoryview, position: int) -> BatchHeader:
            self.seen += 1
            return decode_header(data, position)

        monkeypatch.setattr(segment, "decode_header", counted)


@pytest.fixture
def headers(monkeypatch: pytest.MonkeyPatch) -> Headers:
    return Headers(monkeypatch)


def fill(partition: PartitionLog, clock: Clock) -> list[int]:
    """Fill the log; the time of each record."""
    partition.policy = POLICY
    value = b"x" * (SIZE // EACH) + b"\n"
    times = [clock(number) for number in range(BATCHES)]
    partition.write(*[Columns(EACH, value * EACH, timestamps=each) for each in times])
    return [time for each in times for time in each]


def most_headers(segments: int) -> int:
    """What a look-up may look at: two headers in each segment of a bisection, and what lies between two index entries."""
    return 2 * (segments.bit_length() + 1) + INTERVAL // SIZE + 3


def check_times(partition: PartitionLog, times: list[int], headers: Headers, first: int = 0) -> int:
    """Look for some times in a log that starts at offset `first`; the greatest number of headers that one took."""
    latest, end = list(accumulate(times[first:], max)), partition.log.end()
    rng = random.Random(3)
    wanted = {min(times) - 1, min(times), max(times), max(times) + 1, *rng.sample(times, 40)}
    most = 0
    for timestamp in sorted({time + more for time in wanted for more in (0, 1)}):
        before = headers.seen
        assert partition.log.offset_at(timestamp, end) == first + bisect_left(latest, timestamp), timestamp
        most = max(most, headers.seen - before)
    return most


@pytest.mark.parametrize("clock", CLOCKS)
def test_a_time_is_found_through_the_index_whatever_the_clock_did(
    partition: PartitionLog, headers: Headers, clock: Clock
) -> None:
    times = fill(partition, clock)
    assert check_times(partition, times, headers) <= most_headers(len(partition.bases()))


def test_after_records_of_a_clock_far_ahead_are_gone(partition: PartitionLog, headers: Headers) -> None:
    """They are in the indexes of all that was appended after them; the active segment's is mended when it is closed."""
    times = fill(partition, once_far_ahead)
    first = 701 * EACH + 1
    remove_before(partition.directory, first)
    assert partition.log.start() == first
    assert check_times(partition, times, headers, first) > BATCHES // 4
    most = most_headers(len(partition.bases())) + POLICY.segment_bytes // SIZE
    assert check_times(partition, times, headers, first) <= most < BATCHES // 10
    assert not list(PartitionCheck(partition.directory).problems())


def test_removed_records_that_lie_in_the_first_segment_still(partition: PartitionLog, headers: Headers) -> None:
    """The batch that was far ahead is the last before an entry of the index, or between two."""
    times = fill(partition, once_far_ahead)
    batches = [header for _, header in partition.headers()]
    for number in (701, 702, 703):
        remove_before(partition.directory, batches[number].base_offset)
        first = batches[number].base_offset
        check_times(partition, times, headers, first)
        assert check_times(partition, times, headers, first) < BATCHES // 10


def test_a_time_before_the_log_start_offset_is_at_it(partition: PartitionLog) -> None:
    partition.write(Columns(4, b"x\n" * 4, timestamps=[10, 20, 30, 40]), Columns(1, b"x\n", timestamps=[15]))
    remove_before(partition.directory, 2)
    end = partition.log.end()
    assert [partition.log.offset_at(time, end) for time in (0, 10, 30, 31, 40, 41)] == [2, 2, 2, 3, 3, 5]

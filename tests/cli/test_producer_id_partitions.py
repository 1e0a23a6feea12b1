"""Runs under one --producer-id while the topic gets more partitions: all at work then, and those that begin after, agree on where
each record goes. In one process, so that they meet at any place of their work."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from streamcli.engine import current_config
from streamcli.engine.partitioner import Placement
from streamcli.engine.produce import Producer
from streamcli.engine.syncing import SYNC_EXIT
from streamcli.record.batch import Columns, split_column
from streamcli.storage.config import TopicConfig
from streamcli.storage.directory import LogDirectory
from streamcli.storage.log import Log

COUNT = 400


@pytest.fixture
def directory(tmp_path: Path) -> LogDirectory:
    return LogDirectory(str(tmp_path / "log"), lock_timeout=10, create=True)


@pytest.fixture
def producer(directory: LogDirectory) -> Iterator[Callable[[], Producer]]:
    """Begins a run; it ends with the test."""
    with ExitStack() as runs:

        def begin() -> Producer:
            clock = itertools.count(1_700_000_000_000).__next__
            run = Producer(directory, "t", partition=None, sync=SYNC_EXIT, clock=clock, warn=str, name="x")
            return runs.enter_context(closing(run))

        yield begin


def give(run: Producer, until: int, *, keyed: bool = True) -> list[Placement]:
    """The input's next records, up to that index, as one chunk."""
    numbers = range(run.appended, until)
    keys = [b"%d" % (number % 7) for number in numbers]
    return run.append(Columns(len(numbers), [b"%d" % number for number in numbers], keys if keyed else None))


def add_partitions(directory: LogDirectory, count: int) -> None:
    directory.alter_topic("t", lambda config: config._replace(partitions=count))


def values(directory: LogDirectory) -> list[list[int]]:
    """Those of each partition."""
    found = []
    for number in range(directory.config("t").partitions):
        log = Log(directory.partition_directory("t", number))
        with closing(log.cursor(0, log.end())) as cursor:
            part: list[int] = []
            while cursor.peek() is not None:
                part += map(int, filter(None, split_column(cursor.take().columns.values)))
        found.append(part)
    return found


def assert_each_once_in_order(directory: LogDirectory, count: int) -> None:
    found = values(directory)
    assert all(part == sorted(part) for part in found)
    assert sorted(number for part in found for number in part) == list(range(count))


def test_one_that_does_not_know_yet_beside_one_that_does(
    directory: LogDirectory, producer: Callable[[], Producer]
) -> None:
    directory.create_topic("t", TopicConfig(1, {}))
    early = producer()
    give(early, 100)
    add_partitions(directory, 4)
    late = producer()
    give(late, 300)
    give(early, 300)
    assert (early.already, late.already) == (200, 100)
    assert_each_once_in_order(directory, 300)


def test_a_run_again_that_has_not_come_to_what_is_missing(
    directory: LogDirectory, producer: Callable[[], Producer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(current_config, "INTERVAL", 0.0)  # it notices at once, while it passes by what is there
    directory.create_topic("t", TopicConfig(2, {}))
    give(producer(), 200)
    again = producer()
    give(again, 50)
    add_partitions(directory, 5)
    give(again, 300)
    assert_each_once_in_order(directory, 300)


@pytest.mark.parametrize("seed", range(12))
def test_runs_at_random(directory: LogDirectory, producer: Callable[[], Producer], seed: int) -> None:
    random_ = random.Random(seed)
    directory.create_topic("t", TopicConfig(random_.choice([1, 2]), {}))
    keyed = random_.random() < 0.7
    runs = [producer()]
    while max(run.appended for run in runs) < COUNT:
        choice = random_.random()
        if choice < 0.1:
            add_partitions(directory, min(9, directory.config("t").partitions + random_.choice([1, 3])))
        elif choice < 0.25:
            runs.append(producer())
        elif choice < 0.3 and len(runs) > 1:
            runs.pop(random_.randrange(len(runs)))  # as one that is killed
        run = random_.choice(runs)
        until = min(COUNT, run.appended + random_.randrange(1, 60))
        chunk = until - run.appended
        placed = [index for placement in give(run, until, keyed=keyed) for index in placement.indexes]
        assert sorted(placed) == list(range(chunk))
    give(last := producer(), COUNT, keyed=keyed)
    assert last.already == COUNT
    assert_each_once_in_order(directory, COUNT)

"""Consuming from Python with a group: what is committed, what comes again, and that a partition has one owner."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count, islice
from threading import Thread
from types import FrameType

import pytest

import streamcli
from tests.groups.swarm import assignment
from tests.library.program import python
from tests.support.command import ok, started
from tests.support.groups import offsets
from tests.support.waiting import DEADLINE, read_lines, wait_until


def lines(count: int, first: int = 0) -> bytes:
    return b"".join(b"%d\n" % number for number in range(first, first + count))


def values(consumer: streamcli.Consumer) -> list[int]:
    return [int(record.value or b"") for record in consumer]


def test_leaving_the_block_commits_and_the_commands_go_on() -> None:
    ok("produce", "t", stdin=lines(10))
    directory = streamcli.open()
    with directory.consume("t", group="g") as consumer:
        assert values(consumer) == list(range(10))
        assert offsets("g") == {}
    assert offsets("g") == {("t", 0): 10}
    ok("produce", "t", stdin=b"new\n")
    assert ok("consume", "t", "-g", "g") == b"new\n"
    with directory.consume("t", group="g") as consumer:
        assert list(consumer) == []


def test_what_was_not_given_is_not_committed() -> None:
    ok("produce", "t", stdin=lines(10))
    directory = streamcli.open()
    with directory.consume("t", group="g") as consumer:
        assert [record.offset for record in islice(consumer, 4)] == [0, 1, 2, 3]
    assert offsets("g") == {("t", 0): 4}
    with directory.consume("t", group="g") as consumer:
        assert next(consumer).offset == 4
        assert [record.offset for record in consumer] == list(range(5, 10))


def test_what_was_compacted_together_beyond_the_end_comes_in_the_next_run() -> None:
    ok("topics", "create", "t", "-c", "cleanup.policy=compact", "--segment-bytes", "4K")
    long = b"1" * 5000
    ok("produce", "t", "-K", ":", stdin=b"first:%s\n" % long)
    ok("produce", "t", "-K", ":", stdin=b"a:1\na:2\n")
    with streamcli.open().consume("t", group="g") as consumer:
        for line in (b"b:3", b"c:%s" % long):
            ok("produce", "t", "-K", ":", stdin=line + b"\n")
        ok("topics", "clean", "t")  # where the producer has not done that when it rolled
        assert [record.value for record in consumer] == [long, b"2"]
    assert offsets("g") == {("t", 0): 3}
    assert ok("consume", "t", "-g", "g", "--key", "b") == b"3\n"


def test_without_a_record_given_nothing_is_committed() -> None:
    ok("produce", "t", stdin=lines(10))
    with streamcli.open().consume("t", group="g"):
        pass
    assert offsets("g") == {}


def test_an_exception_commits_nothing_since_the_last_commit() -> None:
    ok("produce", "t", stdin=lines(10))
    directory = streamcli.open()

    def fail() -> None:
        with directory.consume("t", group="g") as consumer:
            for record in consumer:
                if record.offset == 2:
                    consumer.commit()
                if record.offset == 5:
                    raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        fail()
    assert offsets("g") == {("t", 0): 3}
    with directory.consume("t", group="g") as consumer:
        assert values(consumer) == list(range(3, 10))


@contextmanager
def interrupted_at_call(number: int) -> Iterator[None]:
    """KeyboardInterrupt where the function call of that number begins, as from a signal."""
    calls = count()

    def trace(_: FrameType, __: str, ___: object) -> None:
        if next(calls) == number:
            raise KeyboardInterrupt

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)


def test_an_interrupt_that_is_caught_in_the_block_commits_only_what_was_given() -> None:
    directory = streamcli.open()
    directory.create_topic("t", 2)
    with directory.producer("t", linger=0) as producer:
        for number in range(4):
            producer.append(b"%d" % number, partition=number % 2)
    for number in count():
        given = []
        is_interrupted = False
        with directory.consume("t", group=f"g{number}") as consumer:
            try:
                with interrupted_at_call(number):
                    for record in consumer:
                        given.append(int(record.value or b""))
            except KeyboardInterrupt:
                is_interrupted = True
        with directory.consume("t", group=f"g{number}") as consumer:
            assert sorted(given + values(consumer)) == [0, 1, 2, 3], number
        if not is_interrupted:
            break
    assert number > 20


def test_closing_from_another_thread_that_waits_is_refused_and_changes_nothing() -> None:
    directory = streamcli.open()
    directory.create_topic("t")
    refused: list[ValueError] = []
    with directory.consume("t", group="g", follow=True, idle=DEADLINE) as consumer:

        def close_and_go_on() -> None:
            try:
                wait_until(lambda: consumer._records.gi_running, "the iteration")
                consumer.close()
            except ValueError as error:
                refused.append(error)
            ok("produce", "t", stdin=b"one\n")

        other = Thread(target=close_and_go_on)
        other.start()
        assert next(consumer).value == b"one"
        other.join(DEADLINE)
    assert len(refused) == 1
    assert offsets("g") == {("t", 0): 1}


def test_closing_leaves_without_a_commit() -> None:
    ok("produce", "t", stdin=lines(3))
    with streamcli.open().consume("t", group="g") as consumer:
        assert len(list(consumer)) == 3
        consumer.close()
        consumer.close()
    assert offsets("g") == {}
    with pytest.raises(streamcli.UsageError, match="closed"):
        consumer.commit()


def test_several_batches_and_partitions_are_committed_to_where_they_are() -> None:
    directory = streamcli.open()
    with directory.producer("t", partitions=2, linger=60) as producer:
        for number in range(30):
            producer.append(b"%d" % number, partition=number % 2, timestamp=number)
            producer.flush()
    with directory.consume("t", group="g") as consumer:
        given = list(islice(consumer, 11))
    assert [record.timestamp for record in given] == list(range(11))
    assert offsets("g") == {("t", 0): 6, ("t", 1): 5}
    with directory.consume("t", group="g") as consumer:
        assert values(consumer) == list(range(11, 30))


def test_where_a_group_begins() -> None:
    ok("produce", "t", stdin=lines(10))
    directory = streamcli.open()
    with directory.consume("t", group="g", start=-2) as consumer:
        assert values(consumer) == [8, 9]
    with directory.consume("t", group="g", start="beginning") as consumer:
        assert values(consumer) == []


def test_two_members_at_once_share_nothing() -> None:
    ok("produce", "t", stdin=lines(10))
    directory = streamcli.open()
    with directory.consume("t", group="g") as first, directory.consume("t", group="g") as second:
        assert ok("consume", "t", "-g", "g") == b""
        assert values(second) == []
        assert values(first) == list(range(10))


def test_a_partition_goes_over_when_the_next_record_is_asked_for() -> None:
    directory = streamcli.open()
    directory.create_topic("t", 2)
    with directory.consume("t", group="g", follow=True, idle=DEADLINE) as consumer:
        ok("produce", "t", "--json", stdin=b'{"partition":0,"value":"a"}\n{"partition":1,"value":"b"}\n')
        assert {next(consumer).value, next(consumer).value} == {b"a", b"b"}
        with started("consume", "t", "-g", "g", "-f", "-F", "%p %s\n") as other:
            wait_until(lambda: len(set(assignment().values())) == 2, "a generation of both")
            ok("produce", "t", "--json", stdin=b'{"partition":0,"value":"c"}\n{"partition":1,"value":"d"}\n')
            assert other.stdout is not None
            record = next(consumer)  # the one that stays: what is asked for makes the other one go over
            given = read_lines(other.stdout, 2)
    kept, gone = {0: b"c", 1: b"d"}, 1 - record.partition
    assert record.value == kept.pop(record.partition)
    # Nothing of it was committed, so it comes from its beginning.
    assert given == [b"%d %s" % (gone, value) for value in ((b"a", b"b")[gone], kept[gone])]


def test_following_ends_when_nothing_came() -> None:
    ok("produce", "t", stdin=lines(3))
    with streamcli.open().consume("t*", group="g", follow=True, idle=0.01) as consumer:
        assert values(consumer) == [0, 1, 2]
    assert offsets("g") == {("t", 0): 3}


CONSUMES = """
with streamcli.open().consume("t", group="g") as consumer:
    for record in consumer:
        print(record.offset, flush=True)
        if record.offset % 10 == 9:
            consumer.commit()
        if record.offset == 25:
            sys.stdin.read()
"""


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_what_was_committed_before_a_signal_does_not_come_again(signum: signal.Signals) -> None:
    ok("produce", "t", stdin=lines(40))
    with python(CONSUMES) as program:
        assert program.stdout is not None
        assert read_lines(program.stdout, 26)[-1] == b"25"
        assert ok("consume", "t", "-g", "g") == b""  # its partition is its own while it lives
        program.send_signal(signum)
        assert program.wait(DEADLINE) == -signum
    assert ok("consume", "t", "-g", "g") == lines(20, 20)


FORKED = """
with streamcli.open().consume("t", group="g") as consumer:
    next(consumer)
    child = os.fork()
    if not child:
        try:
            consumer.commit()
        except streamcli.UsageError as error:
            print(error, flush=True)
        os._exit(0)
    os.waitpid(child, 0)
"""


def test_a_child_after_a_fork_does_not_commit() -> None:
    ok("produce", "t", stdin=lines(3))
    with python(FORKED) as program:
        out, err = program.communicate(timeout=DEADLINE)
    assert (out.count(b"open one after the fork"), err) == (1, b"")
    assert offsets("g") == {("t", 0): 1}


def test_a_topic_that_is_not_there_is_told() -> None:
    with pytest.raises(streamcli.NotFound, match="no such topic: t"):
        streamcli.open().consume("t", group="g")


def test_damage_stops_it_and_what_came_before_may_be_committed() -> None:
    directory = streamcli.open()
    for number in range(3):
        ok("produce", "t", stdin=b"record %d\n" % number)
    path = f"{directory.path}/topics/t/0/{0:020d}.log"
    with open(path, "r+b") as file:
        data = file.read().replace(b"record 1", b"recorb 1")
        file.seek(0)
        file.write(data)

    def fail() -> None:
        with directory.consume("t", group="g") as consumer:
            for _ in consumer:
                consumer.commit()

    with pytest.raises(streamcli.CorruptData):
        fail()
    assert offsets("g") == {("t", 0): 1}
    met: list[streamcli.CorruptData] = []
    with directory.consume("t", group="g", on_damage=met.append) as consumer:
        assert [record.offset for record in consumer] == [2]
    assert (len(met), offsets("g")) == (1, {("t", 0): 3})


def test_a_member_whose_file_is_gone_does_not_commit() -> None:
    ok("produce", "t", stdin=lines(3))
    directory = streamcli.open()
    with directory.consume("t", group="g") as consumer:
        list(consumer)
        members = f"{directory.path}/groups/g/members"
        for name in os.listdir(members):
            os.remove(f"{members}/{name}")
        for _ in range(2):
            with pytest.raises(streamcli.StreamcliError):
                consumer.commit()
        with pytest.raises(streamcli.StreamcliError):
            consumer.close()
    assert offsets("g") == {}

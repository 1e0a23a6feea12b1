"""Producing from Python: what is durable when, what is refused, and what is left when something fails."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import streamcli
from tests.library.program import python
from tests.support.command import ok, started
from tests.support.locks import lock_held
from tests.support.small_disk import can_mount, small_disk
from tests.support.waiting import DEADLINE, read_lines, wait_until


def test_records_come_out_of_the_commands_as_they_went_in() -> None:
    with streamcli.open().producer("t") as producer:
        producer.append(b"plain")
        headers: list[tuple[str, bytes | None]] = [("a", b"1"), ("a", None)]
        producer.append(b"two\nlines", key=b"k", headers=headers, timestamp=5)
        headers.clear()
        producer.append(None, key=b"k")
        producer.append(b"", key=b"")
    assert ok("consume", "t", "--json", "-o", "1:2") == (
        b'{"topic":"t","partition":0,"offset":1,"timestamp":5,"key":"k","value":"two\\nlines","headers":[["a","1"],["a",null]]}\n'
    )
    found = [(record.key, record.value) for record in streamcli.open().read("t")]
    assert found == [(None, b"plain"), (b"k", b"two\nlines"), (b"k", None), (b"", b"")]


def test_what_is_appended_gets_out_though_nobody_flushes() -> None:
    directory = streamcli.open()
    with directory.producer("t") as producer, started("consume", "t", "-f", "-n", "2") as reader:
        assert reader.stdout is not None
        producer.append(b"one")
        assert read_lines(reader.stdout, 1) == [b"one"]
        wait_until(lambda: producer.durable == 1, "the record to be durable")
        producer.append(b"two")
        assert read_lines(reader.stdout, 1) == [b"two"]


def test_without_linger_each_record_is_in_the_log_at_once() -> None:
    with streamcli.open().producer("t", linger=0) as producer:
        for number in range(3):
            producer.append(b"%d" % number)
            assert len(ok("consume", "t").splitlines()) == number + 1
    assert len(ok("dump", "t", "--json").splitlines()) == 3


def test_many_appends_share_a_batch() -> None:
    with streamcli.open().producer("t", linger=60) as producer:
        for number in range(40_000):
            producer.append(b"%d" % number)
    assert ok("consume", "t") == b"".join(b"%d\n" % number for number in range(40_000))
    assert 3 <= len(ok("dump", "t", "--json").splitlines()) <= 5


def test_flush_is_durable_and_counts() -> None:
    with streamcli.open().producer("t", linger=60) as producer:
        assert producer.flush() == 0
        producer.append(b"one")
        assert producer.flush() == 1
        assert ok("consume", "t") == b"one\n"
        producer.append_lines(b"two\nthree\n\nfive")
        assert producer.flush() == producer.durable == 5
    assert ok("consume", "t") == b"one\ntwo\nthree\n\nfive\n"


def test_lines_come_after_what_was_appended_before() -> None:
    with streamcli.open().producer("t", linger=60) as producer:
        producer.append(b"first")
        producer.append_lines(b"second\n" * 300_000)
        producer.append(b"last")
        producer.append_lines(b"")
    found = ok("consume", "t").splitlines()
    assert (found[0], found[1], found[-1], len(found)) == (b"first", b"second", b"last", 300_002)


def test_keys_choose_partitions_as_the_command_does() -> None:
    directory = streamcli.open()
    with directory.producer("mine", partitions=4) as producer:
        for number in range(100):
            producer.append(b"v", key=b"%d" % number)
    ok("topics", "create", "theirs", "-p", "4")
    ok("produce", "theirs", "-K", ":", stdin=b"".join(b"%d:v\n" % number for number in range(100)))
    places = [sorted(ok("consume", topic, "-F", "%p %o %k\n").splitlines()) for topic in ("mine", "theirs")]
    assert places[0] == places[1]


def test_a_record_may_say_its_partition() -> None:
    directory = streamcli.open()
    with directory.producer("t", partitions=3) as producer:
        producer.append(b"a", partition=2)
        with pytest.raises(streamcli.NotFound, match="no partition 3"):
            producer.append(b"b", partition=3)
    with directory.producer("t", partition=1) as producer:
        producer.append(b"c")
        with pytest.raises(streamcli.UsageError, match="partition 1 alone"):
            producer.append(b"d", partition=2)
    assert {(record.partition, record.value) for record in directory.read("t")} == {(2, b"a"), (1, b"c")}


def test_what_a_topic_does_not_take_is_refused_alone() -> None:
    directory = streamcli.open()
    directory.create_topic("t", config={"cleanup.policy": "compact", "max.message.bytes": 10})
    with directory.producer("t") as producer:
        producer.append(b"1", key=b"k")
        with pytest.raises(streamcli.UsageError, match="without a key"):
            producer.append(b"2")
        with pytest.raises(streamcli.UsageError, match="without a key"):
            producer.append_lines(b"3\n4\n")
        with pytest.raises(streamcli.UsageError, match=r"11 bytes is longer than 10 \(max.message.bytes of t\)"):
            producer.append(b"x" * 10, key=b"k")
        with pytest.raises(TypeError, match="not str"):
            producer.append("5", key=b"k")  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="pair"):
            producer.append(b"6", key=b"k", headers=[("h", "text")])  # type: ignore[list-item]
        producer.append(b"7", key=b"k")
    assert [record.value for record in directory.read("t")] == [b"1", b"7"]


def test_a_line_that_is_too_long_leaves_all_of_them_out() -> None:
    directory = streamcli.open()
    directory.create_topic("t", config={"max.message.bytes": 10})
    with directory.producer("t") as producer:
        producer.append_lines(b"short\n" * 10)
        with pytest.raises(streamcli.UsageError, match="11 bytes"):
            producer.append_lines(b"short\n" + b"x" * 11 + b"\n")
    assert len(list(directory.read("t"))) == 10


def test_after_an_exception_what_came_before_it_is_there() -> None:
    def fail() -> None:
        with streamcli.open().producer("t", linger=60) as producer:
            producer.append(b"one")
            raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        fail()
    assert ok("consume", "t") == b"one\n"


def test_a_closed_producer_takes_nothing() -> None:
    with streamcli.open().producer("t") as producer:
        producer.append(b"one")
    producer.close()
    for call in (lambda: producer.append(b"two"), lambda: producer.append_lines(b"two\n"), producer.flush):
        with pytest.raises(streamcli.UsageError, match="closed"):
            call()


def test_without_create_a_topic_has_to_be_there(log_directory: Path) -> None:
    with pytest.raises(streamcli.NotFound, match="no such topic: t"):
        streamcli.open().producer("t", create=False)
    assert not log_directory.exists()


def test_a_deleted_topic_ends_the_producer() -> None:
    directory = streamcli.open()
    producer = directory.producer("t", linger=60)
    producer.append(b"one")
    assert producer.flush() == 1
    directory.delete_topic("t")
    producer.append(b"two")
    with pytest.raises(streamcli.PartWritten, match="0 records are durable in t") as failure:
        producer.flush()
    assert failure.value.durable == 0
    assert isinstance(failure.value.__cause__, streamcli.NotFound)
    for call in (lambda: producer.append(b"three"), producer.flush, producer.close):
        with pytest.raises(streamcli.PartWritten):
            call()


def test_a_lock_that_is_not_had_ends_it_and_says_how_much_is_durable(log_directory: Path) -> None:
    directory = streamcli.open(lock_timeout=0.1)
    producer = directory.producer("t", linger=60)
    producer.append(b"one")
    producer.flush()
    producer.append(b"two")
    with lock_held(log_directory / "topics" / "t" / "0" / "lock"):
        with pytest.raises(streamcli.PartWritten, match="1 record is durable") as failure:
            producer.flush()
        assert isinstance(failure.value.__cause__, streamcli.Busy)
    with pytest.raises(streamcli.PartWritten):
        producer.close()
    assert ok("consume", "t") == b"one\n"


@contextmanager
def alarm_rings() -> Iterator[list[int]]:
    """A handler for SIGALRM, with the alarm due in a moment; what rang."""
    rang: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda signum, _: rang.append(signum))
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    try:
        yield rang
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_a_programs_own_alarm_goes_off_while_a_lock_is_waited_for(log_directory: Path) -> None:
    producer = streamcli.open(lock_timeout=0.5).producer("t", linger=60)
    producer.append(b"one")
    producer.flush()
    producer.append(b"two")
    with lock_held(log_directory / "topics" / "t" / "0" / "lock"), alarm_rings() as rang:
        with pytest.raises(streamcli.PartWritten):
            producer.flush()
        assert rang == [signal.SIGALRM]


@pytest.mark.skipif(not can_mount(), reason="no mounts here")
def test_a_full_disk_tells_how_much_is_durable_and_another_producer_goes_on(tmp_path: Path) -> None:
    mount = tmp_path / "disk"
    with small_disk(mount, 4 << 20) as disk:
        directory = streamcli.open(mount / "log")
        producer = directory.producer("t")
        records = [b"%07d" % number * 100 for number in range(10_000)]

        def fill() -> None:
            for record in records:
                producer.append(record)
            producer.flush()

        with pytest.raises(streamcli.PartWritten, match="No space left") as failure:
            fill()
        with pytest.raises(streamcli.PartWritten):
            producer.close()
        durable = failure.value.durable
        assert [record.value for record in directory.read("t")] == records[:durable]
        assert 0 < durable < len(records)
        disk.free()
    assert not (mount / "log").exists()


KILLED = """
directory = streamcli.open()
producer = directory.producer("t", linger=0.001)
for number in range(10**9):
    producer.append(b"%d" % number)
    if number % 1000 == 999:
        print(producer.flush(), flush=True)
"""


def test_what_was_flushed_survives_a_kill() -> None:
    with python(KILLED) as program:
        assert program.stdout is not None
        told = read_lines(program.stdout, 20)
        program.kill()
        flushed = int((told + program.stdout.read().splitlines())[-1])
    found = ok("consume", "t").splitlines()
    assert len(found) >= flushed >= 20_000
    assert found == [b"%d" % number for number in range(len(found))]
    assert ok("verify", "t", "-q") is not None


@pytest.mark.parametrize(
    "wrong", [{"timestamp": True}, {"timestamp": 1.5}, {"timestamp": "5"}, {"partition": 0.0}, {"partition": True}]
)
def test_numbers_that_are_no_ints_are_refused_and_the_producer_goes_on(wrong: dict[str, int]) -> None:
    with streamcli.open().producer("t") as producer:
        producer.append(b"before")
        with pytest.raises(TypeError, match="ints or None"):
            producer.append(b"wrong", **wrong)
        producer.append(b"after", timestamp=2**62 - 1)
    assert ok("consume", "t") == b"before\nafter\n"
    assert ok("produce", "u", "--json", stdin=ok("consume", "t", "--json")) == b""


THREADLESS = """
import resource, threading
resource.setrlimit(resource.RLIMIT_AS, (1 << 32, 1 << 32))
threading.stack_size(1 << 40)
with streamcli.open().producer("t", linger=60) as producer:
    try:
        producer.append(b"one")
    except (RuntimeError, MemoryError) as error:
        print("no thread", flush=True)
"""


def test_what_was_appended_where_no_thread_could_be_had_is_written_on_closing() -> None:
    with python(THREADLESS) as program:
        assert program.communicate(timeout=DEADLINE) == (b"no thread\n", b"")
    assert ok("consume", "t") == b"one\n"


INTERRUPTED = """
with streamcli.open().producer("t", linger=60) as producer:
    producer.append(b"one")
    print("ready", flush=True)
    sys.stdin.read()
"""


def test_an_interrupt_passes_through_and_leaves_what_was_appended() -> None:
    with python(INTERRUPTED) as program:
        assert program.stdout is not None
        assert program.stderr is not None
        assert read_lines(program.stdout, 1) == [b"ready"]
        program.send_signal(signal.SIGINT)
        assert program.wait(DEADLINE) == -signal.SIGINT
        assert b"KeyboardInterrupt" in program.stderr.read()
    assert ok("consume", "t") == b"one\n"


FORKED = """
producer = streamcli.open().producer("t", linger=60)
producer.append(b"one")
child = os.fork()
if not child:
    for refused in (producer.flush, lambda: producer.append(b"two"), lambda: producer.append_lines(b"two")):
        try:
            refused()
        except streamcli.UsageError as error:
            print(error, flush=True)
    os._exit(0)
os.waitpid(child, 0)
producer.append(b"three")
producer.close()
"""


def test_a_child_after_a_fork_is_refused_and_writes_nothing() -> None:
    with python(FORKED) as program:
        out, err = program.communicate(timeout=DEADLINE)
    assert (out.count(b"open one after the fork"), err) == (3, b"")
    assert ok("consume", "t") == b"one\nthree\n"

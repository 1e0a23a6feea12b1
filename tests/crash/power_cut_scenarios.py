"""What streamcli does while the power fails: scenarios for the power-cut rig, each run once, by streamcli's own code.

Commands where a command is what matters, the engine where the order of batches is. What is acknowledged is noted as soon as
the user knows it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from streamcli.engine import syncing
from streamcli.engine.group_admin import group_names, open_group
from streamcli.engine.syncing import SYNC_BATCH, SYNC_EXIT, SYNC_NONE
from streamcli.groups import journal
from tests.crash.oracle import read_partition
from tests.crash.recorded_session import Session, columns, fail
from tests.crash.trace import Recorder

TOPIC = "clicks"


def produce_sync_batch(recorder: Recorder) -> None:
    """The first command in an empty place: log directory, topic, and batches that are acknowledged one by one."""
    session = Session(recorder)
    chunks = [
        [f"line {number} of chunk {chunk}" * (1 + 20 * (chunk == 3)) for number in range(4)] for chunk in range(7)
    ]
    session.produce(TOPIC, chunks, "--sync", "batch")


def produce_sync_exit(recorder: Recorder) -> None:
    """Batches of several sectors, some fsynced beside the appending, most not until the end."""
    session = Session(recorder)
    session.create(TOPIC)
    producer = session.producer(TOPIC, SYNC_EXIT)
    for number in range(5):
        session.append(producer, TOPIC, 0, 20 * (number + 1))
    syncing.SYNC_INTERVAL = 0.0
    for _ in range(2):
        session.append(producer, TOPIC, 0, 15)
        producer.tick()
        session.append(producer, TOPIC, 0, 15)
        while producer.durable < producer.appended - 15:
            producer.tick()
        recorder.note("appended", topic=TOPIC, partition=0, end=producer.durable)
    syncing.SYNC_INTERVAL = 1.0
    for _ in range(4):
        session.append(producer, TOPIC, 0, 25)
    producer.finish()
    session.acknowledge(TOPIC)
    producer.close()


def produce_by_turns(recorder: Recorder) -> None:
    """Commands, one after the other, each acknowledged by its exit status."""
    session = Session(recorder)
    recorder.note("create", topic=TOPIC, partitions=1)
    for count in (3, 40, 8):
        os.dup2(given(session.values(TOPIC, 0, count)), 0)
        assert session.command("produce", TOPIC) == 0
        recorder.note("created", topic=TOPIC)
        session.acknowledge(TOPIC)


def given(values: list[str]) -> int:
    """A descriptor to read lines from."""
    fd = os.memfd_create("input")
    os.write(fd, "".join(value + "\n" for value in values).encode())
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def roll_segments(recorder: Recorder) -> None:
    """Segments of 1 KiB, so that every few batches one is closed and the next begun."""
    session = Session(recorder)
    session.create(TOPIC, segment_bytes=1024)
    for sync in (SYNC_EXIT, SYNC_BATCH):
        producer = session.producer(TOPIC, sync)
        for _ in range(9):
            session.append(producer, TOPIC, 0, 8)
            if sync == SYNC_BATCH:
                session.acknowledge(TOPIC)
        producer.finish()
        session.acknowledge(TOPIC)
        producer.close()


def several_partitions(recorder: Recorder) -> None:
    """Three partitions, written by turns, and fsynced together."""
    session = Session(recorder)
    session.create(TOPIC, 3)
    for sync in (SYNC_EXIT, SYNC_BATCH):
        producer = session.producer(TOPIC, sync)
        for number in range(6):
            session.append(producer, TOPIC, number % 3, 12)
            if sync == SYNC_BATCH:
                session.acknowledge(TOPIC, number % 3)
        producer.finish()
        session.acknowledge(TOPIC, 0, 1, 2)
        producer.close()


def create_and_delete_topics(recorder: Recorder) -> None:
    """Topics come, go, and come again under the same name."""
    session = Session(recorder)
    for topic in ("first", TOPIC):
        session.create(topic, 2)
        _produce_once(session, topic)
    session.delete(TOPIC)
    session.counts.pop((TOPIC, 0))
    session.create(TOPIC)
    _produce_once(session, TOPIC)
    session.delete("first")


def _produce_once(session: Session, topic: str) -> None:
    producer = session.producer(topic, SYNC_EXIT)
    session.append(producer, topic, 0, 10)
    session.append(producer, topic, 0, 10)
    producer.finish()
    session.acknowledge(topic, 0)
    producer.close()


def topic_of_many_partitions(recorder: Recorder) -> None:
    """So many partitions that their creation is made durable by one sync(2)."""
    session = Session(recorder)
    session.create(TOPIC, 55)


def two_producers(recorder: Recorder) -> None:
    """Two producers by turns in one partition: each catches up with the other, rolls, and fsyncs what the other wrote."""
    session = Session(recorder)
    session.create(TOPIC, segment_bytes=2048)
    lazy, eager = session.producer(TOPIC, SYNC_EXIT), session.producer(TOPIC, SYNC_BATCH)
    for number in range(6):
        session.append(lazy, TOPIC, 0, 6)
        session.append(lazy, TOPIC, 0, 9)
        if number % 2:
            session.append(eager, TOPIC, 0, 5)
            session.acknowledge(TOPIC)
    lazy.finish()
    session.acknowledge(TOPIC)
    lazy.close()
    eager.close()


def killed_producers(recorder: Recorder) -> None:
    """Producers are killed, one with a batch half written, one before its fsync; others recover the log and go on."""
    session = Session(recorder)
    session.create(TOPIC, segment_bytes=4096)
    other = session.producer(TOPIC, SYNC_EXIT)
    session.append(other, TOPIC, 0, 10)
    for moment in ("short pwritev", "fdatasync") * 2:
        killed = session.producer(TOPIC, SYNC_BATCH)
        if moment == "fdatasync":
            values = session.values(TOPIC, 0, 20)
            recorder.die(moment, lambda killed=killed, values=values: killed.append(columns(values)))
        else:
            recorder.die(moment, lambda killed=killed: killed.append(columns(["never whole " * 9] * 11)))
        session.append(other, TOPIC, 0, 7)
        session.append(other, TOPIC, 0, 4)
        if moment == "fdatasync":
            other.finish()
            session.acknowledge(TOPIC)
    other.close()


def long_batches(recorder: Recorder) -> None:
    """Batches of 50 to 90 KB, each with an entry in the index or every other one."""
    session = Session(recorder)
    session.create(TOPIC)
    producer = session.producer(TOPIC, SYNC_EXIT)
    for size in (900, 500, 700):
        session.append(producer, TOPIC, 0, 100, size)
    producer.finish()
    session.acknowledge(TOPIC)
    session.append(producer, TOPIC, 0, 100, 900)
    session.append(producer, TOPIC, 0, 100, 800)
    producer.finish()
    producer.close()
    session.acknowledge(TOPIC)


def group_commits(recorder: Recorder) -> None:
    """A group over two partitions, whose journal is rewritten every few commits; what it reads nobody had fsynced."""
    session = Session(recorder)
    journal.LONGEST = 700
    session.create(TOPIC, 2)
    producer = session.producer(TOPIC, SYNC_NONE)
    for _ in range(3):
        for partition in (0, 1, 0):
            session.append(producer, TOPIC, partition, 7)
        session.consume("billing", [TOPIC])
    producer.finish()
    producer.close()
    session.consume("other", [TOPIC], commit_every=3)


def group_follows(recorder: Recorder) -> None:
    """A member that follows: generations, leases, and a commit at its end."""
    session = Session(recorder)
    session.create(TOPIC, 2)
    for _ in range(2):
        producer = session.producer(TOPIC, SYNC_NONE)
        session.append(producer, TOPIC, 0, 7)
        session.append(producer, TOPIC, 1, 7)
        producer.finish()
        producer.close()
        ends = {partition: session.counts[TOPIC, partition] for partition in (0, 1)}
        for partition, end in ends.items():
            recorder.note("processed", group="tails", topic=TOPIC, partition=partition, offset=end)
        assert session.command("consume", TOPIC, "-g", "tails", "-f", "--idle", "10ms") == 0
        for partition, end in ends.items():
            recorder.note("committed", group="tails", topic=TOPIC, partition=partition, offset=end)


def reset_and_delete_groups(recorder: Recorder) -> None:
    """A person moves a group back, takes that back, and deletes it; then it is made anew."""
    session = Session(recorder)
    session.create(TOPIC)
    producer = session.producer(TOPIC, SYNC_NONE)
    session.append(producer, TOPIC, 0, 9)
    session.append(producer, TOPIC, 0, 9)
    producer.close()
    session.consume("billing", [TOPIC])
    for words, offset in ((("reset", "billing", TOPIC, "--to", "5"), 5), (("undo", "billing"), 18)):
        session.move("billing", TOPIC, offset, *words)
    recorder.note("committed", group="billing", topic=TOPIC, partition=0, offset=-1)
    assert session.command("groups", "delete", "billing") == 0
    recorder.note("processed", group="billing", topic=TOPIC, partition=0, offset=0)
    session.consume("billing", [TOPIC])


_COMMAND = """
cat > /dev/null
printf '{"note":"processed","group":"jobs","topic":"%s","partition":%s,"offset":%s}\\n' \
    "$STREAMCLI_TOPIC" "$STREAMCLI_PARTITION" "$((STREAMCLI_LAST_OFFSET + 1))" >> "$TRACE"
"""


def group_command(recorder: Recorder) -> None:
    """consume -g -- COMMAND: what the command exited 0 for is committed."""
    session = Session(recorder)
    os.environ["TRACE"] = str(recorder.path)
    session.create(TOPIC)
    for _ in range(2):
        producer = session.producer(TOPIC, SYNC_NONE)
        session.append(producer, TOPIC, 0, 4)
        session.append(producer, TOPIC, 0, 4)
        producer.finish()
        producer.close()
        assert session.command("consume", TOPIC, "-g", "jobs", "--batch", "3", "--", "sh", "-c", _COMMAND) == 0
        recorder.note("committed", group="jobs", topic=TOPIC, partition=0, offset=session.counts[TOPIC, 0])


def dead_letters(recorder: Recorder) -> None:
    """What a command fails for is in the dead-letter topic before it is committed."""
    session = Session(recorder)
    session.create(TOPIC)
    producer = session.producer(TOPIC, SYNC_BATCH)
    session.append(producer, TOPIC, 0, 4)
    session.acknowledge(TOPIC)
    producer.close()
    values = [f"{TOPIC} 0 {number} ".ljust(30, "x") for number in range(4)]
    recorder.note("create", topic="letters", partitions=1)
    recorder.note("append", topic="letters", partition=0, values=values)
    recorder.note("processed", group="jobs", topic=TOPIC, partition=0, offset=4)
    for number in range(4):
        recorder.note("lettered", group="jobs", topic=TOPIC, offset=number, letters="letters", count=number + 1)
    words = ("--each", "--retries", "0", "--dead-letter", "letters", "--", "false")
    assert session.command("consume", TOPIC, "-g", "jobs", *words) == 0
    recorder.note("created", topic="letters")
    recorder.note("appended", topic="letters", partition=0, end=4)
    recorder.note("committed", group="jobs", topic=TOPIC, partition=0, offset=4)


def recovery(recorder: Recorder) -> None:
    """In a directory that a power cut left: read, recover by appending, go on, consume. The power may fail in each step.

    What a reader found after the first cut is on disk, so all of it has to survive the second.
    """
    session = Session(recorder)
    directory = session.directory()
    for topic in directory.topics():
        count = directory.config(topic).partitions
        recorder.note("create", topic=topic, partitions=count)
        recorder.note("created", topic=topic)
        for partition in range(count):
            values = [value.decode() for value in read_partition(directory, (topic, partition), fail)]
            recorder.note("found", topic=topic, partition=partition, values=values)
            session.counts[topic, partition] = len(values)
    keep_commits(session)
    recorder.note("begin")
    for sync in (SYNC_EXIT, SYNC_BATCH):
        for topic in directory.topics():
            producer = session.producer(topic, sync)
            session.append(producer, topic, 0, 9)
            session.append(producer, topic, 0, 3)
            session.append(producer, topic, 0, 100, 700)
            producer.finish()
            session.acknowledge(topic, 0)
            producer.close()
        session.consume("billing", directory.topics())


def keep_commits(session: Session) -> None:
    """Note where the groups are that were found."""
    directory = session.directory()
    for name in group_names(directory):
        if Path(session.path, "groups", name, "members").is_dir():
            for (topic, partition), offset in open_group(directory, name).journal.committed().items():
                place = {"group": name, "topic": topic, "partition": partition, "offset": offset}
                session.recorder.note("processed", **place)
                session.recorder.note("committed", **place)


SCENARIOS: dict[str, Callable[[Recorder], None]] = {
    scenario.__name__: scenario
    for scenario in (
        produce_sync_batch,
        produce_sync_exit,
        produce_by_turns,
        roll_segments,
        several_partitions,
        create_and_delete_topics,
        topic_of_many_partitions,
        two_producers,
        killed_producers,
        long_batches,
        group_commits,
        group_follows,
        reset_and_delete_groups,
        group_command,
        dead_letters,
    )
}

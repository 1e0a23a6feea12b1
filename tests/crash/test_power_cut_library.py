"""Power cuts while Python produces and consumes: what `flush` returned for, and what `commit` did, is there afterwards."""

from __future__ import annotations

from pathlib import Path

import streamcli
from tests.crash.recorded_session import Session
from tests.crash.test_power_cut import STATES, record_in, try_all
from tests.crash.trace import Recorder

TOPIC = "clicks"


def produce_and_consume(recorder: Recorder) -> None:
    """Records and lines, flushed now and then and by the end of the block; a group that commits now and then and at its end."""
    session = Session(recorder)
    session.create(TOPIC)
    directory = streamcli.open(session.path)
    with directory.producer(TOPIC, linger=60) as producer:
        for _ in range(3):
            for value in session.values(TOPIC, 0, 8):
                producer.append(value.encode())
            producer.flush()
            session.acknowledge(TOPIC)
            producer.append_lines("".join(value + "\n" for value in session.values(TOPIC, 0, 12)).encode())
    session.acknowledge(TOPIC)
    place = {"group": "g", "topic": TOPIC, "partition": 0}
    with directory.consume(TOPIC, group="g") as consumer:
        for record in consumer:
            recorder.note("processed", **place, offset=record.offset + 1)
            if record.offset % 15 == 14:
                consumer.commit()
                recorder.note("committed", **place, offset=record.offset + 1)
    recorder.note("committed", **place, offset=session.counts[TOPIC, 0])


def test_what_the_library_acknowledged_survives_a_power_cut(place: Path) -> None:
    summary = try_all(record_in(place, "library", produce_and_consume), place, most=STATES // 4)
    assert summary.acknowledged
    assert summary.states

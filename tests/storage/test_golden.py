"""Log directories of every format version there has been are read back exactly, and go on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streamcli.storage import layout
from streamcli.storage.directory import LogDirectory
from streamcli.storage.log import Log
from tests.golden import make_v1
from tests.support.tree import contents

from .partition_log import PartitionLog, lines

GOLDEN = Path(make_v1.__file__).parent
VERSIONS = ["v1"]


def as_bytes(text: Any) -> bytes | None:
    """Bytes as the JSON beside the golden directory has them."""
    if isinstance(text, list):
        return text[0].encode("latin-1") * text[1]
    return None if text is None else text.encode("latin-1")


def expected(version: str) -> dict[str, list[tuple]]:
    found = json.loads((GOLDEN / f"{version}.json").read_text(encoding="ascii"))
    return {
        place: [
            (offset, timestamp, as_bytes(key), as_bytes(value), [(name, as_bytes(v)) for name, v in headers])
            for offset, timestamp, key, value, headers in rows
        ]
        for place, rows in found.items()
    }


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def copy(version: str, tmp_path: Path) -> Path:
    return Path(shutil.copytree(GOLDEN / version, tmp_path / "golden"))


def partitions(copy: Path) -> Iterator[tuple[str, PartitionLog]]:
    directory = LogDirectory(str(copy), lock_timeout=30)
    for topic in directory.topics():
        for number in range(directory.config(topic).partitions):
            yield f"{topic}/{number}", PartitionLog(Path(directory.partition_directory(topic, number)))


def read_all(copy: Path) -> dict[str, list[tuple]]:
    return {place: [tuple(record) for record in partition.read()] for place, partition in partitions(copy)}


def test_every_record_reads_back(version: str, copy: Path):
    before = contents(copy)
    assert read_all(copy) == expected(version)
    assert contents(copy) == before, "reading a good directory changes nothing"


def test_every_record_reads_back_without_indexes_and_checkpoints(version: str, copy: Path):
    disposable = [path for path in copy.rglob("*") if path.suffix == ".index" or path.name in ("checkpoint", "lock")]
    assert len(disposable) > 10
    for path in disposable:
        path.unlink()
    assert read_all(copy) == expected(version)
    for place, partition in partitions(copy):
        rows = expected(version)[place]
        for number, row in enumerate(rows):
            assert [tuple(record) for record in partition.read(row[0])] == rows[number:]


def test_every_time_is_found(version: str, copy: Path):
    for place, partition in partitions(copy):
        rows, end = expected(version)[place], partition.log.end()
        for timestamp in {row[1] + more for row in rows for more in (-1, 0, 1)}:
            want = next((offset for offset, time, *_ in rows if time >= timestamp), end.offset)
            assert partition.log.offset_at(timestamp, end) == want, f"{place} at {timestamp}"


def test_producing_goes_on(version: str, copy: Path):
    for place, partition in partitions(copy):
        rows = expected(version)[place]
        before = partition.segment().read_bytes()
        assert partition.write(lines("more")) == [rows[-1][0] + 1]
        assert partition.segment().read_bytes().startswith(before)
        assert [tuple(record) for record in partition.read()] == [
            *rows,
            (rows[-1][0] + 1, partition.now, None, b"more", []),
        ]
        assert partition.warnings == []


def test_configs_read_back(copy: Path):
    directory = LogDirectory(str(copy), lock_timeout=30)
    assert {topic: tuple(directory.config(topic)) for topic in directory.topics()} == {
        "gaps": (1, {}),
        "keyed": (1, {"max.message.bytes": 1 << 20}),
        "lines": (2, {}),
        "rolled": (1, {"segment.bytes": 1024, "segment.ms": 3_600_000}),
        "timed": (1, {}),
    }


def test_it_holds_what_it_is_kept_for(copy: Path):
    directory = copy / "topics"
    assert [name.base_offset for name in layout.segments(str(directory / "rolled" / "0"))] == [0, 6, 16]
    assert (directory / "rolled" / "0" / "00000000000000000006.index").stat().st_size == 64
    gapped = next(Log(str(directory / "gaps" / "0")).headers(10, Log(str(directory / "gaps" / "0")).end()))
    assert (gapped.producer_id, gapped.producer_sequence, gapped.producer_epoch) == (7, 10, 3)


def test_the_same_columns_give_the_same_bytes_today(tmp_path: Path):
    made = tmp_path / "made"
    make_v1.make(str(made))
    assert contents(made) == contents(GOLDEN / "v1")

"""What doctor and bench say on a full disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.command import ok, refused, run
from tests.support.small_disk import SmallDisk, can_mount, small_disk

pytestmark = pytest.mark.skipif(not can_mount(), reason="mounting a small file system needs to be root, and allowed to")


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallDisk]:
    """With a topic, and little room."""
    monkeypatch.setenv("STREAMCLI_DIR", str(tmp_path / "disk" / "log"))
    with small_disk(tmp_path / "disk", 1 << 20) as disk:
        ok("produce", "t", stdin=b"1\n")
        disk.leave(64 << 10)
        yield disk


@pytest.mark.usefixtures("disk")
def test_doctor_blames_the_room_and_nothing_else() -> None:
    found = run("doctor")
    problems = [line for line in found.out.decode().splitlines() if line.startswith("problem")]
    assert [line.split()[1] for line in problems] == ["free", "tries"]
    assert "No space left on device: see" in problems[1]
    assert found.status == 1


@pytest.mark.usefixtures("disk")
def test_a_bench_that_cannot_write_is_no_success() -> None:
    assert "No space left on device" in refused(1, "bench", "latency")

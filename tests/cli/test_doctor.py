"""doctor: what it finds in real situations, and that it changes nothing."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from streamcli.engine.doctor import OK, PROBLEM, WARNING, Finding, examine_directory
from tests.support.command import ok, run
from tests.support.restricted import restricted
from tests.support.tree import contents


def findings(*words: str, status: int = 0, under: list[str] | None = None) -> dict[str, list[Finding]]:
    """What doctor --json says, by check."""
    result = run("doctor", "--json", *words, under=under or [])
    assert (result.status, result.err) == (status, ""), result
    found: dict[str, list[Finding]] = {}
    for line in result.lines():
        finding = Finding(**json.loads(line))
        found.setdefault(finding.check, []).append(finding)
    return found


def states(found: list[Finding]) -> set[str]:
    return {finding.state for finding in found}


def test_a_sound_log_directory(log_directory: Path) -> None:
    ok("produce", "t", stdin=b"1\n")
    before = contents(log_directory)
    found = findings()
    assert contents(log_directory) == before
    for check in ("log directory", "locks", "rename", "inotify", "defaults"):
        assert states(found[check]) == {OK}, found[check]
    [fsync] = found["fsync"]
    is_slow = float(fsync.found.split()[-2]) > 500  # ms, of a disk that is busy
    assert (fsync.state, "slow" in fsync.remedy) == ((WARNING, True) if is_slow else (OK, False))
    assert str(log_directory) in found["log directory"][0].found
    assert found["environment"] == [Finding("environment", OK, f"STREAMCLI_DIR={log_directory}")]


def test_each_line_begins_with_its_state_and_ends_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    ok("produce", "t", stdin=b"1\n")
    monkeypatch.setenv("STREAMCLI_TAIL_COUNTS", "3")
    lines = ok("doctor").decode().splitlines()
    assert {line.split()[0] for line in lines} <= {OK, WARNING}
    [line] = [line for line in lines if "TAIL_COUNTS" in line]
    assert line.startswith("warning  environment")
    assert line.endswith("is set, and means nothing: did you mean STREAMCLI_TAIL_COUNT?")


def test_a_mirror_that_holds_records_is_told(tmp_path: Path) -> None:
    ok("produce", "t", stdin=b"1\n")
    ok("mirror", "--to", str(tmp_path / "copy"), "--name", "copy", "--hold")
    assert states(findings()["holds"]) == {OK}
    ok("produce", "t", stdin=b"2\n")
    [found] = findings()["holds"]
    assert (found.state, found.found) == (WARNING, "retention waits for mirror copy (t 0, 1 to go)")
    assert "--release" in found.remedy


def test_a_log_directory_that_is_not_there_yet(log_directory: Path) -> None:
    found = findings()
    assert "not there yet" in found["log directory"][0].found
    assert "locks" not in found
    assert not log_directory.exists()


def test_one_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    found = findings("--dir", str(tmp_path / "file" / "log"), status=1)
    assert states(found["log directory"]) == {PROBLEM}
    assert "cannot be written" in found["log directory"][0].remedy


def test_a_directory_that_is_no_log_directory(tmp_path: Path) -> None:
    found = findings("--dir", str(tmp_path), status=1)
    assert states(found["log directory"]) == {PROBLEM}


def test_one_that_may_be_read_only(log_directory: Path) -> None:
    ok("produce", "t", stdin=b"1\n")
    os.chmod(log_directory, 0o555)
    found = findings(under=restricted("modes"))
    assert states(found["log directory"]) == {WARNING}
    assert "it can be read, not written" in found["log directory"][0].found
    assert "where one may write" in found["tries"][0].found
    assert "locks" not in found


def test_one_that_everyone_may_write(log_directory: Path) -> None:
    ok("produce", "t", stdin=b"1\n")
    os.chmod(log_directory, 0o777)
    assert "chmod o-w" in findings()["log directory"][0].remedy


def test_no_locks_are_a_problem_and_no_inotify_a_warning() -> None:
    ok("produce", "t", stdin=b"1\n")
    [locks] = findings(status=1, under=restricted("no-flock"))["locks"]
    assert locks.state == PROBLEM
    assert "local disk" in locks.remedy
    [inotify] = findings(under=restricted("no-inotify"))["inotify"]
    assert inotify.state == WARNING
    assert "max_user_instances" in inotify.remedy


@pytest.mark.skipif(shutil.which("prlimit") is None, reason="needs prlimit(1)")
def test_low_limits() -> None:
    ok("topics", "create", "t", "-p", "20")
    found = findings(under=["prlimit", "--nofile=100:100", "--fsize=1000000000"])
    assert "open files: 100; all 20 partitions at once need 144" in [finding.found for finding in found["limits"]]
    assert "no file may grow past 1000000000 bytes" in [finding.found for finding in found["limits"]]


def test_faults_in_the_config_file_are_told_and_hide_nothing_else(tmp_path: Path) -> None:
    ok("produce", "t", stdin=b"1\n")
    path = tmp_path / "config" / "streamcli" / "config.toml"
    path.parent.mkdir(parents=True)
    path.write_text("[tails]\ncount = 1\n")
    found = findings(status=1)
    assert states(found["locks"]) == {OK}
    assert "did you mean [tail]?" in found["defaults"][0].found


def test_a_fault_of_a_default_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMCLI_PRODUCE_SYNC", "perhaps")
    assert "STREAMCLI_PRODUCE_SYNC: bad value 'perhaps'" in findings(status=1)["defaults"][0].found


@pytest.mark.parametrize(
    ("kind", "options", "state", "said"),
    [
        ("ext4", "rw,noatime", OK, "ext4, local, rw,noatime"),
        ("nfs4", "rw", PROBLEM, "of the network"),
        ("tmpfs", "rw", WARNING, "gone after a restart"),
        ("xfs", "ro", WARNING, "not written"),
        ("ext4", "rw,nobarrier", WARNING, "nobarrier"),
    ],
)
def test_file_systems(tmp_path: Path, kind: str, options: str, state: str, said: str) -> None:
    device = os.stat(tmp_path).st_dev
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"22 1 {os.major(device)}:{os.minor(device)} / / {options} shared:1 - {kind} /dev/x {options}\n")
    [finding] = [found for found in examine_directory(str(tmp_path), str(mounts)) if found.check == "file system"]
    assert finding.state == state
    assert said in finding.found


def test_completion_that_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SHELL", "/bin/bash")
    assert states(findings()["completion"]) == {WARNING}
    (tmp_path / ".bashrc").write_text('eval "$(streamcli completion bash)"\n')
    assert states(findings()["completion"]) == {OK}

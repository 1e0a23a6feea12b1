"""Somebody who may write in the log directory plants something there: nothing outside of it is written, cut or shown.

The links lead to a copy of what they stand for, good in every way but that its records say SECRET: who followed one would
succeed.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

from streamcli.record.errors import EXIT_STATUSES
from tests.security.forked import ok, run

SEGMENTS = ["topics/t/0/00000000000000000000.log", "topics/t/0/{active}.log"]
REFUSED_FILES = ["format.json", "lock", "topics/t/config.json", *SEGMENTS, "topics/t/0/lock"]
REFUSED_FILES += ["groups/g/lock", "groups/g/commits", "groups/g/commits.lock", "groups/g/leases/t/0"]
DISPOSABLE_FILES = ["topics/t/0/00000000000000000000.index", "topics/t/0/{active}.index", "topics/t/0/checkpoint"]
DISPOSABLE_FILES += ["groups/g/generation.json", "groups/g/members/1-abcdef"]
DIRECTORIES = ["topics", "topics/t", "topics/t/0", "groups", "groups/g", "groups/g/members", "groups/g/leases"]
DIRECTORIES += ["groups/g/leases/t"]
MADE_WHEN_MISSING = ["lock", "topics/t/0/lock", "groups/g/lock", "groups/g/commits.lock", "groups/g/leases/t/0"]
MADE_WHEN_MISSING += ["topics", "groups", "groups/g/leases/t"]

TOPIC_COMMANDS = [
    ("produce t", b"new\n"),
    ("produce new", b"new\n"),
    ("topics create other", b""),
    ("topics list --json", b""),
    ("topics describe t", b""),
    ("consume t", b""),
    ("tail t", b""),
    ("consume * --since 1h", b""),
    ("consume t -g h", b""),
]
GROUP_COMMANDS = [
    ("groups list --json", b""),
    ("groups describe g", b""),
    ("groups log g", b""),
    ("consume t -g g", b""),
    ("consume t -g g -f --idle 10ms", b""),
    ("groups reset g --to beginning", b""),
    ("groups import g", b'{"topic":"t","partition":0,"offset":1}\n'),
    ("groups undo g", b""),
    ("consume t -g g -- cat", b""),
]
CHECKS = [("verify", b""), ("repair", b"")]
DELETIONS = [("groups delete g", b""), ("topics delete t -y", b"")]


def fill(directory: Path, word: bytes) -> None:
    """A topic with two segments, and a group that has consumed a part of it. The same bytes but for `word`, of six letters."""
    os.environ["STREAMCLI_DIR"] = str(directory)
    ok("topics", "create", "t", "--segment-bytes", "1K")
    for number in range(2):
        ok("produce", "t", stdin=b"%s %d\n" % (word, number) * 80)
    ok("consume", "t", "-g", "g", "-n", "10")
    ok("consume", "t", "-g", "g", "-f", "-n", "10")
    (directory / "groups/g/members/1-abcdef").write_text('{"pid":1,"topics":["t"],"assigned":true}\n')


@pytest.fixture(scope="module")
def filled(memory: Path) -> tuple[Path, Path]:
    """(a log directory, one like it that is the victim's)."""
    place = memory / "filled"
    place.mkdir()
    before = os.environ.get("STREAMCLI_DIR")
    for name, word in (("ours", b"public"), ("theirs", b"SECRET")):
        fill(place / name, word)
    if before is not None:
        os.environ["STREAMCLI_DIR"] = before
    return place / "ours", place / "theirs"


@pytest.fixture
def victim(filled: tuple[Path, Path], log_directory: Path) -> Path:
    """The victim's directory; the log directory is filled."""
    ours, theirs = filled
    shutil.copytree(ours, log_directory)
    return Path(shutil.copytree(theirs, log_directory.parent / "victim"))


def named(place: str, directory: Path) -> str:
    """A place, with the active segment's name filled in."""
    active = max(path.stem for path in (directory / "topics/t/0").glob("*.log"))
    return place.format(active=active)


def snapshot(directory: Path) -> dict[str, tuple[object, ...]]:
    """Everything there, but for the times of access."""
    found: dict[str, tuple[object, ...]] = {}
    for path in sorted(directory.rglob("*")):
        status = path.lstat()
        content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        found[str(path)] = (status.st_ino, status.st_mode, status.st_mtime_ns, status.st_ctime_ns, content)
    return found


def commands_for(place: str) -> list[tuple[str, bytes]]:
    """Those that come by there."""
    if place.startswith("topics"):
        return TOPIC_COMMANDS + CHECKS
    return GROUP_COMMANDS + CHECKS if place.startswith("groups") else TOPIC_COMMANDS + GROUP_COMMANDS + CHECKS


def run_all(commands: list[tuple[str, bytes]]) -> str:
    """Run every command, and return all that they said."""
    said = []
    for words, stdin in commands:
        result = run(*words.split(" "), stdin=stdin)
        assert result.status in EXIT_STATUSES, (words, result)
        assert all(line.startswith("streamcli: ") for line in result.err.splitlines()), (words, result)
        assert b"SECRET" not in result.out, words
        said.append(result.err)
    return "".join(said)


def plant_link(path: Path, target: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    path.symlink_to(target)


@pytest.mark.parametrize("place", [*REFUSED_FILES, *DISPOSABLE_FILES, *DIRECTORIES])
def test_a_link_is_not_followed(place: str, victim: Path, log_directory: Path) -> None:
    place = named(place, log_directory)
    path = log_directory / place
    plant_link(path, victim / place)
    before = snapshot(victim)
    said = run_all(commands_for(place))
    assert snapshot(victim) == before
    assert "SECRET" not in said
    if place in [named(name, victim) for name in DISPOSABLE_FILES]:
        assert not path.is_symlink()  # made again
    else:
        assert path.is_symlink()
        assert re.search(rf"symbolic link.*{re.escape(str(path))}\): remove it", said)
    run_all(DELETIONS)
    assert snapshot(victim) == before


@pytest.mark.parametrize("place", MADE_WHEN_MISSING)
def test_a_link_to_nothing_makes_nothing(place: str, victim: Path, log_directory: Path) -> None:
    path = log_directory / named(place, log_directory)
    plant_link(path, victim / "made")
    run_all(commands_for(place) + DELETIONS)
    assert not (victim / "made").exists()


@pytest.mark.parametrize("place", [*REFUSED_FILES, *DISPOSABLE_FILES])
@pytest.mark.usefixtures("victim")
def test_a_fifo_keeps_nobody_waiting(place: str, log_directory: Path) -> None:
    path = log_directory / named(place, log_directory)
    path.unlink()
    os.mkfifo(path)
    said = run_all(commands_for(place) + DELETIONS)
    if place in REFUSED_FILES and place != "lock":  # flock(2) works on that as on a file
        assert f"not a regular file, and nothing else is opened inside a log directory ({path})" in said


@pytest.mark.parametrize("place", [*SEGMENTS, "topics/t/config.json", "groups/g/commits"])
@pytest.mark.usefixtures("victim")
def test_a_directory_in_the_place_of_a_file_is_told(place: str, log_directory: Path) -> None:
    path = log_directory / named(place, log_directory)
    path.unlink()
    path.mkdir()
    assert f"not a regular file, and nothing else is opened inside a log directory ({path})" in run_all(
        commands_for(place)
    )


def test_what_is_cut_off_does_not_go_through_a_link(victim: Path, log_directory: Path) -> None:
    segment = log_directory / named(SEGMENTS[1], log_directory)
    size = segment.stat().st_size
    with segment.open("ab") as file:
        file.write(segment.read_bytes()[:50])
    planted = segment.with_name(f"{segment.stem}.cut-{size}-1")
    planted.symlink_to(victim / "format.json")
    before = snapshot(victim)
    result = run("produce", "t", stdin=b"new\n")
    assert result.status == 0
    assert f"cut-{size}-2" in result.err
    assert planted.is_symlink()
    assert snapshot(victim) == before


def test_sweeping_up_does_not_go_through_a_link(victim: Path, log_directory: Path) -> None:
    (log_directory / "topics" / "+t.0123456789ab").symlink_to(victim)
    made = log_directory / "topics" / "+u.0123456789ab"
    made.mkdir()
    (made / "0").symlink_to(victim)
    before = snapshot(victim)
    ok("topics", "create", "other")
    assert not made.exists()
    assert snapshot(victim) == before


def test_deleting_does_not_go_through_a_link(victim: Path, log_directory: Path) -> None:
    for directory in ("topics/t/0", "topics/t", "groups/g", "groups/g/members", "groups/g/leases/t"):
        (log_directory / directory / "garbage").symlink_to(victim)
    before = snapshot(victim)
    ok("topics", "delete", "t", "-y")
    ok("groups", "delete", "g")
    assert snapshot(victim) == before


@pytest.mark.usefixtures("victim")
def test_the_log_directory_itself_may_be_a_link(
    log_directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = log_directory.rename(log_directory.with_name("elsewhere"))
    log_directory.symlink_to(moved)
    assert run_all([*TOPIC_COMMANDS, *GROUP_COMMANDS, *DELETIONS]) == ""
    monkeypatch.setenv("STREAMCLI_DIR", str(tmp_path / "second"))
    (tmp_path / "second").symlink_to(tmp_path / "empty")
    (tmp_path / "empty").mkdir()
    ok("produce", "t", stdin=b"a\n")
    assert ok("consume", "t") == b"a\n"


@pytest.mark.parametrize("name", ["99999999999999999999.log", "09223372036854775808.log"])
@pytest.mark.usefixtures("victim")
def test_a_segment_whose_name_is_no_offset_is_passed_over(name: str, log_directory: Path) -> None:
    (log_directory / "topics/t/0" / name).write_bytes(b"x")
    ok("produce", "t", stdin=b"new\n")
    assert ok("tail", "-n", "1", "t") == b"new\n"


GENERATIONS = [
    '{"generation":9,"assignment":{"../../../../victim/format.json":[["t",0]]}}',
    '{"generation":9,"assignment":{"1-abcdef":[["../../../victim",0]]}}',
    '{"generation":9,"assignment":{"1-abcdef":[["t",-1]]}}',
    '{"generation":9,"assignment":{"1-abc\\u0000":[["t",0]]}}',
    '{"generation":9,"assignment":{"\\u001b[2J":[["t",0]]}}',
]


@pytest.mark.parametrize("text", GENERATIONS)
def test_names_in_a_generation_do_not_leave_the_directory(text: str, victim: Path, log_directory: Path) -> None:
    path = log_directory / "groups/g/generation.json"
    path.write_text(text)
    before = snapshot(victim)
    assert "\x1b" not in run("groups", "describe", "g").out.decode()
    assert ok("consume", "t", "-g", "g", "-f", "-n", "1").startswith(b"public")
    assert snapshot(victim) == before
    assert path.read_text() != text


@pytest.mark.parametrize("name", ["../victim", "/etc/passwd", "a/b", "..", "a\\u0000b", ""])
def test_names_in_an_import_do_not_leave_the_directory(name: str, victim: Path) -> None:
    before = snapshot(victim)
    line = f'{{"topic":"{name}","partition":0,"offset":1}}\n'.encode()
    assert run("groups", "import", "g", stdin=line).status == 2
    assert snapshot(victim) == before

"""One module opens the files of a log directory, and opens nothing but files."""

from __future__ import annotations

import ast
import os
import socket
from pathlib import Path

import pytest

import streamcli
from streamcli.storage.opening import NotAPlainFile, open_file, read_file, refuse_links

ROOT = Path(streamcli.__file__).parent
OPENERS = {"open", "os.open", "io.open", "os.fdopen", "os.mkfifo", "os.mknod", "os.symlink", "os.link"}
ALLOWED = {
    "storage/opening.py": "its owner",
    "storage/durable.py": "the boot id, in /proc",
    "storage/locks.py": "the mounts, in /proc",
    "groups/orphan.py": "processes, in /proc",
    "cli/produce.py": "the FILEs that the user names",
    "cli/main.py": "/dev/null",
    "cli/looks_beside.py": "the same",
    "cli/completion.py": "the shells' scripts, in the package",
    "cli/defaults.py": "the config file, which may be a link",
    "cli/config_file.py": "the same, by its descriptor",
    "cli/doctor.py": "the shells' start-up files, in the user's home",
    "engine/doctor.py": "the system's limits, in /proc/sys",
    "cli/manual.py": "the man pages, in the source tree",
    "engine/properties.py": "the file of properties that the user names",
}


def opens(tree: ast.AST) -> set[tuple[str, str]]:
    """(how, what) of each call that opens something by its path, as the source says them."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return {
        (ast.unparse(call.func), ast.unparse(call.args[0]) if call.args else "")
        for call in calls
        if ast.unparse(call.func) in OPENERS
    }


def test_one_module_opens_the_files_of_a_log_directory() -> None:
    found = {str(path.relative_to(ROOT)): opens(ast.parse(path.read_bytes())) for path in ROOT.rglob("*.py")}
    assert {file for file, calls in found.items() if calls} == set(ALLOWED)
    assert opens(ast.parse("os.open(a, 0); open(b)")) == {("os.open", "a"), ("open", "b")}
    assert not any("pathlib" in path.read_text() for path in ROOT.rglob("*.py"))  # which opens by methods


def test_what_others_open_lies_elsewhere() -> None:
    assert {what for _, what in opens(ast.parse((ROOT / "storage/durable.py").read_bytes()))} == {
        "'/proc/sys/kernel/random/boot_id'"
    }
    assert {what for _, what in opens(ast.parse((ROOT / "storage/locks.py").read_bytes()))} == {"mounts"}
    orphan = {what for _, what in opens(ast.parse((ROOT / "groups/orphan.py").read_bytes()))}
    assert all(what.startswith("f'/proc/{pid}/") for what in orphan)
    assert orphan


def test_what_is_opened_is_not_inherited(tmp_path: Path) -> None:
    fd = open_file(str(tmp_path / "f"), os.O_RDWR | os.O_CREAT)
    assert not os.get_inheritable(fd)
    os.close(fd)


def lay(kind: str, path: Path) -> None:
    if kind == "link":
        path.symlink_to(path.parent / "target")
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(path))
    else:
        if os.geteuid() != 0:
            pytest.skip("only root makes device nodes")
        try:
            os.mknod(path, 0o600 | 0o020000, os.makedev(1, 5))  # /dev/zero
        except PermissionError:
            pytest.skip("device nodes cannot be made here")


@pytest.mark.parametrize("flags", [os.O_RDONLY, os.O_WRONLY, os.O_RDWR | os.O_CREAT, os.O_RDONLY | os.O_CREAT])
@pytest.mark.parametrize("kind", ["link", "fifo", "directory", "socket", "device"])
def test_only_files_are_opened(kind: str, flags: int, log_directory: Path) -> None:
    directory = log_directory.parent
    (directory / "target").write_bytes(b"precious")
    lay(kind, directory / "f")
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    with pytest.raises(
        OSError, match="symbolic link" if kind == "link" else "not a regular file|No such device"
    ) as raised:
        open_file(str(directory / "f"), flags)
    assert isinstance(raised.value, NotAPlainFile) or kind == "device"  # one that the mount does not let be opened
    assert raised.value.filename == str(directory / "f")
    assert not os.path.isdir("/proc/self/fd") or len(os.listdir("/proc/self/fd")) == before
    assert (directory / "target").read_bytes() == b"precious"


def test_missing_files_and_bounded_reads(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_file(str(tmp_path / "f"))
    (tmp_path / "f").write_bytes(b"0123456789")
    assert read_file(str(tmp_path / "f")) == b"0123456789"
    assert read_file(str(tmp_path / "f"), 4) == b"0123"


def test_links_on_the_way_are_refused_below_the_root(tmp_path: Path) -> None:
    (tmp_path / "real" / "a" / "b").mkdir(parents=True)
    (tmp_path / "root").symlink_to(tmp_path / "real")
    refuse_links(str(tmp_path / "root"), "a", "b")
    refuse_links(str(tmp_path / "root"), "missing", "b")
    (tmp_path / "real" / "c").symlink_to(tmp_path / "real" / "a")
    for names in (("c",), ("c", "b")):
        with pytest.raises(NotAPlainFile, match="symbolic link"):
            refuse_links(str(tmp_path / "root"), *names)

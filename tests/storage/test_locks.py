"""Locks exclude between processes, queue, time out, and are refused where they do not work."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import filelock
import pytest

from streamcli.record.errors import Busy, NotFound, StreamcliError
from streamcli.storage.locks import ExclusiveLock, check_local, file_system, lock_error, topics_lock
from tests.support.locks import lock_held
from tests.support.waiting import DEADLINE, wait_until


def is_locked(path: Path) -> bool:
    """Whether someone holds the flock on `path`."""
    fd = os.open(path, os.O_RDWR)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def test_it_is_held_within_and_free_after(tmp_path: Path):
    path = tmp_path / "lock"
    lock = ExclusiveLock(str(path), 1)
    for _ in range(3):
        assert not is_locked(path)
        with lock:
            assert is_locked(path)
    assert not is_locked(path)
    lock.close()


def test_it_is_free_after_an_error(tmp_path: Path):
    lock = ExclusiveLock(str(tmp_path / "lock"), 1)
    with pytest.raises(ZeroDivisionError), lock:
        raise ZeroDivisionError
    assert not is_locked(tmp_path / "lock")
    lock.close()


@pytest.mark.parametrize("timeout", [0, 0.05])
def test_busy_after_the_timeout(tmp_path: Path, timeout: float):
    path = tmp_path / "lock"
    before = signal.getsignal(signal.SIGALRM)
    lock = ExclusiveLock(str(path), timeout)
    with lock_held(path):
        for _ in range(2):
            with pytest.raises(Busy, match=f"{path} was not had in {timeout:g} s"), lock:
                pass
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    with lock:
        assert is_locked(path)
    lock.close()


def test_busy_in_another_thread(tmp_path: Path):
    path = tmp_path / "lock"
    lock = ExclusiveLock(str(path), 0.05)
    raised: list[BaseException] = []

    def attempt() -> None:
        try:
            with lock:
                pass
        except Busy as error:
            raised.append(error)

    with lock_held(path):
        thread = threading.Thread(target=attempt)
        thread.start()
        thread.join(DEADLINE)
    assert len(raised) == 1
    lock.close()


COUNT = """
import sys
from streamcli.storage.locks import ExclusiveLock

lock = ExclusiveLock(sys.argv[1], 60)
for _ in range(200):
    with lock, open(sys.argv[2], "r+") as file:
        number = int(file.read())
        file.seek(0)
        file.write(f"{number + 1}")
"""


def test_processes_exclude_each_other_and_all_get_their_turn(tmp_path: Path):
    (tmp_path / "count").write_text("0")
    command = [sys.executable, "-c", COUNT, str(tmp_path / "lock"), str(tmp_path / "count")]
    children = [subprocess.Popen(command) for _ in range(4)]
    assert [child.wait(DEADLINE) for child in children] == [0] * 4
    assert (tmp_path / "count").read_text() == "800"


WAIT = """
import sys
from streamcli.storage.locks import ExclusiveLock

lock = ExclusiveLock(sys.argv[1], 60)
print("waiting", flush=True)
with lock:
    print("had", flush=True)
"""


KERNEL_LOCKS = Path("/proc/locks")


def is_awaited(path: Path) -> bool:
    """Whether someone queues for the lock on `path` in the kernel."""
    inode = f":{path.stat().st_ino} "
    return any("->" in line and inode in line for line in KERNEL_LOCKS.read_text().splitlines())


def test_who_waits_gets_it_when_the_holder_is_killed(tmp_path: Path):
    path = tmp_path / "lock"
    hold = f"{WAIT}    sys.stdin.read()"
    holder = subprocess.Popen(
        [sys.executable, "-c", hold, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert [holder.stdout.readline() for _ in range(2)] == ["waiting\n", "had\n"]
    waiter = subprocess.Popen([sys.executable, "-c", WAIT, str(path)], stdout=subprocess.PIPE, text=True)
    assert waiter.stdout.readline() == "waiting\n"
    if KERNEL_LOCKS.exists():  # elsewhere the kill may come before the wait, which is no less right
        wait_until(lambda: is_awaited(path), "a queued waiter")
    holder.kill()
    assert waiter.stdout.readline() == "had\n"
    assert waiter.wait(DEADLINE) == 0
    for child in (holder, waiter):
        child.communicate(timeout=DEADLINE)


def test_a_lock_file_that_was_removed_is_locked_anew(tmp_path: Path):
    """Who comes later locks the file that is there: both must mean the same."""
    path = tmp_path / "lock"
    lock = ExclusiveLock(str(path), 1)
    path.unlink()
    with lock:
        assert is_locked(path)
    lock.close()


def test_no_directory_is_not_found(tmp_path: Path):
    with pytest.raises(NotFound, match=str(tmp_path / "gone")):
        ExclusiveLock(str(tmp_path / "gone" / "lock"), 1)


def test_filelock_and_flock_exclude_each_other(tmp_path: Path):
    path = tmp_path / "lock"
    with topics_lock(str(path), 1):
        assert is_locked(path)
        append = ExclusiveLock(str(path), 0.05)
        with pytest.raises(Busy), append:
            pass
    with append:
        with pytest.raises(filelock.Timeout):
            filelock.FileLock(path).acquire(timeout=0)
        with pytest.raises(Busy, match=f"{path} was not had in 0.05 s"), topics_lock(str(path), 0.05):
            pass
    append.close()
    with topics_lock(str(path), 1):
        pass


def test_the_topics_lock_stays_where_it_is(tmp_path: Path):
    """A lock file that is removed at release would let two in."""
    path = tmp_path / "lock"
    with topics_lock(str(path), 1):
        inode = path.stat().st_ino
    assert path.stat().st_ino == inode


def test_locks_follow_the_umask(tmp_path: Path):
    before = os.umask(0o027)
    try:
        ExclusiveLock(str(tmp_path / "append"), 1).close()
        with topics_lock(str(tmp_path / "topics"), 1):
            pass
        assert {path.name: oct(path.stat().st_mode & 0o777) for path in tmp_path.iterdir() if path.is_file()} == {
            "append": "0o640",
            "topics": "0o640",
        }
    finally:
        os.umask(before)


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_no_locks_on_the_file_system_is_said_so(number: int):
    error = lock_error(OSError(number, os.strerror(number)), "/mnt/x/lock")
    assert isinstance(error, StreamcliError)
    assert "locks do not work on this file system (/mnt/x/lock" in str(error)


def test_another_error_of_a_lock_stays_what_it_is():
    error = OSError(errno.EIO, "I/O error")
    assert lock_error(error, "/mnt/x/lock") is error


def mountinfo(directory: Path, kind: str, device: str | None = None) -> str:
    """A table of mounts in which `directory` is on a file system of type `kind`."""
    number = os.stat(directory).st_dev
    device = device or f"{os.major(number)}:{os.minor(number)}"
    path = directory / "mountinfo"
    path.write_bytes(
        b"22 1 9999:1 / /other rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
        b"23 1 9999:2 / /na\\040me\xff rw master:2 propagate_from:3 - tmpfs tmpfs rw\n"
        b"36 35 %s /root /mnt rw,noatime master:1 shared:7 - %s server:/export rw,errors=continue\n"
        % (device.encode(), kind.encode())
    )
    return str(path)


@pytest.mark.parametrize("kind", ["ext4", "nfs4", "fuse.sshfs", "xfs"])
def test_the_type_of_a_file_system(tmp_path: Path, kind: str):
    assert file_system(str(tmp_path), mountinfo(tmp_path, kind)) == kind


def test_a_file_system_that_is_not_told(tmp_path: Path):
    assert file_system(str(tmp_path), mountinfo(tmp_path, "nfs4", device="9999:3")) is None
    assert file_system(str(tmp_path), str(tmp_path / "no mountinfo here")) is None


def test_the_real_table_of_mounts_is_understood(tmp_path: Path):
    check_local(str(tmp_path))


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "fuse.sshfs"])
def test_a_network_file_system_is_refused_unless_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str):
    mounts = mountinfo(tmp_path, kind)
    monkeypatch.delenv("STREAMCLI_ALLOW_REMOTE", raising=False)
    with pytest.raises(StreamcliError, match=rf"network file system \({kind}\).*STREAMCLI_ALLOW_REMOTE=1"):
        check_local(str(tmp_path), mounts)
    monkeypatch.setenv("STREAMCLI_ALLOW_REMOTE", "0")
    with pytest.raises(StreamcliError):
        check_local(str(tmp_path), mounts)
    monkeypatch.setenv("STREAMCLI_ALLOW_REMOTE", "1")
    check_local(str(tmp_path), mounts)


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs", "tmpfs", "zfs", "overlay", "apfs"])
def test_a_local_file_system_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str):
    monkeypatch.delenv("STREAMCLI_ALLOW_REMOTE", raising=False)
    check_local(str(tmp_path), mountinfo(tmp_path, kind))

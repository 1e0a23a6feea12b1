"""A small file system for the log directory, to be filled to the last block."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PIECE = 64 << 10


def can_mount(directory: str = "/mnt") -> bool:
    """Whether this process may mount a file system: not every root may."""
    if os.geteuid() != 0:
        return False
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", directory]
    return subprocess.run(["unshare", "-m", *mount], capture_output=True, check=False).returncode == 0


class SmallDisk:
    """A file system mounted at `path`. `leave` fills it but for some room, `free` gives all back."""

    def __init__(self, path: Path) -> None:
        self._filler = path / "filler"

    def leave(self, room: int) -> None:
        """Room for so many bytes."""
        self.free()
        fd = os.open(self._filler, os.O_WRONLY | os.O_CREAT)
        with suppress(OSError):
            while os.write(fd, bytes(_PIECE)):
                pass
        os.ftruncate(fd, max(os.fstat(fd).st_size - room, 0))
        os.close(fd)

    def free(self) -> None:
        self._filler.unlink(missing_ok=True)


@contextmanager
def small_disk(mount: Path, size: int) -> Iterator[SmallDisk]:
    """A file system of `size` bytes at the new directory `mount`, while it lasts."""
    mount.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", mount], check=True)
    try:
        yield SmallDisk(mount)
    finally:
        subprocess.run(["umount", mount], check=True)

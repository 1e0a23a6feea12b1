"""What is in a directory, to compare before and after."""

from __future__ import annotations

from pathlib import Path


def contents(directory: Path) -> dict[str, bytes | None]:
    """Relative path -> bytes of every file, None for a directory. Empty when there is no directory."""
    return {
        str(path.relative_to(directory)): path.read_bytes() if path.is_file() else None
        for path in sorted(directory.rglob("*"))
    }

"""What the numbers depend on, without naming the machine."""

from __future__ import annotations

import os
import platform
from typing import Any


def machine(directory: str) -> dict[str, Any]:
    """What the numbers depend on, without naming the machine."""
    return {
        "system": f"{platform.system()} {'.'.join(platform.release().split('.')[:2])} {platform.machine()}",
        "cores": os.cpu_count(),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "file_system": _file_system(directory),
        "load_before": round(os.getloadavg()[0], 2),
    }


def _file_system(directory: str) -> str:
    """The type of the file system that holds `directory`, "?" where the system does not say."""
    path = os.path.realpath(directory)
    best = ("", "?")
    try:
        with open("/proc/self/mounts") as mounts:
            for line in mounts:
                _, point, kind, *_ = line.split(" ")
                if os.path.commonpath([point, path]) == point and len(point) >= len(best[0]):
                    best = (point, kind)
    except OSError:
        pass
    return best[1]

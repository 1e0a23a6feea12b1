"""streamcli with what it reads of each segment counted: python -m tests.bench.counted RESULT WORD ...

RESULT gets a JSON object: bytes read by the path of the segment. streamcli reads segments through `os.pread` alone, and looks
that up when it calls it, so what stands there instead sees all of it.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter

from streamcli.cli.main import run
from streamcli.storage.layout import SEGMENT_SUFFIX


def main(result: str, words: list[str]) -> int:
    read: Counter[str] = Counter()
    pread = os.pread

    def counting(fd: int, length: int, position: int) -> bytes:
        data = pread(fd, length, position)
        read[os.readlink(f"/proc/self/fd/{fd}")] += len(data)
        return data

    os.pread = counting
    status = run(words)
    with open(result, "w") as out:
        json.dump({path: size for path, size in read.items() if path.endswith(SEGMENT_SUFFIX)}, out)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))

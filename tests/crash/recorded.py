"""streamcli with its changing calls noted: python -m tests.crash.recorded FILE WORD ..."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.crash.faults import Recorder
from tests.crash.forked import command
from tests.crash.interposer import Interposer

if __name__ == "__main__":
    with Interposer(Recorder(Path(sys.argv[1]))):
        command(sys.argv[2:])

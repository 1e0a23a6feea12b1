"""What a command gets besides its own options: the log directory, the signals, and standard error."""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress

from streamcli.cli.stop import StopSignals
from streamcli.storage.directory import LogDirectory

_MOST_STRANGERS = 10


def now_ms() -> int:
    """The wall clock, ms since the epoch."""
    return time.time_ns() // 1_000_000


def default_directory() -> str:
    """STREAMCLI_DIR, else streamcli in the user's data directory."""
    chosen = os.environ.get("STREAMCLI_DIR")
    if chosen:
        return chosen
    data = os.environ.get("XDG_DATA_HOME") or os.path.join(os.path.expanduser("~"), ".local", "share")
    return os.path.join(data, "streamcli")


def show(text: str) -> str:
    r"""Text that cannot drive a terminal: what is not printable stands as \xNN, \n or the like."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)


class Context:
    """lock_timeout: seconds; quiet and verbose as the user asked."""

    def __init__(
        self, directory: str | None, lock_timeout: float, *, quiet: bool, verbose: bool, stop: StopSignals
    ) -> None:
        self.path = directory or default_directory()
        self.lock_timeout = lock_timeout
        self.quiet = quiet
        self.verbose = verbose
        self.stop = stop

    def open(self, *, create: bool = False) -> LogDirectory:
        """The log directory, made when missing if `create`."""
        return LogDirectory(self.path, lock_timeout=self.lock_timeout, create=create)

    def allow_descriptors(self) -> None:
        """Raise the limit of open files as far as may be: each partition takes up to four of them."""
        import resource

        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        with suppress(OSError, ValueError):  # macOS has a hard limit that cannot be had
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    def notice(self, line: str) -> None:
        """Tell the user something on standard error, unless quiet."""
        if not self.quiet:
            complain(line)

    def tell_strangers(self, paths: list[str]) -> None:
        """Tell of what lies in the log directory and is not streamcli's."""
        for path in paths[:_MOST_STRANGERS]:
            self.notice(f"passed over what is not streamcli's, and left it where it is ({path})")
        if len(paths) > _MOST_STRANGERS:
            self.notice(f"passed over {len(paths) - _MOST_STRANGERS} more beside it ({os.path.dirname(paths[0])})")

    def summary(self, line: str) -> None:
        """Tell the user what was done: on a terminal, or when asked to."""
        if self.verbose or (sys.stderr.isatty() and not self.quiet):
            print(show(line), file=sys.stderr, flush=True)


def complain(line: str) -> None:
    """A diagnostic on standard error; control characters in it are shown escaped."""
    try:
        print(f"streamcli: {show(line)}", file=sys.stderr, flush=True)
    except OSError:
        return  # nobody reads it

"""What a command gets besides its own options: the log directory, the signals, and standard error."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Set
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from streamcli.cli.stop import StopSignals
from streamcli.engine.directory_engine import DirectoryEngine
from streamcli.engine.url import KafkaUrl
from streamcli.record.errors import UsageError
from streamcli.storage.directory import LogDirectory
from streamcli.storage.layout import default_directory

if TYPE_CHECKING:
    from streamcli.engine.interface import Engine
    from streamcli.kafka.connection import Connection

STANDARD_OUTPUT = "standard output"
"""As which file it stands in an error."""

_MOST_STRANGERS = 10


class Place(NamedTuple):
    """Where the topics are, as the common options say. url: None for the log directory, `directory` or the default one;
    properties, properties_file: of librdkafka. lock_timeout: seconds."""

    directory: str | None
    url: KafkaUrl | None
    properties: list[tuple[str, str]]
    properties_file: str | None
    lock_timeout: float

    @classmethod
    def of(cls, values: dict[str, Any], given: Set[str]) -> Place:
        """Take its options out of those of a command; `given`: which of them the user typed. UsageError where these contradict."""
        directory, url = values.pop("dir"), values.pop("url")
        if {"dir", "url"}.issubset(given):
            raise UsageError("--dir and --url each say where the topics are: leave out one")
        if "dir" in given:
            url = None
        if isinstance(url, str):
            directory, url = url, None
        place = cls(
            directory, url, values.pop("properties"), values.pop("properties_file"), values.pop("lock_timeout") / 1000
        )
        is_of_kafka = url is not None or isinstance(values.get("to"), KafkaUrl)
        if not is_of_kafka and given & {"properties", "properties_file"}:
            raise UsageError("-X and --properties are for Apache Kafka: give its address with --url")
        return place


def now_ms() -> int:
    """The wall clock, ms since the epoch."""
    return time.time_ns() // 1_000_000


def show(text: str) -> str:
    r"""Text that cannot drive a terminal: what is not printable stands as \xNN, \n or the like."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)


def show_bytes(data: bytes) -> str:
    r"""Bytes as text that cannot drive a terminal: what is no UTF-8, or not printable, stands as \xNN or \n."""
    return show(data.decode(errors="backslashreplace"))


class Context:
    """path: of the log directory; kafka: the cluster that is worked on in its place, None without; lock_timeout: seconds;
    quiet and verbose as the user asked."""

    def __init__(self, place: Place, *, quiet: bool, verbose: bool, stop: StopSignals) -> None:
        self.path = place.directory or default_directory()
        self.kafka = place.url
        self.lock_timeout = place.lock_timeout
        self._place = place
        self.quiet = quiet
        self.verbose = verbose
        self.stop = stop

    def open(self, *, create: bool = False) -> LogDirectory:
        """The log directory, made when missing if `create`."""
        return LogDirectory(self.path, lock_timeout=self.lock_timeout, create=create)

    def engine(self, *, create: bool = False) -> Engine:
        """Where the topics are. create: a log directory is made when missing."""
        if self.kafka is None:
            return DirectoryEngine(self.open(create=create))
        from streamcli.kafka.engine import KafkaEngine

        return KafkaEngine(self.connection(self.kafka))

    def connection(self, url: KafkaUrl) -> Connection:
        """A cluster with the properties that the user gave."""
        from streamcli.engine.properties import read_properties
        from streamcli.kafka.connection import LONGEST_TIMEOUT, Connection, Heard

        file = self._place.properties_file
        properties = read_properties(file) if file else {}
        timeout = min(self.lock_timeout, LONGEST_TIMEOUT)
        return Connection(url, properties | dict(self._place.properties), timeout, Heard())

    def where_for_commands(self) -> dict[bytes, bytes]:
        """The environment variables by which commands that we run find the same topics."""
        file = self._place.properties_file
        if self.kafka is not None:
            properties = {b"STREAMCLI_PROPERTIES": os.fsencode(os.path.abspath(file))} if file else {}
            return {b"STREAMCLI_URL": str(self.kafka).encode(), **properties}
        return {b"STREAMCLI_DIR": os.fsencode(os.path.abspath(self.path))}

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

    def shows_progress(self) -> bool:
        """Whether the user sees how far the work is: on a terminal, unless quiet."""
        return sys.stderr.isatty() and not self.quiet

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
